"use strict";
document.body.classList.remove("no-script");

let current = null;

function show(clip, fraction, playing) {
  for (const picture of document.querySelectorAll(`.picture[data-clip="${clip}"]`)) {
    picture.classList.toggle("playing", playing || fraction > 0);
    picture.querySelector(".head").style.left = `${100 * fraction}%`;
    const button = picture.querySelector(".play");
    if (button) button.setAttribute("aria-pressed", String(playing));
  }
  for (const point of document.querySelectorAll(`.map [data-clip="${clip}"]`)) point.classList.toggle("at", playing);
}

function frame() {
  if (!current || current.paused) return;
  show(current.dataset.clip, current.currentTime / (current.duration || 1), true);
  requestAnimationFrame(frame);
}

function toggle(clip, from) {
  const audio = document.querySelector(`audio[data-clip="${clip}"]`);
  if (audio) start(audio, from);
}

function start(audio, from) {
  if (audio.paused) {
    // A fresh start begins where the hit begins; a pause in the middle goes on
    if (audio.ended || audio.currentTime === 0) audio.currentTime = Number(from) || 0;
    audio.play();
  } else {
    audio.pause();
  }
}

function watch(audio) {
  audio.addEventListener("play", () => {
    if (current && current !== audio) current.pause();
    current = audio;
    frame();
  });
  audio.addEventListener("pause", () => show(audio.dataset.clip, audio.currentTime / (audio.duration || 1), false));
  audio.addEventListener("ended", () => show(audio.dataset.clip, 0, false));
}

for (const audio of document.querySelectorAll("audio")) watch(audio);

for (const button of document.querySelectorAll(".play")) {
  button.addEventListener("click", () => toggle(button.dataset.clip, button.dataset.from));
}

// --- the list of all sounds: [name, seconds, [[label, score, cosine]], group, clip or null, address of the file]

const held = document.getElementById("data");
if (held) library(JSON.parse(held.textContent));

