// Types into one element of the document that was looked at, all in one step of that document.
//
// Not Playwright's fill(): that selects the element, and then inserts the text wherever the focus
// is by then, in a frame of another origin if that one took it meanwhile, or in the next page.
// Here nothing can come between, and no text leaves this document.  True when it was typed.
(look, [index, kind, text]) => {
  const el = look.elements[index];
  const fit = () => el.isConnected && !el.disabled && !el.readOnly && String(el.type || "").toLowerCase() === kind;
  if (!fit()) return false;
  el.focus();
  // Its own focus handlers ran in the line above.
  if (!fit() || el.getRootNode().activeElement !== el) return false;
  if (el.select) el.select();
  else getSelection().selectAllChildren(el);
  // A page that slept while it was typed hears of it only where something changes.
  if (el.value === text) Document.prototype.execCommand.call(document, "delete");
  if (Document.prototype.execCommand.call(document, "insertText", false, text)) return true;
  const value = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(el), "value");
  if (!value) return false;
  value.set.call(el, text);
  for (const name of ["input", "change"]) el.dispatchEvent(new Event(name, { bubbles: true }));
  return true;
}
