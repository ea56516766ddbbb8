// The view of one recording: a strip of the whole file, the spectrogram of a stretch, lanes of labels and events.

import { audioUrl, get } from "./api.js";
import { button, clear, clockOf, el, iconButton, secondsOf, select, toast } from "./dom.js";
import { exportMenu } from "./export.js";
import { drawnBar } from "./drawn_bar.js";
import { annotate, judge, labelNames, questionIs } from "./labels.js";
import { labelMenu } from "./label_menu.js";
import { lanesOf } from "./lanes.js";
import { longPlot } from "./long_plot.js";
import { pause, play } from "./player.js";
import { overviewStrip } from "./strip.js";
import { go, now, on } from "./state.js";

const FIRST_SECONDS = 30;
const MOST_SECONDS = 600; // of one view, and of one sound
const LEAST_SECONDS = 0.5;

export async function recordingView({ rest: [id] }) {
  const recording = await get(`/api/recordings/${id}`);
  return build(recording);
}

function build(recording) {
  const { duration } = recording;
  const seen = { from: 0, to: Math.min(duration, FIRST_SECONDS) };
  const marks = recording.annotations; // the same array that verdicts change
  let timeline = { labels: [], events: recording.events ?? [], curve: null };
  let head = 0;
  let drawn = null; // [start, end] drawn with the pointer
  let mark = null; // the label that was clicked
  let playing = false;

  const strip = overviewStrip(recording, { go: goTo });
  const plot = longPlot(recording, { seek, drew, moved: pan, zoomed: zoom });
  const lanes = lanesOf({ pick: (span) => show(span.start, span.end), mark: (one) => pickMark(one) });
  const time = el("output", { class: "time", "aria-label": "Time of the play head" });
  const playButton = iconButton("play", "Play (Space)", toggle, { class: "play" });
  const jump = el("input", { type: "text", class: "jump", placeholder: "m:ss", "aria-label": "Jump to a time (Ctrl G)", onkeydown: (event) => event.key === "Enter" && jumpTo() });
  const bar = drawnBar({
    label,
    turn(verdict) {
      judge([{ recording: recording.id, start: mark.start, end: mark.end, annotations: marks }], mark.label, verdict);
      drop();
    },
    menu: (at) => labelMenu(at, [asHit()], draw),
    like: ([start, end]) => go("search", new URLSearchParams({ like: `${recording.id}@${start.toFixed(3)}-${end.toFixed(3)}` })),
    drop,
  });
  const source = el("span", { class: "pair" });
  const owner = { sounds };

  const node = el(
    "div",
    { class: "view recording-view" },
    el(
      "div",
      { class: "title-line" },
      neighbour("left", "Previous recording", recording.neighbours.previous),
      neighbour("right", "Next recording", recording.neighbours.next),
      el("h1", { class: "long", text: recording.name, title: recording.name }),
      el("p", { class: "hint", text: [recording.site, recording.recorded_at, clockOf(duration)].filter(Boolean).join(" · ") }),
      el("span", { class: "spring" }),
      exportMenu(() => [...marks.map((one) => ({ ...one, recording: recording.id })), ...timeline.events.map((one) => ({ ...one, recording: recording.id }))]),
    ),
    strip,
    el(
      "div",
      { class: "controls" },
      playButton,
      time,
      iconButton("minus", "Zoom out (−)", () => zoom(2)),
      iconButton("plus", "Zoom in (+)", () => zoom(0.5)),
      button(duration > MOST_SECONDS ? `${MOST_SECONDS / 60} minutes` : "Whole", () => zoom(MOST_SECONDS / length()), { title: `As much as is shown at once: ${MOST_SECONDS / 60} minutes at most` }),
      jump,
      iconButton("left", "Previous event or label ([)", () => step(-1)),
      iconButton("right", "Next event or label (])", () => step(1)),
      el("span", { class: "spring" }),
      source,
    ),
    plot,
    lanes,
    bar,
  );

  function neighbour(name, text, other) {
    return iconButton(name, text, () => go(`recording/${other}`), { disabled: !other });
  }

  function draw() {
    strip.draw(seen, marks, timeline.events, head);
    plot.draw(seen, { head, drawn });
    lanes.draw(seen, marks, timeline);
    time.textContent = `${clockOf(head, 1)} / ${clockOf(duration)}`;
    drawDrawn();
  }

  /** Show a stretch; what is drawn of it stays inside the recording. */
  function show(from, to) {
    const length = Math.min(Math.max(to - from, LEAST_SECONDS), MOST_SECONDS, duration);
    const margin = to - from < LEAST_SECONDS * 20 ? 2 : 0;
    const middle = (from + to) / 2;
    const wanted = Math.min(length + 2 * margin, duration, MOST_SECONDS);
    seen.from = Math.max(0, Math.min(middle - wanted / 2, duration - wanted));
    seen.to = seen.from + wanted;
    draw();
  }

  function exactly(from, to) {
    const length = Math.min(Math.max(to - from, LEAST_SECONDS), MOST_SECONDS, duration);
    seen.from = Math.max(0, Math.min(from, duration - length));
    seen.to = seen.from + length;
    draw();
  }

  function length() {
    return seen.to - seen.from;
  }

  function pan(seconds) {
    exactly(seen.from + seconds, seen.to + seconds);
  }

  function centre(second) {
    exactly(second - length() / 2, second + length() / 2);
  }

  function zoom(factor, at = Math.min(Math.max(head, seen.from), seen.to)) {
    const wanted = Math.min(Math.max(length() * factor, LEAST_SECONDS), MOST_SECONDS, duration);
    const share = (at - seen.from) / length();
    exactly(at - share * wanted, at + (1 - share) * wanted);
  }

  /** Show a second in the middle; what plays goes on. */
  function goTo(second) {
    if (!playing) head = Math.max(0, Math.min(second, duration));
    centre(second);
  }

  function jumpTo() {
    const second = secondsOf(jump.value);
    if (!Number.isFinite(second)) return toast("Times are written 75, 1:15 or 1:02:03.", true);
    goTo(second);
    jump.value = "";
    jump.blur();
  }

  // Sound

  function toggle() {
    if (playing) return pause();
    if (head < seen.from || head > seen.to) head = seen.from; // what is seen is heard
    if (head >= duration - 0.05) head = 0;
    const to = drawn && head >= drawn[0] && head < drawn[1] ? drawn[1] : Math.min(duration, head + MOST_SECONDS);
    play(audioUrl(recording.id, head, to), owner, { from: head });
  }

  function sounds(second, now_playing) {
    playing = now_playing;
    playButton.replaceChildren(iconButton(playing ? "pause" : "play", "").firstChild);
    playButton.setAttribute("aria-label", playing ? "Pause (Space)" : "Play (Space)");
    if (second === null) return;
    head = second;
    if (playing && head > seen.to && head < duration) return pan(length() * 0.9);
    plot.head(seen, head);
    time.textContent = `${clockOf(head, 1)} / ${clockOf(duration)}`;
  }

  function seek(second) {
    head = second;
    drawn = mark = null;
    const again = playing;
    pause();
    draw();
    if (again) {
      playing = false;
      toggle();
    }
  }

  // Labels drawn with the pointer

  function drop() {
    drawn = mark = null;
    draw();
  }

  function pickMark(one) {
    mark = one;
    drawn = [one.start, one.end];
    head = one.start;
    draw();
  }

  function drew(span, over) {
    mark = null;
    drawn = span;
    head = span[0];
    draw();
    if (over && now.health?.read_only !== true) bar.querySelector("button")?.focus({ preventScroll: true });
  }

  const asHit = () => ({ recording: recording.id, start: drawn[0], end: drawn[1], annotations: marks, score: null });

  function drawDrawn() {
    bar.draw({ drawn, mark });
  }

  function label(name) {
    annotate(marks, { recording: recording.id, start: Number(drawn[0].toFixed(3)), end: Number(drawn[1].toFixed(3)) }, name);
    drop();
  }

  // Events of heads and words

  function drawSource() {
    const heads = now.collection.heads.map(({ name }) => [`head=${name}`, `Head ${name}`]);
    const words = now.collection.spaces.some(({ modalities }) => modalities.includes("text")) && now.label ? [[`text=${now.label}`, `Words “${now.label}”`]] : [];
    clear(source, select("Events of", [["", "Labels only"], ...heads, ...words], source.dataset.value ?? "", async (value) => {
      source.dataset.value = value;
      timeline = { labels: [], events: [], curve: null };
      try {
        const [kind, ...name] = value.split("=");
        if (value) timeline = await get(`/api/recordings/${recording.id}/timeline?${new URLSearchParams({ [kind]: name.join("=") })}`);
      } catch (error) {
        toast(error.message, true);
      }
      draw();
    }));
  }

  function step(by) {
    const here = head < seen.from || head > seen.to ? (seen.from + seen.to) / 2 : head;
    const places = [...marks, ...timeline.events].map((one) => one.start).sort((one, other) => one - other);
    const found = by > 0 ? places.find((start) => start > here + 0.01) : places.findLast((start) => start < here - 0.01);
    if (found === undefined) return toast(by > 0 ? "Nothing after this." : "Nothing before this.");
    head = found;
    centre(found);
  }

  const KEYS = {
    " ": toggle,
    ArrowLeft: () => pan(-length() / 10),
    ArrowRight: () => pan(length() / 10),
    PageUp: () => pan(-length()),
    PageDown: () => pan(length()),
    Home: () => exactly(0, length()),
    End: () => exactly(duration - length(), duration),
    "+": () => zoom(0.5),
    "=": () => zoom(0.5),
    "-": () => zoom(2),
    "[": () => step(-1),
    "]": () => step(1),
    Escape: drop,
  };

  node.keys = (event) => {
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() !== "g") return false;
      jump.focus();
      return true;
    }
    if (drawn && /^[1-9]$/.test(event.key) && labelNames()[event.key - 1]) return label(labelNames()[event.key - 1]), true;
    if (drawn && event.key.toLowerCase() === "l") return labelMenu(bar, [asHit()], draw), true;
    const act = KEYS[event.key];
    act?.();
    return Boolean(act);
  };
  node.opened = ({ values }) => {
    questionIs(() => `in ${recording.name}`);
    const from = Number(values.get("t"));
    const to = Number(values.get("to") ?? from);
    head = Math.max(0, Math.min(from || 0, duration));
    drawSource();
    if (from || to) exactly((from + to) / 2 - Math.max(FIRST_SECONDS, (to - from) * 2) / 2, (from + to) / 2 + Math.max(FIRST_SECONDS, (to - from) * 2) / 2);
    else draw();
  };
  node.settings = draw;
  const endings = [
    on("labels", draw),
    on("annotations", (all) => {
      marks.splice(0, marks.length, ...all.filter((one) => one.recording === recording.id));
      draw();
    }),
  ];
  node.closed = () => endings.forEach((end) => end());
  new ResizeObserver(() => node.isConnected && draw()).observe(node);
  return node;
}
