// Small charts: histograms of scores, and how precision became known.

import { el, svg } from "./dom.js";

const WIDTH = 280;

/** Bars on a root scale, so that few hits among many windows are seen; `marks` are scores to be marked. */
export function histogram({ edges, counts, layers = [], marks = [], height = 72, label }) {
  const low = edges[0];
  const span = edges.at(-1) - low || 1;
  const x = (value) => ((value - low) / span) * WIDTH;
  const most = Math.max(1, ...counts);
  const node = svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${height + 14}`, role: "img", "aria-label": label });
  const bars = (values, top, name) =>
    values.forEach((value, place) => {
      if (!value) return;
      const tall = Math.max(1.5, Math.sqrt(value / top) * height);
      const left = x(edges[place]);
      node.append(svg("rect", { class: name, x: left, y: height - tall, width: Math.max(1, x(edges[place + 1]) - left - 1), height: tall }));
    });
  bars(counts, most, "bar-all");
  for (const { values, name } of layers) bars(values, Math.max(1, ...layers.flatMap((layer) => layer.values)) * 2, name);
  for (const mark of marks) node.append(svg("line", { class: "bar-mark", x1: x(mark), x2: x(mark), y1: 0, y2: height }));
  node.append(svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: height, y2: height }));
  for (const [place, anchor] of [[low, "start"], [low + span / 2, "middle"], [low + span, "end"]]) {
    const text = svg("text", { x: x(place), y: height + 12, "text-anchor": anchor });
    text.textContent = place.toFixed(2);
    node.append(text);
  }
  return node;
}

/** Precision over the number of verdicts with its interval: rows [n, value, low, high]. */
export function precisionCurve(rows, height = 64) {
  if (rows.length < 2) return el("span");
  const first = rows[0][0];
  const span = rows.at(-1)[0] - first || 1;
  const x = (n) => 24 + ((n - first) / span) * (WIDTH - 28);
  const y = (value) => 2 + (1 - value) * (height - 4);
  const path = (points) => points.map(([px, py], place) => `${place ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`).join("");
  const band = [...rows.map((row) => [x(row[0]), y(row[3])]), ...rows.toReversed().map((row) => [x(row[0]), y(row[2])])];
  const node = svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${height + 14}`, role: "img", "aria-label": `Precision after ${rows.at(-1)[0]} verdicts: ${percent(rows.at(-1)[1])}` });
  node.append(svg("path", { class: "band", d: `${path(band)}Z` }), svg("path", { class: "curve", d: path(rows.map((row) => [x(row[0]), y(row[1])])) }));
  for (const [value, word] of [[1, "100"], [0.5, "50"], [0, "0"]]) {
    node.append(svg("line", { class: "axis faint", x1: 24, x2: WIDTH, y1: y(value), y2: y(value) }));
    const text = svg("text", { x: 20, y: Math.min(height, y(value) + 4), "text-anchor": "end" });
    text.textContent = word;
    node.append(text);
  }
  const text = svg("text", { x: WIDTH, y: height + 12, "text-anchor": "end" });
  text.textContent = `${rows.at(-1)[0]} verdicts`;
  node.append(text);
  return node;
}

export const percent = (value) => `${Math.round(100 * value)} %`;
