// The legend of the keys, and the settings.

import { button, el, iconButton, select } from "./dom.js";
import { DECK_KEYS, PAGE_KEYS } from "./keys.js";
import { set, settings } from "./state.js";

const RECORDING_KEYS = [
  ["Space", "Play from the line, or pause"],
  ["← →", "Move by a tenth of the view"],
  ["PageUp PageDown", "Move by a view"],
  ["+ −", "Zoom"],
  ["[ ]", "Previous, next event or label"],
  ["Ctrl G", "Jump to a time"],
];

function dialog(title, ...content) {
  const node = el("dialog", { class: "dialog", "aria-label": title }, el("header", {}, el("h2", { text: title }), iconButton("no", "Close", () => node.close())), ...content);
  node.addEventListener("close", () => node.remove());
  node.addEventListener("click", (event) => event.target === node && node.close());
  document.body.append(node);
  node.showModal();
  return node;
}

const table = (rows) => el("dl", { class: "keys" }, rows.map(([keys, text]) => el("div", {}, el("dt", {}, keys.split(" ").map((key) => el("kbd", { text: key }))), el("dd", { text }))));

export function helpDialog() {
  if (document.querySelector("dialog[open]")) return;
  const shown = (rows) => rows.map(([, keys, text]) => [keys, text]);
  dialog(
    "Keys",
    el("div", { class: "key-columns" }, el("section", {}, el("h3", { text: "Clips" }), table(shown(DECK_KEYS))), el("section", {}, el("h3", { text: "Everywhere" }), table(shown(PAGE_KEYS)), el("h3", { text: "In a recording" }), table(RECORDING_KEYS))),
  );
}

export function settingsDialog() {
  const tick = (name, text) => el("label", { class: "tick" }, el("input", { type: "checkbox", checked: settings[name], onchange: (event) => set(name, event.target.checked) }), text);
  const pick = (name, text, options, read = String) => el("label", { class: "field" }, el("span", { text }), select(text, options, String(settings[name]), (value) => set(name, read(value))));
  dialog(
    "Settings",
    el(
      "div",
      { class: "settings" },
      pick("theme", "Appearance", [["auto", "As the system"], ["light", "Light"], ["dark", "Dark"]]),
      pick("colours", "Spectrogram", [["magma", "Magma"], ["viridis", "Viridis"], ["grey", "Grey"]]),
      pick("range", "Frequencies", [["all", "All"], ["low", "Up to 2 kHz"], ["voice", "Up to 8 kHz"], ["high", "8 to 24 kHz"]]),
      pick("context", "Heard around a hit", [["0", "Nothing"], ["1", "1 s"], ["2", "2 s"], ["5", "5 s"]], Number),
      tick("autoplay", "Clips play by themselves when they come into focus (P)"),
      tick("advance", "Go on to the next clip after a verdict (A)"),
    ),
    button("Keys…", (event) => {
      event.target.closest("dialog").close();
      helpDialog();
    }),
  );
}

export function applyTheme() {
  if (settings.theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = settings.theme;
}

