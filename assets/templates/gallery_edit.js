// What opens in a card: the edit, the instruction for a rewrite, its versions, everything else that is known of it.
const typed = new Map(); // what is being typed, by the tweet's id: {text, revision, theirs}; it outlives the card

function editForm(card) {
  if (card.form) return card.form.node;
  const entry = typed.get(card.tweet.id);
  const area = h("textarea", { "aria-label": say("gallery.edit.text"), dir: "auto", spellcheck: "true", "data-mark": "text", rows: "3" });
  const counts = h("p.counting", { "aria-live": "off" });
  const below = h("div.below");
  const node = h("div.edit", {}, area, counts, below);
  const form = (card.form = { node, area, busy: false });
  area.value = entry.text;

  const recount = () => {
    const parts = card.tweet.parts.length ? partsOf(area.value) : [area.value.trim()];
    counts.replaceChildren(...(parts.length ? parts : [""]).map((part, index) => {
      const length = weighted(part);
      const which = parts.length > 1 ? index + 1 + ": " : "";
      return h("span.length." + (length > LIMIT ? "over" : length > LIMIT - 20 ? "near" : "fine"), {}, which + length + "/" + LIMIT);
    }), h("span.dim", {}, card.tweet.parts.length ? say("gallery.edit.parts") : ""));
    area.style.height = "auto";
    area.style.height = area.scrollHeight + 2 + "px";
  };
  form.say = (trouble) => below.replaceChildren(...[trouble ? h("p.trouble", { role: "alert" }, trouble) : null, entry.theirs ? theirs() : null, buttons()].filter(Boolean));
  const dirty = () => area.value !== card.tweet.text;
  const end = () => { typed.delete(card.tweet.id); closed(card); };
  const leave = () => {
    if (form.busy) return;
    if (!dirty() && !entry.theirs) return end();
    below.replaceChildren(h("div.ask", { role: "alertdialog", "aria-label": say("gallery.edit.discard") }, h("span", {}, say("gallery.edit.discard")),
      h("button.small.rejected", { type: "button", onclick: end }, say("gallery.edit.discard.yes")),
      h("button.small", { type: "button", onclick: stay }, say("gallery.edit.discard.no"))));
    below.querySelector("button").focus({ preventScroll: true });
  };
  const stay = () => { form.say(""); area.focus({ preventScroll: true }); };
  const save = async () => {
    if (form.busy) return;
    if (!dirty() && !entry.theirs) return end();
    form.busy = area.readOnly = true;
    if (below.contains(document.activeElement)) area.focus({ preventScroll: true }); // the button is drawn anew; without the focus keys would review
    form.say("");
    const answer = await call("edit", { id: card.tweet.id, text: area.value, revision: entry.revision });
    form.busy = area.readOnly = false;
    if (answer.tweet) {
      const had = node.contains(document.activeElement) || document.activeElement === document.body;
      typed.delete(card.tweet.id);
      Object.assign(card, { mode: "", form: null });
      changed(answer.tweet);
      const target = card.back && card.node.querySelector('[data-mark="' + card.back + '"]');
      if (had) (target || card.node).focus({ preventScroll: true });
      refreshSoon();
    } else if (answer.theirs) {
      Object.assign(entry, { theirs: answer.theirs, revision: answer.theirs.revision });
      form.say(say("gallery.edit.conflict"));
      changed(answer.theirs);
      area.focus({ preventScroll: true });
    } else form.say(answer.error);
  };
  const theirs = () => h("div.theirs", {}, h("b", {}, say("gallery.edit.theirs")), h("p.text", { dir: "auto" }, entry.theirs.text));
  const buttons = () => h("div.acts", {},
    h("button.small.primary", { type: "button", "data-mark": "save", disabled: form.busy, onclick: save }, form.busy ? say("gallery.saving") : say(entry.theirs ? "gallery.edit.mine" : "gallery.save")),
    h("button.small", { type: "button", onclick: entry.theirs ? end : leave }, say(entry.theirs ? "gallery.edit.take_theirs" : "gallery.cancel")),
    h("small.dim", {}, say("gallery.edit.keys")));
  area.addEventListener("input", () => { entry.text = area.value; recount(); });
  node.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save();
    else if (event.key === "Escape") (below.querySelector(".ask") ? stay : leave)();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  form.say(entry.theirs ? say("gallery.edit.conflict") : "");
  requestAnimationFrame(recount); // once it stands on the page its height can be measured
  recount();
  return node;
}

