// Lanes under a spectrogram: one per label, with what people said, what a head found, and its score over time.

import { el, svg } from "./dom.js";
import { WORD } from "./labels.js";

const MOST_POINTS = 800;

export function lanesOf({ pick, mark }) {
  const node = el("div", { class: "lanes" });

  node.draw = (seen, marks, { events, curve, labels }) => {
    const length = seen.to - seen.from;
    const names = [...new Set([...marks.map((one) => one.label), ...labels, ...events.map((one) => one.label)])];
    const inside = (one) => one.end > seen.from && one.start < seen.to;
    const place = (bar, one) => {
      const left = Math.max(0, (one.start - seen.from) / length);
      bar.style.left = `${100 * left}%`;
      bar.style.width = `${100 * (Math.min(1, (one.end - seen.from) / length) - left)}%`;
      return bar;
    };
    node.replaceChildren(
      ...names.map((name) => {
        const track = el("div", { class: "lane-track" });
        const values = curve?.values?.[name];
        if (values) track.append(curveOf(values, curve.step, seen));
        for (const one of events.filter((event) => event.label === name && inside(event))) {
          track.append(place(el("button", { type: "button", class: "lane-event", title: `${name} ${one.score?.toFixed(2) ?? ""}; click to see it`, "aria-label": `Event ${name} at ${one.start.toFixed(1)} s`, onclick: () => pick(one) }), one));
        }
        for (const one of marks.filter((found) => found.label === name && inside(found))) {
          track.append(place(el("button", { type: "button", class: `lane-mark ${WORD[one.verdict]}`, title: `${name}: ${WORD[one.verdict]}${one.by ? ` by ${one.by}` : ""}; click to change it`, "aria-label": `Label ${name}, ${WORD[one.verdict]}, at ${one.start.toFixed(1)} s: change`, onclick: () => mark(one) }), one));
        }
        return el("div", { class: "lane" }, el("span", { class: "lane-name", text: name, title: name }), track);
      }),
    );
  };
  return node;
}

/** The score over time as a line; long ones are thinned by their peaks. */
function curveOf(values, step, seen) {
  const first = Math.max(0, Math.floor(seen.from / step));
  const last = Math.min(values.length, Math.ceil(seen.to / step) + 1);
  const every = Math.max(1, Math.floor((last - first) / MOST_POINTS));
  const most = Math.max(...values);
  const high = most > 0.5 ? 1 : Math.max(most, 1e-6); // curves that stay low are stretched: similarities of words
  const points = [];
  for (let at = first; at < last; at += every) {
    const value = Math.max(...values.slice(at, at + every));
    points.push(`${(((at + every / 2) * step - seen.from) / (seen.to - seen.from)) * 1000},${30 - 28 * Math.max(0, Math.min(1, value / high))}`);
  }
  return svg("svg", { class: "lane-curve", viewBox: "0 0 1000 32", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("polyline", { points: points.join(" ") }));
}
