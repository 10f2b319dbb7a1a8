// What is done with all that are selected, in a bar at the foot of the page.
const MOST_ANEW = 200; // tweets that one job writes anew
const UNASKED = 200; // tweets whose status is changed without a question
const DECISIONS = { approved: "gallery.approve", rejected: "gallery.reject", draft: "gallery.draft" };
let matching = false; // all that the filters mean are selected, whether they are loaded or not

const bulkCount = h("b", { role: "status" });
const wish = h("input", { type: "text", maxlength: "2000", placeholder: say("gallery.rewrite.hint"), "aria-label": say("gallery.rewrite.label"), dir: "auto" });
const wishing = h("form.rewrite", { hidden: true, onsubmit: rewriteSelected, onkeydown: (event) => { if (event.key === "Escape" && !event.isComposing) { event.preventDefault(); event.stopPropagation(); leaveWish(); } } },
  wish, h("button.small.primary", { type: "submit" }, say("gallery.rewrite.start")), h("button.small", { type: "button", onclick: () => leaveWish() }, say("gallery.cancel")));
const anew = h("button.small", { type: "button", "data-mark": "rewrite", "aria-expanded": "false", onclick: () => (wishing.hidden ? askForWish() : leaveWish()) }, say("gallery.rewrite"));
const pictures = h("button.small", { type: "button", "data-mark": "pictures", onclick: drawSelected }, say("gallery.picture.many"));
const matchAll = h("button.quiet", { type: "button", id: "select-matching", onclick: selectMatching });
const bulk = h("div.bulk", { role: "region", "aria-label": say("gallery.selection"), hidden: true }, bulkCount,
  Object.entries(DECISIONS).map(([status, key]) => h("button.small." + status, { type: "button", onclick: () => reviewSelected(status) }, say(key))),
  anew, pictures, h("button.small", { type: "button", onclick: unselect }, say("gallery.unselect")), matchAll, wishing);
const sure = h("dialog.help", { "aria-labelledby": "sure-title" });

function drawBulk() {
  const hadFocus = bulk.contains(document.activeElement);
  bulk.hidden = !selected.size;
  if (bulk.hidden) showWish(false);
  bulkCount.textContent = matching ? say("gallery.matching", { n: number(total) }) : say("gallery.selected", { n: number(selected.size) });
  anew.hidden = pictures.hidden = matching;
  const ids = pages.flatMap((page) => page.ids);
  matchAll.hidden = matching || counted !== asQuery() || !ids.length || total <= ids.length || !ids.every((id) => selected.has(id));
  matchAll.textContent = say("gallery.select_matching", { n: number(total) });
  if (hadFocus && bulk.hidden) focusCard(currentId());
}

function unselect() {
  matching = false;
  selected.clear();
  drawSelection();
}

function reviewSelected(status) {
  if (matching) return reviewMatching(status);
  review([...selected].filter((id) => !rewriting.has(id)), status);
  unselect();
}

function drawSelected() {
  if (matching) return;
  drawPictures([...selected]);
  unselect();
}

// All that the filters mean

function selectMatching() {
  matching = true;
  showWish(false);
  drawBulk();
  bulk.querySelector("button").focus();
}

/** Change their status; where these are many, after a question. */
function reviewMatching(status) {
  if (total <= UNASKED) return changeMatching(status);
  const no = h("button.small", { type: "button", onclick: () => sure.close() }, say("gallery.cancel"));
  sure.replaceChildren(h("h2", { id: "sure-title" }, say("gallery.sure." + status, { n: number(total) })),
    total > MOST ? h("p", {}, say("gallery.sure.for_good", { n: number(MOST) })) : "",
    h("div.acts", {}, h("button.small." + status, { type: "button", id: "sure-yes", onclick: () => { sure.close(); changeMatching(status); } }, say(DECISIONS[status])), no));
  sure.showModal();
  no.focus();
}

function changeMatching(status) {
  const what = { filters: asked(), status, newest };
  unselect();
  toast(say("gallery.saving"));
  order = order.then(async () => {
    const answer = await call("review_all", what);
    if (answer.error) toast(answer.error);
    else {
      if (answer.changed.length) past.push(answer.changed);
      toast(say(answer.count === 1 ? "gallery.one." + status : "gallery.many." + status, { n: number(answer.count) }), answer.changed.length ? undo : null);
    }
    loadFirst();
  });
}

// Writing them anew

function showWish(shown) {
  wishing.hidden = !shown;
  anew.setAttribute("aria-expanded", String(shown));
}

/** Ask what should be different. */
function askForWish() {
  if (matching) return;
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
  if (!ids.length) return leaveWish();
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
