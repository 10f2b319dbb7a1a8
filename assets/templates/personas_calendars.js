// The calendars of the persona that is open: written, added from files, read day by day, taken away, deleted. It looks again by itself, so
// that what another tab, a batch or the command line makes is seen here too.
const CALENDAR_KINDS = ["json", "csv", "ics"];
const SOON = 600, SELDOM = 4000; // ms between two looks, while one is being written and else
const planDays = h("input", { type: "number", min: "1", inputmode: "numeric", required: true, id: "plan-days" });
const planFrom = h("input", { type: "date", id: "plan-from", title: say("calendars.from.hint") });
const planGo = h("button.small.primary", { type: "submit", id: "plan-go" }, say("calendars.write"));
const planFiles = h("input.sr", { type: "file", multiple: true, accept: ".json,.csv,application/json,text/csv", id: "calendar-files", onchange: () => { calendarFiles.take([...planFiles.files], shelfOf); planFiles.value = ""; } });
const planForm = h("form.order", { onsubmit: (event) => { event.preventDefault(); orderCalendar(); } },
  h("label", {}, h("span", {}, say("calendars.count")), planDays), h("label", {}, h("span", {}, say("calendars.from")), planFrom), planGo,
  h("label.small.add", { title: say("calendars.add.hint") }, planFiles, say("calendars.add")));
const planState = h("div.state", { role: "status", hidden: true });
const planTrouble = h("p.notice", { role: "alert", hidden: true });
const calendarFiles = intake(addCalendar);
const shelfList = h("ul.shelf", { "aria-label": say("calendars.title") });
const shelf = h("section.calendars", { id: "calendars", "aria-label": say("calendars.title") },
  h("header", {}, h("h2", {}, say("calendars.title")), h("small.dim", {}, say("calendars.drop"))), planForm, planTrouble, planState, calendarFiles.list, shelfList);
let shelfOf = ""; // the persona whose calendars are shown
let shelfTurn = 0; // answers to earlier questions are late
let shelfTimer = null;
let shelfRows = new Map(); // calendar id -> {node, drawn, days, open}

shelf.addEventListener("dragover", (event) => { event.preventDefault(); shelf.classList.add("over"); });
shelf.addEventListener("dragleave", (event) => { if (!shelf.contains(event.relatedTarget)) shelf.classList.remove("over"); });
shelf.addEventListener("drop", (event) => {
  event.preventDefault();
  shelf.classList.remove("over");
  if (event.dataTransfer) calendarFiles.take([...event.dataTransfer.files], shelfOf);
});

/** The section, for a persona that was not shown yet. */
function calendarsOf(view) {
  leaveCalendars();
  shelfOf = view.id;
  planDays.value = "";
  planFrom.value = "";
  shelfList.replaceChildren(h("li.waiting", { "aria-hidden": "true" }, h("div.shimmer", {}, h("i"), h("i"))));
  askShelf("calendars", {});
  return shelf;
}

function leaveCalendars() {
  shelfOf = "";
  shelfTurn += 1;
  clearTimeout(shelfTimer);
  shelfRows = new Map();
  planState.hidden = true;
  delete planState.dataset.drawn;
  calendarFiles.list.replaceChildren();
  complainOfCalendars("");
}

function complainOfCalendars(words) {
  planTrouble.textContent = words;
  planTrouble.hidden = !words;
}

/** Ask, show the answer, and look again in a while. True where the answer is shown. */
async function askShelf(name, what) {
  clearTimeout(shelfTimer);
  if (!shelfOf) return false;
  const mine = ++shelfTurn;
  const persona = shelfOf;
  const answer = await call(name, { persona, ...what });
  if (persona !== shelfOf) return false;
  if (answer.error && (name !== "calendars" || !planDays.value)) complainOfCalendars(answer.error); // a look that is lost is asked again
  if (mine !== shelfTurn) return false;
  if (!answer.error) drawShelf(answer);
  const busy = !answer.error && answer.writing && ["waiting", "running"].includes(answer.writing.status);
  shelfTimer = setTimeout(() => askShelf("calendars", {}), document.hidden || !busy ? SELDOM : SOON);
  return !answer.error;
}

async function orderCalendar() {
  complainOfCalendars("");
  planGo.disabled = true;
  if (!(await askShelf("plan", { days: Number(planDays.value), start: planFrom.value }))) planGo.disabled = false;
}

/** For the persona that was open when the file was handed in, whichever is open by now. */
async function addCalendar(path, name, persona) {
  const answer = await call("add_calendar", { persona, path, name });
  if (persona !== shelfOf) toast(name + say("colon") + (answer.error || say("calendars.added")));
  if (answer.error) return answer;
  if (persona === shelfOf) askShelf("calendars", {});
  return { nodes: [say("calendars.added")], remarks: answer.remarks };
}

