// A spectrogram with its scales, the part that was meant, the best moment and the play head.

import { picture, pictureUrl } from "./api.js";
import { clockOf, el } from "./dom.js";
import { settings } from "./state.js";

const RANGES = { all: {}, low: { low: 0, high: 2000 }, voice: { low: 0, high: 8000 }, high: { low: 8000, high: 24000 } };

/** Pictures are fetched when they come near the screen. */
const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      target.show();
    }
  },
  { rootMargin: "400px" },
);

/** Round steps that give at most `most` marks over a length. */
export function stepFor(length, most) {
  const rough = length / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

export function timeStep(length, most) {
  return [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((step) => step >= length / most) ?? 7200;
}

/** Marks of a frequency scale, in the middle of nowhere near its ends: [Hz, text]. */
export function hertzMarks(low, high, most = 4) {
  const step = stepFor(high - low, most);
  const marks = [];
  for (let hertz = Math.ceil(low / step) * step; hertz <= high; hertz += step) {
    marks.push([hertz, hertz >= 1000 ? `${+(hertz / 1000).toFixed(1)}k` : `${hertz}`]);
  }
  return marks;
}

/**
 * The node of a spectrogram. `view`: {recording, start, end, width, height}; `inner`: [start, end] that is not dimmed;
 * `best`: [start, end]; `onseek(seconds)` is called for a click. The node has `head(seconds|null)`.
 */
export function spectrogram(view, { inner, best, onseek, label }) {
  const image = el("img", { alt: label, draggable: "false" });
  const head = el("i", { class: "spec-head", hidden: true });
  const plot = el("div", { class: "spec-plot" }, image, head);
  const hertz = el("div", { class: "spec-hertz", "aria-hidden": "true" });
  const seconds = el("div", { class: "spec-seconds", "aria-hidden": "true" });
  const node = el("div", { class: "spec" }, hertz, plot, seconds);
  const length = view.end - view.start;
  const place = (second) => `${(100 * (second - view.start)) / length}%`;

  if (inner) {
    plot.append(shade(0, place(inner[0])), shade(place(inner[1]), "100%"));
  }
  if (best?.[0] !== undefined && best[0] !== null) {
    const mark = el("i", { class: "spec-best", title: "The moment that fits best: verdicts are about it" });
    mark.style.left = place(Math.max(best[0], view.start));
    mark.style.right = `calc(100% - ${place(Math.min(best[1], view.end))})`;
    plot.append(mark);
  }
  const step = timeStep(length, 6);
  for (let second = Math.ceil(view.start / step) * step; second <= view.end; second += step) {
    const share = (second - view.start) / length;
    if (share > 0.96) break; // the last text would stand over the edge
    const mark = el("span", { text: step < 1 ? clockOf(second, 1) : clockOf(second) });
    mark.style.left = `${100 * share}%`;
    seconds.append(mark);
  }
  if (onseek) {
    plot.addEventListener("click", (event) => {
      const box = plot.getBoundingClientRect();
      onseek(view.start + ((event.clientX - box.left) / box.width) * length);
    });
  }
  node.head = (second) => {
    head.hidden = second === null;
    if (second !== null) head.style.left = place(Math.min(second, view.end));
  };
  node.show = async () => {
    const { width, height } = view;
    const options = { width, height, colours: settings.colours, ...RANGES[settings.range] };
    try {
      const { src, low, high } = await picture(pictureUrl(view.recording, view.start, view.end, options));
      image.src = src;
      hertz.replaceChildren(...scale(low, high));
    } catch (error) {
      plot.append(el("p", { class: "spec-lost", text: error.message }));
    }
  };
  seen.observe(node);
  return node;
}

function shade(from, to) {
  const node = el("i", { class: "spec-shade" });
  node.style.left = from === 0 ? "0" : from;
  node.style.right = `calc(100% - ${to})`;
  return node;
}

/** Texts of a frequency scale, placed from the bottom. */
export function scale(low, high, most = 4) {
  return hertzMarks(low, high, most).map(([hertz, text]) => {
    const mark = el("span", { text });
    mark.style.bottom = `${(100 * (hertz - low)) / (high - low)}%`;
    return mark;
  });
}
