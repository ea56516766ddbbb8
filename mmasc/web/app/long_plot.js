// The spectrogram of a stretch, made of tiles whose lengths are powers of two, so that they are found again.

import { picture, pictureUrl } from "./api.js";
import { clockOf, el } from "./dom.js";
import { scale, timeStep } from "./spectrogram.js";
import { settings } from "./state.js";

const WIDTH = 800;
const HEIGHT = 320;
const MOST_TILE = 512; // seconds
const WAIT_MS = 80;
const LOUDER_DB = 1; // a stretch that is louder than this above the brightest colour is shown darker
const DRAG_PIXELS = 4; // less than this is a click

export function longPlot(recording, { seek, drew, moved, zoomed }) {
  const tiles = el("div", { class: "tiles" });
  const head = el("i", { class: "spec-head" });
  const box = el("i", { class: "spec-drawn", hidden: true });
  const plot = el("div", { class: "spec-plot", tabindex: "0", role: "img", "aria-label": `Spectrogram of ${recording.name}` }, tiles, box, head);
  const hertz = el("div", { class: "spec-hertz", "aria-hidden": "true" });
  const seconds = el("div", { class: "spec-seconds", "aria-hidden": "true" });
  const node = el("div", { class: "spec long-plot" }, hertz, plot, seconds);
  const kept = new Map(); // url → {image, start, end, top}
  let seen = { from: 0, to: 1 };
  let settle = 0;
  let top = null; // level of the brightest colour, the same in all tiles: that of the loudest one since the last jump

  const place = (second) => `${(100 * (second - seen.from)) / (seen.to - seen.from)}%`;
  const at = (event) => {
    const { left, width } = plot.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - left) / width));
    return Math.min(recording.duration, seen.from + share * (seen.to - seen.from));
  };

  let from = null;
  plot.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    plot.setPointerCapture(event.pointerId);
    from = { x: event.clientX, second: at(event) };
  });
  plot.addEventListener("pointermove", (event) => {
    if (from && Math.abs(event.clientX - from.x) > DRAG_PIXELS) drew([from.second, at(event)].sort((one, other) => one - other), false);
  });
  plot.addEventListener("pointerup", (event) => {
    if (!from) return;
    if (Math.abs(event.clientX - from.x) > DRAG_PIXELS) drew([from.second, at(event)].sort((one, other) => one - other), true);
    else seek(at(event));
    from = null;
  });
  plot.addEventListener("pointercancel", () => (from = null));
  plot.addEventListener("wheel", (event) => {
    event.preventDefault();
    const length = seen.to - seen.from;
    if (event.ctrlKey || event.metaKey) zoomed(event.deltaY > 0 ? 1.25 : 0.8, at(event));
    else moved(((Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.deltaY) / plot.clientWidth) * length);
  }, { passive: false });

  function drawTime() {
    const length = seen.to - seen.from;
    const step = timeStep(length, Math.max(2, plot.clientWidth / 90));
    const marks = [];
    for (let second = Math.ceil(seen.from / step) * step; second <= seen.to - 0.015 * length; second += step) {
      const mark = el("span", { text: step < 1 ? clockOf(second, 1) : clockOf(second) });
      mark.style.left = place(second);
      marks.push(mark);
    }
    seconds.replaceChildren(...marks);
  }

  function drawTiles() {
    for (const { image, start, end } of kept.values()) {
      image.style.left = place(start);
      image.style.width = `${(100 * (end - start)) / (seen.to - seen.from) + 0.05}%`;
    }
  }

  async function fetchTiles() {
    const length = Math.min(MOST_TILE, 2 ** Math.ceil(Math.log2((seen.to - seen.from) / 2)));
    const wanted = new Map();
    for (let start = Math.floor(seen.from / length) * length; start < Math.min(seen.to, recording.duration); start += length) {
      const end = Math.min(start + length, recording.duration);
      const width = Math.max(16, Math.round((WIDTH * (end - start)) / length));
      const url = pictureUrl(recording.id, start, end, { width, height: HEIGHT, colours: settings.colours });
      wanted.set(url, { start, end });
    }
    const mine = (fetchTiles.turn = (fetchTiles.turn ?? 0) + 1);
    if (![...wanted.keys()].some((url) => kept.has(url))) top = null;
    for (const [url, span] of wanted) {
      if (kept.has(url) && kept.get(url).top === top) continue;
      try {
        const found = await picture(top === null ? url : `${url}&top=${top}`);
        if (mine !== fetchTiles.turn) return;
        plot.querySelector(".spec-lost")?.remove();
        hertz.replaceChildren(...scale(found.low, found.high, 8));
        const image = el("img", { alt: "", draggable: "false", src: found.src });
        kept.get(url)?.image.remove();
        kept.set(url, { image, ...span, top: found.top });
        tiles.append(image);
        drawTiles();
        top ??= found.own;
        if (found.own <= top + LOUDER_DB) continue;
        top = found.own;
        return fetchTiles();
      } catch (error) {
        if (mine !== fetchTiles.turn) return;
        plot.querySelector(".spec-lost")?.remove();
        plot.append(el("p", { class: "spec-lost", text: error.message }));
        return;
      }
    }
    for (const [url, { image }] of kept) {
      if (wanted.has(url)) continue;
      image.remove();
      kept.delete(url);
    }
  }

  node.head = (view, second) => {
    head.hidden = second < view.from || second > view.to;
    head.style.left = place(second);
  };
  node.draw = (view, { head: second, drawn }) => {
    const same = seen.from === view.from && seen.to === view.to && kept.size;
    seen = { ...view };
    node.head(seen, second);
    box.hidden = !drawn;
    if (drawn) {
      box.style.left = place(drawn[0]);
      box.style.right = `calc(100% - ${place(drawn[1])})`;
    }
    drawTime();
    drawTiles();
    if (same && node.dataset.colours === settings.colours) return;
    node.dataset.colours = settings.colours;
    clearTimeout(settle);
    settle = setTimeout(fetchTiles, WAIT_MS);
  };
  return node;
}
