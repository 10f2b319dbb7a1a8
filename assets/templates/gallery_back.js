// Edited exports come back, chosen or dropped: a line for each file says what came of it, until somebody closes it.
const backChooser = h("input", { type: "file", id: "bring-back", multiple: true, accept: ".csv,.jsonl,.json,.txt,text/csv,application/x-ndjson,application/json", onchange: () => { bringBack([...backChooser.files]); backChooser.value = ""; } });
const bringing = h("label.small.bring", { title: say("back.hint") }, backChooser, say("back.title"));
const outcomes = h("ul.outcomes", { "aria-live": "polite", "aria-label": say("back.title") });
let lastBack = Promise.resolve();

function bringBack(files) {
  for (const file of files) {
    const line = h("li.busy", {}, h("p", {}, h("i.pulse"), h("b", { dir: "auto" }, file.name), " ", h("span.dim", {}, say("back.busy"))));
    outcomes.append(line);
    lastBack = lastBack.then(() => bringOne(file, line)); // in order: two files may hold the same tweet
  }
}

async function bringOne(file, line) {
  const answer = await takenBack(file);
  line.className = answer.error ? "refused" : "taken";
  line.replaceChildren(...[
    answer.error ? h("p.trouble", { dir: "auto" }, answer.error.includes(file.name) ? "" : file.name + say("colon"), answer.error) : h("p", {}, h("b", { dir: "auto" }, file.name), " ", outcome(answer)),
    answer.changed && !answer.error ? h("p.dim", {}, say("back.kept")) : null,
    answer.remarks && answer.remarks.length ? h("ul.remarks", {}, answer.remarks.map((remark) => h("li", { dir: "auto" }, remark))) : null,
    h("button.quiet", { type: "button", "aria-label": say("gallery.close"), onclick: () => line.remove() }, "✕"),
  ].filter(Boolean));
  if (answer.changed || answer.reviewed) await loadFirst();
}

async function takenBack(file) {
  if (file.size > props.value.mb * 2 ** 20) return { error: say("batch.large", { name: file.name, size: (file.size / 2 ** 20).toFixed(1), limit: props.value.mb }) };
  try {
    const answer = await call("take_back", { path: (await upload(file)).path, name: file.name });
    return answer.lost ? { error: say("back.lost"), changed: true } : answer;
  } catch (refused) {
    return { error: say("import.lost", { name: file.name }) };
  }
}

function outcome(answer) {
  const counts = ["changed", "reviewed", "conflicts", "unknown", "same"].filter((key) => answer[key]);
  if (counts.join() === "same" && !answer.remarks.length) return say("back.nothing");
  return counts.map((key) => say("back." + key, { n: number(answer[key]) })).join(" · ");
}

function carriesFiles(event) {
  return Boolean(event.dataTransfer) && [...event.dataTransfer.types].includes("Files");
}

function onDrag(event) {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  bringing.classList.toggle("over", event.type === "dragover");
  if (event.type === "drop") bringBack([...event.dataTransfer.files]);
}
