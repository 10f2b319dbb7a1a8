// How each stage's output is read: prose, chips, tables. What is not known by name is shown too, under its own key.

function label(key) {
  return texts["f." + key] || key.replace(/_/g, " ");
}

function paragraphs(text) {
  return String(text).split(/\n{1,}/).filter((line) => line.trim()).map((line) => h("p", {}, line));
}

function chips(list) {
  return h("ul.chips", {}, list.map((item) => h("li", {}, item)));
}

function bullets(list) {
  return h("ul.bullets", {}, list.map((item) => h("li", {}, item)));
}

function isShort(list) {
  return list.every((item) => typeof item !== "object" && String(item).length <= 28);
}

/** Any value at all, as something readable. */
function readable(value) {
  if (value === null || value === undefined || value === "") return null;
  if (Array.isArray(value)) {
    if (!value.length) return null;
    if (value.every((item) => typeof item !== "object")) return isShort(value) ? chips(value) : bullets(value);
    return h("div.stack", {}, value.map((item) => h("div.sub", {}, readable(item))));
  }
  if (typeof value === "object") return facts(value);
  return paragraphs(value);
}

/** A definition list of an object's fields, *first* first and *without* left out. */
function facts(object, without = []) {
  const rows = Object.entries(object)
    .filter(([key]) => !without.includes(key))
    .map(([key, value]) => [key, readable(value)])
    .filter(([, shown]) => shown && (!Array.isArray(shown) || shown.length));
  return rows.length ? h("dl.facts", {}, rows.map(([key, shown]) => [h("dt", {}, label(key)), h("dd", {}, shown)])) : null;
}

function section(key, ...content) {
  const shown = content.flat(3).filter(Boolean);
  return shown.length ? h("section", {}, h("h4", {}, label(key)), shown) : null;
}

/** Fields that a model added beyond those that are asked for. */
function others(object, known) {
  const rest = Object.fromEntries(Object.entries(object).filter(([key]) => !known.includes(key)));
  const shown = facts(rest);
  return shown ? h("section", {}, h("h4", {}, say("others")), shown) : null;
}

function dialogue(text, name) {
  const lines = String(text).split(/\n+/).filter((line) => line.trim() && !/^<START>$/i.test(line.trim()));
  return h("div.dialogue", {}, lines.map((line) => {
    const said = line.match(/^\s*\{\{(user|char)\}\}\s*[:：]\s*(.*)$/i);
    if (!said) return h("p", {}, line);
    const char = said[1].toLowerCase() === "char";
    return h(char ? "p.line.char" : "p.line.user", {}, h("b", {}, char ? name : "{{user}}"), " ", said[2]);
  }));
}

const bodies = {
  core(core) {
    const info = core.core_info || {};
    const where = info.location || {};
    const home = [where.city, where.state, where.country_code].filter(Boolean).join(", ");
    const known = ["name", "description", "personality", "scenario", "first_mes", "mes_example", "tags", "core_info", "appearance", "background_info", "lifestyle_details", "verbal_style"];
    return [
      h("div.who", {},
        h("h3", {}, core.name),
        chips([info.age && say("years", { n: info.age }), info.zodiac, info.birthday, home, where.timezone].filter(Boolean))),
      h("div.prose", {}, paragraphs(core.description || "")),
      h("blockquote", {}, paragraphs(core.first_mes || "")),
      h("div.columns", {},
        section("personality", paragraphs(core.personality || "")),
        section("scenario", paragraphs(core.scenario || ""))),
      h("div.columns", {},
        section("appearance", facts(core.appearance || {})),
        section("background_info", facts(core.background_info || {})),
        section("lifestyle_details", facts(core.lifestyle_details || {})),
        section("verbal_style", facts(core.verbal_style || {}))),
      section("mes_example", core.mes_example ? dialogue(core.mes_example, core.name) : null),
      section("tags", chips(core.tags || [])),
      others(core, known),
    ];
  },

  strategy(strategy) {
    const kinds = Object.entries(strategy.content_type_distribution || {}).sort((one, two) => two[1].weight - one[1].weight);
    const most = Math.max(...kinds.map(([, kind]) => kind.weight), 0.01);
    const known = ["archetype", "audience", "goals", "content_type_distribution", "posting_times", "do", "dont"];
    return [
      h("div.who", {}, h("h3", {}, strategy.archetype)),
      section("audience", paragraphs(strategy.audience || "")),
      section("content_type_distribution", h("div.weights", {}, kinds.map(([name, kind]) => {
        const bar = h("span.bar", { "aria-hidden": "true" });
        bar.style.setProperty("--share", kind.weight / most);
        return h("div.weight", {}, h("b", {}, name.replace(/_/g, " ")), h("span.percent", {}, Math.round(kind.weight * 1000) / 10 + " %"), bar, h("p", {}, kind.desc));
      }))),
      h("div.columns", {}, section("goals", bullets(strategy.goals || [])), section("posting_times", chips(strategy.posting_times || []))),
      h("div.columns", {}, section("do", bullets(strategy.do || [])), section("dont", bullets(strategy.dont || []))),
      others(strategy, known),
    ];
  },

  examples(examples) {
    return [
      h("div.tweets", {}, (examples.tweet_examples || []).map((tweet) =>
        h("article.tweet", {},
          h("header", {}, h("b", {}, String(tweet.type || "").replace(/_/g, " ")), h("span", {}, [tweet.time_segment, tweet.mood].filter(Boolean).join(" · "))),
          h("div.text", {}, tweet.text),
          facts(tweet, ["type", "time_segment", "mood", "text", "tweet_format"])))),
      others(examples, ["tweet_examples"]),
    ];
  },

  network(network) {
    return [
      Object.entries(network.social_circle || {}).map(([circle, people]) =>
        Array.isArray(people) && people.length
          ? section(circle, h("div.people", {}, people.map((person) =>
              h("article.person", {},
                h("header", {}, h("b", {}, person.name), h("span", {}, [person.relation, person.age].filter(Boolean).join(" · "))),
                h("p", {}, person.personality),
                facts(person, ["name", "age", "relation", "personality"])))))
          : null),
      others(network, ["social_circle"]),
    ];
  },

  authenticity(real) {
    return [
      section("language_authenticity", facts(real.language_authenticity || {})),
      h("div.columns", {}, section("quirks", bullets(real.quirks || [])), section("strategic_flaws", bullets(real.strategic_flaws || []))),
      others(real, ["language_authenticity", "quirks", "strategic_flaws"]),
    ];
  },

  visual(visual) {
    const button = h("button.quiet", { type: "button", onclick: () => copy(visual.appearance_prompt, button) }, say("stage.copy"));
    return [
      section("appearance_prompt", h("div.prompt", {}, h("code", {}, visual.appearance_prompt), button)),
      h("div.columns", {}, Object.entries(visual.visual_profile || {}).map(([key, value]) => section(key, readable(value)))),
      others(visual, ["visual_profile", "appearance_prompt"]),
    ];
  },

  knowledge(base) {
    const book = base.character_book || {};
    return [
      h("div.entries", {}, (book.entries || []).map((entry) =>
        h("article.entry", {}, h("b", {}, entry.name), chips(entry.keys || []), paragraphs(entry.content || ""), facts(entry, ["name", "keys", "content", "id", "enabled", "insertion_order"])))),
      others(base, ["character_book"]),
    ];
  },
};
