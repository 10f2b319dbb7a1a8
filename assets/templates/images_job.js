// A job of pictures: each as a tile that waits, is drawn step by step, and arrives; chosen ones are cancelled or tried again.
const ENDED = ["done", "failed", "cancelled"];
let job = ""; // id of the job that is shown
let tiles = new Map(); // item -> {node, drawn}
let pictures = new Map(); // item -> the picture as it was told last
const marked = new Set(); // items that are selected
let shownJob = null; // the newest answer
const jobTitle = h("h1", { dir: "auto" });
const jobChip = h("span.chip", { role: "status" });
const jobBar = h("div.progress", { role: "progressbar", "aria-valuemin": "0", "aria-label": say("images.progress") }, h("i.good"), h("i.bad"), h("i.off"));
const jobCounts = h("p.sum", { role: "status" });
const jobActs = h("div.acts");
const jobTiles = h("ul.tiles", { "aria-label": say("images.of_job") });
const jobTrouble = h("p.notice", { role: "alert", hidden: true });
const jobPanel = h("section.job", {},
  h("a.quiet.back", { href: place("/images") }, "← " + say("images.all")),
  h("div.line", {}, jobTitle, jobChip, h("span.gap"), jobActs), jobBar, jobCounts, jobTrouble, jobTiles);

function showJob(id) {
  job = id;
  tiles = new Map();
  pictures = new Map();
  marked.clear();
  shownJob = null;
  const address = new URL(window.location.href);
  address.searchParams.set("job", id);
  if (address.href !== window.location.href) window.history.pushState(null, "", address);
  jobTitle.textContent = jobChip.textContent = jobCounts.textContent = "";
  jobActs.replaceChildren();
  delete jobActs.dataset.state;
  jobTiles.replaceChildren(...Array.from({ length: 4 }, () => h("li.tile.waiting", { "aria-hidden": "true" }, h("div.shot"))));
  main.replaceChildren(jobPanel);
  look();
}

async function actOn(name, what) {
  const answer = await call(name, { job, mark: shownJob ? shownJob.mark : "", ...what });
  marked.clear();
  takeJob(answer);
}

function takeJob(answer) {
  jobTrouble.hidden = !answer.error;
  jobTrouble.textContent = answer.error || "";
  if (answer.error) {
    if (!shownJob && !answer.lost) jobTiles.replaceChildren();
    return;
  }
  if (answer.id !== job) return;
  if (answer.whole) pictures = new Map();
  for (const picture of answer.pictures) pictures.set(picture.item, picture);
  shownJob = answer;
  drawPool(answer.pool);
  drawJob();
}

/** What a picture is to whoever reads: it waits until a worker has it, and in a job that was cancelled nothing waits. */
function stateOf(picture) {
  const state = picture.status === "running" && !picture.steps ? "waiting" : picture.status;
  return state === "waiting" && shownJob.status === "cancelled" ? "cancelled" : state;
}

function drawJob() {
  const { status, done, failed, cancelled, total } = shownJob;
  const one = total === 1 && [...pictures.values()][0];
  jobTitle.textContent = one ? one.name || one.prompt || say("images.picture") : say("images.n_pictures", { n: number(total) });
  const over = ENDED.includes(status);
  const kind = !over ? status : failed ? "failed" : cancelled ? "cancelled" : "done";
  jobChip.className = "chip " + (kind === "queued" ? "running" : kind);
  jobChip.textContent = say("images.job." + kind);
  jobBar.setAttribute("aria-valuemax", total);
  jobBar.setAttribute("aria-valuenow", done);
  [done, failed, cancelled].forEach((count, index) => (jobBar.children[index].style.width = share(count, total)));
  const left = shownJob.pool && shownJob.pool.eta;
  jobCounts.textContent = [say("images.n_drawn", { n: number(done), total: number(total) }),
    failed ? say("images.n_failed", { n: number(failed) }) : "", cancelled ? say("images.n_cancelled", { n: number(cancelled) }) : "",
    !over && left ? say("images.left", { time: lasting(left) }) : "", shownJob.seconds !== null ? lasting(shownJob.seconds) : ""].filter(Boolean).join(" · ");
  if (!tiles.size) jobTiles.replaceChildren();
  for (const [item, tile] of tiles) if (!pictures.has(item)) { tile.node.remove(); tiles.delete(item); }
  for (const picture of pictures.values()) drawTile(picture);
  drawJobActs(over);
}

