// The persona as it is being written: a summary, and a panel for each of the seven stages. Built from props.value alone.
// Value: null, or a view (pipeline/views.py) with `opened: true` when the page is to turn to it.

const root = h("div.persona");
element.replaceChildren(root);

const ORDER = ["core", "strategy", "examples", "network", "authenticity", "visual", "knowledge"];
const CLAMP = 440; // px; as in studio.css
let current = null; // the view that is shown
let panels = {}; // by stage key: {node, drawn, tab, folded}
let summary = null;
let ticking = null;

function seconds(from) {
  return Math.max(0, (Date.now() + skew - Date.parse(from)) / 1000);
}
let skew = 0; // server's clock minus ours

function shortly(value) {
  return value < 100 ? value.toFixed(1) : Math.round(value).toString();
}

function names(keys) {
  return keys.map((key) => say("stage." + key)).join(", ");
}

// The seven panels

function panelStatus(stage) {
  if (stage.status === "running") return h("span.chip.running", {}, h("i.pulse"), say("stage.running"), " ", h("span.ticking", { "data-since": stage.since || "" }));
  if (stage.status === "done") return h("span.chip.done", {}, "✓ ", stage.seconds === null ? say("stage.done") : say("view.seconds", { n: shortly(stage.seconds) }));
  return h("span.chip." + stage.status, {}, say("stage." + (stage.status === "blocked" ? "waiting" : stage.status)));
}

function phaseLine(stage) {
  const phase = stage.phase;
  if (!phase || phase.phase === "writing") return null;
  const key = "phase." + phase.phase;
  if (!texts[key]) return null;
  return h("p.phase", { role: "status" }, say(key, { words: phase.words, wait: phase.wait === undefined ? "" : shortly(phase.wait), attempt: phase.attempt }));
}

function failure(stage) {
  const title = texts["failed." + stage.error_kind] || say("failed.other");
  const words = (stage.error || "").startsWith(title + ": ") ? stage.error.slice(title.length + 2) : stage.error || "";
  return h("div.failure", { role: "alert" },
    h("b", {}, title), h("p", {}, words),
    h("button.small.primary", { type: "button", onclick: () => ask("retry", { stage: stage.key }) }, say("stage.retry")));
}

function body(stage, panel) {
  if (stage.status === "failed") return failure(stage);
  if (stage.status === "running") return [phaseLine(stage), h("div.shimmer", { "aria-hidden": "true" }, h("i"), h("i"), h("i"))];
  if (stage.status === "done" && stage.output) {
    const show = (tab) => { panel.tab = tab; draw(stage, panel, true); };
    const tabs = h("div.tabs", { role: "tablist" }, ["readable", "json"].map((tab) =>
      h("button", { type: "button", role: "tab", "aria-selected": String(panel.tab === tab), onclick: () => show(tab) }, say("stage." + tab))));
    if (panel.tab === "json") {
      const text = JSON.stringify(stage.output, null, 2);
      const button = h("button.quiet", { type: "button", onclick: () => copy(text, button) }, say("stage.copy"));
      return [tabs, h("div.json", {}, button, h("pre", { tabindex: "0" }, text))];
    }
    const read = h("div.read", {}, bodies[stage.key](stage.output));
    return [tabs, panel.whole ? read : clamped(read, panel)];
  }
  const missing = (stage.needs || []).filter((key) => current.stages.find((other) => other.key === key).status !== "done");
  const why = stage.status === "blocked" ? "stage.blocked" : "stage.waits_for";
  return missing.length && stage.status !== "cancelled" ? h("p.waits", {}, say(why, { stages: names(missing) })) : null;
}

/** *read* cut to a screenful, with a button for the rest where there is one. */
function clamped(read, panel) {
  const more = h("button.quiet.more", { type: "button", hidden: true, onclick: () => { panel.whole = true; read.classList.remove("clamped"); more.remove(); } }, say("stage.more"));
  requestAnimationFrame(() => {
    if (read.scrollHeight < CLAMP + 160) return;
    read.classList.add("clamped");
    more.hidden = false;
  });
  return [read, more];
}

function draw(stage, panel, forced) {
  const state = JSON.stringify([stage.status, stage.version, stage.error, stage.phase, stage.since, stage.seconds,
    (stage.needs || []).map((key) => (current.stages.find((other) => other.key === key) || {}).status)]);
  if (!forced && panel.drawn === state) return;
  panel.drawn = state;
  const number = ORDER.indexOf(stage.key) + 1;
  const content = body(stage, panel);
  const full = stage.status === "done";
  const fold = full ? h("button.fold", { type: "button", "aria-expanded": String(!panel.folded), "aria-label": say("stage.fold"),
    onclick: () => { panel.folded = !panel.folded; draw(stage, panel, true); } }, panel.folded ? "▸" : "▾") : null;
  panel.node.className = "panel " + stage.status;
  panel.node.setAttribute("aria-busy", String(stage.status === "running"));
  panel.node.replaceChildren(
    h("header", {}, h("span.number", {}, number), h("h2", {}, say("stage." + stage.key)), panelStatus(stage), fold),
    ...[panel.folded && full ? null : content].flat(3).filter(Boolean));
}

// The summary above them

