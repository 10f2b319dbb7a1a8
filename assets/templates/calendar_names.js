// What a calendar is called, wherever one is listed or chosen.

/** A day in the reader's language: its parts are those of Intl.DateTimeFormat. */
function dayInWords(day, parts) {
  const when = new Date(day + "T00:00:00Z");
  return Number.isNaN(when.getTime()) ? day : new Intl.DateTimeFormat(document.documentElement.lang, { ...parts, timeZone: "UTC" }).format(when);
}

/** From the first to the last day of a calendar. A range of Intl is left alone: its Chinese has months as bare numbers. */
function fromTo(calendar, parts) {
  return [...new Set([calendar.first_day, calendar.last_day].map((day) => dayInWords(day, parts)))].join(" – ");
}

/** The name of an uploaded calendar is its file's; one that was written is called by its months. */
function calendarTitle(calendar) {
  return calendar.source === "upload" ? calendar.title : fromTo(calendar, { month: "long", year: "numeric" });
}

function calendarSpan(calendar) {
  return fromTo(calendar, { day: "numeric", month: "short", year: "numeric" });
}

function countedDays(calendar) {
  return say(calendar.days === 1 ? "calendars.days.one" : "calendars.days", { n: number(calendar.days) });
}
