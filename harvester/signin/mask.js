// Makes what stands in fields invisible while a picture is taken, and people's names in the text.
//
// Runs in every frame, through open shadow roots; `words` are the names to hide, null takes the
// mask off again.  Returns the part of the document that is in the window.  Layout stays as it was.
(words) => {
  const MARK = "harvester-mask";
  // Matches nothing, and lifts our rule above those that a page has for its fields by their ids.
  const ABOVE = `#${MARK}`.repeat(9);
  const RULES = `
    ${MARK} { color: inherit }
    :is(${ABOVE}, input:not([type=submit], [type=button], [type=reset], [type=image]),
      textarea, select, [contenteditable]:not([contenteditable=false]),
      [contenteditable]:not([contenteditable=false]) *, [role=textbox], [role=textbox] *) {
      color: transparent !important; -webkit-text-fill-color: transparent !important;
      text-shadow: none !important; caret-color: transparent !important;
      background-image: repeating-linear-gradient(45deg, #8884 0 4px, #8881 4px 8px) !important;
    }
    ::placeholder { color: #767676 !important; -webkit-text-fill-color: #767676 !important }
    ::highlight(${MARK}) { color: transparent; background-color: #888 }`;
  const ours = (sheet) => sheet.cssRules.length > 0 && sheet.cssRules[0].selectorText === MARK;
  const ranges = [];
  const mask = (root, sheet) => {
    root.adoptedStyleSheets = [...root.adoptedStyleSheets].filter((one) => !ours(one));
    if (sheet) root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode;
      if (node.nodeType === Node.ELEMENT_NODE) {
        if (node.shadowRoot) mask(node.shadowRoot, sheet);
        continue;
      }
      if (/^(SCRIPT|STYLE|NOSCRIPT)$/.test(node.parentNode?.nodeName)) continue;
      for (const found of sheet && hidden ? node.data.matchAll(hidden) : []) {
        const range = new Range();
        range.setStart(node, found.index);
        range.setEnd(node, found.index + found[0].length);
        ranges.push(range);
      }
    }
  };
  const escaped = (words || []).map((one) => one.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  // Other people's addresses too: a list of accounts is full of them.
  const hidden = words && new RegExp([...escaped, "[^\\s<>@]{1,64}@[\\w-]+(?:\\.[\\w-]+)+"].join("|"), "giu");
  let sheet = null;
  if (words) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(RULES);
  }
  mask(document, sheet);
  CSS.highlights.delete(MARK);
  if (ranges.length) CSS.highlights.set(MARK, new Highlight(...ranges));
  return [scrollX, scrollY, innerWidth, innerHeight];
}
