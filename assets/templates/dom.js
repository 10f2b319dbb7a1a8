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

function picture(name, alt) {
  return name ? h("img", { src: place("/pictures/" + encodeURIComponent(name)), alt: alt || "", loading: "lazy" }) : h("span.no-picture");
}

async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = say("stage.copied");
  } catch (refused) {
    button.textContent = "Ctrl+C";
  }
  setTimeout(() => (button.textContent = before), 1500);
}
