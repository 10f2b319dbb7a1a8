// Card files become personas: a line for each file says what came of it.
const results = h("ul.results", { "aria-live": "polite" });
const chooser = h("input", { type: "file", multiple: true, accept: ".json,.png,application/json,image/png", id: "import-files", onchange: () => { takeIn([...chooser.files]); chooser.value = ""; } });
const importing = h("section.import", {}, h("label.drop", {}, chooser, h("b", {}, say("import.title")), h("span.dim", {}, say("import.hint"))), results);
let taking = Promise.resolve();

function takeIn(files) {
  if (results.childNodes.length && !results.querySelector(".busy")) results.replaceChildren();
  for (const file of files) {
    const line = h("li.busy", {}, h("i.pulse"), h("b", {}, file.name), " ", h("span.dim", {}, say("import.reading")));
    results.append(line);
    taking = taking.then(() => takeOne(file, line));
  }
  taking = taking.then(closeable);
}

async function takeOne(file, line) {
  let answer;
  try {
    const kept = await upload(file);
    answer = await call("take_in", { path: kept.path, name: file.name });
  } catch (refused) {
    answer = { error: say("import.lost", { name: file.name }) };
  }
  line.className = answer.id ? "taken" : "refused";
  line.replaceChildren(...(answer.id
    ? [h("b", {}, file.name), " → ", h("a", { href: place("/personas?persona=" + encodeURIComponent(answer.id)), onclick: (event) => go(event, answer.id) }, answer.name), " ", h("span.chip", {}, say("import.kind." + answer.kind)),
       answer.remarks.length ? h("ul.bullets", {}, answer.remarks.map((remark) => h("li", {}, remark))) : h("small.dim", {}, " " + say("import.whole"))]
    : [h("b", {}, file.name), " ", h("span.trouble", {}, answer.error)]));
  if (answer.id) await reloadList();
}

function closeable() {
  if (!results.childNodes.length || results.querySelector(".busy") || results.querySelector(".clear")) return;
  results.append(h("li.clear", {}, h("button.quiet", { type: "button", onclick: () => results.replaceChildren() }, say("import.clear"))));
}
