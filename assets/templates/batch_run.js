// A batch while it is written, and after. While it runs the server answers a look twice a second, or as soon as it ends, with the rows that
// changed; a row is made once and then only changed.
const WAITED = 500; // ms that the server keeps a look waiting while the batch runs
const PAUSED = 1000, ENDED = 3000; // ms between two looks else
const WINDOW = 20000; // ms over which the speed is measured
let job = ""; // its id
let turn = 0; // answers to earlier looks are late
let timer = null;
let tracks = new Map(); // persona id -> {person, node, drawn}
let speeds = []; // [when, done]
let shown = null; // the newest answer

const runTitle = h("h1", { tabindex: "-1" }); // whoever has just begun the batch is here
const runChip = h("span.chip");
const runActs = h("div.acts");
const lost = h("p.notice", { role: "status", hidden: true });
const BIG = ["done", "failed", "total", "blocked"];
const big = Object.fromEntries(BIG.map((key) => [key, h("b", { id: "run-" + key })]));
const bar = h("div.progress", { role: "progressbar", "aria-valuemin": "0", "aria-label": say("run.progress") }, h("i.good"), h("i.bad"));
const facts = h("dl.facts");
const trackRows = h("ul.tracks", { "aria-label": say("run.personas") });
const trackSum = h("span.dim");
const run = h("section.run", {},
  h("div.top", {}, h("a.quiet", { href: place("/batch") }, "← " + say("run.new")), h("div.line", {}, runTitle, runChip, h("span.gap"), runActs)),
  lost,
  h("div.card.overview", {}, h("div.counts-big", {}, BIG.map((key) => h("div." + key, {}, big[key], h("small", {}, say("run." + key))))), bar, facts),
  h("div.card", {}, h("h2", {}, say("run.personas"), trackSum), trackRows));

function showJob(id) {
  job = id;
  turn += 1;
  tracks = new Map();
  speeds = [];
  shown = null;
  trackRows.replaceChildren(...[1, 2, 3].map(() => h("li.loading", { "aria-hidden": "true" }, h("div.shimmer", {}, h("i")))));
  root.replaceChildren(run);
  window.scrollTo({ top: 0 });
  look();
}

/** The job, and what is known of it, for a call. */
function known() {
  return { job, ...(shown ? { status: shown.status, mark: shown.mark } : {}) };
}

async function look() {
  clearTimeout(timer);
  const mine = ++turn;
  const since = performance.now();
  const answer = await call("look", known());
  if (mine !== turn) return;
  take(answer, performance.now() - since);
}

async function act(name, what) {
  const mine = ++turn;
  clearTimeout(timer);
  const answer = await call(name, { ...known(), status: "", ...what });
  if (mine === turn) take(answer, 0);
}

/** Show an answer, and look again: not before four times what the server needed, so that a large batch does not keep it busy. */
function take(answer, took) {
  lost.hidden = !answer.error;
  lost.textContent = answer.error || "";
  if (answer.error && !answer.lost && !shown) return root.replaceChildren(h("section.run", {}, h("p.notice", { role: "alert" }, answer.error), h("a.small", { href: place("/batch") }, say("run.new"))));
  if (!answer.error) drawRun(answer);
  const status = shown && shown.status;
  const pace = status === "paused" ? PAUSED : ["done", "failed", "cancelled"].includes(status) ? ENDED : 20;
  timer = setTimeout(look, document.hidden ? ENDED : Math.max(answer.error ? PAUSED : pace, 4 * (took - WAITED)));
}

function drawRun(batch) {
  const before = shown;
  shown = batch;
  const tweets = batch.tweets;
  runTitle.textContent = titled(batch.title);
  runChip.className = "chip " + (batch.status === "queued" ? "running" : batch.status);
  runChip.replaceChildren(...[batch.status === "running" ? h("i.pulse") : null, say("job." + batch.status)].filter(Boolean));
  for (const key of BIG) big[key].textContent = number(tweets[key]);
  big.failed.parentNode.classList.toggle("some", tweets.failed > 0);
  big.blocked.parentNode.hidden = !tweets.blocked;
  bar.setAttribute("aria-valuemax", tweets.total);
  bar.setAttribute("aria-valuenow", tweets.done);
  bar.children[0].style.width = share(tweets.done, tweets.total);
  bar.children[1].style.width = share(tweets.failed + tweets.blocked, tweets.total);
  drawTracks(batch);
  drawFacts(batch);
  const state = JSON.stringify([batch.status, batch.failed > 0, tweets.done > 0]);
  if (!before || runActs.dataset.state !== state) keepingFocus(runActs, () => drawActs(batch, state));
}

/** A job's title is English in the database; what it says of numbers is said here in the reader's language. */
function titled(title) {
  const many = /^(\d+) personas, (\d+) tweets$/.exec(title);
  if (many) return say("run.title", { personas: number(Number(many[1])), tweets: number(Number(many[2])) });
  const one = /^(.+): (\d+) (tweets|days)$/s.exec(title);
  return one ? say("run.title." + one[3] + (one[2] === "1" ? ".one" : ""), { name: one[1], n: number(Number(one[2])) }) : title;
}

/** Seconds until all is done at the speed of the last while; the server knows only the average since the start, pauses included. */
function remaining(batch) {
  if (batch.status !== "running") { speeds = []; return null; }
  const now = Date.now();
  speeds = [...speeds.filter(([when]) => now - when < WINDOW), [now, batch.done]];
  const [when, done] = speeds[0];
  const left = batch.total - batch.done - batch.failed;
  if (now - when < 2500 || batch.done === done) return batch.eta;
  return ((now - when) / 1000 / (batch.done - done)) * left;
}

