// What is shared by the parts of the Images page: addresses, and one picture as a tile.

/** A picture that is there; a click shows it large. */
function tileOf(image) {
  const words = image.tweet_text || image.prompt || "";
  return h("li.tile.done", { "data-image": image.id },
    h("button.shot", { type: "button", "data-mark": image.id, "aria-label": say("images.open") + (words ? ": " + words : ""), onclick: () => showImage(image.id) }, thumb(image)),
    h("p", {}, image.persona_name ? h("b", { dir: "auto" }, image.persona_name) : null, h("span", { dir: "auto" }, words)));
}