function drawShelf({ calendars, writing, usual, most }) {
  if (!planDays.value && document.activeElement !== planDays) planDays.value = usual;
  planDays.max = most;
  if (planTrouble.textContent === say(whenLost)) complainOfCalendars("");
  drawWriting(writing);
  const complete = current && current.stages.every((stage) => stage.output);
  const rows = calendars.map((calendar) => {
    const row = shelfRows.get(calendar.id) || calendarRow(calendar.id);
    const state = JSON.stringify([calendar, complete]);
    if (row.drawn !== state) {
      row.drawn = state;
      keepingFocus(row.node, () => row.node.firstElementChild.replaceWith(calendarHead(calendar, row, complete)));
    }
    return row.node;
  });
  for (const [id, row] of shelfRows) if (!rows.includes(row.node)) shelfRows.delete(id);
  putInOrder(shelfList, rows.length ? rows : [shelfList.querySelector(".none") || h("li.none", {}, say("calendars.none"))]);
}

function calendarRow(id) {
  const days = h("div.inside", { hidden: true });
  const row = { node: h("li", { "data-calendar": id }, h("div.head"), days), days, open: false, drawn: "" };
  shelfRows.set(id, row);
  return row;
}

/** Make *wanted* the children of *list*; those that are there already are not moved, so that nothing loses the keyboard's focus. */
function putInOrder(list, wanted) {
  for (const child of [...list.children]) if (!wanted.includes(child)) child.remove();
  wanted.forEach((child, index) => { if (list.children[index] !== child) list.insertBefore(child, list.children[index] || null); });
}

/** How it stands with the calendar that was ordered: nothing of one that is done or was given up. */
function drawWriting(writing) {
  const status = writing && !["done", "cancelled"].includes(writing.status) ? writing.status : "";
  const busy = ["waiting", "running"].includes(status);
  const begun = Boolean(current && current.stages[0].output);
  planGo.disabled = busy || !begun;
  planGo.title = begun ? "" : say("calendars.core_first");
  planState.hidden = !status;
  const state = JSON.stringify(writing);
  if (!status || planState.dataset.drawn === state) return;
  planState.dataset.drawn = state;
  const job = writing.job_id;
  const again = (key) => h("button.small", { type: "button", "data-mark": "again", onclick: onceAWhile(() => askShelf("plan_again", { job })) }, say(key));
  const stop = (key) => h("button.quiet", { type: "button", "data-mark": "stop", onclick: onceAWhile(() => askShelf("plan_stop", { job })) }, say(key));
  keepingFocus(planState, () => planState.replaceChildren(...[
    busy ? [h("span.chip.running", {}, h("i.pulse"), say("calendars.writing")), stop("calendars.stop")] : [],
    status === "paused" ? [h("span.chip", {}, say("job.paused")), again("calendars.go_on"), stop("calendars.give_up")] : [],
    status === "failed" ? [h("span.chip.failed", {}, say("calendars.failed")), h("span.why", {}, reason(writing.kind, writing.reason).filter(Boolean).join(say("colon"))), again("calendars.again"), stop("calendars.give_up")] : [],
  ].flat()));
}

function calendarHead(calendar, row, complete) {
  const title = calendarTitle(calendar);
  const toggle = h("button.open", { type: "button", "aria-expanded": String(row.open), "data-mark": "open", onclick: () => openCalendar(calendar, row, toggle) }, h("b", { dir: "auto" }, title));
  const link = (kind) => h("a.small", { href: place("/calendars/" + encodeURIComponent(calendar.id) + "." + kind), download: "", "data-mark": kind, "aria-label": say("calendars.download", { title, kind: kind.toUpperCase() }) }, kind.toUpperCase());
  return h("div.head", {}, toggle,
    h("span.about", {}, h("span", {}, calendarSpan(calendar)), h("span", {}, countedDays(calendar)), h("span.chip", {}, say("calendars.by." + calendar.source)), h("span.dim", {}, when(calendar.created_at)),
      h("span.dim", {}, say(calendar.tweets === 1 ? "personas.tweets.one" : "personas.tweets", { n: number(calendar.tweets) }))),
    h("span.acts", {},
      complete ? h("a.small", { href: place("/?persona=" + encodeURIComponent(shelfOf) + "&calendar=" + encodeURIComponent(calendar.id) + "#strip"), "data-mark": "use" }, say("calendars.use")) : null,
      CALENDAR_KINDS.map(link),
      h("button.small.danger", { type: "button", "data-mark": "delete", "aria-label": say("calendars.delete.of", { title }), onclick: () => deleteCalendar(calendar) }, say("personas.delete"))));
}

async function openCalendar(calendar, row, toggle) {
  row.open = !row.open;
  row.days.hidden = !row.open;
  toggle.setAttribute("aria-expanded", String(row.open));
  if (!row.open || row.days.querySelector(".days")) return;
  row.days.replaceChildren(h("div.shimmer", {}, h("i"), h("i"), h("i")));
  const answer = await call("days", { calendar: calendar.id });
  row.days.replaceChildren(answer.error ? h("p.trouble", { role: "alert" }, answer.error) : calendarDays(answer.days, answer.strategy));
}

function deleteCalendar(calendar) {
  const what = ["calendars.delete.what.none", "calendars.delete.what.one"][calendar.tweets] || "calendars.delete.what";
  makeSure(say("calendars.delete.ask", { title: calendarTitle(calendar) }), [say(what, { n: number(calendar.tweets) })], async () => {
    const answer = await call("remove_calendar", { calendar: calendar.id });
    complainOfCalendars(answer.error || "");
    await askShelf("calendars", {});
    if (shelf.isConnected) planDays.focus({ preventScroll: true });
  });
}
