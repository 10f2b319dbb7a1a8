// What the batch is to be: the personas chosen, the files dropped, and which calendar is whose.
const LIMITS = props.value; // {files, personas, each, tweets, context, mb, offline}
const chosen = new Map(); // personas of the batch, by id: {id, name, picture}
const files = []; // {name, state, kind, remarks, error, persona, path, whom, days, first_day, last_day, set, node}

function folded(name) {
  return String(name).normalize("NFKC").trim().toLowerCase();
}

function calendars() {
  return files.filter((file) => file.kind === "calendar");
}

/** The ids of the personas in the order that is meant: those of files as they were dropped (they are read in any order), then the others. */
function ordered() {
  return [...new Set([...files.map((file) => file.persona).filter((id) => chosen.has(id)), ...chosen.keys()])];
}

/** Whose calendar is which: {persona id: file}. First as the author set it, then by the name in the file, then in order. */
function matched() {
  const found = new Map();
  const open = [];
  for (const file of calendars()) {
    if (file.set === undefined) open.push(file);
    else if (chosen.has(file.set) && !found.has(file.set)) found.set(file.set, file);
  }
  const byName = new Map();
  for (const person of chosen.values()) {
    const name = folded(person.name);
    byName.set(name, [...(byName.get(name) || []), person.id]);
  }
  const rest = open.filter((file) => {
    const free = file.whom && (byName.get(folded(file.whom)) || []).find((id) => !found.has(id));
    if (free) found.set(free, file);
    return !free;
  });
  const without = ordered().filter((id) => !found.has(id));
  rest.forEach((file, index) => { if (index < without.length) found.set(without[index], file); });
  return found;
}

/** Something about the order changed: what depends on it is drawn anew, together. */
let redrawing = 0;
function changed() {
  cancelAnimationFrame(redrawing);
  redrawing = requestAnimationFrame(() => { drawFiles(); drawPicked(); drawOrder(); });
}

function choose(person) {
  if (chosen.size >= LIMITS.personas) return false;
  chosen.set(person.id, person);
  return true;
}
