// The microphone as a question: no echo cancellation or gain control, samples as they came, a WAV made here.

import { button, clear, clockOf, el, icon } from "./dom.js";

const MOST_SECONDS = 20;
const SILENT = 1e-4; // peak below which no sound has arrived

/** A 16-bit mono WAV of float blocks at their own rate. */
export function wavOf(blocks, rate) {
  const length = blocks.reduce((sum, block) => sum + block.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * length));
  const text = (at, word) => [...word].forEach((letter, place) => view.setUint8(at + place, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // mono
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * length, true);
  let at = 44;
  for (const block of blocks) {
    for (const sample of block) {
      view.setInt16(at, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
      at += 2;
    }
  }
  return new Blob([view], { type: "audio/wav" });
}

async function record(show) {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const context = new AudioContext();
  await context.audioWorklet.addModule("/app/recorder_worklet.js");
  const source = context.createMediaStreamSource(stream);
  const node = new AudioWorkletNode(context, "recorder");
  const blocks = [];
  let peak = 0;
  let samples = 0;
  node.port.onmessage = ({ data }) => {
    blocks.push(data);
    samples += data.length;
    const loudest = data.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    peak = Math.max(peak, loudest);
    show(samples / context.sampleRate, loudest);
  };
  source.connect(node);
  return async () => {
    source.disconnect();
    stream.getTracks().forEach((track) => track.stop());
    const rate = context.sampleRate;
    await context.close();
    return { blob: wavOf(blocks, rate), seconds: samples / rate, peak };
  };
}

/** Why a recording could not begin, in one sentence. */
function reason(error) {
  if (!navigator.mediaDevices) return "Browsers give the microphone only to pages at 127.0.0.1 or localhost.";
  if (error.name === "NotAllowedError") return "The browser does not let this page use the microphone: allow it in the address bar.";
  if (error.name === "NotFoundError") return "No microphone was found.";
  return `The microphone cannot be used: ${error.message}`;
}

/** Panel that records, lets the sound be heard, and asks with it: `use(blob, name)`. */
export function microphonePanel(use) {
  const node = el("div", { class: "microphone", role: "group", "aria-label": "Microphone" });
  let stop = null;

  async function begin() {
    const time = el("output", { class: "time", text: "0:00.0" });
    const meter = el("meter", { min: "0", max: "1", "aria-label": "Level" });
    let level = 0;
    const show = (seconds, loudest) => {
      level = Math.max(loudest, level * 0.9);
      meter.value = Math.min(1, Math.max(0, 1 + Math.log10(level + 1e-6) / 2.5)); // 0 to 1 over 50 dB
      time.textContent = clockOf(seconds, 1);
      if (seconds >= MOST_SECONDS && stop) finish();
    };
    clear(node, el("span", { text: "Starting the microphone…" }));
    try {
      stop = await record(show);
    } catch (error) {
      clear(node, el("span", { class: "bad", text: reason(error) }), button("Close", close));
      return;
    }
    const done = button("Stop", finish, { class: "button strong" });
    clear(node, el("i", { class: "live", "aria-hidden": "true" }), time, meter, done, button("Discard", close));
    done.focus();
  }

  async function finish() {
    const end = stop;
    stop = null;
    if (!end) return;
    const { blob, seconds, peak } = await end();
    if (peak < SILENT) {
      clear(node, el("span", { class: "bad", text: "No sound arrived." }), button("Again", begin), button("Close", close));
      return;
    }
    const audio = el("audio", { src: URL.createObjectURL(blob), controls: true, preload: "auto" });
    const go = button("Ask with this", () => {
      use(blob, `microphone ${clockOf(seconds, 1)}.wav`);
      close();
    }, { class: "button strong" });
    clear(node, icon("mic"), audio, go, button("Again", begin), button("Discard", close));
    go.focus();
  }

  async function close() {
    const end = stop;
    stop = null;
    node.remove();
    if (end) await end();
  }

  begin();
  return node;
}
