// One hit: picture, player, name, place in time, score, verdicts, labels and what can be done with it.

import { clockOf, el, icon, iconButton, shortened } from "./dom.js";
import { isIn, judge, verdictOf, WORD } from "./labels.js";
import { isPlaying, playHit, spanOf, toggleHit } from "./player.js";
import { now } from "./state.js";
import { spectrogram } from "./spectrogram.js";

const SIGN = { present: "yes", absent: "no", unsure: "unsure" };
const SIZES = { grid: { width: 480, height: 160 }, stage: { width: 1200, height: 320 }, thumb: { width: 240, height: 96 } };

/** Node of a hit. `act` has `focus(hit)`, `more(hit)`, `less(hit)`, `open(hit)`, `label(hit, node)`, `judged(hit)`. */
export function card(hit, act, size = "grid") {
  const play = iconButton("play", "Play (Space)", () => toggleHit(hit, node), { class: "play" });
  const title = `${hit.name}, ${clockOf(hit.start, 1)} to ${clockOf(hit.end, 1)}`;
  const span = spanOf(hit);
  const picture = spectrogram(
    { recording: hit.recording, ...span, ...SIZES[size] },
    {
      inner: [hit.start, hit.end],
      best: [hit.best_start, hit.best_end],
      label: `Spectrogram of ${title}`,
      onseek: (second) => playHit(hit, node, second - span.start),
    },
  );
  const buttons = Object.keys(SIGN).map((verdict) => verdictButton(hit, verdict, act));
  const verdicts = el("div", { class: "verdicts", role: "group", "aria-label": "Verdict" }, buttons);
  const labels = el("div", { class: "labels" });
  const node = el(
    "li",
    { class: `card as-${size}`, tabindex: "-1", "aria-label": `${hit.rank}. ${title}` },
    picture,
    el("div", { class: "card-row" }, play, facts(hit), score(hit)),
    el(
      "div",
      { class: "card-row low" },
      verdicts,
      labels,
      el(
        "div",
        { class: "card-more" },
        iconButton("tag", "Another label (L)", (event) => act.label(hit, event.currentTarget)),
        iconButton("more", "More like this (S)", () => act.more(hit)),
        iconButton("less", "Less like this (X)", () => act.less(hit)),
        iconButton("open", "Open in its recording (F)", () => act.open(hit)),
      ),
    ),
  );
  node.sounds = (second, playing) => {
    picture.head(second);
    play.replaceChildren(icon(playing ? "pause" : "play"));
    play.setAttribute("aria-label", playing ? "Pause (Space)" : "Play (Space)");
    node.classList.toggle("playing", playing);
  };
  node.refresh = () => {
    const found = verdictOf(hit)?.verdict ?? "none";
    buttons.forEach((one) => one.refresh(found));
    labels.replaceChildren(...others(hit).map((one) => labelChip(hit, one)));
    node.dataset.verdict = found;
    node.reach(reached);
  };
  let reached = size === "stage";
  /** Whether Tab stops at the buttons: of many cards only at those of the one in focus, so that it gets past them. */
  node.reach = (whether) => {
    reached = whether;
    for (const one of node.querySelectorAll("button")) one.tabIndex = whether ? 0 : -1;
  };
  node.refresh();
  if (isPlaying(node)) node.sounds(null, true);
  node.addEventListener("pointerdown", (event) => act.focus(hit, event));
  return node;
}

/** Name, site and time; the start in the recording where the wall clock is not known. */
function facts(hit) {
  const place = [hit.site, hit.clock || `at ${clockOf(hit.start)}`].filter(Boolean);
  const twin = hit.duplicate ? el("span", { class: "twin", title: "The same sound as a better hit", text: "duplicate" }) : null;
  return el(
    "div",
    { class: "facts" },
    el("div", { class: "name", title: hit.path_shown ?? hit.name, text: shortened(hit.name, 44) }),
    el("div", { class: "where" }, place.join(" · "), twin),
  );
}

function score(hit) {
  if (!Number.isFinite(hit.score)) return null; // a moment that nothing was asked about
  const rare = hit.percentile ?? null;
  return el(
    "div",
    { class: "score", title: rare === null ? "Score" : `Score; higher than ${rare.toFixed(1)} % of all windows` },
    el("div", { class: "value", text: hit.score.toFixed(2) }),
    rare === null ? null : el("div", { class: "rare", text: `top ${topShare(rare)} %` }),
  );
}

/** What share of all windows scores as high: with as many digits as tell it from zero. */
function topShare(percentile) {
  const share = 100 - percentile;
  return share >= 1 ? share.toFixed(0) : share >= 0.1 ? share.toFixed(1) : Math.max(share, 0.01).toFixed(2);
}

/** A verdict of the hit; it stays the same node, so that it keeps the focus. */
function verdictButton(hit, verdict, act) {
  const key = { present: "↑ or K", absent: "↓ or J", unsure: "U" }[verdict];
  const node = el(
    "button",
    {
      type: "button",
      class: `verdict ${SIGN[verdict]}`,
      disabled: now.health?.read_only,
      onclick: () => {
        judge([hit], now.label, verdict, { toggle: true });
        act.judged(hit);
      },
    },
    icon(SIGN[verdict]),
    el("span", { text: { present: "Yes", absent: "No", unsure: "Unsure" }[verdict] }),
    el("kbd", { "aria-hidden": "true", "data-key": key[0] }),
  );
  node.refresh = (found) => {
    const words = `${WORD[verdict]}${now.label ? ` for “${now.label}”` : ""}`;
    node.setAttribute("aria-pressed", String(found === verdict));
    node.setAttribute("aria-label", words);
    node.title = `${words} (${key})`;
  };
  return node;
}

const others = (hit) => hit.annotations.filter((one) => one.label !== now.label && isIn(one, hit));

/** A label of the hit other than the current one; a click removes it. */
function labelChip(hit, one) {
  const who = one.by ? ` by ${one.by}` : "";
  return el(
    "button",
    {
      type: "button",
      class: `chip small ${SIGN[one.verdict]}`,
      title: `${one.label}: ${WORD[one.verdict]}${who}; click to remove`,
      onclick: () => judge([hit], one.label, null),
    },
    icon(SIGN[one.verdict]),
    el("span", { text: one.label }),
  );
}
