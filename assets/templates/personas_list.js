// All personas as cards, newest first, a page at a time.
const people = new Map(); // what is known of those that are shown, by id, newest first
const grid = h("div.folk");
const further = h("button.small", { type: "button", hidden: true, onclick: () => loadPage(false) }, say("personas.load_more"));
const ending = h("div.ending", {}, further);
const search = h("input", { type: "search", id: "personas-search", placeholder: say("personas.search"), "aria-label": say("personas.search"), maxlength: "80", autocomplete: "off", dir: "auto" });
const listNotice = h("p.notice", { role: "alert", hidden: true });
const title = h("h1", {}, say("nav.personas"));
const list = h("div.list", {}, h("div.top", {}, title, search), importing, listNotice, grid, ending);
let asking = 0; // which question was the last: answers to earlier ones come too late
let pausing = null;
let looking = null;

search.addEventListener("input", () => { clearTimeout(pausing); pausing = setTimeout(() => loadPage(true), 200); });

async function loadPage(first) {
  const mine = (asking += 1);
  const last = [...people.keys()].pop();
  grid.setAttribute("aria-busy", "true");
  if (first && !people.size) drawWaiting();
  const answer = await call("find", { name: search.value, before: first || !last ? null : last });
  if (mine !== asking) return;
  grid.setAttribute("aria-busy", "false");
  listNotice.textContent = answer.error || "";
  listNotice.hidden = !answer.error;
  if (!answer.people) return;
  if (first) people.clear();
  for (const person of answer.people) people.set(person.id, person);
  further.hidden = !answer.more;
  drawList();
  watchList();
}

function reloadList() {
  return wantedId() ? null : loadPage(true);
}

function forget(id) {
  people.delete(id);
  for (const key of [...sheets.keys()]) if (key.startsWith(id + "/")) sheets.delete(key);
}

/** While one of them is being written, the newest page is asked for now and then. */
function watchList() {
  clearTimeout(looking);
  if (![...people.values()].some((person) => person.status === "writing")) return;
  looking = setTimeout(async () => {
    if (wantedId() || document.visibilityState !== "visible") return watchList();
    const mine = asking;
    const answer = await call("find", { name: search.value, before: null });
    if (mine !== asking || !answer.people) return watchList();
    for (const person of answer.people) if (people.has(person.id)) people.set(person.id, person);
    drawList();
    watchList();
  }, 2500);
}

function drawWaiting() {
  grid.replaceChildren(...Array.from({ length: 6 }, () => h("div.person-card.ghost", { "aria-hidden": "true" }, h("span.no-picture"), h("div.shimmer", {}, h("i"), h("i")))));
}

function drawList() {
  if (!people.size) {
    grid.replaceChildren(search.value.trim()
      ? h("div.blank", {}, h("h2", {}, say("personas.none", { name: search.value.trim() })), h("button.small", { type: "button", onclick: () => { search.value = ""; loadPage(true); search.focus(); } }, say("personas.clear")))
      : h("div.blank", {}, h("img", { src: place("/brand/empty-state.svg"), alt: "", width: "200" }), h("h2", {}, say("empty.title")), h("p", {}, say("personas.empty")), h("a.small.primary", { href: place("/") }, say("personas.begin"))));
    return;
  }
  keepingFocus(grid, () => grid.replaceChildren(...[...people.values()].map(personCard)));
}

function personCard(person) {
  const tweets = person.tweets === 1 ? "personas.tweets.one" : "personas.tweets";
  return h("a.person-card", { href: place("/personas?persona=" + encodeURIComponent(person.id)), "data-mark": person.id, "data-id": person.id, onclick: (event) => go(event, person.id) },
    picture(person.picture, ""),
    h("div.text", {}, h("b.name", { dir: "auto" }, person.name), h("span.dim.archetype", { dir: "auto" }, person.archetype || ""),
      h("span.states", {},
        h("span.chip." + person.status, {}, person.status === "writing" ? h("i.pulse") : null, say("status." + person.status)),
        person.done < 7 ? h("span.chip", {}, say("view.of", { done: person.done, total: 7 })) : null,
        person.stale ? h("span.chip.stale", {}, say("personas.stale", { n: person.stale })) : null),
      h("span.dim.small-print", {}, [say(tweets, { n: person.tweets.toLocaleString(document.documentElement.lang) }), person.language].filter(Boolean).join(" · "))));
}