function metric(key, value) {
  return h("span.metric", {}, say(key, { n: value }));
}

function dot(stage) {
  const go = () => panels[stage.key].node.scrollIntoView({ behavior: "smooth", block: "start" });
  return h("button.step." + stage.status, { type: "button", onclick: go, title: say("stage." + stage.key) + ": " + say("stage." + stage.status), "data-stage": stage.key },
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

function actions(view) {
  const written = view.stages[0].status === "done";
  const active = view.status === "writing";
  const missing = view.stages.some((stage) => ["failed", "cancelled", "blocked", "waiting"].includes(stage.status));
  return h("div.actions", {},
    active && view.job.personas === 1 ? h("button.small", { type: "button", onclick: () => ask("stop", {}) }, say("view.cancel")) : null,
    !active && missing ? h("button.small.primary", { type: "button", onclick: () => ask("play", {}) }, say("view.resume")) : null,
    written && !active ? h("a.small.button" + (missing ? "" : ".primary"), { href: place("/cards/" + view.id + ".json"), download: "", id: "card-json" }, say("view.card_json")) : null,
    written && !active ? h("a.small.button", { href: place("/cards/" + view.id + ".png"), download: "", id: "card-png" }, say("view.card_png")) : null,
    written && !active && missing ? h("p.hint", {}, say("view.card_partial")) : null);
}

function nameForm(view) {
  if (view.stages[0].status !== "done" || view.status === "writing") return h("h1", {}, view.named ? view.name : say("view.working_title"));
  const field = h("input", { type: "text", value: view.name, maxlength: "80", "aria-label": say("view.name"), spellcheck: "false" });
  const save = h("button.small", { type: "submit", hidden: true }, say("view.rename"));
  field.addEventListener("input", () => (save.hidden = field.value.trim() === view.name || !field.value.trim()));
  return h("form.rename", { onsubmit: (event) => { event.preventDefault(); save.hidden = true; ask("edit", { name: field.value, revision: view.revision }); } }, field, save);
}

function drawSummary(view) {
  const { seconds: passing, ...still } = view.progress; // the clock ticks by itself
  const state = JSON.stringify([view.id, view.name, view.named, view.status, view.revision, still, view.progress.since ? 0 : passing, view.stages.map((stage) => stage.status)]);
  if (summary.drawn === state) return;
  const typing = summary.node.contains(document.activeElement) && document.activeElement.tagName === "INPUT" && view.id === summary.id;
  if (typing && view.revision === summary.revision) return;
  Object.assign(summary, { drawn: state, id: view.id, revision: view.revision });
  const status = view.status === "partial" && view.job && view.job.status === "cancelled" ? "cancelled" : view.status;
  summary.node.replaceChildren(
    h("div.face", {}, picture(view.picture, view.named ? view.name : "")),
    h("div.about", {},
      nameForm(view),
      h("div.line", {}, h("span.chip." + status, {}, status === "writing" ? h("i.pulse") : null, say("status." + status)), counts(view)),
      h("nav.steps", { "aria-label": say("view.stages") }, view.stages.map(dot)),
      actions(view)));
}

// All of it

function ask(event, what) {
  trigger(event, { persona: current.id, job: current.job && current.job.id, ...what });
}

function tick() {
  for (const node of root.querySelectorAll(".ticking")) {
    const since = node.dataset.since;
    if (!since) continue;
    const value = shortly(seconds(since));
    node.textContent = say(node.dataset.key || "view.seconds", { n: value });
  }
}

function drawEmpty() {
  root.className = "persona empty";
  root.replaceChildren(
    h("div.blank", {}, h("img", { src: place("/brand/empty-state.svg"), alt: "", width: "220" }), h("h2", {}, say("empty.title")), h("p", {}, say("empty.text"))),
    h("ol.promise", {}, ORDER.map((key, index) => h("li", {}, h("span.number", {}, index + 1), say("stage." + key)))));
}

function begin(view) {
  panels = {};
  summary = { node: h("div.summary") };
  for (const stage of view.stages) panels[stage.key] = { node: h("article.panel", { id: "stage-" + stage.key }), tab: "readable", folded: false, whole: false };
  root.className = "persona";
  root.replaceChildren(summary.node, h("div.panels", {}, view.stages.map((stage) => panels[stage.key].node)));
  const address = new URL(window.location.href);
  if (address.searchParams.get("persona") !== view.id) {
    address.searchParams.set("persona", view.id);
    window.history.replaceState(window.history.state, "", address);
  }
}

function drawAll() {
  const view = props.value;
  if (!view || !view.id) {
    if (!current) drawEmpty();
    return;
  }
  if (current && view.id !== current.id && !view.opened) return; // news of a persona that the page has left
  const other = !current || view.id !== current.id;
  current = view;
  if (view.now) skew = Date.parse(view.now) - Date.now();
  if (other) begin(view);
  drawSummary(view);
  for (const stage of view.stages) draw(stage, panels[stage.key], false);
  tick();
  clearInterval(ticking);
  if (view.status === "writing") ticking = setInterval(tick, 100);
  if (other) root.scrollIntoView({ block: "nearest", behavior: "smooth" });
}

watch("value", drawAll);
drawAll();
