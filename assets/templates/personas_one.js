// One persona, open: its summary with what can be done, its stages. `show(view)` is called with whatever is known of it by now.
const root = h("div.persona.opened");
const notice = h("p.notice", { role: "alert", hidden: true });
const sure = h("dialog.sure", { "aria-labelledby": "sure-title" });
const KINDS = ["json", "png", "v3", "v3png", "eliza"];
let followed = ""; // the persona whose writing is being watched
let heard = 0; // when something was last heard of it
let waking = null;

function tell(words) {
  notice.textContent = words || "";
  notice.hidden = !words;
}

/** Do something to the open persona. What Python answers is shown: its view, or why it was refused. */
async function act(name, what) {
  tell("");
  const id = current.id;
  const answer = await call(name, { id, ...what });
  if (answer.view) show(answer.view);
  else {
    tell(answer.error);
    if (!answer.lost) look(id); // it is not what the page thought
  }
}

/** What the shared scripts ask for. */
function ask(event, what) {
  if (event === "retry") act("retry", { stage: what.stage });
  if (event === "edit") act("rename", { name: what.name, revision: what.revision });
}

async function look(id) {
  const answer = await call("look", { id });
  if (wantedId() !== id) return;
  if (answer.view) show(answer.view);
  else if (!current || !answer.lost) missing(answer.error);
}

/** There is no such persona (any more). */
function missing(words) {
  leavePersona();
  root.replaceChildren(back(), h("div.blank", {}, h("img", { src: place("/brand/empty-state.svg"), alt: "", width: "180" }), h("p", {}, words)));
}

function show(view) {
  if (wantedId() !== view.id) return;
  const other = !current || current.id !== view.id;
  if (!other && view.now < current.now) return; // it came late
  current = other || view.tweets !== undefined ? view : { ...view, tweets: current.tweets };
  heard = Date.now();
  if (other) {
    root.replaceChildren(back(), notice, ...beginPersona(view), calendarsOf(view));
    document.title = view.name + " · " + say("product");
  }
  drawPersona(current);
  if (view.status !== "writing") followed = "";
  else if (followed !== view.id) {
    followed = view.id;
    trigger("play", { persona: view.id });
  }
  clearInterval(waking); // should the stream be lost, it is asked for now and then
  if (view.status === "writing") waking = setInterval(() => { if (Date.now() - heard > 4000 && document.visibilityState === "visible") { heard = Date.now(); look(view.id); } }, 1000);
}

function leavePersona() {
  current = null;
  followed = "";
  clearInterval(waking);
  clearInterval(ticking);
  leaveCalendars();
  tell("");
}

function back() {
  return h("a.back", { href: place("/personas"), onclick: (event) => go(event, "") }, "← ", say("personas.back"));
}

function actions(view) {
  const active = view.status === "writing";
  const written = view.stages.some((stage) => stage.output);
  const lacking = view.stages.some((stage) => !stage.output);
  const stale = view.progress.stale;
  const button = (mark, act_, key, facts, kind) => h("button.small" + (kind || ""), { type: "button", "data-mark": mark, onclick: onceAWhile(act_) }, say(key, facts));
  return h("div.actions", {},
    active && view.job ? button("stop", () => act("stop", { job: view.job.id }), "view.cancel") : null,
    !active && stale ? button("refresh", () => act("refresh", {}), stale === 1 ? "personas.refresh.one" : "personas.refresh", { n: stale }, ".primary") : null,
    !active && lacking ? button("complete", () => act("complete", {}), "view.resume", {}, stale ? "" : ".primary") : null,
    !lacking && !active ? h("a.small.button", { href: place("/?persona=" + encodeURIComponent(view.id) + "#strip"), "data-mark": "write" }, say("personas.write")) : null,
    view.tweets ? h("a.small.button", { href: place("/gallery?persona=" + encodeURIComponent(view.id)), "data-mark": "gallery" }, say(view.tweets === 1 ? "personas.tweets.one" : "personas.tweets", { n: view.tweets.toLocaleString(document.documentElement.lang) })) : null,
    h("a.small.button", { href: place("/?persona=" + encodeURIComponent(view.id)), "data-mark": "create" }, say("personas.in_create")),
    written ? exports(view) : null,
    h("button.small.danger", { type: "button", "data-mark": "delete", onclick: () => confirmDelete(view.id) }, say("personas.delete")));
}

function exports(view) {
  const menu = h("details.export", { onkeydown: (event) => { if (event.key === "Escape") { menu.open = false; menu.querySelector("summary").focus(); } } },
    h("summary.small", { "data-mark": "export" }, say("personas.export")),
    h("div.menu", {}, KINDS.map((kind) => h("a", { href: place("/cards/" + view.id + "." + kind), download: "", "data-kind": kind, onclick: () => (menu.open = false) }, h("b", {}, say("card." + kind)), h("small", {}, say("card." + kind + ".hint"))))));
  return menu;
}

async function confirmDelete(id) {
  const answer = await call("look", { id });
  if (!answer.view) return tell(answer.error);
  const { name, tweets, status } = answer.view;
  const what = [say(tweets === 1 ? "personas.delete.what.one" : "personas.delete.what", { n: tweets }), ...(status === "writing" ? [say("personas.delete.writing")] : [])];
  makeSure(say("personas.delete.ask", { name }), what, async () => {
    const gone = await call("remove", { id });
    if (!gone.gone) return tell(gone.error);
    forget(id);
    turnTo("");
    toast(say("personas.deleted", { name }));
  });
}

/** Ask before something is deleted: *question*, what goes with it, and *act* where the answer is yes. */
function makeSure(question, what, act) {
  const remove = h("button.small.danger", { type: "button", id: "delete-yes", onclick: onceAWhile(async () => {
    sure.close();
    await act();
  }) }, say("personas.delete.yes"));
  const keep = h("button.small", { type: "button", onclick: () => sure.close() }, say("personas.delete.no"));
  sure.replaceChildren(h("h2", { id: "sure-title" }, question), ...what.map((words) => h("p", {}, words)), h("div.acts", {}, remove, keep));
  if (!sure.open) sure.showModal();
  keep.focus();
}
