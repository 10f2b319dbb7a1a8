// What is shared by the parts of the Images page: calls, addresses, and one picture as a tile.

/** What the server answers: its answer, or {error: sentence}. */
async function call(name, what) {
  try {
    return (await server[name](what)) || { error: say("call.lost"), lost: true };
  } catch (gone) {
    return { error: say("call.lost"), lost: true };
  }
}

const number = (value) => Number(value).toLocaleString(document.documentElement.lang);
const share = (part, whole) => (whole ? (100 * part) / whole : 0) + "%";

function lasting(seconds) {
  if (seconds < 1) return say("images.soon");
  if (seconds < 90) return say("images.seconds", { n: number(Math.round(seconds)) });
  if (seconds < 5400) return say("images.minutes", { n: number(Math.round(seconds / 60)) });
  return say("images.hours", { n: number(Math.round(seconds / 360) / 10) });
}

/** A picture that is there; a click shows it large. */
function tileOf(image) {
  const words = image.tweet_text || image.prompt || "";
  return h("li.tile.done", { "data-image": image.id },
    h("button.shot", { type: "button", "data-mark": image.id, "aria-label": say("images.open") + (words ? ": " + words : ""), onclick: () => showImage(image.id) }, thumb(image)),
    h("p", {}, image.persona_name ? h("b", { dir: "auto" }, image.persona_name) : null, h("span", { dir: "auto" }, words)));
}
