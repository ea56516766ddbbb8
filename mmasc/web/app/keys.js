// The keyboard. One table: what a key does and what the legend says about it.

import { labelNames, redo, undo } from "./labels.js";
import { closeMenu, labelMenu } from "./label_menu.js";
import { go, now, set, settings } from "./state.js";
import { toast } from "./dom.js";
import { openRecording } from "./deck.js";

/** [keys, what the legend shows, what it says, what it does to the deck]. */
export const DECK_KEYS = [
  [[" "], "Space", "Play or pause", (deck) => deck.toggle()],
  [["ArrowUp", "k", "y"], "↑ K Y", "Yes", (deck) => deck.judge("present")],
  [["ArrowDown", "j", "n"], "↓ J N", "No", (deck) => deck.judge("absent")],
  [["u"], "U", "Unsure", (deck) => deck.judge("unsure")],
  [["ArrowRight"], "→", "Next", (deck, event) => deck.move(1, { select: event.shiftKey })],
  [["ArrowLeft"], "←", "Previous", (deck, event) => deck.move(-1, { select: event.shiftKey })],
  [[], "Shift ← →", "Select several; yes and no then mean all of them"],
  [[], "Ctrl A", "Select all"],
  [[], "1 – 9", "Give a label by its number"],
  [["l"], "L", "Find a label by its first letters", (deck) => labelMenu(deck.front, deck.targets(), () => deck.refresh())],
  [["s"], "S", "More like this", (deck) => deck.act.more(deck.hit)],
  [["x"], "X", "Less like this", (deck) => deck.act.less(deck.hit)],
  [["f"], "F", "Open in its recording", (deck) => openRecording(deck.hit)],
];

export const PAGE_KEYS = [
  [["/"], "/", "Go to the question", () => now.focusQuery?.()],
  [["r"], "R", "Review the label; there: learn", () => go("review")],
  [["v"], "V", "Next view", () => now.turnView?.()],
  [["z"], "Z", "Undo, any number of times", () => undo()],
  [["Z"], "Shift Z", "Bring back what was undone", () => redo()],
  [["a"], "A", "Go on after a verdict: on or off", () => {
    set("advance", !settings.advance);
    toast(settings.advance ? "Goes on after a verdict" : "Stays after a verdict");
  }],
  [["p"], "P", "Play each clip by itself: on or off", () => {
    set("autoplay", !settings.autoplay);
    toast(settings.autoplay ? "Clips play by themselves" : "Clips play when asked");
  }],
  [["?"], "?", "This list", () => now.help?.()],
  [["Escape"], "Esc", "Close, or clear the selection", () => {
    closeMenu();
    now.deck?.select([]);
  }],
];

/** Keys of the view that is shown come first: it may give `node.keys(event)` that returns true when it used one. */
export function startKeys(view) {
  addEventListener("keydown", (event) => {
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    if (onControl(event) || !use(event, view())) return;
    event.preventDefault();
  });
}

const isTyping = (node) => node.closest?.("input:not([type=checkbox], [type=range]), textarea, select, [contenteditable]");
/** Space and Enter on a button press it. */
const onControl = (event) => (event.key === " " || event.key === "Enter") && event.target.closest?.("button, a, input, summary, audio");

function use(event, view) {
  if (view?.keys?.(event)) return true;
  const deck = now.deck?.items.length ? now.deck : null;
  if (event.ctrlKey || event.metaKey) return useWithControl(event, deck);
  if (event.altKey) return false;
  if (deck && /^[1-9]$/.test(event.key)) {
    const place = Number(event.key) - 1;
    if (!labelNames()[place]) return false;
    deck.label(place, labelNames());
    return true;
  }
  const key = event.key.length === 1 && event.key !== "Z" ? event.key.toLowerCase() : event.key;
  const found = PAGE_KEYS.find(([keys]) => keys.includes(key));
  if (found) {
    found[3](event);
    return true;
  }
  const [, , , act] = DECK_KEYS.find(([keys]) => keys.includes(key)) ?? [];
  if (!act || !deck?.hit) return false;
  act(deck, event);
  return true;
}

function useWithControl(event, deck) {
  const key = event.key.toLowerCase();
  if (key === "z") event.shiftKey ? redo() : undo();
  else if (key === "y") redo();
  else if (key === "a" && deck) deck.selectAll();
  else return false;
  return true;
}

