// Parts of the Monitor: a figure with its history, a worker, a job. Each is made once and told what changed.
const HISTORY = 120; // seconds

/** A figure in large, what it is of, a chart of the last seconds, and facts under it. */
function tile(key, facts) {
  const value = h("b");
  const of = h("span");
  const bars = h("div.chart", { "aria-hidden": "true" }, Array.from({ length: HISTORY / 2 }, () => h("i")));
  const told = new Map(facts.map((fact) => [fact, h("dd", { "data-fact": fact })]));
  const node = h("section.card.tile", { "data-tile": key, "aria-label": say("monitor." + key) },
    h("h2", {}, say("monitor." + key)), h("p.figure", {}, value, of), bars,
    h("dl", {}, [...told].map(([fact, place_]) => h("div", {}, h("dt", {}, say("monitor.fact." + fact)), place_))));
  return { node, value, of, bars, told };
}

function write(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

function tell(tile_, value, of, facts) {
  write(tile_.value, value);
  write(tile_.of, of);
  for (const [fact, words] of Object.entries(facts)) {
    write(tile_.told.get(fact), words === null ? "–" : words);
    tile_.told.get(fact).classList.toggle("bad", fact === "failures" && words !== "0");
  }
}

/** Bars of two seconds each, the newest at the right. *most* is what a full bar stands for; 0: the highest of them. */
function chart(bars, numbers, most) {
  const all = bars.children.length;
  const pairs = Array.from({ length: all }, (_, bar) => {
    const end = numbers.length - 2 * (all - 1 - bar);
    return end < 1 ? 0 : Math.max(...numbers.slice(Math.max(0, end - 2), end));
  });
  const top = most || Math.max(1, ...pairs);
  pairs.forEach((height, bar) => (bars.children[bar].style.height = share(Math.min(height, top), top)));
}

const gigabytes = (bytes) => number(Math.round(bytes / 2 ** 30 * 10) / 10) + " GB";
const bytes = (size) => (size >= 2 ** 30 ? gigabytes(size) : number(Math.round(size / 2 ** 20)) + " MB");

function workerRow() {
  const cells = {};
  for (const name of ["device", "state", "task", "done", "rate", "memory", "load", "restarts"]) cells[name] = h("td", { "data-cell": name, "data-label": say("monitor.worker." + name) });
  const bar = h("i.good");
  const doing = h("a");
  const step = h("small");
  const progress = h("div.progress", {}, bar);
  cells.task.append(doing, progress, step);
  const chip = h("span.chip");
  const trouble = h("small.trouble");
  cells.state.append(chip, trouble);
  const name = h("b");
  const model = h("small");
  cells.device.append(name, model);
  return { node: h("tr", {}, Object.values(cells)), cells, bar, doing, step, progress, chip, trouble, name, model };
}

function drawWorker(row, worker) {
  write(row.name, worker.device);
  write(row.model, [worker.model, worker.attention && say("monitor.attention", { name: worker.attention }), worker.dtype, worker.pid && say("monitor.pid", { pid: worker.pid })].filter(Boolean).join(" · "));
  row.chip.className = "chip " + ({ busy: "running", idle: "done", failed: "failed", restarting: "failed" }[worker.state] || "");
  write(row.chip, say("monitor.state." + worker.state));
  write(row.trouble, worker.trouble);
  const busy = Boolean(worker.task_id);
  row.doing.hidden = row.progress.hidden = row.step.hidden = !busy;
  if (busy) {
    row.doing.href = place("/images?job=" + encodeURIComponent(worker.about ? worker.about.job : ""));
    write(row.doing, (worker.about && worker.about.name) || say("images.picture"));
    row.bar.style.width = share(worker.step, worker.steps);
    write(row.step, say("images.step", { step: worker.step, steps: worker.steps }) + " · " + lasting(worker.seconds));
  }
  write(row.cells.done, number(worker.done));
  write(row.cells.rate, number(worker.per_minute));
  write(row.cells.memory, worker.memory_total ? bytes(worker.memory_used) + " / " + bytes(worker.memory_total) : worker.memory ? bytes(worker.memory) : "–");
  write(row.cells.load, worker.utilisation === null ? "–" : worker.utilisation + " %" + (worker.temperature === null ? "" : " · " + worker.temperature + " °C"));
  write(row.cells.restarts, number(worker.restarts));
  row.cells.restarts.classList.toggle("bad", worker.restarts > 0);
}

const PLACES = { images: "/images?job=", tweets: "/batch?job=" };

/** Where a job is watched: its own page, or the persona it is about. */
function whereOf(job) {
  if (PLACES[job.kind]) return place(PLACES[job.kind] + encodeURIComponent(job.id));
  return place(job.persona ? "/personas?persona=" + encodeURIComponent(job.persona) : "/personas");
}

function titleOf(job) {
  const many = /^(\d+) personas, (\d+) tweets$/.exec(job.title);
  if (many) return say("run.title", { personas: number(many[1]), tweets: number(many[2]) });
  const pictures = /^(\d+) pictures?$/.exec(job.title);
  return pictures ? say("images.n_pictures", { n: number(pictures[1]) }) : job.title;
}

function jobLine() {
  const title = h("b", { dir: "auto" });
  const kind = h("small");
  const chip = h("span.chip");
  const good = h("i.good"), bad = h("i.bad");
  const bar = h("div.progress", { role: "progressbar", "aria-valuemin": "0" }, good, bad);
  const sum = h("small.sum");
  const link = h("a", {}, title, kind);
  return { node: h("li", {}, h("div.line", {}, link, h("span.gap"), chip), bar, sum), link, title, kind, chip, bar, good, bad, sum };
}

function drawJob(line, job) {
  line.link.href = whereOf(job);
  write(line.title, titleOf(job));
  write(line.kind, say("monitor.kind." + job.kind));
  const state = job.status === "failed" && job.done ? "partial" : job.status;
  line.chip.className = "chip " + (state === "queued" ? "" : state);
  write(line.chip, say("monitor.job." + state));
  line.bar.setAttribute("aria-valuemax", job.total);
  line.bar.setAttribute("aria-valuenow", job.done);
  line.bar.setAttribute("aria-label", line.title.textContent);
  line.good.style.width = share(job.done, job.total);
  line.bad.style.width = share(job.failed, job.total);
  write(line.sum, [say("monitor.steps", { done: number(job.done), total: number(job.total) }), job.failed ? say("images.n_failed", { n: number(job.failed) }) : "",
    job.seconds === null ? "" : lasting(job.seconds)].filter(Boolean).join(" · "));
}

/** Show *items* as the children of *list*: *make* makes a node for each new *key*, *draw* tells it how the item is. */
function keyed(list, kept, items, key, make, draw) {
  const wanted = new Set(items.map(key));
  for (const [name, made] of kept) if (!wanted.has(name)) { made.node.remove(); kept.delete(name); }
  items.forEach((item, nth) => {
    let made = kept.get(key(item));
    if (!made) kept.set(key(item), (made = make()));
    if (list.children[nth] !== made.node) list.insertBefore(made.node, list.children[nth] || null);
    draw(made, item);
  });
}
