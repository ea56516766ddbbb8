// Small tools to build the page. Text from people is only ever set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `el("button", {class: "x", onclick: f, "aria-label": "…"}, child, "text")`. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "text") node.textContent = value;
    else if (name === "value") node.value = value;
    else if (name === "checked") node.checked = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An SVG element, for small charts. */
export function svg(tag, props = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function icon(name) {
  const node = svg("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" });
  node.append(svg("use", { href: `#i-${name}` }));
  return node;
}

/** A button with an icon; `label` is what a screen reader says and what the pointer shows. */
export function iconButton(name, label, onclick, { class: more = "", ...props } = {}) {
  return el("button", { type: "button", "aria-label": label, title: label, onclick, ...props, class: `icon-button ${more}` }, icon(name));
}

export function button(text, onclick, props = {}) {
  return el("button", { type: "button", class: "button", onclick, ...props }, text);
}

/** A choice: options are [value, text] pairs. */
export function select(label, options, value, onchange) {
  const node = el(
    "select",
    { "aria-label": label, title: label, onchange: () => onchange(node.value) },
    options.map(([key, text]) => el("option", { value: key, text })),
  );
  node.value = value;
  return node;
}

export function clear(node, ...children) {
  node.replaceChildren(...children.flat().filter(Boolean));
  return node;
}

/** Say something to people who listen to the page. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** A short message that goes away by itself; errors stay longer. */
export function toast(text, bad = false) {
  const place = document.getElementById("toasts");
  for (const one of place.children) if (one.textContent === text) one.remove(); // said once, however often it happens
  const node = el("div", { class: bad ? "toast bad" : "toast", text });
  place.append(node);
  setTimeout(() => node.remove(), bad ? 8000 : 3000);
}

/** A colour of the style sheet, for canvases. */
export function colour(name) {
  const probe = el("span", { class: `probe-${name}` });
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** Seconds as 1:02:03 or 2:03.4. */
export function clockOf(seconds, digits = 0) {
  const whole = Math.max(0, seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = (whole % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** Seconds of "1:02:03", "75" or "2:03.5"; NaN when it cannot be read. */
export function secondsOf(text) {
  const parts = text.trim().split(":").map(Number);
  return parts.reduce((sum, part) => sum * 60 + part, 0);
}

export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** A file name shortened in the middle: its end tells more than its middle. */
export function shortened(name, most = 40) {
  if (name.length <= most) return name;
  const tail = Math.floor(most / 2);
  return `${name.slice(0, most - tail - 1)}…${name.slice(-tail)}`;
}
