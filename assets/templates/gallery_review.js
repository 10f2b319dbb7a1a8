// Reviewing: which card is current, which are selected, their statuses, undo, the keys.
let current = null; // id of the card that the keys act on
let anchor = null; // id from which a shift-click selects
const past = []; // what undoes each change: a list of [id, status before, status after, version]
let order = Promise.resolve(); // changes of statuses, one after the other

function currentId() {
  return cards.has(current) ? current : null;
}

function markCurrent() {
  const all = [...feed.querySelectorAll("article.card")];
  const target = currentId() || (all[0] && all[0].dataset.id);
  for (const node of all) node.tabIndex = node.dataset.id === target ? 0 : -1;
}

/** Make a card current and give it the focus; false where there is none. */
function focusCard(id) {
  const card = cards.get(id);
  if (!card) return false;
  card.node.focus({ preventScroll: true });
  card.node.scrollIntoView({ block: "nearest" });
  return true;
}

/** As focusCard, also for a card whose page was emptied: a promise then. */
function reach(id) {
  const page = pages.find((one) => one.ids.includes(id));
  if (focusCard(id) || !page || !page.empty) return cards.has(id);
  return refill(page).then(() => focusCard(id));
}

/** Go on to another card; a promise where a page has to come first. */
function step(by) {
  const ids = pages.flatMap((page) => page.ids);
  const at = ids.indexOf(current);
  if (at < 0) return stepInto();
  if (at + by >= ids.length && !more.hidden) return Promise.resolve(loadMore()).then(() => goTo(at + by, by));
  return goTo(at + by, by);
}

/** The first card that is seen. */
function stepInto() {
  const all = [...feed.querySelectorAll("article.card")];
  const first = all.find((node) => node.getBoundingClientRect().bottom > 80) || all[0];
  return first && focusCard(first.dataset.id);
}

function goTo(at, by) {
  const ids = pages.flatMap((page) => page.ids);
  const id = ids[Math.min(Math.max(at, 0), ids.length - 1)];
  const there = reach(id);
  if (!(there instanceof Promise)) return there;
  return there.then((found) => found || (!pages.some((page) => page.ids.includes(id)) && step(by))); // the filters mean it no more: the one behind it
}

// Selection

function selectBy(card, event) {
  matching = false;
  const ids = pages.flatMap((page) => page.ids);
  if (event.shiftKey && anchor && ids.includes(anchor)) {
    const [from, to] = [ids.indexOf(anchor), ids.indexOf(card.tweet.id)].sort((a, b) => a - b);
    for (const id of ids.slice(from, to + 1)) selected.add(id);
  } else {
    if (!selected.delete(card.tweet.id)) selected.add(card.tweet.id);
    anchor = card.tweet.id;
  }
  drawSelection();
}

function drawSelection() {
  for (const [id, card] of cards) {
    if (card.node.classList.contains("selected") === selected.has(id)) continue;
    card.node.classList.toggle("selected", selected.has(id));
    card.node.querySelector(".pick input").checked = selected.has(id);
  }
  drawTop();
}

function selectAll() {
  const ids = pages.flatMap((page) => page.ids);
  const whole = ids.length && ids.every((id) => selected.has(id));
  unselect();
  if (!whole) for (const id of ids) selected.add(id);
  drawSelection();
}

// Statuses

/** Give tweets a status: shown at once, taken back where the server refuses. */
function review(ids, status) {
  const before = ids.map((id) => [id, statuses.get(id)]).filter(([, old]) => old !== status);
  if (!before.length) return;
  showStatuses(before.map(([id]) => [id, status]));
  order = order.then(async () => {
    const made = await inParts(before, (some) => call("review", { ids: some.map(([id]) => id), status }));
    if (made.error) showStatuses(before.slice(made.done));
    if (made.changed.length) past.push(made.changed);
    if (made.error) return toast(made.error);
    if (!made.changed.length) return;
    toast(say(made.changed.length === 1 ? "gallery.one." + status : "gallery.many." + status, { n: made.changed.length }), undo);
    refreshSoon();
  });
}

/** Ask for *all* in calls of a size that the server takes: {changed, done: how many went through, error}. */
async function inParts(all, ask) {
  const made = { changed: [], done: 0, error: "" };
  while (made.done < all.length && !made.error) {
    const answer = await ask(all.slice(made.done, made.done + MOST));
    if (answer.error) made.error = answer.error;
    else {
      made.changed.push(...(answer.changed || []));
      made.done = Math.min(made.done + MOST, all.length);
    }
  }
  return made;
}

