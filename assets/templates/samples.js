// The sample pictures, and pictures pasted or dropped anywhere on the page. Value: the samples' file names without suffix.
element.replaceChildren(h("div.samples", {}, h("p", {}, say("create.samples")), h("div", {}, (props.value || []).map((name) => {
  const title = say("create.sample.use", { name: name.replace(/-/g, " ") });
  return h("button", { type: "button", title: title, "aria-label": title, "data-sample": name, onclick: () => trigger("select", { value: name, index: 0 }) },
    h("img", { src: place("/samples/thumbs/" + name + ".webp"), alt: "", width: "96", height: "96" }));
}))));

async function take(file) {
  if (!file || !file.type.startsWith("image/")) return;
  const kept = await upload(file);
  trigger("upload", { path: kept.path, name: file.name || "pasted.png" });
}

const field = () => document.getElementById("picture");
if (!window.studioTakesPictures) {
  window.studioTakesPictures = true;
  document.addEventListener("paste", (event) => {
    if (event.target.closest("input, textarea")) return;
    take([...(event.clipboardData || {}).files || []][0]);
  });
  document.addEventListener("dragover", (event) => { if (!field().contains(event.target)) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    if (field().contains(event.target)) return;
    event.preventDefault();
    take([...event.dataTransfer.files][0]);
  });
}
