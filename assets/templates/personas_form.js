// A form for any JSON value: a field for each text and number, one line for each of a list. What it reads back has the shape it was given.
// A field is {node, read(), at(path)}: at() is where a sentence about a place inside it is shown.

function slot() {
  return h("p.trouble", { role: "alert", hidden: true });
}

function leaf(control, read) {
  const trouble = slot();
  return { node: h("div.value", {}, control, trouble), read: () => read(control), at: () => trouble };
}

function textField(text, name) {
  if (text.length <= 60 && !text.includes("\n")) {
    const line = h("input", { type: "text", "aria-label": name, dir: "auto", spellcheck: "true" });
    line.value = text;
    return leaf(line, () => line.value);
  }
  const area = h("textarea", { "aria-label": name, dir: "auto", spellcheck: "true", rows: String(Math.min(14, 1 + text.split("\n").reduce((sum, line) => sum + Math.ceil((line.length + 1) / 74), 0))) });
  area.value = text;
  return leaf(area, () => area.value);
}

function linesField(list, name) {
  const field = textField(list.join("\n") + "\n", name);
  const area = field.node.querySelector("textarea");
  area.value = list.join("\n");
  field.node.append(h("small.dim", {}, say("form.lines")));
  return { ...field, read: () => area.value.split("\n").map((line) => line.trim()).filter(Boolean) };
}

/** The same shape with nothing in it, for one more entry of a list. */
function blank(value) {
  if (Array.isArray(value)) return value.every((item) => typeof item !== "object") ? [] : value.slice(0, 1).map(blank);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, blank(inner)]));
  return typeof value === "string" ? "" : value;
}

function entriesField(list, name) {
  const entries = [];
  const trouble = slot();
  const box = h("div.entries-form", {});
  const enter = (value) => {
    const field = fieldOf(value, name);
    const entry = { field, node: h("div.entry-form", {}, field.node, h("button.quiet", { type: "button", onclick: () => { entries.splice(entries.indexOf(entry), 1); entry.node.remove(); } }, say("form.remove"))) };
    entries.push(entry);
    box.append(entry.node);
    return entry;
  };
  list.forEach(enter);
  const shape = list.length ? blank(list[0]) : "";
  const add = h("button.quiet", { type: "button", onclick: () => enter(shape).node.querySelector("input, textarea").focus() }, say("form.add"));
  return {
    node: h("div.list-form", {}, trouble, box, add),
    read: () => entries.map((entry) => entry.field.read()),
    at: (path) => (path.length && entries[path[0]] ? entries[path[0]].field.at(path.slice(1)) : trouble),
  };
}

function objectField(object) {
  const fields = {};
  const trouble = slot();
  const rows = Object.entries(object).map(([key, value]) => {
    fields[key] = fieldOf(value, label(key));
    const nested = value && typeof value === "object" && !(Array.isArray(value) && value.every((item) => typeof item !== "object"));
    return nested ? h("fieldset", {}, h("legend", {}, label(key)), fields[key].node) : h("div.row-form", {}, h("span.label", { "aria-hidden": "true" }, label(key)), fields[key].node);
  });
  return {
    node: h("div.object-form", {}, trouble, rows),
    read: () => Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, field.read()])),
    at: (path) => {
      // A key may hold a dot itself; the place in a sentence is joined by dots.
      for (let count = 1; count <= path.length; count += 1) {
        const key = path.slice(0, count).join(".");
        if (Object.hasOwn(fields, key)) return fields[key].at(path.slice(count));
      }
      return trouble;
    },
  };
}

function fieldOf(value, name) {
  if (typeof value === "string") return textField(value, name);
  if (typeof value === "boolean") return leaf(h("input", { type: "checkbox", "aria-label": name, checked: value }), (box) => box.checked);
  if (Array.isArray(value)) {
    const plain = value.every((item) => typeof item === "string" && !item.includes("\n"));
    return plain ? linesField(value, name) : entriesField(value, name);
  }
  if (value && typeof value === "object") return objectField(value);
  const line = h("input", { type: "text", inputmode: "decimal", "aria-label": name });
  line.value = value === null ? "" : String(value);
  return leaf(line, () => {
    const typed = line.value.trim().replace(",", ".");
    if (value === null) return line.value.trim() ? line.value : null;
    return typed && Number.isFinite(Number(typed)) ? Number(typed) : line.value;
  });
}

