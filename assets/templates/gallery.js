// The Gallery. Value: how many tweets a page has, and MB of a file. Everything else is asked for with `server` functions (pages/gallery.py).
const PAGE = props.value.page;
const MOST = 5000; // tweets that one call may change

const EXPORTS = ["jsonl", "csv", "zip", "buffer", "metricool", "batch"];
const top_ = h("div.top");
const menu = h("details.export");
const count = h("h1", { role: "status" });
const everything = h("button.small", { type: "button", id: "select-all", onclick: selectAll });
const root = h("div.gallery", {},
  panel,
  h("section.found", {}, top_, outcomes, lost, pill, feed, h("div.ending", {}, more)),
  bulk, toasts, help, sure, view);

menu.append(h("summary.small", { id: "export" }, say("gallery.export")), h("div.menu", {}, EXPORTS.map((kind) =>
  h("a", { "data-kind": kind, download: "", onclick: (event) => { event.currentTarget.href = place("/tweets/" + kind) + "?" + asQuery(); menu.open = false; }, href: place("/tweets/" + kind) },
    h("b", {}, say("export." + kind)), h("small", {}, say("export." + kind + ".hint"))))));
top_.append(count, everything, menu, bringing, h("button.small", { type: "button", title: say("gallery.keys"), "aria-label": say("gallery.keys"), onclick: () => help.showModal() }, "?"));

function drawTop() {
  count.textContent = total === null ? say("nav.gallery") : say(total === 1 ? "gallery.count.one" : "gallery.count", { n: total.toLocaleString(document.documentElement.lang) });
  const ids = pages.flatMap((page) => page.ids);
  everything.textContent = say(ids.length && ids.every((id) => selected.has(id)) ? "gallery.unselect" : "gallery.select_all", { n: ids.length });
  everything.hidden = menu.hidden = !ids.length;
  drawBulk();
  bringing.hidden = !ids.length && !filtering();
}

if (window.studioGallery) window.studioGallery.abort(); // the listeners of a card that Gradio has replaced
window.studioGallery = new AbortController();
const until = { signal: window.studioGallery.signal };
document.addEventListener("keydown", onKey, until);
document.addEventListener("click", (event) => { if (menu.open && !menu.contains(event.target)) menu.open = false; }, until);
for (const name of ["dragover", "dragleave", "drop"]) document.addEventListener(name, onDrag, until);
document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") { clearTimeout(looking); look(); } }, until);
window.addEventListener("beforeunload", (event) => { if (unsaved()) event.preventDefault(); }, until);
feed.addEventListener("click", onClick);
feed.addEventListener("mousedown", (event) => { if (event.shiftKey && !event.target.closest("textarea, input")) event.preventDefault(); }); // no text is marked
feed.addEventListener("focusin", (event) => {
  const node = event.target.closest("article.card");
  if (!node || node.dataset.id === current) return;
  current = node.dataset.id;
  markCurrent();
});
menu.addEventListener("keydown", (event) => { if (event.key === "Escape" && menu.open) { event.stopPropagation(); menu.open = false; menu.querySelector("summary").focus(); } });

element.replaceChildren(root);
drawFilters();
drawTop();
loadFirst();
lookSoon();
