// A persona's seven stages: a panel for each, as it is being written and to be read. Shared by the pages that show a persona; each has
// `root`, the node that all of it is in, and `ask(event, what)`, which tells Python what was clicked.
const ORDER = ["core", "strategy", "examples", "network", "authenticity", "visual", "knowledge"];
const CLAMP = 440; // px; as in studio.css
const more = { marks: () => null, tools: () => null, instead: () => null }; // what a page adds to a panel, or shows instead of the text
let current = null; // the view that is shown (pipeline/views.py)
let panels = {}; // by stage key: {node, drawn, tab, folded, whole}
let ticking = null;
let skew = 0; // server's clock minus ours

function seconds(from) {
  return Math.max(0, (Date.now() + skew - Date.parse(from)) / 1000);
}

function shortly(value) {
  return value < 100 ? value.toFixed(1) : Math.round(value).toString();
}

function names(keys) {
  return keys.map((key) => say("stage." + key)).join(", ");
}

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
  return h("p.phase", { role: "status" }, say(key, { words: String(phase.words || "").replace(/[.。]+$/, ""), wait: phase.wait === undefined ? "" : shortly(phase.wait), attempt: phase.attempt }));
}

/** Why a step failed: what kind of failure it is, and the writer's words without that. */
function reason(kind, error) {
  const title = texts["failed." + kind] || say("failed.other");
  const colon = title + say("colon");
  return [title, (error || "").startsWith(colon) ? error.slice(colon.length) : error || ""];
}

function failure(stage) {
  const [title, words] = reason(stage.error_kind, stage.error);
  return h("div.failure", { role: "alert" },
    h("b", {}, title), h("p", {}, words),
    h("button.small.primary", { type: "button", onclick: onceAWhile(() => ask("retry", { stage: stage.key })) }, say("stage.retry")));
}

/** What an author or a card brought may have any shape. */
function readingOf(stage) {
  try {
    return bodies[stage.key](stage.output);
  } catch (unlike) {
    return readable(stage.output);
  }
}

function body(stage, panel) {
  if (stage.status === "failed") return failure(stage);
  const busy = stage.status === "running" ? [phaseLine(stage), h("div.shimmer", { "aria-hidden": "true" }, h("i"), h("i"), h("i"))] : null;
  if (stage.output) {
    const above = busy || (stage.error ? failure(stage) : null); // written anew: the text that stands is still shown
    const show = (tab) => { panel.tab = tab; draw(stage, panel, true); };
    const tabs = h("div.tabs", { role: "tablist" }, ["readable", "json"].map((tab) =>
      h("button", { type: "button", role: "tab", "aria-selected": String(panel.tab === tab), "data-mark": tab, onclick: () => show(tab) }, say("stage." + tab))));
    if (panel.tab === "json") {
      const text = JSON.stringify(stage.output, null, 2);
      const button = h("button.quiet", { type: "button", onclick: () => copy(text, button) }, say("stage.copy"));
      return [above, tabs, h("div.json", { role: "tabpanel", "aria-label": say("stage.json") }, button, h("pre", { tabindex: "0" }, text))];
    }
    const read = h("div.read", { role: "tabpanel", "aria-label": say("stage.readable") }, readingOf(stage));
    return [above, tabs, panel.whole ? read : clamped(read, panel)];
  }
  if (busy) return busy;
  const missing = (stage.needs || []).filter((key) => current.stages.find((other) => other.key === key).status !== "done");
  const why = stage.status === "blocked" ? "stage.blocked" : "stage.waits_for";
  return missing.length && stage.status !== "cancelled" ? h("p.waits", {}, say(why, { stages: names(missing) })) : null;
}

/** *read* cut to a screenful, with a button for the rest where there is one. */
function clamped(read, panel) {
  const rest = h("button.quiet.more", { type: "button", hidden: true, onclick: () => { panel.whole = true; read.classList.remove("clamped"); rest.remove(); read.tabIndex = -1; read.focus({ preventScroll: true }); } }, say("stage.more"));
  requestAnimationFrame(() => {
    if (read.scrollHeight < CLAMP + 160) return;
    read.classList.add("clamped");
    rest.hidden = false;
  });
  return [read, rest];
}

function draw(stage, panel, forced) {
  const state = JSON.stringify([stage.status, stage.version, stage.error, stage.phase, stage.since, stage.seconds, stage.changed, current.status === "writing",
    (stage.needs || []).map((key) => (current.stages.find((other) => other.key === key) || {}).status)]);
  if (!forced && panel.drawn === state) return;
  panel.drawn = state;
  const number = ORDER.indexOf(stage.key) + 1;
  const instead = more.instead(stage);
  const full = Boolean(stage.output);
  const fold = full ? h("button.fold", { type: "button", "aria-expanded": String(!panel.folded), "aria-label": say("stage.fold") + ": " + say("stage." + stage.key), "data-mark": "fold",
    onclick: () => { panel.folded = !panel.folded; draw(stage, panel, true); } }, panel.folded ? "▸" : "▾") : null;
  panel.node.className = "panel " + stage.status;
  panel.node.setAttribute("aria-busy", String(stage.status === "running"));
  const header = h("header", {}, h("span.number", {}, number), h("h2", {}, say("stage." + stage.key)), more.marks(stage), panelStatus(stage), fold);
  if (instead && instead.parentNode === panel.node && !panel.folded) { // somebody types in it: it stays where it is
    panel.node.querySelector("header").replaceWith(header);
    return;
  }
  keepingFocus(panel.node, () => panel.node.replaceChildren(header,
    ...[panel.folded && full ? null : instead || [more.tools(stage), body(stage, panel)]].flat(4).filter(Boolean)));
}

function tick() {
  for (const node of root.querySelectorAll(".ticking")) {
    const since = node.dataset.since;
    if (!since) continue;
    const value = shortly(seconds(since));
    node.textContent = say(node.dataset.key || "view.seconds", { n: value });
  }
}
