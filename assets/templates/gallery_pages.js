// The tweets, page by page from the newest. A page far from what is seen is emptied and keeps its height; it is asked for again by key
// when it comes near, so that a hundred thousand tweets take no more room than a few screenfuls.
const AHEAD = "1600px 0px"; // how far from the screen the next page is asked for
const AWAY = "6000px 0px"; // how far from it a page is emptied
const feed = h("div.feed", { role: "feed", "aria-busy": "true", "aria-label": say("nav.gallery") });
const pill = h("button.pill", { type: "button", hidden: true, onclick: () => { showNewest(); root.scrollIntoView({ block: "start" }); } });
const more = h("button.small.more", { type: "button", hidden: true, onclick: () => loadMore() }, say("gallery.load_more"));
const statuses = new Map(); // of every tweet that was loaded, by id
let pages = []; // {node, ids, from, last, empty, coming}: its tweets have numbers below *from* and not below *last*
let turn = 0; // answers to questions of earlier turns are late
let loading = false; // the first page is on its way
let coming = null; // the promise of the next page, while it is on its way
let newest = null; // the number of the newest tweet of all when the first page was asked for

function skeletons(count) {
  return Array.from({ length: count }, () => h("div.card.skeleton", { "aria-hidden": "true" }, h("div.shimmer", {}, h("i"), h("i"), h("i"))));
}

async function loadFirst() {
  const mine = ++turn;
  loading = true;
  coming = null;
  pill.hidden = more.hidden = true;
  feed.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => { if (mine === turn) show(h("div.page", {}, skeletons(6))); }, pages.length ? 200 : 0);
  const asking = call("find", { filters: asked() });
  refreshCounts();
  const answer = await asking;
  clearTimeout(slow);
  if (mine !== turn) return;
  loading = false;
  feed.setAttribute("aria-busy", "false");
  if (answer.error) return show(failedNote(answer.error));
  newest = answer.newest;
  show();
  if (!answer.tweets.length) show(emptyNote());
  addPage(answer.tweets);
}

/** The first page anew; the keyboard is on the newest tweet then, if it was nowhere else meanwhile. */
async function showNewest() {
  await loadFirst();
  if (document.activeElement === document.body && pages.length) focusCard(pages[0].ids[0]);
}

/** Empty the feed and put *node* there. */
function show(node) {
  for (const page of pages) { ahead.unobserve(page.node); away.unobserve(page.node); }
  pages = [];
  cards.clear();
  feed.replaceChildren(...(node ? [node] : []));
  drawTop();
}

/** The next page; whoever asks while it is on its way waits for that one. */
function loadMore() {
  if (!coming && !loading && pages.length) {
    const mine = fetchMore().finally(() => { if (coming === mine) coming = null; });
    coming = mine;
  }
  return coming;
}

async function fetchMore() {
  const mine = turn;
  more.disabled = true;
  const answer = await call("find", { filters: asked(), before: pages[pages.length - 1].last });
  more.disabled = false;
  if (mine !== turn) return;
  if (answer.error) return (more.textContent = answer.error + " " + say("gallery.try_again"));
  more.textContent = say("gallery.load_more");
  addPage(answer.tweets);
}

function addPage(tweets) {
  more.hidden = tweets.length < PAGE;
  if (!tweets.length) return;
  const page = { node: h("div.page", { role: "none" }), ids: tweets.map((tweet) => tweet.id), from: tweets[0].number + 1, last: tweets[tweets.length - 1].number, empty: false, coming: null };
  pages.push(page);
  fill(page, tweets);
  feed.append(page.node);
  away.observe(page.node);
  // An observer tells changes only: looked at anew, a button that is near all the time asks for page after page.
  ahead.unobserve(more);
  ahead.observe(more);
  if (!cards.has(current)) current = null;
  markCurrent();
  drawTop();
}

function fill(page, tweets) {
  for (const tweet of tweets) {
    statuses.set(tweet.id, tweet.status);
    if (matching) selected.add(tweet.id);
    if (tweet.rewriting) rewriting.add(tweet.id);
    if (tweet.drawing) drawing.add(tweet.id);
  }
  page.ids = tweets.map((tweet) => tweet.id);
  page.empty = false;
  page.node.style.height = "";
  page.node.replaceChildren(...tweets.map((tweet) => newCard(tweet).node));
}