/** Take the last change back. A promise of the ids that have their status again. */
function undo() {
  const undone = order.then(async () => {
    const last = past.pop();
    if (!last) { toast(say("gallery.undo.nothing")); return []; }
    const made = await inParts(last, (some) => call("undo", { changes: some }));
    const back = made.changed.map(([id, , after]) => [id, after]);
    showStatuses(back);
    if (made.error) {
      past.push(last.slice(made.done));
      toast(made.error);
    } else {
      const left = last.length - back.length; // decided or written anew since
      toast([back.length || !left ? say(back.length === 1 ? "gallery.undone.one" : "gallery.undone", { n: back.length }) : "", left ? say(left === 1 ? "gallery.undone.not.one" : "gallery.undone.not", { n: left }) : ""].filter(Boolean).join(" "), past.length ? undo : null);
      refreshSoon();
    }
    const shown = new Set(pages.flatMap((page) => page.ids));
    if (last.length > 1 && last.some(([id]) => !shown.has(id))) loadFirst();
    return back.map(([id]) => id);
  });
  order = undone;
  return undone;
}

/** The key: it also steps back to the tweet that it is about, where that is one. */
function stepBack() {
  return undo().then((ids) => ids.length === 1 && reach(ids[0]));
}

function showStatuses(pairs) {
  for (const [id, status] of pairs) {
    statuses.set(id, status);
    const card = cards.get(id);
    if (!card) continue;
    card.tweet = { ...card.tweet, status };
    drawCard(card);
  }
}

const toasts = h("div.toasts", { role: "status", "aria-live": "polite" });
let fading = null;

/** Say *words* for a while; *act* is what undoes it, *link* a way to what came of it. */
function toast(words, act, link) {
  clearTimeout(fading);
  toasts.replaceChildren(h("div.toast", {}, h("span", {}, words), act ? h("button.small", { type: "button", id: "undo", onclick: act }, say("gallery.undo")) : null, link || null,
    h("button.quiet", { type: "button", "aria-label": say("gallery.close"), onclick: () => toasts.replaceChildren() }, "✕")));
  const fade = () => { if (toasts.matches(":hover, :focus-within")) fading = setTimeout(fade, 3000); else toasts.replaceChildren(); };
  fading = setTimeout(fade, 10000);
}

// Keys

const KEYS = [["J", "next"], ["K", "previous"], ["E", "edit"], ["A", "approve"], ["R", "reject"], ["D", "draft"], ["X", "select"], ["U", "undo"], ["W", "rewrite"], ["P", "picture"], ["/", "search"], ["?", "help"], ["Esc", "escape"]];
const help = h("dialog.help", { "aria-label": say("gallery.keys"), onclick: (event) => { if (event.target === help) help.close(); } },
  h("h2", {}, say("gallery.keys")),
  h("dl", {}, KEYS.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, say("gallery.key." + what))])),
  h("button.small.primary", { type: "button", onclick: () => help.close() }, say("gallery.close")));

/** All that are selected; else the current one. Decided, one goes on to the next. */
function reviewChosen(status) {
  if (selected.size) return reviewSelected(status);
  if (!currentId() || rewriting.has(current)) return;
  review([current], status);
  if (status !== "draft") return step(1);
}

const ACTS = {
  j: () => step(1), k: () => step(-1), x: () => { const card = cards.get(current); if (card) selectBy(card, {}); },
  e: () => { const card = cards.get(current); if (card && card.mode !== "edit") toggle(card, "edit", null); },
  w: () => { const card = cards.get(current); if (selected.size) askForWish(); else if (card && card.mode !== "rewrite") toggle(card, "rewrite", null); },
  a: () => reviewChosen("approved"), r: () => reviewChosen("rejected"), d: () => reviewChosen("draft"), u: stepBack,
  p: () => { if (selected.size) drawSelected(); else if (currentId() && !drawing.has(current)) drawPictures([current]); },
  "/": () => { search.focus(); search.select(); }, "?": () => help.showModal(), "？": () => help.showModal(),
};

let stepping = null; // the keys that wait because a page is on its way

/** Do what a key means, in the order in which keys are pressed. */
function press(act) {
  const done = stepping ? stepping.then(act) : act();
  if (!(done instanceof Promise)) return;
  const mine = done.finally(() => { if (stepping === mine) stepping = null; });
  stepping = mine;
}

function onKey(event) {
  if (!root.isConnected || event.isComposing || event.defaultPrevented || help.open || sure.open || view.open || event.altKey) return;
  if (event.target.closest && event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (key !== "z" || event.shiftKey) return;
    if (!event.repeat) press(stepBack);
  } else if (key === "escape") {
    const card = cards.get(current);
    if (selected.size) unselect();
    else if (card && card.mode && card.mode !== "edit") closed(card);
    else return;
  } else if (ACTS[key]) {
    if (!event.repeat || key === "j" || key === "k") press(ACTS[key]); // a key that is held down goes through the tweets, and changes none
  } else return;
  event.preventDefault();
}

function onClick(event) {
  const node = event.target.closest("article.card");
  if (!node || event.target.closest("button, a, input, textarea, label, form")) return;
  const card = cards.get(node.dataset.id);
  if (event.shiftKey || event.ctrlKey || event.metaKey) {
    event.preventDefault();
    selectBy(card, event);
  }
}
