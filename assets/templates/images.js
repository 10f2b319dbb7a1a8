// Images. Value: sizes and limits. With ?job=... in the address the page shows that job, else all pictures, newest first.
const SOON = 400, IDLE = 2500; // ms between two looks while something is drawn, and else
let looking = null;
let turn = 0; // answers to earlier looks are late
let newest = ""; // id of the newest picture that is shown
let last = ""; // and of the oldest
const poolLine = h("div.card.pool", { id: "pool" });
const recents = h("section.recents");
const main = h("div.main");
const lost = h("p.notice", { hidden: true, role: "status" }, say("call.lost"));
const feed = h("ul.tiles", { id: "drawn", "aria-label": say("nav.images") });
const more = h("button.small.more", { type: "button", hidden: true, onclick: () => loadPage() }, say("gallery.load_more"));
const count = h("h1", {}, say("nav.images"));
const all = h("section.all", {}, count, feed, more);
const root = h("div.images", {}, lost, h("aside.left", {}, order, poolLine, recents), main, view);

function drawPool(pool) {
  const state = JSON.stringify([pool.engine, pool.workers, pool.ready, pool.busy, pool.queued, pool.trouble, pool.eta === null ? null : Math.round(pool.eta)]);
  if (poolLine.dataset.state === state) return;
  poolLine.dataset.state = state;
  const words = pool.busy || pool.queued
    ? [say("images.busy", { n: number(pool.busy), workers: number(pool.workers) }), pool.queued ? say("images.queued", { n: number(pool.queued) }) : "", pool.eta ? say("images.left", { time: lasting(pool.eta) }) : ""]
    : [pool.ready ? say(pool.workers === 1 ? "images.ready.one" : "images.ready", { n: number(pool.ready), workers: number(pool.workers) }) : pool.trouble ? "" : say("images.loading")];
  poolLine.replaceChildren(...[
    h("div.line", {}, h("h2", {}, say("images.workers")), h("span.gap"), h("span.chip" + (pool.trouble ? ".failed" : pool.ready ? ".done" : ""), {}, say("images.engine." + pool.engine) === "images.engine." + pool.engine ? pool.engine : say("images.engine." + pool.engine))),
    pool.trouble ? h("p.trouble", { role: "alert" }, pool.trouble) : null,
    h("p.sum", {}, words.filter(Boolean).join(" · ")),
    pool.engine === "preview" ? h("p.sum", {}, say("images.preview.hint")) : null,
  ].filter(Boolean));
}

function drawRecents(jobs) {
  const state = JSON.stringify([jobs, job]);
  if (recents.dataset.state === state) return;
  recents.dataset.state = state;
  const when = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  const bit = (kind, part, whole) => { const made = h("i." + kind); made.style.width = share(part, whole); return made; };
  keepingFocus(recents, () => recents.replaceChildren(...(!jobs.length ? [] : [h("h2", {}, say("images.recent")), h("ul", {}, jobs.map((one) =>
    h("li", {}, h("a", { href: place("/images?job=" + encodeURIComponent(one.id)), "data-mark": one.id, "aria-current": one.id === job ? "true" : null, onclick: (event) => { if (event.ctrlKey || event.metaKey || event.shiftKey) return; event.preventDefault(); showJob(one.id); } },
      h("b", { dir: "auto" }, one.total === 1 ? one.title : say("images.n_pictures", { n: number(one.total) })),
      h("small", {}, number(one.done) + "/" + number(one.total)),
      h("div.progress", { "aria-hidden": "true" }, bit("good", one.done, one.total), bit("bad", one.failed, one.total)),
      h("small.when", {}, when.format(new Date(one.created_at)))))))])));
}

async function look() {
  clearTimeout(looking);
  const mine = ++turn;
  if (!root.isConnected) return; // Gradio has put another card in its place
  const [answer, mineToo] = await Promise.all([call("look", { after: job ? "" : newest }), job ? call("job", { job, mark: shownJob ? shownJob.mark : "" }) : null]);
  if (mine !== turn) return;
  lost.hidden = !answer.lost;
  if (!answer.error) {
    drawPool(answer.pool);
    drawRecents(answer.jobs);
    if (!job) addFresh(answer.fresh);
  }
  if (job && mineToo) takeJob(mineToo);
  const busy = !answer.error && (answer.pool.busy || answer.pool.queued || answer.jobs.some((one) => ["queued", "running"].includes(one.status)));
  looking = setTimeout(look, document.hidden || answer.error || !busy ? IDLE : SOON);
}

function addFresh(images) {
  if (!images.length) return;
  if (!newest || images.length >= props.value.page) return loadAll();
  newest = images[0].id;
  const empty = feed.querySelector(".blank");
  if (empty) empty.remove();
  feed.prepend(...images.map(tileOf));
}

async function loadAll() {
  newest = last = "";
  const answer = await call("older", {});
  if (job) return;
  if (answer.error) return feed.replaceChildren(h("li.blank", { role: "alert" }, h("p", {}, answer.error), h("button.small.primary", { type: "button", onclick: loadAll }, say("gallery.try_again"))));
  newest = answer.images.length ? answer.images[0].id : "0"; // every id comes after it
  feed.replaceChildren(...(answer.images.length ? answer.images.map(tileOf) : [emptyNote()]));
  last = answer.images.length ? answer.images[answer.images.length - 1].id : "";
  more.hidden = answer.images.length < props.value.page;
}

async function loadPage() {
  more.disabled = true;
  const answer = await call("older", { before: last });
  more.disabled = false;
  if (answer.error) return (more.textContent = answer.error + " " + say("gallery.try_again"));
  more.textContent = say("gallery.load_more");
  feed.append(...answer.images.map(tileOf));
  if (answer.images.length) last = answer.images[answer.images.length - 1].id;
  more.hidden = answer.images.length < props.value.page;
}

function emptyNote() {
  return h("li.blank", { id: "no-images" }, h("img", { src: place("/brand/empty-state.svg"), alt: "", width: "220" }), h("h2", {}, say("images.empty")), h("p", {}, say("images.empty.text")),
    h("div.acts", {}, h("a.small.primary", { href: place("/gallery?status=approved") }, say("images.empty.gallery"))));
}

/** The picture is being drawn once more: its job is shown. */
function drawnAgain(id) {
  showJob(id);
}

function changedPicture() {} // nothing on this page says which picture is its tweet's

if (window.studioImages) window.studioImages.abort(); // the listeners of a card that Gradio has replaced
window.studioImages = new AbortController();
const until = { signal: window.studioImages.signal };
window.addEventListener("popstate", () => window.location.reload(), until);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); }, until);

element.replaceChildren(root);
drawPool({ engine: "", workers: 0, ready: 0, busy: 0, queued: 0, eta: null, trouble: "" });
const wantedJob = new URL(window.location.href).searchParams.get("job");
if (wantedJob) showJob(wantedJob);
else {
  main.replaceChildren(all);
  loadAll();
  look();
}
