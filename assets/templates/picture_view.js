// One picture, large: what it was drawn from, the others of its tweet, and what can be done with it. The page that shows it has call(name,
// what), and drawnAgain(job, count) for the job that draws it once more, and changedPicture(image) where the tweet's picture is another one.
const VARIATIONS = 4;

/** Where the file of a picture is. */
function fileOf(name) {
  return place("/drawn/" + encodeURIComponent(name));
}

function thumb(image, alt) {
  return h("img", { src: fileOf(image.thumbnail), alt: alt || "", loading: "lazy", width: image.width || null, height: image.height || null });
}

const viewBody = h("div.view-body");
const view = h("dialog.picture-view", { "aria-label": say("images.picture"), onclick: (event) => { if (event.target === view) view.close(); } }, viewBody);
let viewed = ""; // id of the picture that is shown

async function showImage(id) {
  viewed = id;
  if (!view.open) {
    viewBody.replaceChildren(h("div.shimmer", { "aria-hidden": "true" }, h("i"), h("i"), h("i")));
    view.showModal();
  }
  const answer = await call("picture", { id });
  if (viewed === id) drawView(answer);
}

function drawView(answer) {
  if (answer.error) return viewBody.replaceChildren(h("p.notice", { role: "alert" }, answer.error), closeButton());
  const { image, others } = answer;
  viewed = image.id;
  keepingFocus(viewBody, () => viewBody.replaceChildren(
    h("figure", {}, h("img", { src: fileOf(image.file), alt: image.asked.alt || "", width: image.width, height: image.height })),
    h("div.told", {}, ...[
      h("div.line", {}, h("h2", {}, image.persona_name || say("images.picture")), h("span.gap"), closeButton()),
      image.tweet_text ? h("p.text", { dir: "auto" }, image.tweet_text) : null,
      others.length > 1 ? h("div.others", { role: "group", "aria-label": say("images.others") }, others.map((other) =>
        h("button.other" + (other.chosen ? ".chosen" : ""), { type: "button", "data-mark": "other" + other.id, "aria-current": other.id === image.id ? "true" : null, "aria-label": say(other.chosen ? "images.chosen" : "images.one_of"), onclick: () => showImage(other.id) }, thumb(other)))) : null,
      pictureActs(image),
      h("p.trouble", { role: "alert" }),
      pictureFacts(image),
    ].filter(Boolean))));
}

function closeButton() {
  return h("button.quiet", { type: "button", "data-mark": "close", "aria-label": say("images.close"), onclick: () => view.close() }, "✕");
}

function pictureActs(image) {
  const seed = h("input", { type: "text", inputmode: "numeric", maxlength: "16", placeholder: say("images.seed.hint"), "aria-label": say("images.seed"), "data-mark": "seed" });
  const again = async (event) => {
    event.preventDefault();
    const given = seed.value.trim();
    if (given && !/^\d{1,15}$/.test(given)) return pictureTrouble(say("images.seed.bad"));
    const answer = await call("again", { id: image.id, seed: given ? Number(given) : null });
    if (answer.error) return pictureTrouble(answer.error);
    view.close();
    drawnAgain(answer.job);
  };
  const vary = async () => {
    const answer = await call("vary", { id: image.id, count: VARIATIONS });
    if (answer.error) return pictureTrouble(answer.error);
    view.close();
    drawnAgain(answer.job, VARIATIONS);
  };
  const choose = async () => {
    const answer = await call("choose", { id: image.id });
    if (answer.error) return pictureTrouble(answer.error);
    drawView(answer);
    changedPicture(answer.image);
  };
  return h("div.acts", {}, ...[
    image.tweet_id ? (image.chosen ? h("span.chip.done", {}, say("images.chosen")) : h("button.small.primary", { type: "button", "data-mark": "choose", onclick: choose }, say("images.choose"))) : null,
    h("a.small", { href: fileOf(image.file), download: (image.persona_name || "picture").replace(/[^\p{L}\p{N}]+/gu, "-") + "-" + image.seed + ".png", "data-mark": "download" }, say("images.download")),
    h("button.small", { type: "button", "data-mark": "vary", title: say("images.vary.hint"), onclick: vary }, say("images.vary", { n: number(VARIATIONS) })),
    h("form.again", { onsubmit: again }, seed, h("button.small", { type: "submit", "data-mark": "again" }, say("images.again"))),
  ].filter(Boolean));
}

function pictureTrouble(words) {
  viewBody.querySelector(".trouble").textContent = words;
}

function pictureFacts(image) {
  const asked = image.asked;
  const rows = [
    ["prompt", asked.prompt], ["negative", asked.negative_prompt], ["size", image.width + " × " + image.height], ["seed", image.seed],
    ["steps", asked.steps], ["guidance", asked.guidance || null], ["lora", asked.lora && asked.lora.path + " × " + asked.lora.strength], ["engine", image.engine],
    ["time", say("time.seconds", { n: Math.round(image.seconds * 10) / 10 })], ["worker", image.worker + 1], ["alt", asked.alt],
  ];
  return h("dl.facts", {}, rows.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([key, value]) => [h("dt", {}, say("images." + key)), h("dd", { dir: "auto" }, String(value))]));
}
