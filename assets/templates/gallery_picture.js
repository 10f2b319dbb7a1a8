// The picture of a tweet on its card: asked for, on its way, there.
const drawing = new Set(); // ids of tweets whose picture is being drawn

/** Have a new picture of each of these tweets drawn. */
async function drawPictures(ids) {
  const wanted = ids.slice(0, MOST);
  for (const id of wanted) showPicture(id, { drawing: { status: "waiting", step: 0, steps: 0 }, picture_failed: "" });
  const answer = await call("draw", { ids: wanted });
  if (answer.error) {
    for (const id of wanted) showPicture(id, { drawing: null });
    return toast(answer.error);
  }
  drawnAgain(answer.job, wanted.length);
}

/** A job draws pictures: said, with the way to it. */
function drawnAgain(job, count = 1) {
  toast(say(count === 1 ? "gallery.picture.started.one" : "gallery.picture.started", { n: count.toLocaleString(document.documentElement.lang) }), null,
    h("a.small", { href: place("/images?job=" + encodeURIComponent(job)), id: "watch-pictures" }, say("gallery.picture.watch")));
  lookSoon();
}

/** Another picture is its tweet's. */
function changedPicture(image) {
  showPicture(image.tweet_id, { picture: image });
}

/** What became of a tweet's picture: {picture, drawing, picture_failed}, or a part of it. */
function showPicture(id, state) {
  if ("drawing" in state) drawing[state.drawing ? "add" : "delete"](id);
  const card = cards.get(id);
  if (!card) return;
  const before = pictureState(card.tweet);
  card.tweet = { ...card.tweet, ...state };
  if (pictureState(card.tweet) !== before) drawCard(card);
  else if (card.tweet.drawing) drawStep(card);
}

/** What of it is drawn anew: all but the steps. */
function pictureState(tweet) {
  return JSON.stringify([tweet.picture && tweet.picture.id, tweet.drawing && tweet.drawing.status, tweet.picture_failed]);
}

function drawStep(card) {
  const bar = card.node.querySelector(".picturing");
  if (!bar) return;
  const { status, step, steps } = card.tweet.drawing;
  bar.querySelector("i").style.width = (steps ? (100 * step) / steps : 0) + "%";
  bar.querySelector("small").textContent = status === "running" && steps ? say("gallery.picture.step", { step, steps }) : say("gallery.picture.waiting");
}

function cardPicture(card) {
  const { picture: image, drawing: under, picture_failed: failed } = card.tweet;
  return [
    image ? h("button.shot", { type: "button", "data-mark": "shot", "aria-label": say("gallery.picture.open"), onclick: () => showImage(image.id) }, thumb(image)) : null,
    under ? h("div.picturing", { role: "status" }, h("small"), h("div.bar", {}, h("i"))) : null,
    failed && !under ? h("p.trouble", { role: "alert" }, say("gallery.picture.failed", { reason: failed })) : null,
  ];
}
