// Everything that goes to the server: the key, errors in one line, jobs, addresses of sounds and pictures.

import { emit } from "./state.js";

const KEY = "mmasc-key";
const LATE_MS = 400; // how long another window of this page has to hand over its key
const JOB_MS = 350;
// Several collections in one server: which one this page shows is in its address, before the #
const room = new URLSearchParams(location.search).get("in");
const STRANGE_KEY = "The server was started again: open the address that it printed, in this browser.";

export class ServerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status; // 0: nothing answered
  }

  /** Whether the same request may work later; a server that was started again has another key. */
  get passing() {
    return [0, 403, 408, 429].includes(this.status) || this.status >= 500;
  }
}

let key = null;

/** The key of this start: from the address, from this tab, or from another tab of the same page. */
export async function findKey() {
  const given = takeKey();
  key ??= sessionStorage.getItem(KEY);
  const channel = new BroadcastChannel("mmasc-key");
  if (!key) key = await askOthers(channel);
  if (key) keep(key);
  channel.onmessage = ({ data }) => {
    if (data.key) renew(data.key);
    else if (key) channel.postMessage({ key });
  };
  if (given) channel.postMessage({ key }); // tabs of an earlier start of the server go on with it
  return key;
}

/** Take a key out of the address, where there is one: it is never left in the address bar. */
export function takeKey() {
  const match = /^#t=([\w-]+)$/.exec(location.hash);
  if (!match) return false;
  history.replaceState(null, "", location.pathname + location.search);
  renew(match[1]);
  return true;
}

function renew(value) {
  if (value === key) return;
  const first = key === null;
  keep(value);
  if (!first) post("/api/session").then(() => emit("trouble"), () => {}); // the cookie for sounds and pictures
}

function keep(value) {
  key = value;
  sessionStorage.setItem(KEY, value);
}

function askOthers(channel) {
  return new Promise((found) => {
    channel.onmessage = ({ data }) => data.key && found(data.key);
    channel.postMessage("who?");
    setTimeout(() => found(null), LATE_MS);
  });
}

/** Where the server answers for the collection that is shown; for links, sounds and pictures. */
export const apiPath = (path) => (room ? path.replace(/^\/api\//, `/api/in/${encodeURIComponent(room)}/`) : path);

/** One request; the answer as JSON, or a `ServerError` with the server's line. */
export async function ask(method, path, body, options = {}) {
  const response = await send(method, path, body, options);
  return response.status === 204 ? null : response.json();
}

export async function send(method, path, body, { signal, quiet = false } = {}) {
  const headers = { "X-Mmasc": key ?? "" };
  const form = body instanceof FormData;
  if (body !== undefined && !form) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(apiPath(path), { method, headers, signal, body: form || body === undefined ? body : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (!quiet) emit("trouble");
    throw new ServerError(0, "the server does not answer.");
  }
  if (response.ok) return response;
  if (response.status === 403 && !quiet) emit("trouble");
  throw new ServerError(response.status, response.status === 403 ? STRANGE_KEY : await lineOf(response));
}

async function lineOf(response) {
  try {
    const { error, detail } = await response.json();
    return error ?? (typeof detail === "string" ? detail : `the server answered ${response.status}`);
  } catch {
    return `the server answered ${response.status}`;
  }
}

export const get = (path, options) => ask("GET", path, undefined, options);
export const post = (path, body = {}, options) => ask("POST", path, body, options);

export function upload(blob, name) {
  const form = new FormData();
  form.append("file", blob, name);
  return post("/api/uploads", form);
}

/** Follow a job to its end; `show` is called with each state. Resolves to its result, or null when cancelled. */
export async function follow(started, show) {
  for (;;) {
    const state = await get(`/api/jobs/${started.job}`);
    show({ ...state, job: started.job });
    if (state.state === "done") return state.result;
    if (state.state === "cancelled") return null;
    if (state.state === "failed") throw new ServerError(500, state.error ?? state.text ?? "the job failed");
    await new Promise((later) => setTimeout(later, JOB_MS));
  }
}

export const cancel = (job) => ask("DELETE", `/api/jobs/${job}`);

// Addresses

const round = (seconds) => Number(seconds.toFixed(3));

export function audioUrl(recording, start, end) {
  return apiPath(`/api/recordings/${recording}/audio?start=${round(start)}&end=${round(end)}`);
}

export function pictureUrl(recording, start, end, { width, height, colours, low, high }) {
  const values = new URLSearchParams({ start: round(start), end: round(end), width, height, colours });
  if (low) values.set("low", low);
  if (high) values.set("high", high);
  return `/api/recordings/${recording}/picture?${values}`;
}

// Pictures are fetched rather than linked: their headers say which frequencies they show.

const MOST_PICTURES = 300;
const pictures = new Map();

/** `{src, low, high}` of a picture; kept, the oldest dropped. */
export function picture(url) {
  if (!pictures.has(url)) {
    const found = fetchPicture(url);
    found.catch(() => pictures.delete(url));
    pictures.set(url, found);
    if (pictures.size > MOST_PICTURES) drop(pictures.keys().next().value);
  }
  return pictures.get(url);
}

async function fetchPicture(url) {
  const response = await send("GET", url);
  const number = (name) => Number(response.headers.get(name));
  return { src: URL.createObjectURL(await response.blob()), low: number("X-Low-Hz"), high: number("X-High-Hz"), top: number("X-Top-Db"), own: number("X-Own-Top-Db") };
}

async function drop(url) {
  const kept = pictures.get(url);
  pictures.delete(url);
  URL.revokeObjectURL((await kept).src);
}
