// The question: chips for words, sounds, pictures and moments, for and against, each with a weight; and what completes them.

import { apiPath, get, post, upload } from "./api.js";
import { button, clear, clockOf, el, icon, iconButton, shortened, toast } from "./dom.js";
import { microphonePanel } from "./microphone.js";
import { now, understands } from "./state.js";

const WEIGHTS = [1, 1.5, 2, 0.5];
const MOST_WORDS = 8;
const MOST_BYTES = 20 * 1024 * 1024;

/** What is sent to /api/search for the parts of a question. */
export function bodyOf(parts) {
  const body = {};
  const put = (name, part, value) => (body[(part.against ? "not_" : "") + name] ??= []).push({ ...value, weight: part.weight });
  for (const part of parts) {
    if (part.kind === "text") put("texts", part, { text: part.text });
    if (part.kind === "upload") put("uploads", part, { upload: part.upload });
    if (part.kind === "moment") put("moments", part, { recording: part.recording, start: part.start, end: part.end });
  }
  return body;
}

export function textOf(part) {
  const what = part.kind === "text" ? part.text : part.kind === "upload" ? part.name : `moment at ${clockOf(part.start)}`;
  return `${part.against ? "not " : ""}${what}`;
}

/** The box. `changed()` is called when the question is another one and is to be asked. */
export function askBox(changed) {
  const chips = el("span", { class: "chips" });
  const list = el("ul", { class: "menu words", role: "listbox", id: "words", hidden: true });
  const remarks = el("ul", { class: "remarks", "aria-live": "polite" });
  const extra = el("div", { class: "ask-extra" });
  const input = el("input", {
    id: "query",
    type: "text",
    role: "combobox",
    "aria-label": "What are you listening for?",
    "aria-controls": "words",
    "aria-expanded": "false",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: "1000",
    oninput: complete,
    onkeydown: onKey,
    onblur: () => setTimeout(hide, 150), // after a click on the list
  });
  const file = el("input", { type: "file", accept: "audio/*,image/*,video/*,.flac,.wav,.mp3,.ogg", hidden: true, onchange: () => take([...file.files]) });
  const box = el(
    "form",
    { class: "ask", role: "search", onsubmit: submit },
    icon("search"),
    chips,
    input,
    iconButton("mic", "Ask with the microphone", () => {
      clear(extra, microphonePanel((blob, name) => send(blob, name)));
    }),
    iconButton("file", "Ask with a sound, a picture or a film", () => file.click()),
    file,
    el("button", { type: "submit", class: "button strong", text: "Search" }),
    list,
  );
  const node = el("div", { class: "ask-place" }, box, extra, remarks);
  let words = [];
  let at = -1;

  function draw() {
    clear(chips, now.query.parts.map((part) => chip(part)));
    input.placeholder = now.query.parts.length ? "and…" : understands("text") ? "dog barking, rain on a roof, -wind …" : "no words: ask with a sound, or with a hit";
  }

  function chip(part) {
    const against = part.against ? " against" : "";
    const weight = el("button", { type: "button", class: "weight", title: "Weight: click or scroll", "aria-label": `Weight ${part.weight}`, text: `×${part.weight}`, onclick: () => weigh(part, next(part.weight)) });
    weight.addEventListener("wheel", (event) => {
      event.preventDefault();
      weigh(part, Math.min(4, Math.max(0.25, part.weight + (event.deltaY < 0 ? 0.25 : -0.25))));
    }, { passive: false });
    const turn = el("button", { type: "button", class: "turn", "aria-label": part.against ? "not: turn into for" : part.kind === "text" ? "for: turn into against" : "like: turn into against", title: "For or against", text: part.against ? "not" : part.kind === "text" ? "+" : "like", onclick: () => change(() => (part.against = !part.against)) });
    return el(
      "span",
      { class: `chip part${against}` },
      turn,
      preview(part),
      weight,
      iconButton("no", `Remove ${textOf(part)}`, () => change(() => now.query.parts.splice(now.query.parts.indexOf(part), 1)), { class: "remove" }),
    );
  }

  function preview(part) {
    if (part.kind === "upload" && ["picture", "film"].includes(part.media)) {
      return el("img", { class: "thumb-asked", src: apiPath(`/api/uploads/${part.upload}/picture`), alt: part.name, title: part.name });
    }
    if (part.kind === "upload") {
      const audio = new Audio();
      const hear = () => {
        audio.src ||= apiPath(`/api/uploads/${part.upload}/audio`);
        if (audio.paused) audio.play().catch(() => toast("This sound is gone; ask again with it.", true));
        else audio.pause();
      };
      return el("span", { class: "heard" }, iconButton("play", `Hear ${part.name}`, hear, { class: "remove" }), el("span", { text: shortened(part.name, 24) }));
    }
    const text = part.kind === "text" ? part.text : (part.name ? `${shortened(part.name, 20)} ` : "moment ") + clockOf(part.start);
    return el("span", { class: "what", text: shortened(text, 48), title: text });
  }

  const next = (weight) => WEIGHTS[(WEIGHTS.indexOf(weight) + 1) % WEIGHTS.length];
  let settle = 0;

  function weigh(part, weight) {
    part.weight = weight;
    draw();
    clearTimeout(settle);
    settle = setTimeout(changed, 250); // one question for a whole turn of the wheel
  }

  function change(edit) {
    edit();
    draw();
    changed();
  }

  function submit(event) {
    event.preventDefault();
    hide();
    const text = input.value.trim();
    input.value = "";
    if (text) addText(text);
    else if (now.query.parts.length) changed();
  }

  function addText(text) {
    const against = /^[-−]\s*\S/.test(text);
    const bare = against ? text.slice(1).trim() : text;
    const same = now.query.parts.some((part) => part.kind === "text" && part.text === bare && part.against === against);
    change(() => same || now.query.parts.push({ kind: "text", text: bare, weight: 1, against }));
  }

  // Words that the encoder knows

  let asked = 0;
  async function complete() {
    const prefix = input.value.replace(/^[-−]\s*/, "").toLowerCase();
    const mine = ++asked;
    if (prefix.length < 1) return hide();
    const space = now.query.filters.space ?? now.collection.spaces[0]?.name ?? "";
    const answer = await get(`/api/words?${new URLSearchParams({ space, prefix })}`).catch(() => ({ words: [] }));
    if (mine !== asked || document.activeElement !== input) return;
    words = answer.words.slice(0, MOST_WORDS);
    at = -1;
    drawWords();
  }

  function drawWords() {
    list.hidden = !words.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    clear(list, words.map(({ word, group }, place) =>
      el("li", { role: "option", "aria-selected": String(place === at), onpointerdown: () => pick(word) }, el("span", { text: word }), el("small", { text: group ?? "" })),
    ));
  }

  function hide() {
    asked++;
    words = [];
    drawWords();
  }

  function pick(word) {
    const against = /^[-−]/.test(input.value);
    input.value = "";
    hide();
    addText((against ? "-" : "") + word);
  }

  function onKey(event) {
    if (event.key === "ArrowDown" && words.length) at = (at + 1) % words.length;
    else if (event.key === "ArrowUp" && words.length) at = (at + words.length - 1) % words.length;
    else if (event.key === "Enter" && at >= 0) pick(words[at].word);
    else if (event.key === "Escape") {
      if (words.length) hide();
      else input.blur();
      return;
    } else if (event.key === "Backspace" && !input.value && now.query.parts.length) {
      const last = now.query.parts.pop(); // words come back into the box to be changed
      draw();
      input.value = last.kind === "text" ? (last.against ? "-" : "") + last.text : "";
    } else return;
    event.preventDefault();
    if (words.length) drawWords();
  }

  // Sounds, pictures and films

  async function send(blob, name) {
    if (blob.size > MOST_BYTES) return toast(`${name}: at most 20 MB can be asked with`, true);
    try {
      const { upload: id, kind } = await upload(blob, name);
      change(() => now.query.parts.push({ kind: "upload", upload: id, media: kind, name, weight: 1, against: false }));
    } catch (error) {
      toast(error.message, true);
    }
  }

  const take = (files) => files.forEach((one) => send(one, one.name));

  node.draw = draw;
  node.take = take;
  node.focusInput = () => input.select();
  node.remark = async (more) => {
    const texts = now.query.parts.filter((part) => part.kind === "text").map((part) => part.text);
    let lines = more;
    if (texts.length) {
      const space = now.query.filters.space ?? now.collection.spaces[0]?.name ?? null;
      const answer = await post("/api/words", { space, texts }).catch(() => ({ remarks: [] }));
      lines = [...new Set([...more, ...answer.remarks])];
    }
    clear(remarks, lines.map((line) => el("li", { text: line })));
  };
  draw();
  return node;
}

/** Files dropped or pasted anywhere on the page become questions. */
export function takeFiles(take) {
  const over = (on) => document.body.classList.toggle("dropping", on);
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    over(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget || over(false));
  addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    over(false);
    take([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) take(files);
  });
}