/** Leaving the page asks, where something was typed that is not saved. */
function unsaved() {
  return [...typed].some(([id, entry]) => !cards.has(id) || entry.text !== cards.get(id).tweet.text);
}

// A rewrite

function rewriteForm(card) {
  const field = h("input", { type: "text", maxlength: "2000", placeholder: say("gallery.rewrite.hint"), "aria-label": say("gallery.rewrite.label"), "data-mark": "instruction", dir: "auto", oninput: () => (card.instruction = field.value) });
  field.value = card.instruction || "";
  const start = async (event) => {
    event.preventDefault();
    card.instruction = "";
    const writing = writeAnew([card.tweet.id], field.value);
    card.node.focus({ preventScroll: true });
    const refused = await writing;
    if (refused) ended(card.tweet.id, refused);
  };
  return h("form.rewrite", { onsubmit: start, onkeydown: (event) => { if (event.key === "Escape" && !event.isComposing) { event.stopPropagation(); closed(card); } } },
    field, h("button.small.primary", { type: "submit" }, say("gallery.rewrite.start")), h("button.small", { type: "button", onclick: () => closed(card) }, say("gallery.cancel")));
}

/** Have tweets written anew, by one job. Returns why the server refused it, "" where it did not. */
async function writeAnew(ids, instruction) {
  for (const id of ids) {
    rewriting.add(id);
    unanswered.add(id);
    const card = cards.get(id);
    if (!card) continue;
    Object.assign(card, { mode: card.mode === "edit" ? "edit" : "", failed: "" });
    drawCard(card);
  }
  const answer = await call("rewrite", { ids, instruction });
  for (const id of ids) unanswered.delete(id);
  if (!answer.error) lookSoon();
  return answer.error || "";
}

/** A rewrite has ended; *trouble* says why where it failed. */
function ended(id, trouble) {
  rewriting.delete(id);
  const card = cards.get(id);
  if (!card) return;
  card.failed = trouble ? say("gallery.rewrite.failed", { reason: trouble }) : "";
  drawCard(card);
}

// What is asked for when it is opened

async function fetchList(card, what) {
  const answer = await call(what, { id: card.tweet.id });
  if (card.mode !== what) return;
  card.list = answer;
  drawCard(card);
}

function waiting(card) {
  if (!card.list) return h("div.shimmer", { "aria-hidden": "true" }, h("i"), h("i"));
  return card.list.error ? h("p.trouble", { role: "alert" }, card.list.error) : null;
}

function versionList(card) {
  const restore = async (version) => {
    const answer = await call("restore", { id: card.tweet.id, version, revision: card.tweet.revision });
    if (answer.error) {
      card.failed = answer.error;
      return drawCard(card);
    }
    Object.assign(card, { mode: "", back: "versions", failed: "" });
    changed(answer.tweet);
    closed(card);
    refreshSoon();
  };
  return waiting(card) || h("ol.versions", {}, card.list.versions.map((version) => h("li", {},
    h("small.dim", {}, [say("gallery.version", { n: version.version }), say("made_by." + version.made_by), moments.format(new Date(version.created_at))].join(" · ")),
    version.instruction ? h("p.instruction", { dir: "auto" }, "“" + version.instruction + "”") : null,
    h("p.text", { dir: "auto" }, version.text),
    version.version === card.tweet.version ? h("span.chip", {}, say("gallery.version.current"))
      : h("button.small", { type: "button", "data-mark": "restore" + version.version, onclick: () => restore(version.version) }, say("gallery.restore")))));
}

function toldList(card) {
  const told = card.list;
  const rows = (entries) => entries.filter(([, value]) => value !== null && value !== undefined && value !== "" && !(Array.isArray(value) && !value.length))
    .map(([name, value]) => [h("dt", {}, named("plan", name)), h("dd", { dir: "auto" }, Array.isArray(value) ? value.map(String).join(", ") : typeof value === "object" ? JSON.stringify(value) : String(value))]);
  return waiting(card) || h("div.told", {},
    told.others.map((text) => h("div.theirs", {}, h("b", {}, say("gallery.other")), h("p.text", { dir: "auto" }, text))),
    h("dl.facts", {},
      rows([["alt_text", told.alt_text], ["scene_hint", told.image.scene_hint], ["positive_prompt", told.image.positive_prompt]]),
      rows(Object.entries(told.plan)),
      rows([["made", say("made_by." + told.made_by)], ["updated", moments.format(new Date(told.updated_at))]])));
}
