// Personas written before, newest first. Value: a list of {id, name, picture, archetype, stages}.
function drawRecent() {
  const people = props.value || [];
  element.replaceChildren(!people.length ? "" : h("section.recent", {}, h("h2", {}, say("create.recent")), h("div.strip", {}, people.map((person) =>
    h("a", { href: place("/?persona=" + encodeURIComponent(person.id)) }, picture(person.picture, ""), h("b", {}, person.name),
      h("small", {}, person.stages < 7 ? say("view.of", { done: person.stages, total: 7 }) : person.archetype || "")))), h("a.all", { href: place("/personas") }, say("create.recent.all"))));
}

watch("value", drawRecent);
drawRecent();
