// What is looked for. It stands in the address, so that a reload and a shared link show the same.
const MANY = ["persona", "status", "topic", "badge"];
const ONE = ["since", "until", "job", "q"];
const FEW = 8; // choices of a filter that are shown before "all"
const wanted = fromAddress();
let facets = null; // {personas, statuses, topics, badges} with counts
let total = null; // how many tweets the filters mean
let counted = null; // the filters that it was counted by
const unfolded = new Set(); // filters that show all their choices

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
  unselect();
  drawFilters();
  loadFirst();
}

function clearFilters() {
  for (const name of MANY) wanted[name] = [];
  for (const name of ONE) wanted[name] = "";
  search.value = "";
  for (const field of Object.values(dayFields)) field.value = "";
  refilter();
}

// The search: asked for as soon as the typing pauses

let pausing = null;
const search = h("input", { type: "search", id: "gallery-search", placeholder: say("gallery.search.hint"), "aria-label": say("gallery.search"), maxlength: "500", autocomplete: "off", dir: "auto" });
search.value = wanted.q;
whenTyped(search, () => {
  clearTimeout(pausing);
  pausing = setTimeout(() => { if (wanted.q !== search.value.trim()) { wanted.q = search.value.trim(); refilter(); } }, 250);
});
search.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); focusCard(currentId()) || search.blur(); }
  if (event.key === "Enter") { clearTimeout(pausing); wanted.q = search.value.trim(); refilter(); }
});

function toggleChoice(name, value, on) {
  wanted[name] = on ? [...wanted[name], value] : wanted[name].filter((other) => other !== value);
  refilter();
}

// A filter with several choices is made once; only its choices are drawn anew, so that what somebody types in it stays as it is.

/** {node, draw(options)}: an option is [value, what it is called, how many]. Those that are chosen always show. */
function choices(name) {
  const list = h("div.choices");
  const narrowing = name === "persona" ? h("input.narrowing", { type: "search", placeholder: say("gallery.persona.find"), "aria-label": say("gallery.persona.find"), dir: "auto" }) : null;
  const fold = h("button.quiet", { type: "button", onclick: () => { if (!unfolded.delete(name)) unfolded.add(name); draw(); } });
  const node = h("fieldset", { "data-filter": name }, h("legend", {}, say("gallery.by." + name)), narrowing, list, fold);
  const choice = ([value, title, count]) => {
    const box = h("input", { type: "checkbox", "data-mark": encodeURIComponent(name + "=" + value), onchange: (event) => toggleChoice(name, value, event.currentTarget.checked) });
    box.checked = wanted[name].includes(value);
    return h("label.choice", { "data-choice": name === "persona" ? null : value }, box, h("span", { dir: "auto" }, title), h("small", {}, number(count)));
  };
  let options = [];
  const draw = (given = options) => {
    options = given;
    const known = new Set(options.map(([value]) => value));
    const all = [...wanted[name].filter((value) => !known.has(value)).map((value) => [value, name === "persona" ? say("gallery.unknown_persona") : named(name, value), 0]), ...options];
    node.hidden = !all.length;
    if (narrowing) narrowing.hidden = all.length <= FEW + 1;
    const narrow = narrowing && !narrowing.hidden ? narrowing.value.toLowerCase() : "";
    const fitting = all.filter(([value, title]) => !narrow || title.toLowerCase().includes(narrow) || wanted[name].includes(value));
    const shown = unfolded.has(name) || fitting.length <= FEW + 1 ? fitting : fitting.filter(([value], index) => index < FEW || wanted[name].includes(value));
    keepingFocus(list, () => list.replaceChildren(...shown.map(choice)));
    fold.hidden = fitting.length === shown.length && !unfolded.has(name);
    fold.textContent = unfolded.has(name) ? say("gallery.fewer") : say("gallery.all", { n: fitting.length });
  };
  if (narrowing) whenTyped(narrowing, () => draw());
  return { node, draw };
}

// The days: a date that is being typed is none yet, and its field says so or names a year long ago (2 of 2026 is the year 2)

function dayField(name) {
  const field = h("input", { type: "date", min: "1900-01-01", max: "9999-12-31", "aria-label": say("gallery." + name) });
  let resting = null;
  const apply = () => {
    clearTimeout(resting);
    if (!field.validity.valid || field.value === wanted[name]) return;
    wanted[name] = field.value;
    refilter();
  };
  field.value = wanted[name];
  field.addEventListener("input", () => { clearTimeout(resting); resting = setTimeout(apply, 600); });
  field.addEventListener("blur", apply);
  field.addEventListener("keydown", (event) => { if (event.key === "Enter") apply(); });
  return field;
}

const dayFields = { since: dayField("since"), until: dayField("until") };
const days = h("fieldset", {}, h("legend", {}, say("gallery.by.date")), Object.entries(dayFields).map(([name, field]) => h("label.day", {}, h("span", {}, say("gallery." + name)), field)));
const listed = Object.fromEntries(["status", "badge", "persona", "topic"].map((name) => [name, choices(name)]));
const clearing = h("button.small", { type: "button", id: "clear-filters", onclick: clearFilters }, say("gallery.clear"));
const oneJob = h("button.chip.one", { type: "button", onclick: () => { wanted.job = ""; refilter(); } }, say("gallery.one_job"), " ✕");
const counting = h("div.shimmer", { "aria-hidden": "true" }, h("i"), h("i"), h("i"), h("i"), h("i"));
const offered = h("div.choosing", {}, Object.values(listed).map((each) => each.node), days);
const filterButton = h("button.small.unfold", { type: "button", "aria-expanded": "false", onclick: () => filterButton.setAttribute("aria-expanded", String(panel.classList.toggle("unfolded"))) });
const panel = h("aside.filters", { "aria-label": say("gallery.filters") }, h("div.searching", {}, search, filterButton), h("div.choosing", {}, clearing, oneJob, counting, offered));

function drawFilters() {
  const chosen = filtering();
  filterButton.textContent = say("gallery.filters") + (chosen ? " (" + chosen + ")" : "");
  clearing.hidden = !chosen;
  oneJob.hidden = !wanted.job;
  counting.hidden = Boolean(facets);
  offered.hidden = !facets;
  if (!facets) return;
  listed.status.draw(facets.statuses.map((each) => [each.status, say("tweet." + each.status), each.tweets]));
  listed.badge.draw(facets.badges.map((each) => [each.kind, named("badge", each.kind), each.tweets]));
  listed.persona.draw(facets.personas.map((each) => [each.id, each.name, each.tweets]));
  listed.topic.draw(facets.topics.map((each) => [each.topic, named("topic", each.topic), each.tweets]));
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
  counted = query;
  drawFilters();
  drawTop();
}
