// What can be done with one stage: edit it, have it written anew, look through its versions and bring one back.
const sheets = new Map(); // what is open in a panel, by persona and stage: {kind, node, dirty(), leave(then)}; it outlives the panel

function sheetOf(stage) {
  return sheets.get(current.id + "/" + stage.key);
}

function openSheet(stage, sheet) {
  sheets.set(current.id + "/" + stage.key, sheet);
  redraw(stage.key);
  const first = sheet.node.querySelector("textarea, input, button:not([role])");
  if (first) first.focus({ preventScroll: true });
}

function closeSheet(persona, key) {
  const sheet = sheets.get(persona + "/" + key);
  sheets.delete(persona + "/" + key);
  if (!sheet || !current || current.id !== persona) return;
  redraw(key);
  const back = panels[key].node.querySelector('[data-mark="' + sheet.kind + '"]');
  if (back) back.focus({ preventScroll: true });
}

/** Open another sheet of the stage; where words are typed in the one that is open, after a question. */
function turnSheet(stage, open) {
  const sheet = sheetOf(stage);
  if (sheet && sheet.leave) sheet.leave(open);
  else open();
}

function redraw(key) {
  const stage = current.stages.find((one) => one.key === key);
  panels[key].folded = false;
  draw(stage, panels[key], true);
}

/** True while a job has this stage in hand. */
function inHand(stage) {
  return current.status === "writing" && ["running", "waiting", "blocked"].includes(stage.status);
}

more.marks = (stage) => (stage.stale ? h("span.chip.stale", { title: say("stale.why", { stages: names(stage.changed) }) }, say("stale.mark")) : null);

more.instead = (stage) => {
  const sheet = sheetOf(stage);
  return sheet && sheet.kind !== "again" ? sheet.node : null;
};

more.tools = (stage) => {
  const ready = stage.needs.every((key) => current.stages.find((other) => other.key === key).output);
  const sheet = sheetOf(stage);
  const held = inHand(stage);
  const buttons = [
    stage.output && !held ? h("button.small", { type: "button", "data-mark": "edit", onclick: () => turnSheet(stage, () => edit(stage)) }, say("tools.edit")) : null,
    ready && !held ? h("button.small", { type: "button", "data-mark": "again", "aria-expanded": String(Boolean(sheet)), onclick: () => (sheet ? sheet.leave() : again(stage)) }, say(stage.output ? "tools.again" : "tools.write")) : null,
    stage.version && !(sheet && held) ? h("button.small", { type: "button", "data-mark": "versions", onclick: () => turnSheet(stage, () => versions(stage)) }, say("tools.versions")) : null,
  ].filter(Boolean);
  return [
    stage.stale && !held ? h("p.stale-why", {}, say("stale.why", { stages: names(stage.changed) })) : null,
    buttons.length ? h("div.tools", {}, buttons, stage.version ? h("small.dim", {}, say("tools.version", { n: stage.version, who: who(stage.made_by) }) + (stage.instruction ? " · “" + stage.instruction + "”" : "")) : null) : null,
    sheet && !held ? sheet.node : null,
  ];
};

function who(made_by) {
  return texts["by." + made_by] || made_by || "";
}

function edit(stage) {
  const id = current.id;
  openSheet(stage, editor(stage, async (output, version) => {
    const answer = await call("edit", { id, stage: stage.key, output, version });
    if (answer.view) show(answer.view);
    else if (!answer.problems && !answer.lost) {
      const now = await call("look", { id });
      const newest = now.view && now.view.stages.find((one) => one.key === stage.key).version;
      if (newest && newest !== version) answer.theirs = newest; // somebody else was faster; what was typed can be kept over it
    }
    return answer;
  }, () => closeSheet(id, stage.key)));
}

function again(stage) {
  const id = current.id;
  const area = h("textarea", { "aria-label": say("again.label"), placeholder: say("again.hint"), rows: "2", maxlength: "2000", dir: "auto", "data-mark": "wish" });
  const trouble = h("div.wrongs", { role: "alert" });
  const button = h("button.small.primary", { type: "submit" }, say(stage.output ? "again.go" : "tools.write"));
  const dirty = () => Boolean(area.value.trim());
  const leave = (then = () => closeSheet(id, stage.key)) => {
    if (button.disabled) return;
    if (!dirty()) return then();
    askToDiscard(trouble, then, () => area.focus({ preventScroll: true }));
  };
  const go = async () => {
    if (button.disabled) return;
    button.disabled = true;
    const answer = await call("regenerate", { id, stage: stage.key, instruction: area.value });
    button.disabled = false;
    if (!answer.view) {
      trouble.replaceChildren(h("p.trouble", {}, answer.error));
      area.focus({ preventScroll: true });
      return;
    }
    sheets.delete(id + "/" + stage.key);
    show(answer.view);
  };
  const node = h("form.again", { onsubmit: (event) => { event.preventDefault(); go(); },
    onkeydown: (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) go();
      if (event.key === "Escape") leave();
    } },
    area, trouble, h("div.acts", {}, button, h("button.small", { type: "button", onclick: () => leave() }, say("form.cancel"))));
  openSheet(stage, { kind: "again", node, dirty, leave });
}

async function versions(stage) {
  const id = current.id;
  const list = h("ol.versions", { "aria-busy": "true" }, h("li", {}, h("div.shimmer", {}, h("i"), h("i"))));
  const trouble = h("p.trouble", { role: "alert", hidden: true });
  const node = h("section.history", { "aria-label": say("tools.versions"), onkeydown: (event) => { if (event.key === "Escape" && !event.isComposing) closeSheet(id, stage.key); } },
    h("div.acts", {}, h("b", {}, say("tools.versions")), h("button.small", { type: "button", onclick: () => closeSheet(id, stage.key) }, say("versions.close"))), trouble, list);
  openSheet(stage, { kind: "versions", node, dirty: () => false });
  const answer = await call("versions", { id, stage: stage.key });
  list.setAttribute("aria-busy", "false");
  const tell = (words) => { trouble.textContent = words; trouble.hidden = false; };
  if (!answer.versions) {
    list.replaceChildren();
    tell(answer.error);
    return;
  }
  list.replaceChildren(...answer.versions.map((made, index) => versionLine(stage, made, index === 0, async () => {
    const back = await call("restore", { id, stage: stage.key, version: made.version });
    if (!back.view) return tell(back.error);
    sheets.delete(id + "/" + stage.key);
    show(back.view);
    redraw(stage.key);
  })));
}

function versionLine(stage, made, newest, restore) {
  const shown = h("div.read.old", { hidden: true });
  const look = h("button.small", { type: "button", "aria-expanded": "false", onclick: () => {
    if (!shown.childNodes.length) shown.append(...[readingOf({ ...stage, output: made.output })].flat(3).filter(Boolean));
    shown.hidden = !shown.hidden;
    look.setAttribute("aria-expanded", String(!shown.hidden));
  } }, say("versions.view"));
  return h("li", { "data-version": made.version },
    h("div.line", {}, h("b", {}, made.version), h("span", {}, who(made.made_by)), h("span.dim", {}, when(made.created_at)), made.model ? h("span.dim", {}, made.model) : null,
      newest ? h("span.chip.done", {}, say("versions.current")) : null,
      h("span.acts", {}, look, newest ? null : h("button.small", { type: "button", onclick: onceAWhile(restore) }, say("versions.restore")))),
    made.instruction ? h("p.dim", { dir: "auto" }, "“" + made.instruction + "”") : null, shown);
}

function when(moment) {
  return new Date(moment).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
}
