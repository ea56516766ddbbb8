// One sound at a time, with one audio element; the next one is fetched ahead.

import { audioUrl } from "./api.js";
import { toast } from "./dom.js";
import { emit, settings } from "./state.js";

const audio = new Audio();
const ahead = new Audio();
ahead.preload = "auto";

// What plays: {url, from, owner}; `from` is the second of the recording at which the sound begins
let current = null;
let frame = 0;

/** The span that is heard and seen for a hit: the hit with some seconds around it. */
export function spanOf(hit) {
  const context = settings.context;
  const end = hit.end + context;
  return { start: Math.max(0, hit.start - context), end: hit.duration ? Math.min(end, hit.duration) : end };
}

export function urlOf(hit) {
  const { start, end } = spanOf(hit);
  return audioUrl(hit.recording, start, end);
}

/** Play `url`; `owner` hears where it is. `at`: second of the sound to begin with. */
export async function play(url, owner, { from = 0, at = null } = {}) {
  if (current?.owner !== owner || current.url !== url) {
    leave();
    current = { url, owner, from };
    audio.src = url;
  }
  if (at !== null) audio.currentTime = at;
  try {
    await audio.play();
  } catch (error) {
    if (error.name === "AbortError") return; // another sound was chosen meanwhile
    if (error.name === "NotAllowedError") toast("The browser plays sounds only after a click or a key on this page.");
    else toast(await reason(url), true);
    leave();
  }
}

/** Why a sound does not play: the server's own line where it has one. */
async function reason(url) {
  try {
    const answer = await fetch(url);
    if (!answer.ok && answer.headers.get("Content-Type")?.includes("json")) return (await answer.json()).error;
  } catch {
    return "The server does not answer; is mmasc serve still running?";
  }
  return "This browser cannot play this sound.";
}

export const playHit = (hit, owner, at = null) => play(urlOf(hit), owner, { from: spanOf(hit).start, at });

export function toggleHit(hit, owner) {
  if (isPlaying(owner)) pause();
  else if (current?.owner === owner) play(current.url, owner, current);
  else playHit(hit, owner, leadIn(hit));
}

/** Where a hit begins to play: shortly before its best moment, so that long ones need no waiting. */
export function leadIn(hit) {
  return Math.max(0, (hit.best_start ?? hit.start) - Math.max(settings.context, 0.5) - spanOf(hit).start);
}

export const isPlaying = (owner) => current?.owner === owner && !audio.paused;
export const pause = () => audio.pause();

/** Stop, and tell the owner that its sound is over. */
export function leave() {
  audio.pause();
  const last = current;
  current = null;
  last?.owner.sounds?.(null, false);
}

export function fetchAhead(hit) {
  if (hit && ahead.dataset.url !== urlOf(hit)) {
    ahead.dataset.url = urlOf(hit);
    ahead.src = ahead.dataset.url;
  }
}

function tell() {
  if (!current) return;
  current.owner.sounds?.(current.from + audio.currentTime, !audio.paused);
}

function follow() {
  tell();
  frame = audio.paused ? 0 : requestAnimationFrame(follow);
}

audio.addEventListener("play", () => {
  if (!frame) follow();
});
audio.addEventListener("pause", tell);
audio.addEventListener("seeked", tell);
audio.addEventListener("ended", () => {
  const owner = current?.owner;
  leave();
  emit("ended", owner);
});
