// The calendar that the tweets of the strip are written from: a new one, or one that the persona has; only asked where it has some.
const fromCalendar = h("select", { id: "strip-calendar", onchange: () => askForDay() });
const calendarChoice = h("label.choice", { hidden: true }, h("span", {}, say("strip.calendar")), fromCalendar);
const dayField = h("input", { type: "date", id: "strip-from", title: say("strip.from.hint") });
const dayChoice = h("label", {}, h("span", {}, say("strip.from")), dayField);
let named = new URLSearchParams(window.location.search).get("calendar") || ""; // the one that a link has led here with
let choicesDrawn = "";
let writtenBy = ""; // the job whose calendar is among the choices

/** The days of a calendar that is there are known. */
function askForDay() {
  dayChoice.hidden = Boolean(fromCalendar.value);
}

function clearCalendars() {
  drawCalendars([]);
}

/** Ask which calendars the persona has, and offer them; a choice that was made stays. */
async function offerCalendars(whose) {
  const answer = await call("calendars", { persona: whose });
  if (whose !== persona) return;
  if (!answer.error) drawCalendars(answer.calendars);
  else if (answer.lost) setTimeout(() => { if (whose === persona) offerCalendars(whose); }, 2000);
}

/** Once a job has written its calendar, that is one to choose. */
function calendarWritten(job) {
  if (job === writtenBy) return;
  writtenBy = job;
  offerCalendars(persona);
}

function drawCalendars(calendars) {
  const drawn = JSON.stringify(calendars);
  if (drawn === choicesDrawn) return;
  choicesDrawn = drawn;
  const chosen = named && calendars.length ? named : fromCalendar.value;
  if (calendars.length) named = "";
  fromCalendar.replaceChildren(h("option", { value: "" }, say("strip.calendar.new")),
    ...calendars.map((calendar) => h("option", { value: calendar.id }, say("strip.calendar.one", { title: calendarTitle(calendar), span: calendarSpan(calendar), days: countedDays(calendar) }))));
  fromCalendar.value = calendars.some((calendar) => calendar.id === chosen) ? chosen : "";
  calendarChoice.hidden = !calendars.length;
  askForDay();
}
