// The persona on Create, as it is being written. Built from props.value alone.
// Value: null, or a view (pipeline/views.py) with `opened: true` when the page is to turn to it.

const root = h("div.persona");
element.replaceChildren(root);

function actions(view) {
  const written = view.stages[0].status === "done";
  const active = view.status === "writing";
  const missing = view.stages.some((stage) => ["failed", "cancelled", "blocked", "waiting"].includes(stage.status));
  return h("div.actions", {},
    active && view.job.personas === 1 ? h("button.small", { type: "button", "data-mark": "stop", onclick: onceAWhile(() => ask("stop", {})) }, say("view.cancel")) : null,
    !active && missing ? h("button.small.primary", { type: "button", onclick: onceAWhile(() => ask("play", {})) }, say("view.resume")) : null,
    written && !active ? h("a.small.button" + (missing ? "" : ".primary"), { href: place("/cards/" + view.id + ".json"), download: "", id: "card-json", "data-mark": "json" }, say("view.card_json")) : null,
    written && !active ? h("a.small.button", { href: place("/cards/" + view.id + ".png"), download: "", id: "card-png", "data-mark": "png" }, say("view.card_png")) : null,
    written && !active && missing ? h("p.hint", {}, say("view.card_partial")) : null);
}

function ask(event, what) {
  trigger(event, { persona: current.id, job: current.job && current.job.id, ...what });
}

function drawEmpty() {
  root.className = "persona empty";
  root.replaceChildren(
    h("div.blank", {}, h("img", { src: place("/brand/empty-state.svg"), alt: "", width: "220" }), h("h2", {}, say("empty.title")), h("p", {}, say("empty.text"))),
    h("ol.promise", {}, ORDER.map((key, index) => h("li", {}, h("span.number", {}, index + 1), say("stage." + key)))));
}

function begin(view) {
  root.className = "persona";
  root.replaceChildren(...beginPersona(view));
  const address = new URL(window.location.href);
  if (address.searchParams.get("persona") !== view.id) {
    address.searchParams.set("persona", view.id);
    window.history.pushState(window.history.state, "", address);
  }
}

function drawAll() {
  const view = props.value;
  if (!view || !view.id) {
    if (!current) drawEmpty();
    return;
  }
  if (current && view.id !== current.id && !view.opened) return; // news of a persona that the page has left
  const other = !current || view.id !== current.id;
  current = view;
  if (other) begin(view);
  drawPersona(view);
  window.studioPersona = view; // for the strip of its tweets, a card of its own
  document.dispatchEvent(new CustomEvent("studio-persona", { detail: view }));
  if (other && window.innerWidth < 760) root.scrollIntoView({ block: "start", behavior: "smooth" });
}

window.addEventListener("popstate", () => window.location.reload());
watch("value", drawAll);
drawAll();
