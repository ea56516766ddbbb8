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
  if (!audio) return;
  if (audio.paused) {
    // A fresh start begins where the hit begins; a pause in the middle goes on
    if (audio.ended || audio.currentTime === 0) audio.currentTime = Number(from) || 0;
    audio.play();
  } else {
    audio.pause();
  }
}

for (const audio of document.querySelectorAll("audio")) {
  audio.addEventListener("play", () => {
    if (current && current !== audio) current.pause();
    current = audio;
    frame();
  });
  audio.addEventListener("pause", () => show(audio.dataset.clip, audio.currentTime / (audio.duration || 1), false));
  audio.addEventListener("ended", () => show(audio.dataset.clip, 0, false));
}

for (const button of document.querySelectorAll(".play")) {
  button.addEventListener("click", () => toggle(button.dataset.clip, button.dataset.from));
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
