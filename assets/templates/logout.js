// In the header, after header.js: who is logged in, the way out, and what to do when the login ends while a page is open.
const member = (window.studio && window.studio.user) || "";

function drawWayOut() {
  const right = element.querySelector(".right");
  if (!member || !right) return;
  right.append(h("form.way-out", { method: "post", action: place("/logout") },
    h("button", { type: "submit", title: say("login.as", { user: member }) }, say("login.out"))));
}

/** A line at the foot of the window: the page stays as it is, with what was typed, and works again after a login in another tab. */
function tellThatTheLoginEnded() {
  if (document.querySelector(".login-ended")) return;
  const line = h("p.login-ended", { role: "alert" }, say("login.ended"),
    h("a", { href: place("/login"), target: "_blank", onclick: () => line.remove() }, say("login.again")));
  document.body.append(line);
}

if (member && !window.studioAsks) {
  window.studioAsks = window.fetch;
  window.fetch = async (...what) => {
    const answer = await window.studioAsks(...what);
    if (answer.status === 401) tellThatTheLoginEnded();
    return answer;
  };
}
watch("value", drawWayOut);
drawWayOut();
