// Shared by all cards. Texts from people and LLMs only ever reach the page through textContent.
const texts = (window.studio && window.studio.texts) || {};

/** The text of a key in the visitor's language, its {fields} filled in. */
function say(key, facts) {
  const text = texts[key] === undefined ? key : texts[key];
  return text.replace(/\{(\w+)\}/g, (whole, name) => (facts && name in facts ? String(facts[name]) : whole));
}

/** An element: h("p.note.wide", {title: "..."}, "text", child, [more]). A string child is text, null is nothing. */
function h(what, attributes, ...children) {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag || "div");
  if (classes.length) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === "") continue;
    made.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return made;
}

/** Where a file of the studio is, behind whatever prefix the page is served under. */
function place(path) {
  const root = (window.gradio_config && window.gradio_config.root) || "";
  return new URL(root || "/", window.location.href).pathname.replace(/\/$/, "") + path;
}

let whenLost = "call.lost"; // key of what is said where no answer came

/** What the server answers to one of the card's calls: its answer, or {error: sentence}. */
async function call(name, what) {
  try {
    return (await server[name](what)) || { error: say(whenLost), lost: true };
  } catch (gone) {
    return { error: say(whenLost), lost: true };
  }
}

function number(value) {
  return Number(value).toLocaleString(document.documentElement.lang);
}

/** How wide a bar is that shows *part* of *whole*. */
function share(part, whole) {
  return (whole ? (100 * part) / whole : 0).toFixed(2) + "%";
}

/** Seconds in words. */
function lasting(seconds) {
  if (seconds < 90) return say("time.seconds", { n: number(Math.max(1, Math.round(seconds))) });
  if (seconds < 5400) return say("time.minutes", { n: number(Math.round(seconds / 60)) });
  const minutes = Math.round(seconds / 60);
  return say("time.hours", { h: number(Math.floor(minutes / 60)), m: String(minutes % 60).padStart(2, "0") });
}

function picture(name, alt) {
  return name ? h("img", { src: place("/pictures/" + encodeURIComponent(name)), alt: alt || "", loading: "lazy" }) : h("span.no-picture");
}

async function copy(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch (refused) {
    done = copyOldWay(text);
    button.focus();
  }
  if (done) button.textContent = say("stage.copied");
  setTimeout(() => (button.textContent = say("stage.copy")), 1500);
}

/** Over plain http, from another machine, a page has no clipboard. */
function copyOldWay(text) {
  const area = h("textarea", { readonly: true, style: "position: fixed; opacity: 0" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/** *redraw* what is in *node*; what has the keyboard's focus there has it afterwards too, if it bears a data-mark and is still there. */
function keepingFocus(node, redraw) {
  const mark = node.contains(document.activeElement) && document.activeElement.dataset.mark;
  redraw();
  const again = mark && node.querySelector('[data-mark="' + mark + '"]');
  if (again) again.focus({ preventScroll: true });
}

/** *act* on what is typed in *field*, but not on letters that an input method has still to make words of. */
function whenTyped(field, act) {
  field.addEventListener("input", (event) => { if (!event.isComposing) act(); });
  field.addEventListener("compositionend", () => act());
}

/** A button that does it once, however fast it is clicked. */
function onceAWhile(act) {
  return (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    setTimeout(() => (button.disabled = false), 2000);
    act();
  };
}
