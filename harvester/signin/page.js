// One look at one document: what a person would see, and nothing that is done to it.
//
// Runs in every frame.  Goes through open shadow roots.  Returns {told, elements}: `told` is JSON
// text for observe.py (Playwright takes 10 ms to carry the same as objects, 1 ms as text), and
// `elements[i]` is the element of control i.  It keeps nothing in the page.  What it says is evidence, not truth: a page can lie to a script that runs in it, so where
// a secret may go is decided by guard.py from what the browser says of the frame.
() => {
  const MAX_CONTROLS = 300;
  const MAX_TEXT = 8000;
  const MIN_SIDE = 8; // smaller things are tracking dots and visually hidden twins
  const short = (text, limit = 160) => (text || "").replace(/\s+/g, " ").trim().slice(0, limit);
  const above = (el) => el.assignedSlot || el.parentElement || (el.getRootNode().host ?? null);
  const width = Math.max(document.documentElement.scrollWidth, innerWidth);
  const height = Math.max(document.documentElement.scrollHeight, innerHeight);

  const hiddenFrom = (el) => {
    for (let at = el; at; at = above(at)) {
      if (at.inert || at.getAttribute("aria-hidden") === "true") return true;
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
  const within = (inner, outer) => {
    for (let at = inner; at; at = above(at)) if (at === outer) return true;
    return false;
  };
  // true, false, or null where the middle is outside the window and cannot be asked about.
  const onTop = (el) => {
    const box = el.getBoundingClientRect();
    const x = box.left + box.width / 2, y = box.top + box.height / 2;
    if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) return null;
    let top = document.elementFromPoint(x, y);
    while (top && top.shadowRoot) {
      const inner = top.shadowRoot.elementFromPoint(x, y);
      if (!inner || inner === top) break;
      top = inner;
    }
    if (!top) return false;
    if (within(top, el)) return true;
    const label = top.closest("label");
    return !!label && (label.control === el || label.contains(el));
  };
  const byIds = (el, attribute) =>
    (el.getAttribute(attribute) || "")
      .split(/\s+/)
      .filter(Boolean)
      .map((id) => el.getRootNode().getElementById?.(id)?.textContent || "")
      .join(" ");
  const nameOf = (el) => {
    const labels = el.labels ? [...el.labels].map((one) => one.textContent).join(" ") : "";
    const own = /^(input|select|textarea)$/i.test(el.tagName) ? "" : el.innerText || el.textContent;
    const button = el.tagName === "INPUT" && /^(submit|button|reset|image)$/.test(el.type);
    const picture = el.querySelector?.("img[alt],svg[aria-label]");
    const drawn = picture ? picture.alt || picture.getAttribute("aria-label") : "";
    return short(
      byIds(el, "aria-labelledby") || el.getAttribute("aria-label") || labels || own ||
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
  const zones = [];
  // The floating thing or dialog that holds an element: a banner, a pop-over.
  const zoneOf = (el) => {
    for (let at = el; at && at !== document.body; at = above(at)) {
      const role = at.getAttribute("role") || "";
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
      const role = at.getAttribute("role") || "";
      if (at.tagName === "NAV" || role === "navigation") return "nav";
      if (at.tagName === "FOOTER" || role === "contentinfo") return "footer";
      if (at.tagName === "HEADER" || role === "banner") return "header";
      if (at.tagName === "ASIDE" || role === "complementary") return "aside";
    }
    return "";
  };
  const forms = [];
  const formOf = (el) => {
    const form = el.form || el.closest?.("form") || null;
    if (!form) return null;
    const index = forms.indexOf(form);
    return index < 0 ? forms.push(form) - 1 : index;
  };
  const roleOf = (el) => {
    const given = el.getAttribute("role");
    if (given) return given;
    const tag = el.tagName;
    if (tag === "A") return "link";
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
    if (tag === "A") return el.hasAttribute("href") || el.getAttribute("role") === "button";
    if (/^(button|link|textbox|option|menuitem|radio)$/.test(el.getAttribute("role") || "")) return true;
    if (el.getAttribute("contenteditable") === "true") return true;
    // A custom element that acts as a button and holds none.
    return (
      (el.hasAttribute("onclick") || (tag.includes("-") && el.tabIndex >= 0)) &&
      !el.shadowRoot && getComputedStyle(el).cursor === "pointer"
    );
  };

  // A form's own fields shadow its properties: one named "children" is on every booking page.
  const kids = Object.getOwnPropertyDescriptor(Element.prototype, "children").get;
  const childrenOf = (node) => (node instanceof Element ? kids.call(node) : node.children);
  const controls = [], elements = [], headings = [], alerts = [], frames = [], shadowTexts = [];
  let busy = false, heading = -1;
  const take = (el) => {
    const box = el.getBoundingClientRect();
    const role = roleOf(el);
    const typed = role === "textbox" && el.type !== "password";
    const sends = el.type === "submit" || el.type === "image";
    elements.push(el);
    controls.push({
      tag: el.tagName.toLowerCase(),
      role,
      type: (el.type || "").toString().toLowerCase(),
      autocomplete: (el.getAttribute("autocomplete") || "").toLowerCase().split(/\s+/).filter(Boolean),
      name: nameOf(el),
      parts: role === "textbox" ? [] : parts(el),
      id: short(el.id, 80),
      field_name: short(el.getAttribute("name") || "", 80),
      placeholder: short(el.placeholder || "", 80),
      hints: [role === "textbox" ? "" : el.getAttribute("value"), ...Object.values(el.dataset || {})]
        .map((one) => short(one || "", 80)).filter(Boolean).slice(0, 6),
      path: el.tagName === "A" && el.href ? short(el.pathname || "", 120) : "",
      maxlength: el.maxLength > 0 ? el.maxLength : null,
      inputmode: (el.getAttribute("inputmode") || "").toLowerCase(),
      form: formOf(el),
      formaction: sends && el.hasAttribute("formaction") ? el.formAction : null,
      sends,
      box: [box.left + scrollX, box.top + scrollY, box.width, box.height].map(Math.round),
      visible: shown(el),
      top: onTop(el),
      enabled: !el.matches(":disabled") && el.getAttribute("aria-disabled") !== "true",
      writable: !el.readOnly,
      filled: !!(typed || el.type === "password") && !!el.value,
      checked: !!el.checked,
      value: typed ? (el.value || "").slice(0, 200) : "",
      heading,
      zone: zoneOf(el),
      region: regionOf(el),
    });
  };
  const walk = (root) => {
    for (const el of childrenOf(root)) {
      if (/^(SCRIPT|STYLE|TEMPLATE|NOSCRIPT|HEAD)$/.test(el.tagName)) continue;
      const role = el.getAttribute("role") || "";
      if (/^(H[1-6]|LEGEND)$/.test(el.tagName) || role === "heading") {
        if (shown(el)) heading = headings.push(short(el.innerText || el.textContent)) - 1;
      }
      if (el.getAttribute("aria-busy") === "true" || role === "progressbar") busy ||= shown(el);
      const told = /(^|[-_ ])(error|alert|invalid|danger)/i.test(el.getAttribute("class") || "");
      if ((role === "alert" || told) && alerts.length < 8 && shown(el)) {
        const text = short(el.innerText, 200);
        if (text && text.length < 200 && !alerts.includes(text)) alerts.push(text);
      }
      if (el.tagName === "IFRAME" && shown(el)) {
        const box = el.getBoundingClientRect();
        frames.push({
          source: short((el.src || "").split(/[?#]/)[0], 200),
          title: short(el.title || el.name),
          box: [box.left, box.top, box.width, box.height].map(Math.round),
        });
      }
      if (controls.length < MAX_CONTROLS && isControl(el)) take(el);
      if (el.shadowRoot) {
        for (const child of el.shadowRoot.children) {
          if (child.innerText) shadowTexts.push(child.innerText.slice(0, MAX_TEXT));
        }
        walk(el.shadowRoot);
      }
      walk(el);
    }
  };
  if (document.body) walk(document.documentElement);

  // A form of hidden fields only, that carries an answer: it sends itself on.
  const posts = [...document.forms].some(
    (form) =>
      (form.getAttribute("method") || "").toLowerCase() === "post" &&
      [...form.querySelectorAll("input,button,select,textarea")].every((one) => one.type === "hidden" || !shown(one) || one.type === "submit") &&
      ["SAMLResponse", "SAMLRequest", "wresult", "id_token", "code"].some(
        (name) => form.querySelector(`input[type=hidden][name="${name}"]`)
      )
  );
  const text = [document.body?.innerText || "", ...shadowTexts].join("\n").slice(0, MAX_TEXT);
  const actions = forms.map((form) => ({
    action: form.getAttribute("action") ? new URL(form.getAttribute("action"), document.baseURI).href : location.href,
    method: (form.getAttribute("method") || "get").toLowerCase(),
  }));
  const data = {
    born: performance.timeOrigin,
    origin: self.origin,
    path: location.pathname.slice(0, 200),
    title: short(document.title),
    ready: document.readyState,
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
  };
  return { told: JSON.stringify(data), elements };
}
