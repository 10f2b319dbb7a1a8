// The stored personas, to choose from: found by name, page by page.
const search = h("input", { type: "search", placeholder: say("batch.find"), "aria-label": say("batch.find"), maxlength: "80", id: "batch-find" });
const every = h("button.small", { type: "button", id: "batch-all", onclick: () => chooseAll() }, say("batch.all"));
const none = h("button.small", { type: "button", id: "batch-none", onclick: () => chooseNone() }, say("batch.none"));
const peopleRows = h("ul.people-list", { "aria-label": say("batch.stored") });
const morePeople = h("button.quiet", { type: "button", hidden: true, onclick: () => loadPeople(people[people.length - 1].id) }, say("batch.more"));
const picked = h("p.sum", { role: "status" });
const stored = h("section.card.stored", {}, h("h2", {}, say("batch.stored")), h("div.finding", {}, search, every, none), picked, h("div.scroll", { tabindex: "-1" }, peopleRows, morePeople));
let people = [];
let looking = 0;
let typing = null;

search.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => loadPeople(), 200); });

async function loadPeople(before) {
  const mine = ++looking;
  if (!people.length && !before) peopleRows.replaceChildren(...[1, 2, 3].map(() => h("li.loading", { "aria-hidden": "true" }, h("div.shimmer", {}, h("i"), h("i")))));
  const answer = await call("find", { name: search.value, ...(before ? { before } : {}) });
  if (mine !== looking) return;
  if (answer.error) {
    peopleRows.replaceChildren(h("li.nothing", { role: "alert" }, answer.error, " ", h("button.small", { type: "button", onclick: () => loadPeople() }, say("batch.try_again"))));
    return;
  }
  people = before ? [...people, ...answer.people] : answer.people;
  morePeople.hidden = !answer.more;
  every.hidden = none.hidden = search.parentNode.hidden = !people.length && !search.value;
  drawPeople();
  changed();
}

function usable(person) {
  return person.done > 0;
}

function drawPeople() {
  if (!people.length) {
    peopleRows.replaceChildren(h("li.nothing", {}, search.value ? say("batch.found_none") : [h("b", {}, say("batch.no_personas")), h("p", {}, say("batch.no_personas.text")), h("a.small", { href: place("/") }, say("batch.to_create"))]));
    return;
  }
  keepingFocus(peopleRows, () => peopleRows.replaceChildren(...people.map((person) => {
    const box = h("input", { type: "checkbox", "data-mark": person.id, disabled: !usable(person), onclick: () => toggle(person, box) });
    box.checked = chosen.has(person.id);
    return h("li", {}, h("label", {}, box, h("span.face", {}, picture(person.picture, "")),
      h("span.who", {}, h("b", { dir: "auto" }, person.name), h("small", { dir: "auto" }, usable(person) ? [person.archetype || "", person.tweets ? (person.archetype ? " · " : "") + say("batch.has_tweets", { n: person.tweets }) : ""] : say("batch.unwritten")))));
  })));
}

function toggle(person, box) {
  if (!box.checked) chosen.delete(person.id);
  else if (!choose({ id: person.id, name: person.name, picture: person.picture })) box.checked = false;
  changed();
}

async function chooseAll() {
  every.disabled = true;
  const answer = morePeople.hidden ? { people } : await call("find", { name: search.value, all: true });
  every.disabled = false;
  if (answer.error) return trouble(answer.error);
  for (const person of answer.people) if (usable(person)) choose({ id: person.id, name: person.name, picture: person.picture });
  drawPeople();
  changed();
}

function chooseNone() {
  chosen.clear();
  drawPeople();
  changed();
}

function drawPicked() {
  picked.textContent = chosen.size ? say(chosen.size === 1 ? "batch.picked.one" : "batch.picked", { n: chosen.size }) : "";
  none.disabled = !chosen.size;
}
