// One tweet as a card: what is read of it, and what can be done with it. A card is {tweet, node, mode, back, ...}; *mode* is what stands
// open in it: "" (nothing), "edit", "rewrite", "versions", "told".
const cards = new Map(); // those on the page, by the tweet's id
const selected = new Set(); // ids
const rewriting = new Set(); // ids of tweets that are being written anew
const unanswered = new Set(); // those of them that the server was told of and has not answered: what it says of them is of the time before

const dates = new Intl.DateTimeFormat(document.documentElement.lang, { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const datesOfThisYear = new Intl.DateTimeFormat(document.documentElement.lang, { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
const moments = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });

function readableDay(day) {
  const when = new Date(day + "T00:00:00Z");
  if (Number.isNaN(when.getTime())) return day;
  return (when.getUTCFullYear() === new Date().getFullYear() ? datesOfThisYear : dates).format(when);
}

/** What our texts call *value* of *group*, else the value itself in readable form: topics and badges are open lists. */
function named(group, value) {
  return texts[group + "." + value] || String(value).replace(/_/g, " ");
}

function newCard(tweet) {
  const node = h("article.card", { tabindex: "-1", "data-id": tweet.id });
  const card = { tweet, node, mode: "", failed: "" };
  cards.set(tweet.id, card);
  if (typed.has(tweet.id)) card.mode = "edit"; // it was left in the middle of an edit
  drawCard(card);
  return card;
}

function drawCard(card) {
  const tweet = card.tweet;
  const busy = rewriting.has(tweet.id);
  card.node.className = "card " + tweet.status + (selected.has(tweet.id) ? " selected" : "") + (busy ? " busy" : "") + (card.mode ? " open" : "");
  card.node.setAttribute("aria-label", say("gallery.card", { name: tweet.persona_name, status: say("tweet." + tweet.status) }));
  card.node.setAttribute("aria-busy", String(busy));
  keepingFocus(card.node, () => card.node.replaceChildren(...[
    cardHead(card),
    card.mode === "edit" ? editForm(card) : cardText(card),
    ...cardPicture(card),
    cardFoot(card),
    card.failed ? h("p.trouble", { role: "alert" }, card.failed) : null,
    busy ? h("div.shimmer", { "aria-hidden": "true" }, h("i"), h("i")) : null,
    card.mode === "edit" || busy ? null : cardActions(card),
    card.mode === "rewrite" ? rewriteForm(card) : card.mode === "versions" ? versionList(card) : card.mode === "told" ? toldList(card) : null,
  ].filter(Boolean)));
  if (tweet.drawing) drawStep(card);
}

function cardHead(card) {
  const tweet = card.tweet;
  const box = h("input", { type: "checkbox", "aria-label": say("gallery.select"), "data-mark": "select", onclick: (event) => selectBy(card, event) });
  box.checked = selected.has(tweet.id);
  const busy = rewriting.has(tweet.id);
  return h("header", {},
    h("label.pick", {}, box),
    h("span.face", {}, picture(tweet.persona_picture, "")),
    h("span.who", {}, h("b", { dir: "auto" }, tweet.persona_name),
      h("small", {}, [tweet.date ? h("time", { datetime: tweet.date }, readableDay(tweet.date)) : say("gallery.undated"), tweet.time ? " · " + tweet.time : ""])),
    busy ? h("span.chip.running", {}, h("i.pulse"), say("tweet.rewriting")) : h("span.chip." + tweet.status, {}, say("tweet." + tweet.status)));
}

function cardText(card) {
  const tweet = card.tweet;
  const part = (text, index) => {
    const length = weighted(text);
    return h("li", {}, h("p.text", { dir: "auto" }, text), length > LIMIT ? h("small.over", {}, length + "/" + LIMIT) : null);
  };
  const inText = tweet.text.toLowerCase();
  const tags = tweet.hashtags.filter((tag) => !inText.includes("#" + String(tag).toLowerCase()));
  return h("div.body", {},
    tweet.parts.length ? h("ol.thread", {}, tweet.parts.map(part)) : h("p.text", { dir: "auto" }, tweet.text || h("i.dim", {}, say("gallery.no_text"))),
    tweet.poll.length ? h("ul.poll", { "aria-label": say("gallery.poll") }, tweet.poll.map((option) => h("li", { dir: "auto" }, option))) : null,
    tags.length ? h("p.tags", { dir: "auto" }, tags.map((tag) => "#" + tag).join(" ")) : null);
}

function cardFoot(card) {
  const tweet = card.tweet;
  const near = tweet.length > LIMIT ? "over" : tweet.length > LIMIT - 20 ? "near" : "fine";
  return h("footer", {},
    card.mode === "edit" ? null : h("span.length." + near, { title: say("gallery.length") }, tweet.length + "/" + LIMIT),
    tweet.topic_type ? h("span.fact", { title: say("gallery.topic") }, named("topic", tweet.topic_type)) : null,
    tweet.mood ? h("span.fact", { title: say("gallery.mood") }, tweet.mood) : null,
    tweet.parts.length ? h("span.fact", {}, say("gallery.thread", { n: tweet.parts.length })) : null,
    tweet.badges.map((badge) => badgeOf(card, badge)));
}

/** A badge says in a hint what it means; those that mean another tweet open it. */
function badgeOf(card, badge) {
  const name = named("badge", badge.kind);
  const hint = texts["badge." + badge.kind + ".hint"] ? say("badge." + badge.kind + ".hint", { detail: badge.detail }) : badge.detail || name;
  const hard = badge.kind === "too_long" || badge.kind === "empty" ? ".bad" : "";
  if (badge.kind !== "near_duplicate") return h("span.badge" + hard, { title: hint, tabindex: "0", "aria-label": name + ". " + hint }, name);
  return h("button.badge" + hard, { type: "button", title: hint, "aria-expanded": String(card.mode === "told"), "data-mark": "badge", onclick: () => toggle(card, "told", "badge") }, name);
}

function cardActions(card) {
  const tweet = card.tweet;
  const status = (to, key) => tweet.status === to ? null
    : h("button.small." + to, { type: "button", "data-mark": to, onclick: () => { review([tweet.id], to); if (card.node.contains(document.activeElement) || document.activeElement === document.body) card.node.focus({ preventScroll: true }); } }, say(key));
  const opens = (mode, text) => h("button.quiet", { type: "button", "data-mark": mode, "aria-expanded": String(card.mode === mode), onclick: () => toggle(card, mode, mode) }, text);
  return h("div.acts", {},
    status("approved", "gallery.approve"), status("rejected", "gallery.reject"), status("draft", "gallery.draft"),
    h("span.gap"),
    opens("edit", say("gallery.edit")), opens("rewrite", say("gallery.rewrite")),
    tweet.drawing ? null : h("button.quiet", { type: "button", "data-mark": "picture", onclick: () => drawPictures([tweet.id]) }, say(tweet.picture ? "gallery.picture.again" : "gallery.picture")),
    tweet.version > 1 ? opens("versions", say("gallery.versions", { n: tweet.version })) : null,
    opens("told", say("gallery.more")));
}

/** Open *mode* in the card, or close it; the focus comes back to the button *back*, or to the card itself where that is null. */
function toggle(card, mode, back) {
  if (rewriting.has(card.tweet.id) && mode !== "told") return;
  if (card.mode === mode) return closed(card);
  Object.assign(card, { mode, back, failed: "", list: null });
  if (mode === "edit" && !typed.has(card.tweet.id)) typed.set(card.tweet.id, { text: card.tweet.text, revision: card.tweet.revision, theirs: null });
  drawCard(card);
  const field = card.node.querySelector("textarea, .rewrite input");
  if (field) {
    field.focus({ preventScroll: true });
    field.setSelectionRange(field.value.length, field.value.length);
    card.node.scrollIntoView({ block: "nearest" });
  }
  if (mode === "versions") fetchList(card, "versions");
  if (mode === "told") fetchList(card, "told");
}

function closed(card) {
  card.mode = "";
  card.form = null;
  drawCard(card);
  const target = card.back && card.node.querySelector('[data-mark="' + card.back + '"]');
  (target || card.node).focus({ preventScroll: true });
}

/** The tweet of a card was changed by the server. */
function changed(tweet) {
  statuses.set(tweet.id, tweet.status);
  const card = cards.get(tweet.id);
  if (!card) return;
  card.tweet = { ...card.tweet, ...tweet };
  drawCard(card);
}
