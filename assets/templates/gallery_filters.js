// What is looked for. It stands in the address, so that a reload and a shared link show the same.
const MANY = ["persona", "status", "topic", "badge"];
const ONE = ["since", "until", "job", "q"];
const FEW = 8; // choices of a filter that are shown before "all"
const wanted = fromAddress();
let facets = null; // {personas, statuses, topics, badges} with counts
let total = null; // how many tweets the filters mean
const unfolded = new Set(); // filters that show all their choices
let personaName = ""; // what the list of personas is narrowed to

function fromAddress() {
  const query = new URLSearchParams(window.location.search);
  const found = {};
  for (const name of MANY) found[name] = query.getAll(name).filter(Boolean);
  for (const name of ONE) found[name] = query.get(name) || "";
  return found;
}

/** The filters as an address says them. */
function asQuery() {
  const query = new URLSearchParams();
  for (const name of MANY) for (const value of wanted[name]) query.append(name, value);
  for (const name of ONE) if (wanted[name]) query.append(name, wanted[name]);
  return query.toString();
}

/** The filters as a call says them. */
function asked() {
  const filters = { q: wanted.q };
  for (const name of MANY) filters[name] = wanted[name];
  for (const name of ["since", "until", "job"]) if (wanted[name]) filters[name] = wanted[name];
  return filters;
}

function filtering() {
  return MANY.reduce((sum, name) => sum + wanted[name].length, 0) + ONE.filter((name) => wanted[name]).length;
}

/** Other filters are wanted: the address says so, and the first page is asked for. */
function refilter() {
  const query = asQuery();
  window.history.replaceState(window.history.state, "", window.location.pathname + (query ? "?" + query : ""));
  selected.clear();
  drawFilters();
  drawBulk();
  loadFirst();
}

function clearFilters() {
  for (const name of MANY) wanted[name] = [];
  for (const name of ONE) wanted[name] = "";
  search.value = "";
  refilter();
}

// The search: asked for as soon as the typing pauses

let pausing = null;
const search = h("input", { type: "search", id: "gallery-search", placeholder: say("gallery.search.hint"), "aria-label": say("gallery.search"), maxlength: "500", autocomplete: "off", dir: "auto" });
search.value = wanted.q;
search.addEventListener("input", () => {
  clearTimeout(pausing);
  pausing = setTimeout(() => { if (wanted.q !== search.value.trim()) { wanted.q = search.value.trim(); refilter(); } }, 250);
});
search.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); focusCard(currentId()) || search.blur(); }
  if (event.key === "Enter") { clearTimeout(pausing); wanted.q = search.value.trim(); refilter(); }
});

// The choices

function toggleChoice(name, value, on) {
  wanted[name] = on ? [...wanted[name], value] : wanted[name].filter((other) => other !== value);
  refilter();
}

