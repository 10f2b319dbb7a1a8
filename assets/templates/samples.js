// The sample pictures. Value: their file names without suffix.
element.replaceChildren(h("div.samples", {}, h("p", {}, say("create.samples")), h("div", {}, (props.value || []).map((name) => {
  const title = say("create.sample.use", { name: name.replace(/-/g, " ") });
  return h("button", { type: "button", title: title, "aria-label": title, "data-sample": name, onclick: () => trigger("select", { value: name, index: 0 }) },
    h("img", { src: place("/samples/thumbs/" + name + ".webp"), alt: "", width: "96", height: "96" }));
}))));