function emptyOut(page) {
  const open = page.ids.some((id) => cards.has(id) && (cards.get(id).mode || cards.get(id).node.contains(document.activeElement)));
  const height = page.node.offsetHeight;
  if (page.empty || open || !height) return;
  page.node.style.height = height + "px";
  page.empty = true;
  for (const id of page.ids) cards.delete(id);
  page.node.replaceChildren();
}

/** Ask again for the tweets of a page that was emptied; whoever asks while they are on their way waits for them. */
function refill(page) {
  if (page.empty && !page.coming) page.coming = fetchAgain(page).finally(() => (page.coming = null));
  return page.coming;
}

async function fetchAgain(page) {
  const mine = turn;
  const answer = await call("find", { filters: asked(), before: page.from });
  if (mine !== turn || answer.error) return;
  fill(page, answer.tweets.filter((tweet) => tweet.number >= page.last));
  markCurrent();
}

const ahead = new IntersectionObserver((seen) => { if (seen.some((each) => each.isIntersecting) && !more.hidden) loadMore(); }, { rootMargin: AHEAD });
const away = new IntersectionObserver((seen) => {
  for (const each of seen) {
    const page = pages.find((other) => other.node === each.target);
    if (page) (each.isIntersecting ? refill : emptyOut)(page);
  }
}, { rootMargin: AWAY });

// What there is instead of tweets

function emptyNote() {
  if (filtering()) return h("div.blank", { id: "nothing-matches" }, h("h2", {}, say("gallery.nothing")), h("p", {}, say("gallery.nothing.text")), h("button.small.primary", { type: "button", onclick: () => { clearFilters(); search.focus(); } }, say("gallery.clear")));
  return h("div.blank", { id: "no-tweets" }, h("img", { src: place("/brand/empty-state.svg"), alt: "", width: "220" }), h("h2", {}, say("gallery.empty")), h("p", {}, say("gallery.empty.text")),
    h("div.acts", {}, h("a.small.primary", { href: place("/") }, say("gallery.empty.create")), h("a.small", { href: place("/batch") }, say("gallery.empty.batch"))));
}

function failedNote(trouble) {
  return h("div.blank", { role: "alert" }, h("h2", {}, say("gallery.failed")), h("p", {}, trouble), h("button.small.primary", { type: "button", onclick: loadFirst }, say("gallery.try_again")));
}

// What comes while the page is open

let looking = null;
let silent = 0; // questions in a row that got no answer

function lookSoon() {
  clearTimeout(looking);
  looking = setTimeout(look, silent ? 8000 : rewriting.size || drawing.size ? 700 : 4000);
}

async function look() {
  if (!root.isConnected) return; // Gradio has put another card in its place
  if (document.visibilityState === "visible" && newest !== null) {
    const mine = turn;
    const answer = await call("news", { filters: asked(), after: newest, rewriting: [...rewriting].filter((id) => !unanswered.has(id)).slice(0, 200), drawing: [...drawing].filter((id) => cards.has(id)).slice(0, 200) });
    silent = answer.lost ? silent + 1 : 0;
    lost.hidden = silent < 2;
    if (mine === turn && !answer.error) {
      pill.hidden = !answer.fresh;
      pill.textContent = say(answer.fresh === 1 ? "gallery.new.one" : "gallery.new", { n: answer.fresh >= 100 ? "99+" : answer.fresh });
      for (const { failed, failed_kind, ...tweet } of answer.rewritten) {
        if (unanswered.has(tweet.id)) continue;
        changed(tweet);
        ended(tweet.id, failed);
      }
      for (const id of answer.gone) ended(id, say("gallery.gone"));
      for (const [id, state] of Object.entries(answer.drawn)) showPicture(id, state);
      if (answer.rewritten.length) refreshSoon();
      if (answer.fresh && !pages.length) loadFirst();
      else if (answer.fresh) refreshSoon();
    }
  }
  lookSoon();
}

const lost = h("p.notice", { hidden: true, role: "status" }, say("call.lost"));
