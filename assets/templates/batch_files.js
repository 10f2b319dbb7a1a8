// Files are dropped, as many as there are; a row for each says what it was taken for, and what was put right or refused.
const AT_ONCE = 3; // uploads under way
const chooser = h("input", { type: "file", multiple: true, id: "batch-files", accept: ".json,.png,.csv,application/json,image/png,text/csv",
  onchange: () => { takeFiles([...chooser.files]); chooser.value = ""; } });
const drop = h("label.drop", {}, chooser, h("b", {}, say("batch.drop")), h("span.dim", {}, say("batch.drop.hint", { mb: LIMITS.mb })));
const fileRows = h("ul.files", { "aria-label": say("batch.files") });
const fileSum = h("p.sum", { role: "status" });
const dropping = h("section.card.dropping", {}, h("h2", {}, say("batch.files.title")), drop, fileSum, fileRows);
const waiting = [];
let busy = 0;

drop.addEventListener("dragenter", () => drop.classList.add("over"));
drop.addEventListener("dragleave", (event) => { if (!drop.contains(event.relatedTarget)) drop.classList.remove("over"); });

function takeFiles(given) {
  const room = LIMITS.files - files.filter((file) => file.state === "busy").length;
  for (const one of given.slice(0, room)) {
    const file = { name: one.name, state: "busy", kind: "", remarks: [] };
    files.push(file);
    waiting.push([file, one]);
  }
  if (given.length > room) files.push({ name: say("batch.files.many", { n: given.length - room }), state: "refused", error: say("batch.files.limit", { limit: LIMITS.files }), remarks: [] });
  while (busy < AT_ONCE && waiting.length) next();
  changed();
}

async function next() {
  busy += 1;
  const [file, given] = waiting.shift();
  Object.assign(file, await taken(file, given));
  file.state = file.error ? "refused" : "taken";
  if (file.kind === "persona" && !choose({ id: file.persona, name: file.called, picture: file.picture })) Object.assign(file, { state: "refused", error: say("batch.full", { limit: LIMITS.personas }) });
  busy -= 1;
  changed();
  if (waiting.length) next();
  else if (!busy && files.some((one) => one.kind === "persona" && !one.known)) loadPeople(); // they are stored personas now
}

async function taken(file, given) {
  if (given.size > LIMITS.mb * 2 ** 20) return { error: say("batch.large", { name: given.name, size: (given.size / 2 ** 20).toFixed(1), limit: LIMITS.mb }) };
  let kept;
  try {
    kept = await upload(given);
  } catch (refused) {
    return { error: say("batch.not_uploaded", { name: given.name }) };
  }
  const { name: called, id: persona, ...found } = await call("take_in", { path: kept.path, name: given.name });
  return { ...found, called, persona, path: kept.path };
}

function drawFiles() {
  dropping.classList.toggle("some", files.length > 0);
  const count = (of) => files.filter(of).length;
  const parts = [["personas", count((file) => file.kind === "persona" && file.state === "taken")], ["calendars", calendars().length], ["refused", count((file) => file.state === "refused")], ["busy", count((file) => file.state === "busy")]];
  fileSum.textContent = parts.filter(([, n]) => n).map(([key, n]) => say("batch.files." + key + (n === 1 ? ".one" : ""), { n })).join(" · ");
  const whose = new Map([...matched()].map(([id, file]) => [file, id]));
  files.forEach((file, index) => {
    const state = JSON.stringify([file.state, file.kind, file.error, whose.get(file), file.set, file.persona && chosen.has(file.persona), whose.get(file) && chosen.get(whose.get(file)).name]);
    if (!file.node) fileRows.append((file.node = h("li")));
    if (file.drawn === state) return;
    file.drawn = state;
    keepingFocus(file.node, () => drawFile(file, whose.get(file) || "", index));
  });
}

function drawFile(file, whom, index) {
  file.node.className = file.state;
  const kind = file.state === "busy" ? h("span.chip.running", {}, h("i.pulse"), say("batch.reading"))
    : file.state === "refused" ? h("span.chip.failed", {}, say("batch.kind.refused"))
    : h("span.chip." + file.kind, {}, say("batch.kind." + file.kind));
  const remarks = [...(file.remarks || [])];
  if (file.kind === "calendar" && whom && file.set === undefined && folded(file.whom || "") !== folded(chosen.get(whom).name)) remarks.push(file.whom ? say("batch.in_order.named", { name: file.whom }) : say("batch.in_order"));
  file.node.replaceChildren(kind,
    h("div.what", {}, h("b", { dir: "auto" }, file.name), file.state === "taken" ? about(file) : null,
      file.error ? h("p.trouble", {}, file.error) : null,
      remarks.length > 2 ? h("details", {}, h("summary", {}, say("batch.remarks", { n: remarks.length })), h("ul.remarks", {}, remarks.map((one) => h("li", {}, one))))
        : remarks.length ? h("ul.remarks", {}, remarks.map((one) => h("li", {}, one))) : null),
    file.kind === "calendar" ? whoseCalendar(file, whom, index) : h("span"),
    file.state === "busy" ? h("span") : h("button.quiet", { type: "button", "aria-label": say("batch.remove", { name: file.name }), title: say("batch.remove", { name: file.name }), "data-mark": "remove", onclick: () => remove(file) }, "✕"));
}

function about(file) {
  if (file.kind === "calendar") return h("small", {}, " " + say("batch.calendar.days", { n: file.days, first: file.first_day, last: file.last_day }));
  const known = file.known ? say("batch.known") : texts["batch.card." + file.card] || file.card;
  return h("small", { dir: "auto" }, " → " + file.called + " · " + known + (chosen.has(file.persona) ? "" : " · " + say("batch.not_chosen")));
}

/** Whose calendar it is, to be changed. The other choices come when it is opened: with a hundred of each they would be ten thousand. */
function whoseCalendar(file, whom, index) {
  const option = (id, name) => h("option", { value: id }, name);
  const nobody = option("", say("batch.nobody"));
  const list = h("select", { "aria-label": say("batch.whose", { name: file.name }), "data-mark": "whose", id: "whose-" + index }, nobody, whom ? option(whom, chosen.get(whom).name) : null);
  list.value = whom;
  let filled = null; // the ids of those who can be chosen in it
  const fill = () => {
    const ids = [...chosen.keys()].join();
    if (filled === ids) return;
    filled = ids;
    const value = list.value;
    list.replaceChildren(nobody, ...[...chosen.values()].map((person) => option(person.id, person.name)));
    list.value = value;
  };
  list.addEventListener("focus", fill);
  list.addEventListener("mousedown", fill);
  list.addEventListener("change", () => {
    for (const other of calendars()) if (other !== file && other.set === list.value) other.set = undefined;
    file.set = list.value;
    changed();
  });
  return h("label.whose", {}, h("span", {}, say("batch.for")), list);
}

function remove(file) {
  files.splice(files.indexOf(file), 1);
  file.node.remove();
  if (file.persona && !files.some((other) => other.persona === file.persona)) { chosen.delete(file.persona); drawPeople(); }
  changed();
  chooser.focus();
}
