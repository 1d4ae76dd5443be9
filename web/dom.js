// Builds elements. Strings become text and nothing else: there is no way here to make markup from a string, and what hides in
// a text (direction marks, joiners, control characters) is shown as its code.

const SVG = "http://www.w3.org/2000/svg";

// The same characters as `is_hidden` in src/domain/visible.rs, and control characters but for line breaks and tabs.
const HIDDEN =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu;

const code = (c) => `\\u{${c.codePointAt(0).toString(16)}}`;

/** A text for attributes and titles: on it, hidden characters are codes. */
export function visible(text) {
  return String(text).replace(HIDDEN, code);
}

/** A text as nodes: hidden characters stand out. */
function nodes(text) {
  const found = [];
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > from) found.push(document.createTextNode(text.slice(from, match.index)));
    const mark = document.createElement("span");
    mark.className = "hidden-char";
    mark.title = "a hidden character";
    mark.textContent = code(match[0]);
    found.push(mark);
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push(document.createTextNode(text.slice(from)));
  return found;
}

function append(element, child) {
  if (child === null || child === undefined || child === false || child === true) return;
  if (Array.isArray(child)) child.forEach((one) => append(element, one));
  else if (child instanceof Node) element.append(child);
  else element.append(...nodes(String(child)));
}

/** Only addresses of our own: a text of an agent never becomes a link that leads elsewhere or runs. */
function address(value) {
  const text = String(value);
  return text.startsWith("/") && !text.startsWith("//") && !text.includes("\\") ? text : "#";
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on") && typeof value === "function") element.addEventListener(name.slice(2), value);
  else if (name.startsWith("on")) throw new Error(`${name} takes a function`);
  else if (name === "class") element.setAttribute("class", Array.isArray(value) ? value.filter(Boolean).join(" ") : value);
  else if (name === "data") for (const key in value) element.dataset[key] = visible(value[key]);
  else if (name === "vars") for (const key in value) element.style.setProperty(`--${key}`, String(value[key]));
  else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
  else if (name === "href") element.setAttribute(name, address(value));
  else if (["src", "srcdoc", "style", "action", "formaction"].includes(name)) throw new Error(`${name} is not set from here`);
  else element.setAttribute(name, value === true ? "" : visible(value));
}

function build(element, properties, children) {
  let rest = children;
  if (properties !== null && typeof properties === "object" && !Array.isArray(properties) && !(properties instanceof Node)) {
    for (const name in properties) set(element, name, properties[name]);
  } else if (properties !== undefined) {
    rest = [properties, ...children];
  }
  append(element, rest);
  return element;
}

/** h("p.note", { title: "…" }, "text", element, [more]): an element of HTML. Classes may follow the name. */
export function h(name, properties, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  build(element, properties, children);
  if (classes.length) element.classList.add(...classes);
  return element;
}

/** The same for SVG. */
export function s(name, properties, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElementNS(SVG, tag);
  build(element, properties, children);
  if (classes.length) element.classList.add(...classes);
  return element;
}

/** Puts these children in place of what is there. */
export function fill(element, ...children) {
  const kept = document.createDocumentFragment();
  append(kept, children);
  element.replaceChildren(kept);
  return element;
}

/** A link within the board. */
export function link(href, ...children) {
  return h("a", { href }, ...children);
}

/** A link to the page that is shown, at this server by another of its names: the one address that is not below "/". */
export function linkHereBy(name, ...children) {
  const there = new URL(location.href);
  there.hostname = name;
  const anchor = h("a", {}, ...children);
  anchor.href = there.href;
  return anchor;
}

/**
 * Makes the children of `element` one for each item, in order, and touches only those whose item changed: focus, selection and
 * scrolling of the others stay. `key(item)` names it, `render(item)` makes its element.
 */
export function keyed(element, items, key, render) {
  const before = new Map([...element.children].map((child) => [child.dataset.key, child]));
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && focused.closest("[data-key]")?.dataset.key;
  let lost = null;
  const wanted = items.map((item) => {
    const name = visible(key(item));
    const mark = JSON.stringify(item);
    const old = before.get(name);
    if (old && old.shownItem === mark) return old;
    const made = render(item);
    made.dataset.key = name;
    made.shownItem = mark;
    if (old && place === name && old.contains(focused)) lost = { made, at: focusables(old).indexOf(focused) };
    return made;
  });
  if (wanted.length !== element.children.length || wanted.some((child, at) => element.children[at] !== child)) {
    let at = 0;
    for (const child of wanted) {
      if (element.children[at] !== child) element.insertBefore(child, element.children[at] ?? null);
      at += 1;
    }
    while (element.children.length > wanted.length) element.lastElementChild.remove();
  }
  if (lost) (focusables(lost.made)[Math.max(0, lost.at)] ?? lost.made).focus({ preventScroll: true });
  return element;
}

function focusables(element) {
  const inside = [...element.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")];
  return element.matches("a[href], button, [tabindex]") ? [element, ...inside] : inside;
}
