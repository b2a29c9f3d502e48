// Elements, and keys for them. Everything from outside is put in as text: there is no way here to put in HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element; `on…` attributes are listeners, false and null leave an attribute out. */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Put other children in the place of those that an element has. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Whether a pressed key is meant for the view: not for a text, a dialog or the browser. */
export function isCommand(event) {
  const isTyped = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  return !(event.ctrlKey || event.metaKey || event.altKey || isTyped || document.querySelector("dialog[open]"));
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
