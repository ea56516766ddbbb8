// The beginning: the key, the collection, the bar, and which view is shown.

import { findKey, get, post, takeKey } from "./api.js";
import { takeFiles } from "./ask.js";
import { button, clear, el, iconButton, plural, toast } from "./dom.js";
import { applyTheme, helpDialog, settingsDialog } from "./help.js";
import { startKeys } from "./keys.js";
import { redo, startLabels, undo } from "./labels.js";
import { closeMenu } from "./label_menu.js";
import { leave } from "./player.js";
import { roomPicker } from "./rooms.js";
import { searchView } from "./search.js";
import { emit, go, now, on, readAddress, set, settings } from "./state.js";

const LOADING_MS = 700;
const HEALTH_MS = 10000;
const AWAY_MS = 2000; // between looks whether the server is back
const LATE = ["review", "recordings", "map", "activity", "about", "recording"];
const late = (file, name) => async (address) => (await fetched(file))[name](address);

async function fetched(file) {
  try {
    return await import(`/app/${file}.js`);
  } catch (error) {
    if (error instanceof TypeError) throw new Error("The server does not answer."); // what browsers say here differs
    throw error;
  }
}

const VIEWS = {
  search: ["Search", async () => searchView()],
  review: ["Review", late("review", "reviewView")],
  recordings: ["Recordings", late("recordings", "recordingsView")],
  map: ["Map", late("map", "mapView")],
  activity: ["Activity", late("activity", "activityView")],
  about: ["About", late("about", "aboutView")],
  recording: [null, late("recording", "recordingView")],
};

const main = document.getElementById("main");
const notice = document.getElementById("notice");
let shown = null;

function drawBar() {
  clear(document.getElementById("brand-name"), now.rooms.collections.length > 1 ? null : now.collection.name);
  if (now.rooms.collections.length > 1) document.querySelector(".brand").after(roomPicker(now.rooms));
  document.title = `${now.collection.name} – mmasc`;
  clear(
    document.getElementById("tools"),
    iconButton("undo", "Undo (Z)", undo),
    iconButton("redo", "Bring back (Shift Z)", redo),
    iconButton("theme", "Light or dark", switchTheme),
    iconButton("gear", "Settings", settingsDialog),
    iconButton("keys", "Keys (?)", helpDialog),
  );
}

function switchTheme() {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark" || (settings.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  set("theme", dark ? "light" : "dark");
}

function drawTabs(view) {
  const here = view === "recording" ? "recordings" : view;
  clear(
    document.getElementById("tabs"),
    Object.entries(VIEWS).filter(([, [text]]) => text).map(([name, [text]]) =>
      el("a", { href: name === "search" ? searchAddress() : `#/${name}`, "aria-current": name === here ? "page" : null, text }),
    ),
  );
}

let lastSearch = "#/search";
const searchAddress = () => lastSearch;

let turn = 0;
let shownAddress = "";

async function showView() {
  if (takeKey()) history.replaceState(null, "", shownAddress);
  const address = readAddress();
  shownAddress = location.hash;
  const mine = ++turn;
  if (address.view === "search") lastSearch = location.hash || "#/search";
  const [, make] = VIEWS[address.view] ?? VIEWS.search;
  leave();
  closeMenu();
  let node;
  try {
    node = await make(address);
  } catch (error) {
    node = el("p", { class: "empty bad", text: error.message });
  }
  if (mine !== turn) return; // another view was opened meanwhile
  drawTabs(VIEWS[address.view] ? address.view : "search");
  now.deck = null;
  if (shown !== node) {
    shown?.closed?.();
    shown = node;
    clear(main, node);
    scrollTo(0, 0);
  }
  node.opened?.(address);
  if (toAsk && node === searchView()) node.focusInput();
  toAsk = false;
}

let toAsk = false; // the next view is opened to ask something: what is typed meanwhile must not be lost

now.focusQuery = () => {
  if (shown === searchView()) return shown.focusInput();
  toAsk = true;
  go("search", new URLSearchParams(lastSearch.split("?")[1] ?? ""));
};
now.help = helpDialog;
now.turnView = () => {
  const names = Object.keys(VIEWS).filter((name) => VIEWS[name][0]);
  const next = names[(names.indexOf(readAddress().view) + 1) % names.length]; // after a recording: the first
  location.hash = next === "search" ? searchAddress() : `#/${next}`;
};

