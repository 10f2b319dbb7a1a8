// The last lines of the log, newest at the bottom; those below a level can be left out.
const MOST_LINES = 300;
const LEVELS = { DEBUG: 0, INFO: 1, WARNING: 2, ERROR: 3, CRITICAL: 3 };
let newestLine = 0;
const logLines = h("ol", { tabindex: "0", "aria-label": say("monitor.log") });
const logEmpty = h("p.sum", {}, say("monitor.log.empty"));
const level = h("select", { "aria-label": say("monitor.log.level"), onchange: () => { logBox.dataset.level = level.value; toBottom(); } },
  ["1", "2", "3"].map((value) => h("option", { value }, say("monitor.log.level." + value))));
const logBox = h("section.card.log", { "data-level": "1" }, h("div.line", {}, h("h2", {}, say("monitor.log")), h("span.gap"), level), logEmpty, logLines);
const clock = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

function toBottom() {
  logLines.scrollTop = logLines.scrollHeight;
}

function addLines(lines) {
  if (!lines.length) return;
  const atBottom = logLines.scrollHeight - logLines.scrollTop - logLines.clientHeight < 40;
  newestLine = lines[lines.length - 1].number;
  logEmpty.hidden = true;
  logLines.append(...lines.map((line) => h("li", { "data-level": LEVELS[line.level] === undefined ? 1 : LEVELS[line.level] },
    h("time", { datetime: new Date(line.at * 1000).toISOString() }, clock.format(new Date(line.at * 1000))),
    h("span.level", {}, line.level === "INFO" ? "" : line.level.toLowerCase()),
    h("span.text", {}, line.text, h("small", {}, " " + line.name), line.details ? h("details", {}, h("summary", {}, say("monitor.log.details")), h("pre", {}, line.details)) : null))));
  while (logLines.children.length > MOST_LINES) logLines.firstChild.remove();
  if (atBottom) toBottom();
}