function drawTile(picture) {
  let tile = tiles.get(picture.item);
  if (!tile) {
    tile = { node: h("li.tile", { "data-item": picture.item }), drawn: "" };
    tiles.set(picture.item, tile);
    jobTiles.append(tile.node);
  }
  const state = stateOf(picture);
  const drawn = [state, picture.image, picture.error, marked.has(picture.item)].join();
  if (tile.drawn !== drawn) {
    tile.drawn = drawn;
    tile.node.className = "tile " + state + (marked.has(picture.item) ? " selected" : "");
    keepingFocus(tile.node, () => tile.node.replaceChildren(...inTile(picture, state)));
  }
  if (state !== "running") return;
  const { step, steps } = picture;
  tile.node.querySelector(".progress i").style.width = share(step, steps);
  tile.node.querySelector(".progress").setAttribute("aria-valuenow", step);
  tile.node.querySelector(".shot small").textContent = say("images.step", { step, steps });
}

function inTile(picture, state) {
  const words = picture.text || picture.prompt;
  const open = state === "waiting" || state === "running";
  const box = h("input", { type: "checkbox", "aria-label": say("images.select"), "data-mark": "pick" + picture.item, onchange: () => { if (!marked.delete(picture.item)) marked.add(picture.item); drawJob(); } });
  box.checked = marked.has(picture.item);
  const shot = state === "done"
    ? h("button.shot", { type: "button", "data-mark": picture.image, "aria-label": say("images.open") + (words ? ": " + words : ""), onclick: () => showImage(picture.image) }, thumb(picture))
    : h("div.shot", {}, state === "running" ? h("div.progress", { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": picture.steps || 1 }, h("i.good")) : null,
      h("small", {}, state === "running" ? "" : say("images.state." + state)),
      state === "failed" ? h("p.why", {}, picture.error) : null);
  const button = open ? h("button.quiet", { type: "button", "data-mark": "cancel" + picture.item, onclick: () => actOn("cancel", { items: [picture.item] }) }, say("images.cancel"))
    : state === "failed" || state === "cancelled" ? h("button.quiet", { type: "button", "data-mark": "retry" + picture.item, onclick: () => actOn("retry", { items: [picture.item] }) }, say("images.retry")) : null;
  return [shot, h("div.under", {}, open ? h("label.pick", {}, box) : null, h("p", {}, picture.name ? h("b", { dir: "auto" }, picture.name) : null, h("span", { dir: "auto" }, words)), button)].filter(Boolean);
}

function drawJobActs(over) {
  const every = [...pictures.values()];
  const open = every.filter((picture) => ["waiting", "running"].includes(stateOf(picture))).map((picture) => picture.item);
  const lost = every.filter((picture) => ["failed", "cancelled"].includes(stateOf(picture))).map((picture) => picture.item);
  for (const item of [...marked]) if (!open.includes(item)) marked.delete(item);
  const urgent = shownJob.priority === 0;
  const state = [over, open.length, lost.length, marked.size, urgent].join();
  if (jobActs.dataset.state === state) return;
  jobActs.dataset.state = state;
  const act = (mark, words, does, kind) => h("button.small" + (kind || ""), { type: "button", "data-mark": mark, onclick: does }, words);
  keepingFocus(jobActs, () => jobActs.replaceChildren(...[
    open.length && !over && !urgent ? act("urgent", say("images.first"), () => actOn("prioritise", { urgent: true })) : null,
    open.length > 1 ? act("half", say("images.select_waiting"), () => { for (const item of open) marked.add(item); drawJob(); }) : null,
    marked.size ? act("cancel_some", say("images.cancel_n", { n: number(marked.size) }), () => actOn("cancel", { items: [...marked] }), ".rejected") : null,
    open.length && !over ? act("stop", say("images.cancel_all"), () => actOn("stop", {})) : null,
    lost.length ? act("retry_all", say("images.retry_n", { n: number(lost.length) }), () => actOn("retry", { items: lost }), ".primary") : null,
  ].filter(Boolean)));
}
