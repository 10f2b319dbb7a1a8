// What is done with all that are selected, in a bar at the foot of the page.
const MOST_ANEW = 200; // tweets that one job writes anew

const bulkCount = h("b", { role: "status" });
const wish = h("input", { type: "text", maxlength: "2000", placeholder: say("gallery.rewrite.hint"), "aria-label": say("gallery.rewrite.label"), dir: "auto" });
const wishing = h("form.rewrite", { hidden: true, onsubmit: rewriteSelected, onkeydown: (event) => { if (event.key === "Escape" && !event.isComposing) { event.preventDefault(); event.stopPropagation(); leaveWish(); } } },
  wish, h("button.small.primary", { type: "submit" }, say("gallery.rewrite.start")), h("button.small", { type: "button", onclick: () => leaveWish() }, say("gallery.cancel")));
const anew = h("button.small", { type: "button", "data-mark": "rewrite", "aria-expanded": "false", onclick: () => (wishing.hidden ? askForWish() : leaveWish()) }, say("gallery.rewrite"));
const bulk = h("div.bulk", { role: "region", "aria-label": say("gallery.selection"), hidden: true }, bulkCount,
  [["approved", "gallery.approve"], ["rejected", "gallery.reject"], ["draft", "gallery.draft"]].map(([status, key]) => h("button.small." + status, { type: "button", onclick: () => reviewSelected(status) }, say(key))),
  anew, h("button.small", { type: "button", onclick: drawSelected }, say("gallery.picture.many")),
  h("button.small", { type: "button", onclick: unselect }, say("gallery.unselect")), wishing);

function drawBulk() {
  const hadFocus = bulk.contains(document.activeElement);
  bulk.hidden = !selected.size;
  if (bulk.hidden) showWish(false);
  bulkCount.textContent = say("gallery.selected", { n: number(selected.size) });
  if (hadFocus && bulk.hidden) focusCard(currentId());
}

function unselect() {
  selected.clear();
  drawSelection();
}

function reviewSelected(status) {
  review([...selected].filter((id) => !rewriting.has(id)), status);
  unselect();
}

function drawSelected() {
  drawPictures([...selected]);
  unselect();
}

// Writing them anew

function showWish(shown) {
  wishing.hidden = !shown;
  anew.setAttribute("aria-expanded", String(shown));
}

/** Ask what should be different. */
function askForWish() {
  if (selected.size > MOST_ANEW) return toast(say("gallery.rewrite.limit", { limit: MOST_ANEW }));
  showWish(true);
  wish.focus();
}

function leaveWish() {
  showWish(false);
  anew.focus();
}

async function rewriteSelected(event) {
  event.preventDefault();
  const ids = [...selected].filter((id) => !rewriting.has(id));
  if (!ids.length) return;
  if (ids.length > MOST_ANEW) return toast(say("gallery.rewrite.limit", { limit: MOST_ANEW }));
  const instruction = wish.value;
  wish.value = "";
  unselect();
  const refused = await writeAnew(ids, instruction);
  if (!refused) return toast(say(ids.length === 1 ? "gallery.rewrite.started.one" : "gallery.rewrite.started", { n: number(ids.length) }));
  for (const id of ids) ended(id, "");
  wish.value = wish.value || instruction; // it is there when they are selected again
  toast(refused);
}