/** A filter with several choices: [value, what it is called, how many]. Those that are chosen always show. */
function choices(name, options) {
  const known = new Set(options.map(([value]) => value));
  const all = [...wanted[name].filter((value) => !known.has(value)).map((value) => [value, name === "persona" ? say("gallery.unknown_persona") : named(name, value), 0]), ...options];
  const narrow = name === "persona" ? personaName.toLowerCase() : "";
  const fitting = all.filter(([value, title]) => !narrow || title.toLowerCase().includes(narrow) || wanted[name].includes(value));
  const shown = unfolded.has(name) || fitting.length <= FEW + 1 ? fitting : fitting.filter(([value], index) => index < FEW || wanted[name].includes(value));
  const choice = ([value, title, count]) => {
    const box = h("input", { type: "checkbox", "data-mark": encodeURIComponent(name + "=" + value), onchange: (event) => toggleChoice(name, value, event.currentTarget.checked) });
    box.checked = wanted[name].includes(value);
    return h("label.choice", { "data-choice": name === "persona" ? null : value }, box, h("span", { dir: "auto" }, title), h("small", {}, Number(count).toLocaleString(document.documentElement.lang)));
  };
  if (!all.length) return null;
  const narrowing = name === "persona" && all.length > FEW + 1 ? h("input.narrowing", { type: "search", placeholder: say("gallery.persona.find"), "aria-label": say("gallery.persona.find"), "data-mark": "narrow", dir: "auto",
    oninput: (event) => { personaName = event.currentTarget.value; const at = event.currentTarget.selectionStart; drawFilters(); const again = side.querySelector(".narrowing"); again.focus(); again.setSelectionRange(at, at); } }) : null;
  if (narrowing) narrowing.value = personaName;
  const rest = fitting.length - shown.length;
  return h("fieldset", { "data-filter": name }, h("legend", {}, say("gallery.by." + name)), narrowing,
    h("div.choices", {}, shown.map(choice)),
    rest || unfolded.has(name) ? h("button.quiet", { type: "button", "data-mark": "all-" + name, onclick: () => { if (!unfolded.delete(name)) unfolded.add(name); drawFilters(); } },
      unfolded.has(name) ? say("gallery.fewer") : say("gallery.all", { n: fitting.length })) : null);
}

function days() {
  const field = (name) => {
    const made = h("input", { type: "date", "data-mark": name, "aria-label": say("gallery." + name), onchange: (event) => { wanted[name] = event.currentTarget.value; refilter(); } });
    made.value = wanted[name];
    return h("label.day", {}, h("span", {}, say("gallery." + name)), made);
  };
  return h("fieldset", {}, h("legend", {}, say("gallery.by.date")), field("since"), field("until"));
}

const side = h("div.choosing");
const filterButton = h("button.small.unfold", { type: "button", "aria-expanded": "false", onclick: () => filterButton.setAttribute("aria-expanded", String(panel.classList.toggle("unfolded"))) });
const panel = h("aside.filters", { "aria-label": say("gallery.filters") }, h("div.searching", {}, search, filterButton), side);

function drawFilters() {
  const number = filtering();
  filterButton.replaceChildren(say("gallery.filters") + (number ? " (" + number + ")" : ""));
  const scrolled = [...side.querySelectorAll(".choices")].map((list) => [list.closest("fieldset").dataset.filter, list.scrollTop]);
  keepingFocus(side, () => side.replaceChildren(...[
    number ? h("button.small", { type: "button", "data-mark": "clear", id: "clear-filters", onclick: clearFilters }, say("gallery.clear")) : null,
    wanted.job ? h("button.chip.one", { type: "button", "data-mark": "job", onclick: () => { wanted.job = ""; refilter(); } }, say("gallery.one_job"), " ✕") : null,
    ...(facets ? [
      choices("status", facets.statuses.map((each) => [each.status, say("tweet." + each.status), each.tweets])),
      choices("badge", facets.badges.map((each) => [each.kind, named("badge", each.kind), each.tweets])),
      choices("persona", facets.personas.map((each) => [each.id, each.name, each.tweets])),
      choices("topic", facets.topics.map((each) => [each.topic, named("topic", each.topic), each.tweets])),
      days(),
    ] : [h("div.shimmer", { "aria-hidden": "true" }, h("i"), h("i"), h("i"), h("i"), h("i"))]),
  ].filter(Boolean)));
  for (const [name, top] of scrolled) {
    const list = side.querySelector('fieldset[data-filter="' + name + '"] .choices');
    if (list) list.scrollTop = top;
  }
}

// The counts are asked for beside the page, and again a moment after something has changed

let refreshing = null;

function refreshSoon() {
  clearTimeout(refreshing);
  refreshing = setTimeout(refreshCounts, 600);
}

async function refreshCounts() {
  const query = asQuery();
  const answer = await call("counts", { filters: asked() });
  if (answer.error || query !== asQuery()) return;
  facets = answer.facets;
  total = answer.count;
  drawFilters();
  drawTop();
}
