// The summary above the panels: picture, name, how far it is, what can be done. `actions(view)` is the page's.
let summary = null; // {node, drawn, id, revision}

function metric(key, value) {
  return h("span.metric", {}, say(key, { n: value }));
}

function dot(stage) {
  const go = () => panels[stage.key].node.scrollIntoView({ behavior: "smooth", block: "start" });
  return h("button.step." + stage.status, { type: "button", onclick: go, title: say("stage." + stage.key) + ": " + say("stage." + stage.status), "data-stage": stage.key, "data-mark": stage.key },
    h("span.sr", {}, say("stage." + stage.key)));
}

function counts(view) {
  const progress = view.progress;
  const time = progress.since ? h("span.metric.ticking", { "data-since": progress.since, "data-key": "view.seconds" })
    : progress.seconds === null ? null : metric("view.seconds", shortly(progress.seconds));
  return h("div.counts", {},
    h("span.metric.strong", {}, say("view.of", progress)), time,
    progress.calls === 1 ? h("span.metric", {}, say("view.call")) : metric("view.calls", progress.calls),
    metric("view.tokens", progress.tokens.toLocaleString(document.documentElement.lang)));
}

function nameForm(view) {
  if (view.stages[0].status !== "done" || view.status === "writing") return h("h1", {}, view.named ? view.name : say(view.status === "writing" ? "view.working_title" : "view.unnamed"));
  const field = h("input", { type: "text", value: view.name, maxlength: "80", "aria-label": say("view.name"), spellcheck: "false" });
  const save = h("button.small", { type: "submit", hidden: true }, say("view.rename"));
  field.addEventListener("input", () => (save.hidden = field.value.trim() === view.name || !field.value.trim()));
  return h("form.rename", { onsubmit: (event) => { event.preventDefault(); save.hidden = true; ask("edit", { name: field.value, revision: view.revision }); } }, field, save);
}

function drawSummary(view) {
  const { seconds: passing, ...still } = view.progress; // the clock ticks by itself
  const state = JSON.stringify([view.id, view.name, view.named, view.status, view.revision, still, view.progress.since ? 0 : passing, view.tweets, view.stages.map((stage) => stage.status)]);
  if (summary.drawn === state) return;
  const typing = summary.node.contains(document.activeElement) && document.activeElement.tagName === "INPUT" && view.id === summary.id;
  if (typing && view.revision === summary.revision) return;
  Object.assign(summary, { drawn: state, id: view.id, revision: view.revision });
  const status = view.status === "partial" && view.job && view.job.status === "cancelled" ? "cancelled" : view.status;
  keepingFocus(summary.node, () => summary.node.replaceChildren(
    h("div.face", {}, picture(view.picture, view.named ? view.name : "")),
    h("div.about", {},
      nameForm(view),
      h("div.line", {}, h("span.chip." + status, {}, status === "writing" ? h("i.pulse") : null, say("status." + status)), counts(view)),
      h("nav.steps", { "aria-label": say("view.stages") }, view.stages.map(dot)),
      actions(view))));
}

/** The nodes of a persona that was not shown yet. */
function beginPersona(view) {
  panels = {};
  summary = { node: h("div.summary") };
  for (const stage of view.stages) panels[stage.key] = { node: h("article.panel", { id: "stage-" + stage.key }), tab: "readable", folded: false, whole: false };
  return [summary.node, h("div.panels", {}, view.stages.map((stage) => panels[stage.key].node))];
}

/** Show what is known of the persona by now. */
function drawPersona(view) {
  if (view.now) skew = Date.parse(view.now) - Date.now();
  drawSummary(view);
  for (const stage of view.stages) draw(stage, panels[stage.key], false);
  tick();
  clearInterval(ticking);
  if (view.status === "writing") ticking = setInterval(tick, 100);
}