function library({ labels, groups, entries }) {
  const byId = (id) => document.getElementById(id);
  const find = byId("find"), only = byId("only"), order = byId("order"), list = byId("list");
  const perPage = 48;
  let chosen = [], page = 0, fileAudio = null;

  const make = (tag, className, words) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (words !== undefined) element.textContent = words;
    return element;
  };
  const labelOf = (entry) => labels[entry[2][0][0]][0];
  const key = (number) => (entries[number][4] === null ? `e${number}` : entries[number][4]);

  function play(number) {
    const [, , , , clip, source] = entries[number];
    if (clip !== null) return toggle(clip);
    if (!source) return undefined;
    if (fileAudio && fileAudio.dataset.clip === key(number)) return start(fileAudio);
    if (fileAudio) {
      fileAudio.pause();
      show(fileAudio.dataset.clip, 0, false);
    }
    fileAudio = new Audio(source);
    fileAudio.dataset.clip = key(number);
    watch(fileAudio);
    fileAudio.addEventListener("error", () => tell(number, "this browser cannot play the file"));
    return start(fileAudio);
  }

  function tell(number, more) {
    const place = document.querySelector(".chosen");
    if (place) place.textContent = `${entries[number][0]}: ${labelOf(entries[number])}${more ? ` (${more})` : ""}`;
  }

  function icon(name, d) {
    const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    picture.setAttribute("viewBox", "0 0 16 16");
    picture.setAttribute("class", name);
    picture.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", d);
    picture.append(path);
    return picture;
  }

  function card(number) {
    const [name, seconds, best, group, clip] = entries[number];
    const item = make("li", clip === null ? "card short" : "card");
    const picture = make("div", "picture");
    picture.dataset.clip = key(number);
    if (clip !== null) picture.append(make("span", `spectrum c${clip}`));
    picture.append(make("span", "head"));
    const button = make("button", "play");
    button.type = "button";
    button.setAttribute("aria-label", `Play ${name}`);
    button.setAttribute("aria-pressed", "false");
    button.append(icon("go", "M4 2.2v11.6L13.4 8z"), icon("pause", "M3.5 2h3v12h-3zM9.5 2h3v12h-3z"));
    button.addEventListener("click", () => play(number));
    picture.append(button);
    item.append(picture, make("p", "name", name));
    const about = make("p", `given${group < 0 ? "" : ` g${group}`}`);
    if (group >= 0) about.append(make("span", "mark-of-group"), `${groups[group]}, `);
    about.append(`${seconds.toFixed(1)} s, cosine ${best[0][2].toFixed(2).replace("-", "\u2212")}`);
    item.append(about);
    best.forEach(([label, score], place) => {
      const bar = make("div", place ? "bar rest" : "bar");
      const filled = make("i");
      filled.style.setProperty("--v", score.toFixed(3));
      bar.append(make("b", "", labels[label][0]), make("span", "", `${Math.round(100 * score)}%`), filled);
      item.append(bar);
    });
    return item;
  }

  function draw() {
    const pages = Math.max(1, Math.ceil(chosen.length / perPage));
    page = Math.min(Math.max(page, 0), pages - 1);
    const shown = chosen.slice(page * perPage, (page + 1) * perPage);
    list.replaceChildren(...shown.map(card));
    const first = shown.length ? page * perPage + 1 : 0;
    byId("count").textContent = `${first} to ${page * perPage + shown.length} of ${chosen.length} sounds` +
      (chosen.length < entries.length ? ` (${entries.length} in all)` : "");
    byId("back").disabled = page === 0;
    byId("next").disabled = page === pages - 1;
    document.querySelector(".pages").hidden = pages === 1;
  }

  const orders = {
    name: (a, b) => a - b,
    label: (a, b) => labelOf(entries[a]).localeCompare(labelOf(entries[b])) || a - b,
    sure: (a, b) => entries[b][2][0][1] - entries[a][2][0][1] || a - b,
    unsure: (a, b) => entries[a][2][0][1] - entries[b][2][0][1] || a - b,
    cosine: (a, b) => entries[b][2][0][2] - entries[a][2][0][2] || a - b,
    long: (a, b) => entries[b][1] - entries[a][1] || a - b,
    short: (a, b) => entries[a][1] - entries[b][1] || a - b,
  };

  function choose() {
    const words = find.value.trim().toLowerCase();
    const [kind, wanted] = only.value.split(":");
    chosen = entries.map((_, number) => number).filter((number) => {
      const entry = entries[number];
      if (kind === "l" && entry[2][0][0] !== Number(wanted)) return false;
      if (kind === "g" && entry[3] !== Number(wanted)) return false;
      return !words || entry[0].toLowerCase().includes(words) || labelOf(entry).toLowerCase().includes(words);
    }).sort(orders[order.value]);
    page = 0;
    draw();
    const there = new Set(chosen);
    for (const dot of document.querySelectorAll(".map [data-entry]")) {
      dot.classList.toggle("out", !there.has(Number(dot.dataset.entry)));
    }
  }

  function option(value, words) {
    const element = make("option", "", words);
    element.value = value;
    return element;
  }

  const counts = new Map();
  for (const entry of entries) counts.set(entry[2][0][0], (counts.get(entry[2][0][0]) || 0) + 1);
  only.append(option("", "all labels"));
  const plain = [...counts.keys()].sort((a, b) => labels[a][0].localeCompare(labels[b][0]));
  const named = (label) => option(`l:${label}`, `${labels[label][0]} (${counts.get(label)})`);
  groups.forEach((group, number) => {
    const members = plain.filter((label) => labels[label][1] === number);
    if (members.length === 1 && labels[members[0]][0] === group) return only.append(named(members[0]));
    const part = make("optgroup");
    part.label = group;
    part.append(option(`g:${number}`, `all ${group}`), ...members.map(named));
    return only.append(part);
  });
  only.append(...plain.filter((label) => labels[label][1] < 0).map(named));

  byId("tools").addEventListener("submit", (event) => event.preventDefault());
  find.addEventListener("input", choose);
  only.addEventListener("change", choose);
  order.addEventListener("change", choose);
  for (const [id, step] of [["back", -1], ["next", 1]]) {
    byId(id).addEventListener("click", () => {
      page += step;
      draw();
      byId("labels").scrollIntoView();
    });
  }

  const map = document.querySelector(".map svg");
  const dots = [...document.querySelectorAll(".map circle.dot")];
  const places = dots.map((dot) => [Number(dot.getAttribute("cx")), Number(dot.getAttribute("cy"))]);
  function nearest(event) {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
    let best = -1, distance = 14;
    places.forEach(([x, y], place) => {
      const away = Math.hypot(x - at.x, y - at.y);
      if (away < distance && !dots[place].classList.contains("out")) [best, distance] = [place, away];
    });
    return best < 0 ? null : Number(dots[best].dataset.entry);
  }
  if (map) {
    map.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-entry]");
      const number = link ? Number(link.dataset.entry) : nearest(event);
      if (number === null) return;
      event.preventDefault();
      tell(number);
      play(number);
      for (const dot of document.querySelectorAll(".map [data-entry]")) {
        dot.classList.toggle("at", Number(dot.dataset.entry) === number);
      }
    });
    map.addEventListener("mousemove", (event) => {
      const number = nearest(event);
      map.style.cursor = number === null ? "" : "pointer";
      if (number !== null) tell(number);
    });
  }
  choose();
}

for (const point of document.querySelectorAll(".map a[data-clip]")) {
  point.addEventListener("click", (event) => {
    event.preventDefault();
    toggle(point.dataset.clip);
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && current) current.pause();
});
