// The whole recording as a strip: its loudness, where labels and events lie, what is shown; a click goes there.

import { get } from "./api.js";
import { clockOf, colour, el, toast } from "./dom.js";

const COLUMNS = 1600;
const HEIGHT = 56;

export function overviewStrip(recording, { go }) {
  const canvas = el("canvas", { height: HEIGHT, class: "strip-canvas" });
  const view = el("i", { class: "strip-view" });
  const wait = el("span", { class: "strip-wait", text: "Reading the whole recording…" });
  const node = el(
    "div",
    { class: "strip-place", role: "slider", tabindex: "0", "aria-label": "Place in the recording", "aria-valuemin": "0", "aria-valuemax": Math.round(recording.duration), "aria-valuenow": "0" },
    canvas,
    view,
    wait,
  );
  let peaks = [];
  let last = null;

  const second = (event) => {
    const box = node.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * recording.duration;
  };
  node.addEventListener("pointerdown", (event) => {
    node.setPointerCapture(event.pointerId);
    go(second(event));
  });
  node.addEventListener("pointermove", (event) => node.hasPointerCapture(event.pointerId) && go(second(event)));

  node.draw = (seen, marks, events, head) => {
    last = [seen, marks, events, head];
    const { duration } = recording;
    view.style.left = `${(100 * seen.from) / duration}%`;
    view.style.width = `${(100 * (seen.to - seen.from)) / duration}%`;
    node.setAttribute("aria-valuenow", Math.round(seen.from));
    node.setAttribute("aria-valuetext", `${clockOf(seen.from)} to ${clockOf(seen.to)}`);
    const width = node.clientWidth;
    if (!width) return;
    const scale = devicePixelRatio;
    canvas.width = width * scale;
    canvas.height = HEIGHT * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.fillStyle = colour("dim");
    const middle = HEIGHT / 2;
    const loudest = Math.max(0.01, ...peaks);
    for (let x = 0; x < width; x++) {
      const from = Math.floor((x / width) * peaks.length);
      const to = Math.max(from + 1, Math.floor(((x + 1) / width) * peaks.length));
      const peak = Math.max(0, ...peaks.slice(from, to)) / loudest;
      pen.fillRect(x, middle - peak * (middle - 8), 1, Math.max(1, 2 * peak * (middle - 8)));
    }
    const line = (list, y, tall) => {
      for (const one of list) pen.fillRect((one.start / duration) * width, y, Math.max(2, ((one.end - one.start) / duration) * width), tall);
    };
    pen.fillStyle = colour("accent");
    line(marks.filter((one) => one.verdict === "present"), 0, 4);
    pen.globalAlpha = 0.6;
    line(events, HEIGHT - 4, 4);
  };

  get(`/api/recordings/${recording.id}/overview?width=${COLUMNS}`).then((answer) => {
    peaks = answer.peaks;
    if (last) node.draw(...last);
  }).catch((error) => toast(error.message, true)).finally(() => wait.remove());
  return node;
}