let away = ""; // why the server cannot be asked now
let unsent = "";

/** One line over all views: what keeps the page from working, else what changed. */
function drawNotice() {
  const { new_recordings: came, gone_recordings: went, read_only, read_only_because } = now.health;
  const changed = [came && plural(came, "new recording"), went && `${plural(went, "recording")} removed`].filter(Boolean).join(", ");
  const bad = [away, unsent].filter(Boolean).join(" ");
  notice.hidden = !(bad || changed || read_only);
  notice.classList.toggle("bad", Boolean(bad));
  if (bad) clear(notice, el("span", { id: "unsent", class: unsent ? "bad" : "", text: bad }));
  else if (changed) clear(notice, `${changed} since this page was opened. `, button("Reload", () => location.reload(), { class: "link" }));
  else if (read_only) clear(notice, "This collection is open for reading only: verdicts are switched off.", el("span", { class: "hint", text: ` (${read_only_because})` }));
}

let looking = 0;

/** Ask how the server is, again and again; where it did not answer for a while, show again what failed meanwhile. */
async function look() {
  clearTimeout(looking);
  looking = setTimeout(look, HEALTH_MS); // another one may begin before the answer is there
  const before = away;
  try {
    const health = await get("/api/health", { quiet: true });
    away = { ready: "", loading: "The collection is being loaded." }[health.state] ?? health.error;
    if (!away) now.health = health;
  } catch (error) {
    if (![0, 403].includes(error.status)) return;
    away = error.status ? error.message : "mmasc serve does not answer. This page goes on as soon as it runs again.";
  }
  if (away) {
    clearTimeout(looking);
    looking = setTimeout(look, AWAY_MS);
  }
  drawNotice();
  if (before && !away) again();
}

function again() {
  emit("back");
  const lost = main.querySelector(".spec-lost");
  if (lost || main.querySelector(".bad")) showView();
  if (lost) now.deck?.redraw();
}

function stopped(text, more = null) {
  notice.hidden = true;
  clear(main, el("p", { class: "empty bad" }, text, more && " ", more));
}

/** Wait until the collection is loaded; the reason is shown when it cannot be. */
async function waitUntilReady() {
  for (;;) {
    const health = await get("/api/health");
    if (health.state === "ready") return (now.health = health);
    if (health.state === "failed") throw new Error(health.error);
    clear(main, el("p", { class: "empty", text: "Loading the collection…" }));
    await new Promise((later) => setTimeout(later, LOADING_MS));
  }
}

async function start() {
  applyTheme();
  if (!(await findKey())) return stopped("This address has no key. Open the one that mmasc serve printed: it ends in #t= and a key.");
  try {
    await post("/api/session");
    await waitUntilReady();
    [now.collection, now.rooms] = await Promise.all([get("/api/collection"), get("/api/collections")]);
  } catch (error) {
    return stopped(error.message, location.search ? el("a", { href: "/", text: "Open the first collection of this server" }) : null);
  }
  startLabels(now.collection);
  drawBar();
  addEventListener("popstate", showView);
  on("address", showView);
  on("setting", (name) => {
    if (name === "theme") applyTheme();
    if (["colours", "range", "context", "theme"].includes(name)) shown?.settings?.(name);
    if (["colours", "range", "context"].includes(name)) now.deck?.redraw();
  });
  on("unsent", ({ count, failing, status, reason }) => {
    const why = [0, 403].includes(status) ? "" : `: ${reason}`; // what is said already
    unsent = failing ? `${plural(count, "change")} not sent yet${why}; trying again.` : "";
    drawNotice();
  });
  on("trouble", look);
  takeFiles((files) => {
    if (shown !== searchView()) go("search");
    searchView().take(files);
  });
  startKeys(() => shown);
  addEventListener("focus", look);
  drawNotice();
  looking = setTimeout(look, HEALTH_MS);
  await showView();
  for (const file of LATE) import(`/app/${file}.js`).catch(() => {}); // views open without the server then
}

addEventListener("unhandledrejection", ({ reason }) => {
  if (reason?.status !== undefined) toast(reason.message, true);
});
start();

