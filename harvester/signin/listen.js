// Hears what a person does in a window of ours: which fields were typed into, what was pressed.
//
// Tells what the page looked like at that moment (page.js), and the places of those controls in it.
// What was typed is not told: a look holds the text of fields that are no password's, and the
// signer, where this arrives, keeps none of it.  A page's own scripts are not a person.
(look, selectors, tell) => {
  const typed = new Set();
  const target = (event) => event.composedPath()[0];
  const above = (el) => el.parentElement || el.getRootNode().host || null;
  // Something that looks like no control and is pressed all the same: by its id, or its parents'.
  const named = (el) => {
    for (let at = el; at; at = above(at)) if (at.id) return String(at.id);
    return "";
  };
  const told = (pressed) => {
    const seen = look(selectors);
    const place = (el) => {
      for (let at = el; at; at = above(at)) {
        const index = seen.elements.indexOf(at);
        if (index >= 0) return index;
      }
      return -1;
    };
    const filled = [...typed].map(place).filter((one) => one >= 0);
    const at = pressed ? place(pressed) : -1;
    const unseen = pressed && at < 0 && getComputedStyle(pressed).cursor === "pointer";
    tell(JSON.stringify({ told: seen.told, pressed: at, filled, id: unseen ? named(pressed) : "" }));
  };
  addEventListener("input", (event) => event.isTrusted && typed.add(target(event)), true);
  addEventListener("click", (event) => event.isTrusted && told(target(event)), true);
  addEventListener(
    "keydown",
    (event) => event.isTrusted && event.key === "Enter" && typed.size && told(null),
    true
  );
}
