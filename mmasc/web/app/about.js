// The view "About": what the collection holds, adding a folder, duplicates, and what this page does with data.

import { cancel, follow, get, post, send } from "./api.js";
import { button, clear, el, plural, toast } from "./dom.js";
import { saveFile } from "./export.js";
import { helpDialog } from "./help.js";
import { now } from "./state.js";

const MOST_GROUPS = 50;

let adding = null; // kept, so that what runs is still seen when people come back
let copies = null;

export function aboutView() {
  const { collection, health } = now;
  adding ??= addFolder();
  copies ??= duplicates();
  const row = (name, value) => value && el("div", {}, el("dt", { text: name }), el("dd", { text: value }));
  const facts = el(
    "dl",
    { class: "facts-list" },
    row("Recordings", `${collection.recordings.toLocaleString("en")}, ${collection.hours.toFixed(1)} hours`),
    row("Windows", health.windows?.toLocaleString("en")),
    row("Labels", health.annotations?.toLocaleString("en")),
    row("Recorded", collection.first ? `${collection.first} to ${collection.last}` : null),
    row("Sites", collection.sites.join(", ")),
    ...collection.spaces.map(({ name, encoder, window_seconds, hop_seconds, modalities }) => row(`Space ${name}`, `${encoder}, windows of ${window_seconds} s every ${hop_seconds} s; asked with ${modalities.join(", ")}`)),
    row("Heads", collection.heads.map(({ name }) => name).join(", ")),
    row("mmasc", health.version),
  );
  return el(
    "div",
    { class: "view about-view" },
    el("section", { class: "panel" }, el("h1", { text: collection.name }), facts),
    el("section", { class: "panel" }, el("h2", { text: "Add recordings" }), adding),
    el("section", { class: "panel" }, el("h2", { text: "Duplicates" }), copies),
    el(
      "section",
      { class: "panel" },
      el("h2", { text: "This page" }),
      el("p", { text: "Runs on this machine alone and loads nothing from elsewhere. Labels are written at once into the collection's folder, each with who, when and which question; nothing is moved or deleted." }),
      el("div", { class: "buttons" }, button("Keys", helpDialog), button("Interface for programs", saveSchema, { title: "Save its description (OpenAPI)" })),
    ),
  );
}

/** The description needs the key of this page, which a link cannot carry. */
async function saveSchema() {
  try {
    saveFile(await (await send("GET", "/api/schema.json")).blob(), "mmasc-openapi.json");
  } catch (error) {
    toast(error.message, true);
  }
}

/** A job with its progress: runs `begin()`, then `end(result)`. */
function jobButton(text, begin, end, props = {}) {
  const place = el("div", { class: "progress-place", "aria-live": "polite" });
  const start = button(text, async () => {
    start.disabled = true;
    const bar = el("progress", { max: "1" });
    const words = el("span", { text: `${text}…` });
    try {
      const job = await begin();
      clear(place, el("div", { class: "progress" }, words, bar, button("Cancel", () => cancel(job.job))));
      const result = await follow(job, (state) => {
        words.textContent = state.total ? `${state.text || text} ${state.done.toLocaleString("en")} of ${state.total.toLocaleString("en")}` : state.text || text;
        if (state.total) bar.value = state.done / state.total;
      });
      clear(place, result === null ? el("p", { class: "hint", text: "Cancelled." }) : end(result));
    } catch (error) {
      clear(place, el("p", { class: "bad", text: error.message }));
    } finally {
      start.disabled = false;
    }
  }, props);
  return [start, place];
}

function addFolder() {
  if (now.health.read_only) return el("p", { class: "hint", text: "Not while the collection is open for reading only." });
  const folder = el("input", { type: "text", placeholder: "Folder on this machine", "aria-label": "Folder on this machine", spellcheck: "false" });
  const [start, place] = jobButton(
    "Add",
    () => post("/api/add", { folder: folder.value.trim() }),
    ({ found, added, failed }) =>
      el(
        "div",
        { class: "stack" },
        el("p", {}, `Added ${added} of ${plural(found, "recording")}. `, added ? button("Reload", () => location.reload(), { class: "link" }) : ""),
        failed.length ? el("ul", { class: "bad" }, failed.map(({ name, reason }) => el("li", { text: `${name}: ${reason}` }))) : "",
      ),
  );
  return el("div", { class: "stack" }, el("div", { class: "line" }, folder, start), place);
}

function duplicates() {
  const [start, place] = jobButton("Find duplicates", () => get("/api/duplicates"), ({ groups }) =>
    groups.length
      ? el("ol", { class: "stack" }, groups.slice(0, MOST_GROUPS).map((group) => el("li", { class: "copies" }, group.map(copy))))
      : el("p", { class: "hint", text: "No recording occurs twice." }));
  return el("div", { class: "stack" }, el("div", {}, start), place);
}

/** One copy of a group: its name, how it is related, and which one to keep. */
function copy({ recording, path_shown: path, keep, relation, similarity, why }) {
  const close = similarity === undefined || similarity === null ? "" : `${(100 * similarity).toFixed(1)} % alike`;
  return el(
    "div",
    { class: "copy" },
    el("a", { class: "long", href: `#/recording/${recording}`, text: path }),
    keep ? el("span", { class: "chip small yes", text: "keep" }) : null,
    el("small", { text: [relation, close, why].filter(Boolean).join(" · ") }),
  );
}
