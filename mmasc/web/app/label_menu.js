// The small list in which a label is found by its first letters.

import { clear, el } from "./dom.js";
import { choose, judge, labelNames, verdictOf } from "./labels.js";
import { now } from "./state.js";

let open = null;

export function closeMenu() {
  open?.remove();
  open = null;
}

/** Open the list at a node; the chosen label is set on the hits. With Alt it says that the label is absent. */
export function labelMenu(at, hits, after) {
  closeMenu();
  if (!hits.length) return;
  const list = el("ul", { role: "listbox", id: "label-menu-list", "aria-label": "Labels" });
  const input = el("input", {
    type: "text",
    placeholder: "Label…",
    "aria-label": "Label by its first letters",
    "aria-controls": "label-menu-list",
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => draw(0),
    onkeydown: (event) => onKey(event),
  });
  open = el("div", { class: "menu label-menu" }, input, list, el("p", { class: "hint", text: "Enter: yes · Alt Enter: no · Shift Enter: make it the current label" }));
  let names = [];
  let at_name = 0;

  function draw(place) {
    const text = input.value.trim();
    const found = labelNames().filter((name) => matches(name, text));
    names = !text || found.some((name) => name === text) ? found : [...found, text];
    at_name = Math.max(0, Math.min(place, names.length - 1));
    clear(
      list,
      names.map((name, index) =>
        el(
          "li",
          {
            role: "option",
            "aria-selected": String(index === at_name),
            onclick: (event) => take(name, event),
          },
          el("span", { text: found.includes(name) ? name : `New: ${name}` }),
          el("small", { text: { present: "yes", absent: "no", unsure: "unsure" }[verdictOf(hits[0], name)?.verdict] ?? "" }),
        ),
      ),
    );
  }

  function take(name, event) {
    closeMenu();
    if (event.shiftKey) choose(name);
    else judge(hits, name, event.altKey ? "absent" : "present");
    after?.();
    now.deck?.nodes.get(now.deck.hit)?.focus({ preventScroll: true });
  }

  function onKey(event) {
    event.stopPropagation();
    if (event.key === "Escape") closeMenu();
    else if (event.key === "ArrowDown") draw(at_name + 1);
    else if (event.key === "ArrowUp") draw(at_name - 1);
    else if (event.key === "Enter" && names[at_name]) take(names[at_name], event);
    else return;
    event.preventDefault();
  }

  draw(0);
  document.body.append(open);
  place(open, at);
  input.focus();
}

/** The first letters of the label, or of one of its words. */
function matches(name, text) {
  const low = text.toLowerCase();
  return name.toLowerCase().startsWith(low) || name.toLowerCase().split(/[\s_-]+/).some((word) => word.startsWith(low));
}

/** Beneath a node, or above it where there is no room; never outside the window. */
export function place(node, at) {
  const box = at.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = node;
  const below = box.bottom + height + 8 < innerHeight;
  node.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
  node.style.top = `${Math.max(8, below ? box.bottom + 4 : box.top - height - 4)}px`;
}

addEventListener("pointerdown", (event) => {
  if (open && !open.contains(event.target)) closeMenu();
});
