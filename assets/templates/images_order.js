// A single picture of what somebody describes.
const SIZES = [[props.value.width, props.value.height], [1024, 1024], [768, 1024], [1024, 768], [768, 1344], [1344, 768], [512, 512]]
  .filter(([width, height], index, all) => all.findIndex(([w, h_]) => w === width && h_ === height) === index);
const promptField = h("textarea", { id: "image-prompt", rows: "4", maxlength: String(props.value.longest), placeholder: say("images.prompt.hint"), "aria-label": say("images.prompt"), dir: "auto" });
const negativeField = h("textarea", { id: "image-negative", rows: "2", maxlength: String(props.value.longest), dir: "auto" });
const sizeField = h("select", { id: "image-size" }, SIZES.map(([width, height]) => h("option", { value: width + "x" + height }, width + " × " + height)));
const stepsField = h("input", { type: "number", id: "image-steps", min: "1", max: "500", value: String(props.value.steps) });
const seedField = h("input", { type: "text", id: "image-seed", inputmode: "numeric", maxlength: "16", placeholder: say("images.seed.hint") });
const orderTrouble = h("p.trouble", { role: "alert", hidden: true });
const drawButton = h("button.small.primary.wide", { type: "submit", id: "image-draw" }, say("images.draw"));
const field = (key, node) => h("label.field", {}, h("span", {}, say(key)), node);
const order = h("form.card.order", { onsubmit: drawPrompt, onkeydown: (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) drawPrompt(event); } },
  h("h2", {}, say("images.single")), promptField,
  h("details", {}, h("summary", {}, say("images.options")),
    h("div.fields", {}, field("images.size", sizeField), field("images.steps", stepsField), field("images.seed", seedField), h("div.full", {}, field("images.negative", negativeField)))),
  orderTrouble, drawButton);

function refuse(words) {
  orderTrouble.textContent = words;
  orderTrouble.hidden = !words;
}

async function drawPrompt(event) {
  event.preventDefault();
  if (drawButton.disabled) return;
  const seed = seedField.value.trim();
  const steps = Number(stepsField.value);
  if (!promptField.value.trim()) { refuse(say("images.prompt.empty")); return promptField.focus(); }
  if (seed && !/^\d{1,15}$/.test(seed)) return refuse(say("images.seed.bad"));
  if (!Number.isInteger(steps) || steps < 1 || steps > 500) return refuse(say("images.steps.bad"));
  refuse("");
  drawButton.disabled = true;
  const [width, height] = sizeField.value.split("x").map(Number);
  const answer = await call("draw", { prompt: promptField.value, negative: negativeField.value, width, height, steps, seed: seed ? Number(seed) : null });
  drawButton.disabled = false;
  if (answer.error) return refuse(answer.error);
  showJob(answer.job);
}
