// The Personas page: all of them, or the one that the address names. Value: null, or the view of a persona that is being written.
const toasts = h("div.toasts", { role: "status" });
const stage_ = h("div.stage-of-page");

whenLost = "personas.lost"; // nothing is asked again by itself here

function wantedId() {
  return new URLSearchParams(window.location.search).get("persona") || "";
}

/** A click on a link to a persona (or, with "", to all) that stays on this page. */
function go(event, id) {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  turnTo(id);
}

function turnTo(id) {
  const address = new URL(window.location.href);
  if (id) address.searchParams.set("persona", id);
  else address.searchParams.delete("persona");
  window.history.pushState(window.history.state, "", address);
  route();
  window.scrollTo({ top: 0 });
}

function route() {
  const id = wantedId();
  leavePersona();
  if (!id) {
    document.title = say("nav.personas") + " · " + say("product");
    stage_.replaceChildren(list);
    loadPage(true);
    return;
  }
  stage_.replaceChildren(root);
  root.replaceChildren(back(), notice, h("div.panel", {}, h("div.shimmer", {}, h("i"), h("i"), h("i"))));
  look(id);
}

function toast(words) {
  const shown = h("p", {}, words);
  toasts.append(shown);
  setTimeout(() => shown.remove(), 6000);
}

if (window.studioPersonas) window.studioPersonas.abort(); // the listeners of a card that Gradio has replaced
window.studioPersonas = new AbortController();
const until = { signal: window.studioPersonas.signal };
window.addEventListener("popstate", route, until);
window.addEventListener("beforeunload", (event) => { if ([...sheets.values()].some((sheet) => sheet.dirty())) event.preventDefault(); }, until);
document.addEventListener("click", (event) => { for (const menu of root.querySelectorAll("details.export[open]")) if (!menu.contains(event.target)) menu.open = false; }, until);
document.addEventListener("dragover", (event) => { event.preventDefault(); importing.classList.add("over"); }, until);
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) importing.classList.remove("over"); }, until);
document.addEventListener("drop", (event) => {
  event.preventDefault();
  importing.classList.remove("over");
  if (!wantedId() && event.dataTransfer) cardFiles.take([...event.dataTransfer.files]);
}, until);

element.replaceChildren(h("div.personas", {}, stage_, sure, toasts));
watch("value", () => { if (props.value && props.value.id) show(props.value); });
route();
