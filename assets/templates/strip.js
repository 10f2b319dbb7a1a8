// Tweets of the persona that Create shows: ordered here, and a strip of cards that fill in. Value: the most that are ordered at once.
// The page tells which persona by the event "studio-persona" (persona.js); this card puts itself between summary and panels, and changes nothing of theirs.
const MOST = props.value;
const SOON = 350, SELDOM = 4000; // ms between two looks, while tweets are written and else
const root = h("section.strip-of-tweets", { "aria-label": say("strip.list"), hidden: true });
const count = h("input", { type: "number", min: "1", max: String(MOST), value: "5", inputmode: "numeric", id: "strip-count" });
const write = h("button.small.primary", { type: "submit", id: "strip-write" }, say("strip.write"));
const form = h("form", { onsubmit: (event) => { event.preventDefault(); order(); } },
  h("label", {}, h("span", {}, say("strip.count")), count), calendarChoice, dayChoice, write);
const line = h("div.line", { role: "status" });
const trouble = h("p.notice", { role: "alert", hidden: true });
const list = h("ul.strip-cards", { tabindex: "0", "aria-label": say("strip.list") });
const gallery = h("a.all", {}, say("strip.gallery"));
let persona = ""; // the id of the one that is shown
let turn = 0; // answers to earlier questions are late
let timer = null;
let slots = new Map(); // slot -> {node, drawn}
let shownJob = "";

root.append(h("header", {}, h("h2", {}, say("strip.title")), gallery), form, trouble, line, list);

function turnTo(view) {
  const ready = view && view.id && view.status === "complete" ? view.id : view && view.id === persona ? persona : ""; // one that is edited stays
  root.hidden = !ready;
  const summary = document.querySelector("#view .summary"); // its place is between the summary and the panels
  if (summary && summary.nextElementSibling !== root) summary.after(root);
  if (ready === persona) return;
  persona = ready;
  turn += 1;
  clearTimeout(timer);
  clear();
  if (!ready) return;
  gallery.href = place("/gallery?persona=" + encodeURIComponent(ready));
  if (window.location.hash === "#strip") root.scrollIntoView({ block: "center" });
  clearCalendars();
  offerCalendars(persona);
  ask("strip", { persona });
}

function clear() {
  slots = new Map();
  shownJob = "";
  list.replaceChildren();
  list.hidden = true;
  line.replaceChildren();
  complain("");
  gallery.hidden = true;
  write.textContent = say("strip.write");
}

function complain(words) {
  trouble.textContent = words;
  trouble.hidden = !words;
}

async function order() {
  const wanted = Number(count.value);
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > MOST) return count.focus();
  write.disabled = true;
  complain("");
  await ask("write", { persona, count: wanted, start: dayField.value, calendar: fromCalendar.value });
  offerCalendars(persona);
  write.disabled = false;
}

/** Ask, show the answer, and look again in a while. */
async function ask(name, what) {
  clearTimeout(timer);
  const mine = ++turn;
  const since = performance.now();
  const answer = await call(name, what);
  if (mine !== turn) return;
  const busy = !answer.error && answer.job && ["queued", "running"].includes(answer.job.status);
  if (!answer.error) draw(answer);
  else if (name !== "strip" || !answer.lost) complain(answer.error);
  timer = setTimeout(() => ask("strip", { persona }), document.hidden || !busy ? SELDOM : Math.max(SOON, 4 * (performance.now() - since)));
}

function draw({ job, tweets }) {
  if (!job) return;
  if (job.id !== shownJob) {
    clear();
    shownJob = job.id;
    list.hidden = false;
    write.textContent = say("strip.more");
  }
  gallery.hidden = !tweets.length;
  drawLine(job);
  const written = new Map(tweets.map((tweet) => [tweet.slot, tweet]));
  for (let slot = 1; slot <= Math.min(job.total, MOST); slot += 1) {
    let card = slots.get(slot);
    if (!card) {
      card = { node: h("li", { "data-slot": slot }) };
      slots.set(slot, card);
      list.append(card.node);
    }
    const tweet = written.get(slot);
    const state = JSON.stringify([tweet, !tweet && ["queued", "running"].includes(job.status)]);
    if (card.drawn === state) continue;
    card.drawn = state;
    drawCard(card.node, tweet, job.status);
  }
}

function drawCard(node, tweet, status) {
  node.className = tweet ? "" : ["queued", "running"].includes(status) ? "pending" : "missing";
  if (!tweet) return node.replaceChildren(h("div.shimmer", { "aria-hidden": "true" }, h("i"), h("i"), h("i")));
  const when = tweet.date ? h("time", { datetime: tweet.date }, readable(tweet.date)) : null;
  const over = tweet.length > 280;
  node.replaceChildren(h("header", {}, when, tweet.time ? h("span", {}, tweet.time) : null),
    h("p.text", { dir: "auto" }, tweet.text),
    h("footer", {}, h("span.length" + (over ? ".over" : ""), {}, tweet.length + "/280"), tweet.badges.map((badge) =>
      h("span.badge" + (["too_long", "empty"].includes(badge.kind) ? ".bad" : ""), { title: texts["badge." + badge.kind + ".hint"] ? say("badge." + badge.kind + ".hint", { detail: badge.detail }) : badge.detail }, texts["badge." + badge.kind] || badge.kind))));
}

function readable(day) {
  const when = new Date(day + "T00:00:00Z");
  if (Number.isNaN(when.getTime())) return day;
  return new Intl.DateTimeFormat(document.documentElement.lang, { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" }).format(when);
}

function drawLine(job) {
  const state = JSON.stringify(job);
  if (line.dataset.state === state) return;
  line.dataset.state = state;
  if (job.calendar === "done") calendarWritten(job.id);
  const busy = ["queued", "running"].includes(job.status);
  const planning = busy && job.calendar && job.calendar !== "done" && job.calendar !== "failed";
  const failed = job.calendar === "failed" ? say("strip.no_calendar", { reason: job.reason }) : job.failed ? say("strip.failed", { n: job.failed, reason: job.reason }) : "";
  const unfinished = !busy && job.status !== "done";
  keepingFocus(line, () => line.replaceChildren(...[
    h("span.chip." + (busy ? "running" : job.status), {}, busy ? h("i.pulse") : null, planning ? say("strip.planning") : say("job." + job.status)),
    h("span.count", {}, say("strip.of", { done: job.done, total: job.total })),
    failed ? h("span.why", {}, failed) : null,
    unfinished ? h("button.small", { type: "button", "data-mark": "again", onclick: onceAWhile(() => ask("again", { persona })) }, say(failed ? "strip.again" : "strip.go_on")) : null,
    h("a", { href: place("/batch?job=" + encodeURIComponent(job.id)), "data-mark": "batch" }, say("strip.batch")),
  ].filter(Boolean)));
}

element.replaceChildren(root);
if (window.studioStrip) window.studioStrip.abort(); // the listeners of a card that Gradio has replaced
window.studioStrip = new AbortController();
document.addEventListener("studio-persona", (event) => turnTo(event.detail), { signal: window.studioStrip.signal });
turnTo(window.studioPersona);
