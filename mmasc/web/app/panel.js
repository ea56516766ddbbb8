// The panel at the side: the labels with their keys, and which one yes and no are about.

import { clear, el, iconButton } from "./dom.js";
import { choose, countsOf, labelNames, renameLabel } from "./labels.js";
import { now, on } from "./state.js";

export function labelPanel() {
  const list = el("ol", { class: "label-list" });
  const input = el("input", { type: "text", id: "new-label", placeholder: "New label", "aria-label": "New label", maxlength: "200", autocomplete: "off" });
  const form = el(
    "form",
    {
      class: "label-new",
      onsubmit: (event) => {
        event.preventDefault();
        if (input.value.trim()) choose(input.value);
        input.value = "";
        input.blur();
      },
    },
    input,
    iconButton("plus", "Add label", null, { type: "submit" }),
  );
  const node = el("section", { class: "panel labels-panel", "aria-label": "Labels" }, el("h2", { text: "Labels" }), list, form);

  function row(label, place) {
    const { present, absent, unsure } = countsOf(label);
    const here = label === now.label;
    const name = el("span", { class: "label-name", text: label });
    const pick = el(
      "button",
      { type: "button", class: "label-pick", "aria-pressed": String(here), title: here ? "Yes and no are about this label" : "Make it the label that yes and no are about", onclick: () => (here ? node.classList.toggle("open") : choose(label)) },
      el("kbd", { text: place < 9 ? place + 1 : "" }),
      name,
      el("span", { class: "label-counts", title: `${present} yes, ${absent} no, ${unsure} unsure` }, el("b", { text: present }), ` / ${absent}`),
    );
    return el("li", { class: here ? "here" : "" }, pick, iconButton("pencil", `Rename ${label}`, () => rename(label, pick), { class: "remove" }));
  }

  function rename(label, pick) {
    const field = el("input", { type: "text", value: label, "aria-label": `New name of ${label}`, maxlength: "200" });
    let over = false;
    const end = (keep) => {
      if (over) return;
      over = true;
      field.replaceWith(pick);
      if (keep) renameLabel(label, field.value);
    };
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") end(true);
      if (event.key === "Escape") end(false);
    });
    field.addEventListener("blur", () => end(false));
    pick.replaceWith(field);
    field.select();
  }

  node.draw = () => {
    const names = labelNames();
    clear(list, names.map(row));
    if (!names.length) list.append(el("li", { class: "hint", text: "Name what you listen for: then ↑ says yes and ↓ says no." }));
  };
  node.draw();
  panels.add(new WeakRef(node));
  return node;
}

// Panels of views that are gone are forgotten
const panels = new Set();
on("labels", () => {
  for (const one of panels) {
    const node = one.deref();
    if (node) node.draw();
    else panels.delete(one);
  }
});
on("need-label", () => {
  const input = document.getElementById("new-label");
  input?.closest(".side")?.classList.add("open");
  input?.focus();
});
