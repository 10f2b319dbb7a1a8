// Monitor: asks for everything once a second while somebody looks.
const EVERY = 1000, HIDDEN = 10000; // ms
let asking = null;
let uptime = 0;
const lost = h("p.notice", { hidden: true, role: "status" }, say("call.lost"));
const slots = tile("slots", ["waiting", "steps", "eta"]);
const calls = tile("calls", ["p50", "p95", "retries", "overloaded", "failures"]);
const spent = tile("spent", ["in", "cached", "out", "cost"]);
const drawn = tile("drawn", ["drawing", "queued", "pace", "left"]);
const workerRows = new Map(), jobLines = new Map();
const tbody = h("tbody");
const noWorkers = h("p.sum", {}, say("monitor.workers.none"));
const poolTrouble = h("p.trouble", { role: "alert", hidden: true });
const engine = h("span.chip");
const jobList = h("ul.jobs", { "aria-label": say("monitor.jobs") });
const noJobs = h("p.sum", {}, say("monitor.jobs.none"));
const heads = ["device", "state", "task", "done", "rate", "memory", "load", "restarts"];
const workers = h("section.card.workers", {}, h("div.line", {}, h("h2", {}, say("images.workers")), engine), poolTrouble, noWorkers,
  h("table", {}, h("thead", {}, h("tr", {}, heads.map((name) => h("th", { scope: "col" }, say("monitor.worker." + name))))), tbody));
const since = h("p.sum");
const root = h("div.monitor", { "aria-busy": "true" }, lost, h("div.line.head", {}, h("h1", {}, say("nav.monitor")), since), h("div.figures", {}, slots.node, calls.node, spent.node, drawn.node), workers,
  h("section.card.work", {}, h("h2", {}, say("monitor.jobs")), noJobs, jobList), logBox);

function seconds(value) {
  return value === null ? null : say("time.seconds", { n: number(Math.round(value * 100) / 100) });
}

function about(value) {
  return value === null ? null : value ? "≈ " + lasting(value) : "–";
}

function draw(answer) {
  const { writer, pool, history } = answer;
  if (answer.uptime < uptime) { newestLine = 0; logLines.replaceChildren(); } // another process: its lines count from 1 again
  uptime = answer.uptime;
  write(since, say("monitor.since", { time: lasting(uptime), model: writer.model }));
  tell(slots, number(writer.in_use), say("monitor.of", { n: number(writer.slots) }), { waiting: number(writer.waiting), steps: number(writer.steps), eta: about(writer.eta) });
  chart(slots.bars, history.in_use, writer.slots);
  tell(calls, (Math.round(writer.rate * 10) / 10).toLocaleString(document.documentElement.lang), say("monitor.rate", { n: number(writer.calls) }),
    { p50: seconds(writer.p50), p95: seconds(writer.p95), retries: number(writer.retries), overloaded: number(writer.overloaded), failures: number(writer.failures) });
  chart(calls.bars, history.calls, 0);
  tell(spent, number(writer.prompt_tokens + writer.completion_tokens), say("monitor.tokens"),
    { in: number(writer.prompt_tokens), cached: number(writer.cached_tokens), out: number(writer.completion_tokens), cost: writer.cost === null ? say("monitor.cost.unknown") : "$" + writer.cost.toFixed(2) });
  tell(drawn, number(pool.done), say("monitor.pictures"), { drawing: number(pool.drawing), queued: number(pool.waiting), pace: number(pool.workers.reduce((sum, worker) => sum + worker.per_minute, 0)), left: about(pool.eta) });
  chart(drawn.bars, history.pictures, 0);
  write(engine, say("images.engine." + pool.engine) === "images.engine." + pool.engine ? pool.engine : say("images.engine." + pool.engine));
  poolTrouble.hidden = !pool.trouble;
  write(poolTrouble, pool.trouble);
  noWorkers.hidden = pool.workers.length > 0;
  keyed(tbody, workerRows, pool.workers, (worker) => worker.number, workerRow, drawWorker);
  noJobs.hidden = answer.jobs.length > 0;
  keyed(jobList, jobLines, answer.jobs, (job) => job.id, jobLine, drawJob);
  addLines(answer.log.filter((line) => line.number > newestLine));
}

async function ask() {
  clearTimeout(asking);
  if (!root.isConnected) return; // Gradio has put another card in its place
  const answer = await call("look", { after: newestLine });
  lost.hidden = !answer.error;
  if (answer.error && !answer.lost) lost.textContent = answer.error;
  if (!answer.error) {
    draw(answer);
    root.setAttribute("aria-busy", "false");
  }
  clearTimeout(asking);
  asking = setTimeout(ask, document.hidden ? HIDDEN : EVERY);
}

if (window.studioMonitor) window.studioMonitor.abort(); // the listener of a card that Gradio has replaced
window.studioMonitor = new AbortController();
document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); }, { signal: window.studioMonitor.signal });
element.replaceChildren(root);
chart(slots.bars, [], 1);
ask();
