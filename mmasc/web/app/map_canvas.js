// Points written straight into the pixels of a canvas: 100,000 of them in a few milliseconds, without a GPU.

import { colour, el } from "./dom.js";

// Colours that stay apart for most colour-blind people (Okabe and Ito, 2008), a little calmer, then again lighter
const COLOURS = ["#0a8f86", "#d98a00", "#4a7fd6", "#c95f2b", "#b765a0", "#8a9a1d", "#5bb4e0", "#8f6bd1", "#b0524f", "#3f9c5a"];
const OTHER = "#8b949b";
const CELLS = 256; // a side, of the grid in which points are found
const PICK_PIXELS = 10;
const DRAG_PIXELS = 4;
const KEY_PIXELS = 60;
const KEY_ZOOM = 1.4;

/** The colour of a group of points: those without a name are grey, unless nothing has one. */
export function colourAt(place, names) {
  if (!names.some(Boolean)) return COLOURS[0];
  return names[place] ? COLOURS[(place + COLOURS.length - (names[0] ? 0 : 1)) % COLOURS.length] : OTHER;
}

export function pointCanvas({ hover, lasso }) {
  const canvas = el("canvas", { class: "map-canvas", tabindex: "0", role: "img", "aria-label": "Map of all windows; arrows move, plus and minus zoom, Enter shows the point nearest to the middle. The same windows are found by search." });
  const pen = canvas.getContext("2d", { alpha: false });
  let map = null;
  let names = [];
  let box = null; // [left, bottom, right, top] of the points
  let eye = { x: 0, y: 0, scale: 1 }; // middle in map units, pixels per unit
  let grid = null;
  let loop = null; // the lasso, in pixels
  let chosen = null; // point under the pointer
  let frame = 0;
  canvas.lassoing = false;
  canvas.colourOf = (place) => colourAt(place, names);

  canvas.show = (points, colours) => {
    map = points;
    names = colours;
    box = extent(points);
    grid = gridOf(points, box);
    canvas.fit();
  };

  let words = [];
  canvas.anchors = (found) => {
    words = found;
    canvas.draw();
  };

  canvas.fit = () => {
    if (!map || !box) return;
    const { clientWidth: width, clientHeight: height } = canvas;
    eye = { x: (box[0] + box[2]) / 2, y: (box[1] + box[3]) / 2, scale: 0.94 * Math.min(width / (box[2] - box[0] || 1), height / (box[3] - box[1] || 1)) };
    canvas.draw();
  };

  canvas.draw = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      paint();
    });
  };

  const toPixels = (x, y) => [canvas.clientWidth / 2 + (x - eye.x) * eye.scale, canvas.clientHeight / 2 - (y - eye.y) * eye.scale];
  const toMap = (x, y) => [eye.x + (x - canvas.clientWidth / 2) / eye.scale, eye.y - (y - canvas.clientHeight / 2) / eye.scale];

  let image = null; // kept from frame to frame
  let pixels = null;

  function paint() {
    const ratio = devicePixelRatio;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (!width || !map) return;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    if (image?.width !== width || image.height !== height) {
      image = new ImageData(width, height);
      pixels = new Uint32Array(image.data.buffer);
    }
    pixels.fill(inks().paper);
    const size = Math.max(1, Math.min(7, Math.round((map.count > 20000 ? 1.6 : map.count > 2000 ? 3 : 4) * ratio * Math.min(2, Math.sqrt(eye.scale / fitScale())))));
    drawPoints(pixels, width, height, size, [eye.scale * ratio, width / 2 - eye.x * eye.scale * ratio, height / 2 + eye.y * eye.scale * ratio]);
    pen.putImageData(image, 0, 0);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    overlay();
    pen.setTransform(1, 0, 0, 1, 0, 0);
  }

  function drawPoints(target, width, height, size, [scale, left, top]) {
    const { places, colours, count } = map;
    const table = Uint32Array.from({ length: 256 }, (_, place) => packed(colourAt(place, names)));
    const [right, bottom, half] = [width - size, height - size, size / 2];
    for (let at = 0; at < count; at++) {
      const x = Math.round(left + places[2 * at] * scale - half);
      const y = Math.round(top - places[2 * at + 1] * scale - half);
      if (x < 0 || y < 0 || x >= right || y >= bottom) continue;
      const value = table[colours[at]];
      for (let row = y * width + x, last = row + size * width; row < last; row += width) {
        for (let cell = row; cell < row + size; cell++) target[cell] = value;
      }
    }
  }

  const fitScale = () => Math.min(canvas.clientWidth / (box[2] - box[0] || 1), canvas.clientHeight / (box[3] - box[1] || 1));

  /** Words where their windows lie; those that stand out more come first, and none is written over another. */
  function drawWords() {
    pen.font = "600 12px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    const taken = [];
    for (const { text, x, y } of words) {
      const [left, top] = toPixels(x, y);
      const half = pen.measureText(text).width / 2 + 4;
      if (left < half || top < 10 || left > canvas.clientWidth - half || top > canvas.clientHeight - 10) continue;
      if (taken.some(([other, height, wide]) => Math.abs(other - left) < wide + half && Math.abs(height - top) < 18)) continue;
      taken.push([left, top, half]);
      pen.lineWidth = 4;
      pen.strokeStyle = inks().surface;
      pen.strokeText(text, left, top);
      pen.fillStyle = inks().text;
      pen.fillText(text, left, top);
    }
  }

  function overlay() {
    drawWords();
    if (chosen !== null) {
      const [x, y] = toPixels(map.places[2 * chosen], map.places[2 * chosen + 1]);
      pen.strokeStyle = inks().text;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(x, y, 7, 0, 7);
      pen.stroke();
    }
    if (loop?.length > 1) {
      pen.strokeStyle = inks().accent;
      pen.lineWidth = 2;
      pen.beginPath();
      loop.forEach(([x, y]) => pen.lineTo(x, y));
      pen.closePath();
      pen.stroke();
      pen.globalAlpha = 0.12;
      pen.fillStyle = inks().accent;
      pen.fill();
      pen.globalAlpha = 1;
    }
  }

  /** The nearest point within some pixels, or null. */
  function pick(px, py, pixels = PICK_PIXELS) {
    const [x, y] = toMap(px, py);
    const reach = pixels / eye.scale;
    let best = null;
    let least = reach * reach;
    for (const at of near(grid, box, x, y, reach)) {
      const distance = (map.places[2 * at] - x) ** 2 + (map.places[2 * at + 1] - y) ** 2;
      if (distance < least) [best, least] = [at, distance];
    }
    return best;
  }

  let drag = null;
  const at = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    drag = { start: at(event), last: at(event), moved: false };
    if (canvas.lassoing || event.shiftKey) loop = [at(event)];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!map) return;
    const [x, y] = at(event);
    if (!drag) return point(pick(x, y), false);
    drag.moved ||= Math.hypot(x - drag.start[0], y - drag.start[1]) > DRAG_PIXELS;
    if (loop) loop.push([x, y]);
    else {
      eye.x -= (x - drag.last[0]) / eye.scale;
      eye.y += (y - drag.last[1]) / eye.scale;
    }
    drag.last = [x, y];
    canvas.draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!map || !drag) return;
    if (!drag.moved) point(pick(...at(event)), true);
    else if (loop?.length > 2) lasso(thinned(loop, 500).map(([x, y]) => toMap(x, y)));
    drag = loop = null;
    canvas.draw();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [x, y] = toMap(...at(event));
    const factor = Math.exp(-event.deltaY / 400);
    eye = { scale: eye.scale * factor, x: x - (x - eye.x) / factor, y: y - (y - eye.y) / factor };
    canvas.draw();
  }, { passive: false });

  canvas.addEventListener("keydown", (event) => {
    const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (!map || event.ctrlKey || event.metaKey || event.altKey) return;
    if (keys[event.key]) [eye.x, eye.y] = [eye.x + (keys[event.key][0] * KEY_PIXELS) / eye.scale, eye.y + (keys[event.key][1] * KEY_PIXELS) / eye.scale];
    else if ("+=-".includes(event.key)) eye.scale *= event.key === "-" ? 1 / KEY_ZOOM : KEY_ZOOM;
    else if (event.key === "Enter") point(pick(canvas.clientWidth / 2, canvas.clientHeight / 2, canvas.clientWidth), true);
    else return;
    event.preventDefault();
    event.stopPropagation(); // the keys of hits are meant elsewhere
    canvas.draw();
  });

  function point(found, clicked) {
    if (found === chosen && !clicked) return;
    chosen = found;
    hover(found === null ? null : map.positions[found], clicked);
    canvas.draw();
  }

  new ResizeObserver(() => canvas.draw()).observe(canvas);
  return canvas;
}

