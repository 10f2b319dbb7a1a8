// The frame's first row: brand, pages, banners, language. Value: {offline, preview, trouble}.
const here = window.location.pathname.replace(/\/$/, "") || "/";
const pages = [["/", "nav.create"], ["/personas", "nav.personas"], ["/gallery", "nav.gallery"], ["/batch", "nav.batch"], ["/images", "nav.images"], ["/monitor", "nav.monitor"]];

function speak(language) {
  document.cookie = "studio_language=" + language + "; path=/; max-age=31536000; samesite=lax";
  window.location.reload();
}

function drawHeader() {
  const value = props.value || {};
  const chosen = window.studio ? window.studio.language : "en";
  element.replaceChildren(h("header.bar", {},
    h("a.brand", { href: place("/") }, h("img", { src: place("/brand/logo.svg"), alt: "" }), say("product")),
    h("nav", { "aria-label": say("nav.label") }, pages.map(([path, key]) => h("a", { href: place(path), "aria-current": here === place(path).replace(/\/$/, "") || here === path ? "page" : null }, say(key)))),
    h("div.right", {},
      value.trouble ? h("span.badge.bad", { title: value.trouble }, say("banner.trouble")) : null,
      value.offline ? h("span.badge", { title: say("banner.offline.hint"), id: "offline-badge" }, say("banner.offline")) : null,
      h("div.languages", { role: "group", "aria-label": say("language.label") }, [["en", "EN"], ["zh", "中文"]].map(([language, name]) =>
        h("button", { type: "button", lang: language, "aria-pressed": String(chosen === language), onclick: () => speak(language) }, name))))));
}

watch("value", () => { drawHeader(); document.body.dataset.ready = "true"; });
drawHeader();