function drawFacts(batch) {
  const eta = remaining(batch);
  const people = [...tracks.values()].map((track) => track.person);
  const planning = people.filter((person) => person.calendar && person.calendar !== "done" && person.file !== "failed").length;
  const entries = [
    ["eta", batch.status === "running" ? (eta === null ? "…" : lasting(eta)) : null],
    ["time", batch.seconds === null ? null : lasting(batch.seconds)],
    ["planning", batch.status === "running" && planning ? number(planning) : null],
    ["calls", number(batch.calls)], ["tokens", number(batch.tokens)], ["cost", money(batch.cost)],
  ].filter(([, value]) => value !== null);
  const keys = entries.map(([key]) => key).join();
  if (facts.dataset.keys !== keys) {
    facts.dataset.keys = keys;
    facts.replaceChildren(...entries.map(([key]) => h("div", {}, h("dt", {}, say("run." + key)), h("dd", { "data-fact": key }))));
  }
  trackSum.textContent = say("run.n_done", { n: number(people.filter((person) => person.tweets.done === person.tweets.total).length), total: number(people.length) });
  entries.forEach(([, value], index) => (facts.children[index].lastChild.textContent = value));
}

function drawActs(batch, state) {
  runActs.dataset.state = state;
  const at = batch.status;
  const button = (mark, key, name, kind) => h("button.small" + (kind || ""), { type: "button", id: "run-" + mark, "data-mark": mark, onclick: onceAWhile(() => act(name)) }, say(key));
  const query = "?job=" + encodeURIComponent(batch.id);
  runActs.replaceChildren(...[
    at === "running" || at === "queued" ? button("pause", "run.pause", "pause") : null,
    at === "paused" ? button("resume", "run.resume", "go_on", ".primary") : null,
    at === "cancelled" ? button("resume", "run.go_on", "go_on", ".primary") : null,
    batch.failed && (at === "running" || at === "failed") ? button("retry", "run.retry", "go_on", at === "failed" ? ".primary" : "") : null,
    ["running", "queued", "paused"].includes(at) ? button("cancel", "run.cancel", "cancel") : null,
    batch.tweets.done ? h("a.small" + (at === "done" ? ".primary" : ""), { id: "run-gallery", href: place("/gallery" + query), "data-mark": "gallery" }, say("run.gallery")) : null,
    batch.tweets.done ? h("a.small", { id: "run-csv", href: place("/tweets/csv" + query), download: "", "data-mark": "csv" }, say("run.csv")) : null,
    batch.tweets.done ? h("a.small", { id: "run-zip", href: place("/tweets/batch" + query), download: "", "data-mark": "zip" }, say("run.zip")) : null,
    batch.tweets.done ? h("a.small", { id: "run-pictures", href: place("/tweets/zip" + query), download: "", "data-mark": "pictures" }, say("run.pictures")) : null,
  ].filter(Boolean));
}

function drawTracks(batch) {
  if (batch.whole) {
    const there = new Set(batch.personas.map((person) => person.id));
    for (const [id, track] of tracks) if (!there.has(id)) { track.node.remove(); tracks.delete(id); }
    if (!tracks.size) trackRows.replaceChildren();
  }
  for (const person of batch.personas) {
    let track = tracks.get(person.id);
    if (!track) {
      track = newTrack(person);
      tracks.set(person.id, track);
      trackRows.append(track.node);
    }
    track.person = person;
  }
  for (const track of tracks.values()) drawTrack(track, batch.status);
}

function drawTrack(track, status) {
  const { person } = track;
  const { done, failed, blocked, total, running } = person.tweets;
  const state = [person.name, done, failed, blocked, total, running, person.file, person.calendar, person.reasons.length, status].join();
  if (track.drawn === state) return;
  track.drawn = state;
  track.name.textContent = person.name; // of a file that is taken in meanwhile
  track.node.className = failed || person.calendar === "failed" || person.file === "failed" ? "failed" : done === total ? "done" : running || person.calendar === "running" ? "running" : "";
  track.good.style.width = share(done, total);
  track.bad.style.width = share(failed + blocked, total);
  track.count.textContent = done + "/" + total;
  track.note.textContent = note(person, status);
  const why = JSON.stringify(person.reasons);
  if (track.why === why) return;
  track.why = why;
  keepingFocus(track.node, () => track.reasons.replaceChildren(...person.reasons.map(reason), ...(person.reasons.length ? [again(person)] : [])));
}

function again(person) {
  return h("li", {}, h("button.quiet", { type: "button", "data-mark": "again", "aria-label": say("run.again.label", { name: person.name }), onclick: onceAWhile(() => act("retry", { persona: person.id })) }, say("run.again")));
}

function newTrack(person) {
  const track = { name: h("b", { dir: "auto" }), good: h("i.good"), bad: h("i.bad"), count: h("span.count"), note: h("small.note"), reasons: h("ul.reasons") };
  track.node = h("li", { "data-persona": person.id }, track.name, h("div.progress", { "aria-hidden": "true" }, track.good, track.bad), track.count, track.note, track.reasons);
  return track;
}

function note(person, status) {
  const { done, failed, total, running } = person.tweets;
  if (person.file === "failed") return say("run.no_file");
  if (person.calendar === "failed") return say("run.no_calendar");
  if (failed) return say("run.n_failed", { n: failed });
  if (done === total) return "✓";
  if (status === "cancelled") return say("job.cancelled");
  if (person.calendar === "running") return say("run.calendar");
  if (running) return say("run.writing");
  return status === "paused" ? say("job.paused") : say("run.waiting");
}

function reason(one) {
  const title = texts["failed." + one.kind];
  const words = title && !one.reason.startsWith(title) ? title + say("colon") + one.reason : one.reason;
  return h("li", {}, words, one.times > 1 ? h("small", {}, " × " + one.times) : null);
}
