// How many tweets, from when, in what weather; what that will take; Start.
const each = h("input", { type: "number", min: "1", max: String(LIMITS.each), value: "5", id: "batch-each", inputmode: "numeric" });
const from = h("input", { type: "date", id: "batch-from" });
const context = h("textarea", { rows: "2", maxlength: String(LIMITS.context), id: "batch-context", placeholder: say("batch.context.hint") });
const forecast = h("div.forecast", { "aria-live": "polite" });
const start = h("button.small.primary.start", { type: "button", id: "batch-start", onclick: () => begin() }, say("batch.start"));
const complaint = h("p.notice", { role: "alert", hidden: true });
const order = h("aside.card.order", {}, h("h2", {}, say("batch.order")),
  h("label.field", {}, h("span", {}, say("batch.each")), each),
  h("label.field", {}, h("span", {}, say("batch.from")), from, h("small.dim", {}, say("batch.from.hint"))),
  h("label.field", {}, h("span", {}, say("batch.context")), context),
  forecast, start, complaint);
let asked = 0; // questions for a forecast; answers to earlier ones are late
let forecasting = null;
let told = ""; // what the forecast that is shown is of
let beginning = false;

each.addEventListener("input", changed);

function trouble(words) {
  complaint.textContent = words || "";
  complaint.hidden = !words;
}

function eachOrNothing() {
  const n = Number(each.value);
  return Number.isInteger(n) && n >= 1 && n <= LIMITS.each ? n : 0;
}

function drawOrder() {
  const reading = files.some((file) => file.state === "busy");
  const count = eachOrNothing();
  each.setAttribute("aria-invalid", String(!count));
  start.disabled = beginning || reading || !chosen.size || !count;
  start.textContent = beginning ? say("batch.starting") : chosen.size && count ? say("batch.start.n", { n: (chosen.size * count).toLocaleString(document.documentElement.lang) }) : say("batch.start");
  const wanted = { personas: ordered(), planned: [...matched().keys()], count };
  const key = JSON.stringify(wanted);
  if (key === told) return;
  told = key;
  asked += 1;
  clearTimeout(forecasting);
  if (!count) return forecast.replaceChildren(h("p.dim", {}, say("batch.each.limit", { limit: LIMITS.each })));
  if (!chosen.size) return forecast.replaceChildren(h("p.dim", {}, say("batch.choose_first")));
  forecast.classList.add("old");
  forecasting = setTimeout(() => foretell(wanted), 200);
}

async function foretell(wanted) {
  const mine = asked;
  const answer = await call("forecast", wanted);
  if (mine !== asked) return;
  forecast.classList.remove("old");
  if (answer.error) {
    told = "";
    return forecast.replaceChildren(h("p.trouble", {}, answer.error));
  }
  const fact = (key, value) => h("div", { "data-fact": key }, h("dt", {}, say("batch." + key)), h("dd", {}, value));
  forecast.replaceChildren(h("h3", {}, say("batch.forecast")), h("dl", {},
    fact("calls", number(answer.calls)), fact("tokens", "≈ " + number(rounded(answer.prompt_tokens + answer.completion_tokens))),
    fact("time", "≈ " + lasting(answer.seconds)), fact("cost", money(answer.cost))),
    h("small.dim", {}, say("batch.plans", { given: wanted.planned.length, written: wanted.personas.length - wanted.planned.length })));
}

function rounded(value) {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, value))) - 1);
  return Math.round(value / step) * step;
}

function money(dollars) {
  if (dollars === null || dollars === undefined) return say(LIMITS.offline ? "batch.cost.free" : "batch.cost.unknown");
  return dollars < 0.01 ? "< $0.01" : "$" + dollars.toFixed(2);
}

async function begin() {
  if (beginning) return;
  beginning = true;
  trouble("");
  drawOrder();
  const whose = matched();
  const answer = await call("start", {
    personas: ordered().map((id) => ({ id, ...(whose.has(id) ? { calendar: { path: whose.get(id).path, name: whose.get(id).name } } : {}) })),
    count: eachOrNothing(), start: from.value, context: context.value,
  });
  beginning = false;
  drawOrder();
  if (answer.error) return trouble(answer.error);
  const address = new URL(window.location.href);
  address.search = "?job=" + encodeURIComponent(answer.job);
  window.history.pushState(window.history.state, "", address);
  showJob(answer.job);
  runTitle.focus({ preventScroll: true });
}
