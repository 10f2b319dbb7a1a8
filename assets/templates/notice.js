// One sentence that a person must read. Value: the sentence, or "".
function drawNotice() {
  element.replaceChildren(props.value ? h("p.notice", { role: "alert" }, props.value) : "");
}

watch("value", drawNotice);
drawNotice();
