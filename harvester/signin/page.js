// One look at one document: what a person would see, and nothing that is done to it.
//
// Runs in every frame.  Goes through open shadow roots.  Returns {told, elements}: `told` is JSON
// text for observe.py (Playwright takes 10 ms to carry the same as objects, 1 ms as text), and
// `elements[i]` is the element of control i.  It keeps nothing in the page.  What it says is evidence, not truth: a page can lie to a script that runs in it, so where
// a secret may go is decided by guard.py from what the browser says of the frame.
// `selectors` are a person's own: `selected` tells which controls match each, null where it is none.
(selectors) => {
  const MAX_CONTROLS = 300;
  const MAX_TEXT = 8000;
  const STYLES_WAIT_MS = 5000; // a sheet on a dead host takes half a minute to fail
  const MIN_SIDE = 8; // smaller things are tracking dots and visually hidden twins
  // A form's own fields shadow its properties, and names of forms and pictures the document's: one
  // named "children" is on every booking page, one named "parentElement" would lead in a circle.
  const getter = (proto, name) => Object.getOwnPropertyDescriptor(proto, name).get;
  const doc = (name) => getter(Document.prototype, name).call(document);
  const attr = (el, name) => Element.prototype.getAttribute.call(el, name);
  const has = (el, name) => Element.prototype.hasAttribute.call(el, name);
  const kids = getter(Element.prototype, "children");
  const slotOf = getter(Element.prototype, "assignedSlot");
  const parentOf = getter(Node.prototype, "parentElement");
  const rootOf = (el) => Node.prototype.getRootNode.call(el);
  const page = doc("documentElement");
  const short = (text, limit = 160) => String(text || "").replace(/\s+/g, " ").trim().slice(0, limit);
  const above = (el) => slotOf.call(el) || parentOf.call(el) || (rootOf(el).host ?? null);
  const width = Math.max(page.scrollWidth, innerWidth);
  const height = Math.max(page.scrollHeight, innerHeight);

  const hiddenFrom = (el) => {
    for (let at = el; at; at = above(at)) {
      if (has(at, "inert") || attr(at, "aria-hidden") === "true") return true;
    }
    return false;
  };
  const shown = (el) => {
    const box = el.getBoundingClientRect();
    if (box.width < MIN_SIDE || box.height < MIN_SIDE) return false;
    const x = box.left + scrollX, y = box.top + scrollY;
    if (x + box.width <= 0 || y + box.height <= 0 || x >= width || y >= height) return false;
    const visible = el.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    return visible && !hiddenFrom(el);
  };
  // Nearly transparent: a person sees nothing there either.
  const faint = (el) => {
    for (let at = el; at; at = above(at)) {
      const style = getComputedStyle(at);
      if (style.opacity < 0.1 || /opacity\((0|0?\.0\d*|\d%)\)/.test(style.filter)) return true;
    }
    return false;
  };
  const within = (inner, outer) => {
    for (let at = inner; at; at = above(at)) if (at === outer) return true;
    return false;
  };
  // true, false, or null where the middle is outside the window and cannot be asked about.
  const onTop = (el) => {
    const box = el.getBoundingClientRect();
    const x = box.left + box.width / 2, y = box.top + box.height / 2;
    if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) return null;
    let top = Document.prototype.elementFromPoint.call(document, x, y);
    while (top && top.shadowRoot) {
      const root = top.shadowRoot, hit = root.elementFromPoint(x, y);
      // Text in a slot is told as its host's: what shows the slot lies below it in the list.
      const inner = hit === top ? root.elementsFromPoint(x, y).find((one) => rootOf(one) === root) : hit;
      if (!inner || inner === top) break;
      top = inner;
    }
    if (!top) return false;
    if (within(top, el)) return true;
    const label = top.closest("label");
    return !!label && (label.control === el || label.contains(el));
  };
  const byIds = (el, attribute) =>
    (attr(el, attribute) || "")
      .split(/\s+/)
      .filter(Boolean)
      .map((id) => el.getRootNode().getElementById?.(id)?.textContent || "")
      .join(" ");
  // What a slot shows stands outside of the element that shows it.
  const slotted = (el) =>
    [...Element.prototype.querySelectorAll.call(el, "slot")]
      .flatMap((slot) => slot.assignedNodes({ flatten: true }))
      .map((one) => one.innerText || one.textContent || "")
      .join(" ");
  const nameOf = (el) => {
    const labels = el.labels ? [...el.labels].map((one) => one.textContent).join(" ") : "";
    const own = /^(input|select|textarea)$/i.test(el.tagName) ? "" : short(el.innerText || el.textContent) || slotted(el);
    const button = el.tagName === "INPUT" && /^(submit|button|reset|image)$/.test(el.type);
    const picture = el.querySelector?.("img[alt],svg[aria-label]");
    const drawn = picture ? picture.alt || attr(picture, "aria-label") : "";
    return short(
      byIds(el, "aria-labelledby") || attr(el, "aria-label") || labels || own ||
        (button ? el.value || el.alt : "") || el.placeholder || el.title || drawn
    );
  };
  const parts = (el) => {
    const found = [];
    const walker = document.createTreeWalker(el, NodeFilter.SHOW_TEXT);
    while (walker.nextNode() && found.length < 8) {
      const text = short(walker.currentNode.data, 100);
      if (text && !/^(SCRIPT|STYLE)$/.test(walker.currentNode.parentElement?.tagName)) found.push(text);
    }
    return found;
  };
  const zones = [], body = doc("body");
  // The floating thing or dialog that holds an element: a banner, a pop-over.
  const zoneOf = (el) => {
    for (let at = el; at && at !== body; at = above(at)) {
      const role = attr(at, "role") || "";
      const floats = /^(fixed|sticky)$/.test(getComputedStyle(at).position);
      if (floats || at.tagName === "DIALOG" || /^(dialog|alertdialog)$/.test(role)) {
        let index = zones.findIndex((zone) => zone.el === at);
        if (index < 0) index = zones.push({ el: at, text: short(at.innerText, 400) }) - 1;
        return index;
      }
    }
    return null;
  };
  const regionOf = (el) => {
    for (let at = el; at; at = above(at)) {
      const role = attr(at, "role") || "";
      if (at.tagName === "NAV" || role === "navigation") return "nav";
      if (at.tagName === "FOOTER" || role === "contentinfo") return "footer";
      if (at.tagName === "HEADER" || role === "banner") return "header";
      if (at.tagName === "ASIDE" || role === "complementary") return "aside";
    }
    return "";
  };
  const INSIDE = "a,button,input,select,textarea,[role=button],[tabindex]";
  const openOf = (el) => {
    if (el.tagName === "SUMMARY") return parentOf.call(el)?.open === true;
    return has(el, "aria-expanded") ? attr(el, "aria-expanded") === "true" : null;
  };
  const forms = [];
  const formOf = (el) => {
    let form = el.form || null;
    // A field in a shadow root belongs to no form, yet its element may stand in one.
    for (let at = el; at && !form; at = above(at)) if (at.tagName === "FORM") form = at;
    if (!form) return null;
    const index = forms.indexOf(form);
    return index < 0 ? forms.push(form) - 1 : index;
  };
  const roleOf = (el) => {
    const given = attr(el, "role");
    if (given) return given;
    const tag = el.tagName;
    if (tag === "A") return has(el, "href") ? "link" : "button";
    if (tag === "BUTTON" || tag === "SUMMARY") return "button";
    if (tag === "SELECT") return "listbox";
    if (tag === "TEXTAREA" || el.isContentEditable) return "textbox";
    if (tag === "INPUT") {
      if (/^(submit|button|reset|image)$/.test(el.type)) return "button";
      if (/^(checkbox|radio)$/.test(el.type)) return el.type;
      return "textbox";
    }
    return "button";
  };
  const isControl = (el) => {
    const tag = el.tagName;
    if (tag === "INPUT") return el.type !== "hidden";
    if (/^(BUTTON|SELECT|TEXTAREA|SUMMARY)$/.test(tag)) return true;
    if (tag === "A" && has(el, "href")) return true;
    if (/^(button|link|textbox|option|menuitem|radio)$/.test(attr(el, "role") || "")) return true;
    if (attr(el, "contenteditable") === "true") return true;
    // Anything else that acts as a button and holds none.
    return (
      (has(el, "onclick") || (el.tabIndex >= 0 && (tag.includes("-") || has(el, "tabindex")))) &&
      !el.shadowRoot?.querySelector(INSIDE) && getComputedStyle(el).cursor === "pointer"
    );
  };

  const childrenOf = (node) => (node instanceof Element ? kids.call(node) : node.children);
  const base = getter(Node.prototype, "baseURI").call(document);
  const address = (given) => {
    try {
      return given ? new URL(given, base).href : location.href;
    } catch {
      return "invalid:"; // no place that anything may go to
    }
  };
  const controls = [], elements = [], headings = [], alerts = [], frames = [], shadowTexts = [];
  let busy = false, heading = -1;
  const places = new Map();
  const native = (el) => /^(A|BUTTON|INPUT|SUMMARY)$/.test(el.tagName) || has(el, "role");
  // A button in a link, or in something that listens for it: one thing to press, not two.
  const doubled = (el, name) => {
    for (let at = above(el); at; at = above(at)) {
      const place = places.get(at);
      if (place === undefined) continue;
      if (controls[place].name !== name || !name) return false;
      if (native(at)) return true;
      controls[place].visible = false;
    }
    return false;
  };
  const asked = (selectors || []).map((one) => {
    try {
      Element.prototype.matches.call(page, one);
      return { one, found: [] };
    } catch {
      return { one: null, found: null };
    }
  });
  const isAsked = (el) => asked.some(({ one }) => one && Element.prototype.matches.call(el, one));
  const take = (el) => {
    const box = el.getBoundingClientRect();
    const role = roleOf(el);
    const name = nameOf(el);
    for (const { one, found } of asked) {
      if (one && Element.prototype.matches.call(el, one)) found.push(elements.length);
    }
    if (/^(button|link)$/.test(role)) {
      if (doubled(el, name) && !isAsked(el)) return;
      places.set(el, elements.length);
    }
    const typed = role === "textbox" && el.type !== "password";
    const sends = el.type === "submit" || el.type === "image";
    elements.push(el);
    controls.push({
      tag: el.tagName.toLowerCase(),
      role,
      type: (el.type || "").toString().toLowerCase(),
      autocomplete: (attr(el, "autocomplete") || "").toLowerCase().split(/\s+/).filter(Boolean),
      name,
      parts: role === "textbox" ? [] : parts(el),
      id: short(el.id, 80),
      field_name: short(attr(el, "name") || "", 80),
      placeholder: short(el.placeholder || "", 80),
      hints: [role === "textbox" ? "" : attr(el, "value"), ...Object.values(el.dataset || {})]
        .map((one) => short(one || "", 80)).filter(Boolean).slice(0, 6),
      path: el.tagName === "A" && el.href ? short(el.pathname || "", 120) : "",
      maxlength: el.maxLength > 0 ? el.maxLength : null,
      inputmode: (attr(el, "inputmode") || "").toLowerCase(),
      form: formOf(el),
      formaction: sends && has(el, "formaction") ? address(attr(el, "formaction")) : null,
      sends,
      box: [box.left + scrollX, box.top + scrollY, box.width, box.height].map(Math.round),
      visible: shown(el) && !(role === "textbox" && faint(el)),
      top: onTop(el),
      enabled: !el.matches(":disabled") && attr(el, "aria-disabled") !== "true",
      writable: !el.readOnly,
      filled: !!(typed || el.type === "password") && !!el.value,
      checked: !!el.checked,
      value: typed ? (el.value || "").slice(0, 200) : "",
      heading,
      zone: zoneOf(el),
      region: regionOf(el),
      expanded: openOf(el),
    });
  };
  const walk = (root) => {
    for (const el of childrenOf(root)) {
      if (/^(SCRIPT|STYLE|TEMPLATE|NOSCRIPT|HEAD)$/.test(el.tagName)) continue;
      const role = attr(el, "role") || "";
      if (/^(H[1-6]|LEGEND)$/.test(el.tagName) || role === "heading") {
        if (shown(el)) heading = headings.push(short(el.innerText || el.textContent)) - 1;
      }
      if (attr(el, "aria-busy") === "true" || role === "progressbar") busy ||= shown(el);
      const told = /(^|[-_ ])(error|alert|invalid|danger)/i.test(attr(el, "class") || "");
      if ((role === "alert" || told) && alerts.length < 8 && shown(el)) {
        const text = short(el.innerText, 200) || short(slotted(el), 200);
        if (text && text.length < 200 && !alerts.includes(text)) alerts.push(text);
      }
      if (el.tagName === "IFRAME" && shown(el)) {
        const box = el.getBoundingClientRect();
        frames.push({
          source: short((el.src || "").split(/[?#]/)[0], 200),
          title: short(el.title || el.name),
          box: [box.left, box.top, box.width, box.height].map(Math.round),
          zone: zoneOf(el),
        });
      }
      if (controls.length < MAX_CONTROLS && (isControl(el) || isAsked(el))) take(el);
      if (el.shadowRoot) {
        for (const child of el.shadowRoot.children) {
          if (child.innerText) shadowTexts.push(child.innerText.slice(0, MAX_TEXT));
        }
        walk(el.shadowRoot);
      }
      walk(el);
    }
  };
  if (body) walk(page);

  // A form of hidden fields only, that carries an answer: it sends itself on.
  const posts = [...doc("forms")].some(
    (form) =>
      (attr(form, "method") || "").toLowerCase() === "post" &&
      [...Element.prototype.querySelectorAll.call(form, "input,button,select,textarea")].every((one) => one.type === "hidden" || !shown(one) || one.type === "submit") &&
      ["SAMLResponse", "SAMLRequest", "wresult", "id_token", "code"].some(
        (name) => Element.prototype.querySelector.call(form, `input[type=hidden][name="${name}"]`)
      )
  );
  const text = [body?.innerText || "", ...shadowTexts].join("\n").slice(0, MAX_TEXT);
  // What Enter presses: the first button of the form that sends, seen or not.
  const defaultOf = (form) =>
    [...rootOf(form).querySelectorAll("button,input[type=submit],input[type=image]")].find(
      (one) => one.form === form && /^(submit|image)$/.test(one.type)
    );
  const actions = forms.map((form) => {
    const first = defaultOf(form);
    return {
      action: address(attr(form, "action")),
      method: (attr(form, "method") || "get").toLowerCase(),
      enter_to: first && has(first, "formaction") ? address(attr(first, "formaction")) : null,
      enter_name: first ? nameOf(first) : "",
    };
  });
  // Until its style sheets are there a page shows what it hides: fields for robots, other steps.
  // One that never comes holds nothing up for long, and none does once the page is complete.
  const unstyled =
    doc("readyState") !== "complete" && performance.now() < STYLES_WAIT_MS &&
    [...Document.prototype.querySelectorAll.call(document, "link[rel~=stylesheet][href]")].some(
      (link) => !link.sheet && !link.disabled && (!link.media || matchMedia(link.media).matches)
    );
  const data = {
    born: performance.timeOrigin,
    origin: self.origin,
    path: location.pathname.slice(0, 200),
    title: short(doc("title")),
    ready: unstyled ? "loading" : doc("readyState"),
    text,
    headings: headings.slice(0, 40),
    alerts,
    controls,
    forms: actions,
    zones: zones.map((zone) => zone.text),
    frames,
    posts,
    size: [innerWidth, innerHeight],
    busy,
    selected: asked.map(({ found }) => found),
  };
  return { told: JSON.stringify(data), elements, selectors };
}
