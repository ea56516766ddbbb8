// The bar under a recording: what can be done with the stretch that was drawn, or with the label that was clicked.

import { button, clear, clockOf, el, iconButton } from "./dom.js";
import { labelNames, VERDICTS, WORD } from "./labels.js";
import { now } from "./state.js";

const MOST_NAMES = 9;

/** `act`: label(name), turn(verdict or null), menu(node), like([start, end]), drop(). */
export function drawnBar(act) {
  const node = el("div", { class: "drawn-bar", "aria-live": "polite" });
  const span = (start, end) => el("span", { class: "time", text: `${clockOf(start, 2)} – ${clockOf(end, 2)}` });
  let key = null;

  node.draw = ({ drawn, mark }) => {
    const fresh = [drawn, mark?.label, mark?.verdict, now.label, labelNames().length].join();
    if (fresh === key) return; // buttons that are pressed stay the same nodes
    key = fresh;
    if (mark) drawMark(mark);
    else if (drawn) drawSpan(drawn);
    else clear(node, el("p", { class: "hint", text: "Drag over the spectrogram to draw a label; the wheel moves, Ctrl and the wheel zoom." }));
  };

  function drawMark(mark) {
    clear(
      node,
      span(mark.start, mark.end),
      el("b", { text: mark.label }),
      VERDICTS.map((verdict) => button(WORD[verdict], () => act.turn(verdict), { class: "chip", "aria-pressed": String(mark.verdict === verdict) })),
      button("Remove", () => act.turn(null), { class: "chip add" }),
    );
  }

  function drawSpan(drawn) {
    const names = [now.label, ...labelNames().filter((name) => name !== now.label)].filter(Boolean).slice(0, MOST_NAMES);
    clear(
      node,
      span(...drawn),
      names.map((name) => button(name, () => act.label(name), { class: "chip" })),
      button("Other label… (L)", (event) => act.menu(event.currentTarget), { class: "chip add" }),
      button("More like this", () => act.like(drawn), { class: "chip add" }),
      iconButton("no", "Drop", act.drop),
    );
  }
  return node;
}
