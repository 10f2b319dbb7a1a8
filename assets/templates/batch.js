// Batch. Value: the limits (batch_match.js). With ?job=... in the address the page shows that batch, else the order for a new one.
const root = h("div.batch");
const recents = h("section.recents");
const setup = h("div.begin", {}, h("div.setup", {}, h("div.left", {}, dropping, stored), order), recents); // the order sticks beside what it is made of, and no further
let refreshing = null;

function showSetup() {
  root.replaceChildren(setup);
  drawFiles();
  drawPicked();
  drawOrder();
  loadPeople();
  loadRecent();
}

async function loadRecent() {
  clearTimeout(refreshing);
  const answer = await call("recent", {});
  if (!setup.isConnected) return;
  const jobs = answer.jobs || [];
  if (answer.jobs || !recents.childElementCount) drawRecent(jobs);
  if (answer.error || jobs.some((one) => ["queued", "running"].includes(one.status))) refreshing = setTimeout(loadRecent, 2000);
}

function drawRecent(jobs) {
  const when = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  const state = JSON.stringify(jobs);
  if (recents.dataset.state === state) return;
  recents.dataset.state = state;
  keepingFocus(recents, () => recents.replaceChildren(...(!jobs.length ? [] : [h("h2", {}, say("batch.recent")), h("ul", {}, jobs.map((one) =>
    h("li", {}, h("a", { href: place("/batch?job=" + encodeURIComponent(one.id)), "data-mark": one.id },
      h("b", { dir: "auto" }, titled(one.title)), h("span.chip." + (one.status === "queued" ? "running" : one.status), {}, say("job." + one.status)),
      h("div.progress", { "aria-hidden": "true" }, bit("good", one.done, one.total), bit("bad", one.failed, one.total)),
      h("small", {}, when.format(new Date(one.created_at)))))))])));
}

function bit(kind, part, whole) {
  const made = h("i." + kind);
  made.style.width = share(part, whole);
  return made;
}

if (window.studioBatch) window.studioBatch.abort(); // the listeners of a card that Gradio has replaced
window.studioBatch = new AbortController();
const until = { signal: window.studioBatch.signal };
window.addEventListener("popstate", () => window.location.reload(), until);
document.addEventListener("visibilitychange", () => { if (!document.hidden && job) look(); }, until);
document.addEventListener("dragover", (event) => event.preventDefault(), until);
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (setup.isConnected && event.dataTransfer) takeFiles([...event.dataTransfer.files]);
}, until);

element.replaceChildren(root);
const wanted = new URL(window.location.href).searchParams.get("job");
if (wanted) showJob(wanted);
else showSetup();
