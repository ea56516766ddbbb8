// Changes go to the server one after the other, in the order in which they were made, and are kept until they arrive.

import { toast } from "./dom.js";
import { emit, on } from "./state.js";

const WAITS_MS = [1000, 2000, 4000, 8000, 15000];

const waiting = [];
let busy = false;
let failures = 0;

/** Add a change: `work` sends it; `failed(error)` is called when the server refuses it for good. */
export function later(work, failed = () => {}) {
  waiting.push({ work, failed });
  if (!busy) run();
}

export const unsent = () => waiting.length;

/** Wait until everything that can be sent has been sent: answers then know of it. */
export async function drained() {
  while (waiting.length && !failures) await new Promise((go) => setTimeout(go, 20));
}

async function run() {
  busy = true;
  while (waiting.length) {
    if (!failures) emit("unsent", { count: waiting.length, failing: false });
    const { work, failed } = waiting[0];
    try {
      await work();
      waiting.shift();
      failures = 0;
    } catch (error) {
      if (error.passing) {
        const wait = WAITS_MS[Math.min(failures++, WAITS_MS.length - 1)];
        emit("unsent", { count: waiting.length, failing: true, status: error.status, reason: error.message });
        await laterOrBack(wait);
        continue;
      }
      waiting.shift();
      toast(error.message, true);
      failed(error);
    }
  }
  busy = false;
  emit("unsent", { count: 0, failing: false });
  emit("sent");
}

/** Some time, or less where the server is back before. */
function laterOrBack(wait) {
  return new Promise((go) => {
    const done = () => {
      ends();
      clearTimeout(timer);
      go();
    };
    const ends = on("back", done);
    const timer = setTimeout(done, wait);
  });
}

addEventListener("beforeunload", (event) => {
  if (waiting.length) event.preventDefault(); // the browser asks whether to leave
});
