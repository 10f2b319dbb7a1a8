// The days of a calendar as a table; each opens to the rest of its plan. Plans come from LLMs and files and may have anything in them.
const DAYS_AT_ONCE = 62;
const IN_COLUMNS = ["weekday", "topic_type", "tweet_format", "recommended_time", "theme"];

function planLabel(key) {
  return texts["plan." + key] || label(key);
}

/** All days, as [date, plan]: the first ones, and a button for more where there are more. */
function calendarDays(days, strategy) {
  const body = h("tbody");
  const heads = [planLabel("date"), planLabel("weekday"), planLabel("recommended_time"), planLabel("topic_type"), planLabel("tweet_format"), planLabel("theme")];
  let shown = 0;
  const further = h("button.quiet", { type: "button", onclick: () => {
    const first = shown;
    grow();
    const next = body.querySelectorAll("tr.day")[first];
    (next.querySelector("button") || next.querySelector("th")).focus();
  } });
  const grow = () => {
    for (const [day, plan] of days.slice(shown, shown + DAYS_AT_ONCE)) body.append(...dayRows(day, plan, heads));
    shown = Math.min(days.length, shown + DAYS_AT_ONCE);
    further.hidden = shown === days.length;
    further.textContent = say("calendars.more_days", { n: number(days.length - shown) });
  };
  grow();
  return h("div.days", {}, strategy ? h("p.strategy", { dir: "auto" }, strategy) : null,
    h("table", {}, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))), body), further);
}

function dayRows(day, plan, heads) {
  const rest = Object.entries(plan).filter(([key]) => !IN_COLUMNS.includes(key)).map(([key, value]) => [key, readable(value)]).filter(([, read]) => read && (!Array.isArray(read) || read.length));
  const date = dayInWords(day, { day: "numeric", month: "short", year: "numeric" });
  const cell = (index, text) => h("td", { "data-head": heads[index], dir: "auto" }, text);
  const fields = rest.length ? h("tr.rest", { hidden: true }, h("td", { colspan: "6" }, h("dl.facts", { dir: "auto" }, rest.map(([key, read]) => [h("dt", {}, planLabel(key)), h("dd", {}, read)])))) : null;
  const toggle = fields ? h("button.fold-day", { type: "button", "aria-expanded": "false", onclick: () => {
    fields.hidden = !fields.hidden;
    toggle.setAttribute("aria-expanded", String(!fields.hidden));
  } }, h("time", { datetime: day }, date)) : null;
  const row = h("tr.day", {}, h("th", { scope: "row", tabindex: toggle ? null : "-1" }, toggle || h("time", { datetime: day }, date)), cell(1, dayInWords(day, { weekday: "short" })), cell(2, asText(plan.recommended_time)),
    cell(3, asText(plan.topic_type)), cell(4, asText(plan.tweet_format)), cell(5, asText(plan.theme)));
  return fields ? [row, fields] : [row];
}

/** A plan of a file may have other things than text where a text belongs. */
function asText(value) {
  return value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
}