const thinned = (points, most) => points.filter((_, place) => place % Math.ceil(points.length / most) === 0);

const dark = matchMedia("(prefers-color-scheme: dark)");
let known = null;

/** Colours of the style sheet; looked up once for light and once for dark, since that costs as much as a frame. */
function inks() {
  const theme = document.documentElement.dataset.theme ?? String(dark.matches);
  if (known?.theme !== theme) {
    const [red, green, blue] = colour("surface").match(/\d+/g).map(Number);
    known = { theme, text: colour("text"), surface: colour("surface"), accent: colour("accent"), paper: (255 << 24) | (blue << 16) | (green << 8) | red };
  }
  return known;
}

function packed(hex) {
  const value = parseInt(hex.slice(1), 16);
  return (255 << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16);
}

/** The rectangle that holds the points, without the farthest thousandth on each side. */
function extent({ places, count }) {
  const sides = [0, 1].map((axis) => Float32Array.from({ length: count }, (_, at) => places[2 * at + axis]).sort());
  const cut = Math.floor(count / 1000);
  return [sides[0][cut], sides[1][cut], sides[0][count - 1 - cut], sides[1][count - 1 - cut]];
}

const cellOf = (value, low, high) => Math.max(0, Math.min(CELLS - 1, Math.floor(((value - low) / (high - low || 1)) * CELLS)));

/** Points by cell: starts of the cells, and the points in their order. */
function gridOf({ places, count }, box) {
  const cells = Uint32Array.from({ length: count }, (_, at) => cellOf(places[2 * at], box[0], box[2]) + CELLS * cellOf(places[2 * at + 1], box[1], box[3]));
  const starts = new Uint32Array(CELLS * CELLS + 1);
  for (const cell of cells) starts[cell + 1]++;
  for (let cell = 0; cell < CELLS * CELLS; cell++) starts[cell + 1] += starts[cell];
  const next = starts.slice();
  const order = new Uint32Array(count);
  cells.forEach((cell, at) => (order[next[cell]++] = at));
  return { starts, order };
}

function* near({ starts, order }, box, x, y, reach) {
  const [left, right] = [cellOf(x - reach, box[0], box[2]), cellOf(x + reach, box[0], box[2])];
  for (let row = cellOf(y - reach, box[1], box[3]); row <= cellOf(y + reach, box[1], box[3]); row++) {
    yield* order.subarray(starts[row * CELLS + left], starts[row * CELLS + right + 1]);
  }
}
