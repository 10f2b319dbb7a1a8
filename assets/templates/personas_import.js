// Files that are handed in, a line for each that says what came of it; and character cards, which become personas that way.

/** A list of files that are taken in one after the other. *take*(path, name, whose) answers {error}, or {nodes, remarks}. */
function intake(take) {
  const list = h("ul.results", { "aria-live": "polite" });
  let taking = Promise.resolve();
  const one = async (file, line, whose) => {
    let answer;
    try {
      const kept = await upload(file);
      answer = await take(kept.path, file.name, whose);
    } catch (refused) {
      answer = { error: say("import.lost", { name: file.name }) };
    }
    line.className = answer.error ? "refused" : "taken";
    line.replaceChildren(h("b", { dir: "auto" }, file.name), " ", ...(answer.error
      ? [h("span.trouble", {}, answer.error)]
      : [...answer.nodes, answer.remarks.length ? h("ul.bullets", {}, answer.remarks.map((remark) => h("li", {}, remark))) : h("small.dim", {}, " " + say("import.whole"))]));
  };
  const closeable = () => {
    if (!list.childNodes.length || list.querySelector(".busy") || list.querySelector(".clear")) return;
    list.append(h("li.clear", {}, h("button.quiet", { type: "button", onclick: () => list.replaceChildren() }, say("import.clear"))));
  };
  const all = (files, whose) => {
    if (list.childNodes.length && !list.querySelector(".busy")) list.replaceChildren();
    for (const file of files) {
      const line = h("li.busy", {}, h("i.pulse"), h("b", { dir: "auto" }, file.name), " ", h("span.dim", {}, say("import.reading")));
      list.append(line);
      taking = taking.then(() => one(file, line, whose));
    }
    taking = taking.then(closeable);
  };
  return { list, take: all };
}

const cardFiles = intake(async (path, name) => {
  const answer = await call("take_in", { path, name });
  if (!answer.id) return answer;
  reloadList();
  return { nodes: ["→ ", h("a", { href: place("/personas?persona=" + encodeURIComponent(answer.id)), onclick: (event) => go(event, answer.id) }, answer.name), " ", h("span.chip", {}, say("import.kind." + answer.kind))], remarks: answer.remarks };
});
const chooser = h("input", { type: "file", multiple: true, accept: ".json,.png,application/json,image/png", id: "import-files", onchange: () => { cardFiles.take([...chooser.files]); chooser.value = ""; } });
const importing = h("section.import", {}, h("label.drop", {}, chooser, h("b", {}, say("import.title")), h("span.dim", {}, say("import.hint"))), cardFiles.list);