/** Ask in *place_* whether what was typed may be thrown away. Asked again while the question stands, the answer is no. */
function askToDiscard(place_, yes, no) {
  const stay = () => { place_.replaceChildren(); no(); };
  if (place_.querySelector(".ask")) return stay();
  place_.replaceChildren(h("div.ask", { role: "alertdialog", "aria-label": say("form.discard") }, h("span", {}, say("form.discard")),
    h("button.small.danger", { type: "button", onclick: yes }, say("form.discard.yes")),
    h("button.small", { type: "button", onclick: stay }, say("form.discard.no"))));
  place_.querySelector("button").focus();
}

/** The editor of a stage: {node, version, dirty()}. save(output, version) answers {view} or {error, problems}; end() closes it. */
function editor(stage, save, end) {
  const initial = JSON.stringify(stage.output);
  const trouble = h("div.wrongs", { role: "alert" });
  const place_ = h("div.fields");
  let mode = "form";
  let field = null;
  let area = null;
  const made = { kind: "edit", version: stage.version, busy: false };

  const show = (value) => {
    trouble.replaceChildren();
    if (mode === "form") {
      field = fieldOf(value, say("stage." + stage.key));
      place_.replaceChildren(field.node);
    } else {
      area = h("textarea.code", { "aria-label": say("stage.json"), spellcheck: "false", rows: "24" });
      area.value = JSON.stringify(value, null, 2);
      place_.replaceChildren(area);
    }
  };
  const typed = () => {
    if (mode === "form") return field.read();
    const value = JSON.parse(area.value);
    if (!value || typeof value !== "object" || Array.isArray(value)) throw new SyntaxError(say("form.object"));
    return value;
  };
  const read = () => {
    try {
      return typed();
    } catch (error) {
      trouble.replaceChildren(h("p.trouble", {}, say("form.json", { words: error.message })));
      return null;
    }
  };
  made.dirty = () => {
    try {
      return JSON.stringify(typed()) !== initial;
    } catch (error) {
      return true;
    }
  };
  const tell = (answer) => {
    for (const old of place_.querySelectorAll(".trouble")) old.hidden = true;
    const rest = [];
    let first = null;
    for (const problem of answer.problems || []) {
      const at = mode === "form" ? field.at(problem.place.split(".")) : null;
      if (!at) { rest.push(problem.words); continue; }
      at.textContent = (at.hidden ? "" : at.textContent + " ") + problem.words;
      at.hidden = false;
      first = first || at;
    }
    const theirs = answer.theirs ? h("button.small", { type: "button", onclick: () => { made.version = answer.theirs; keep(); } }, say("form.mine")) : null;
    trouble.replaceChildren(...[...(answer.problems ? [first ? say("form.problems") : null, ...rest].filter(Boolean) : [answer.error]).map((words) => h("p.trouble", {}, words)), theirs].filter(Boolean));
    (first || trouble).scrollIntoView({ block: "center" });
    const control = first && first.parentNode.querySelector("input, textarea");
    if (control) control.focus({ preventScroll: true });
  };
  const keep = async () => {
    const output = read();
    if (!output || made.busy) return;
    made.busy = button.disabled = true;
    const answer = await save(output, made.version);
    made.busy = button.disabled = false;
    if (answer.view) end();
    else tell(answer);
  };
  const leave = () => {
    if (made.busy) return;
    if (!made.dirty()) return end();
    askToDiscard(trouble, end, () => button.focus());
  };
  const tabs = h("div.tabs", { role: "tablist" }, ["form", "json"].map((name) => h("button", { type: "button", role: "tab", "aria-selected": String(mode === name), "data-tab": name,
    onclick: () => {
      const value = mode === name ? null : read();
      if (!value) return;
      mode = name;
      for (const tab of tabs.children) tab.setAttribute("aria-selected", String(tab.dataset.tab === mode));
      show(value);
    } }, say(name === "form" ? "form.fields" : "stage.json"))));
  const button = h("button.small.primary", { type: "submit" }, say("form.save"));
  made.node = h("form.editor", { onsubmit: (event) => { event.preventDefault(); keep(); }, novalidate: true,
    onkeydown: (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter" && event.target.matches("input")) event.preventDefault();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) keep();
      if (event.key === "Escape") { event.stopPropagation(); leave(); }
    } },
    tabs, place_, h("div.saving", {}, trouble, h("div.acts", {}, button, h("button.small", { type: "button", onclick: leave }, say("form.cancel")), h("small.dim", {}, say("form.keys")))));
  show(stage.output);
  return made;
}
