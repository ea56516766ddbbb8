// What the page remembers: settings (kept in the browser), what is shown now, and the address that brings it back.

const listeners = new Map();

/** Listen; the answer is a function that ends it. */
export function on(event, listener) {
  listeners.set(event, [...(listeners.get(event) ?? []), listener]);
  return () => listeners.set(event, listeners.get(event).filter((one) => one !== listener));
}

export function emit(event, detail) {
  for (const listener of listeners.get(event) ?? []) listener(detail);
}

const DEFAULTS = { theme: "auto", autoplay: false, advance: true, colours: "magma", context: 1, k: 60, range: "all", space: null };

function readSettings() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem("mmasc-settings") ?? "{}") };
  } catch {
    return { ...DEFAULTS }; // storage that is switched off or damaged: the page works without memory
  }
}

export const settings = readSettings();

export function set(name, value) {
  settings[name] = value;
  remember("mmasc-settings", settings);
  emit("setting", name);
}

export function remember(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    emit("forgetful"); // private windows may have no storage: nothing else depends on it
  }
}

export function recall(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** One object for what is true now; views read it and write it through functions of their own modules. */
export const now = {
  collection: null, // answer of /api/collection
  health: null,
  rooms: null, // answer of /api/collections
  query: { parts: [], filters: {} },
  label: "", // the label that yes and no are about
  deck: null, // the list of hits that the keys act on
};

/** Whether a space of the collection can be asked with this: "text", "audio", "image". */
export const understands = (kind) => now.collection.spaces.some(({ modalities }) => modalities.includes(kind));

// The address: #/VIEW?name=value. The token is never in it.

export function readAddress() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  return { view: view || "search", rest, values: new URLSearchParams(search) };
}

export function go(view, values = new URLSearchParams(), replace = false) {
  const search = values.toString();
  const address = `#/${view}${search ? `?${search}` : ""}`;
  if (address === location.hash) return emit("address");
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  emit("address");
}

// A query in the address

const RANGES = ["length", "score"]; // filters of a least and a most, either of which may be missing
const BETWEEN = "..";
const NUMBER = /^(.*)\*(-?[\d.]+)$/s;

/** Parts of a query and its filters as values of an address. */
export function writeQuery({ parts, filters }) {
  const values = new URLSearchParams();
  for (const part of parts) {
    const weight = part.weight === 1 ? "" : `*${part.weight}`;
    if (part.kind === "text") values.append(part.against ? "not" : "text", part.text + (weight || (NUMBER.test(part.text) ? "*1" : "")));
    if (part.kind === "moment") values.append(part.against ? "unlike" : "like", `${part.recording}@${part.start}-${part.end}${weight}`);
    if (part.kind === "upload") values.append(part.against ? "unfile" : "file", `${part.upload}:${part.media}:${part.name}${weight}`);
  }
  for (const [name, value] of Object.entries(filters)) {
    if (value === null || value === undefined || value === "") continue;
    if (RANGES.includes(name)) values.append(`f.${name}`, value.map((one) => one ?? "").join(BETWEEN));
    else if (name === "inside") values.append("f.inside", value.map((corner) => corner.map((one) => Number(one.toFixed(3))).join(",")).join(";"));
    else if (name === "head") values.append("f.head", [[value.least, value.most].join(BETWEEN), value.name, value.label].join("@"));
    else for (const one of Array.isArray(value) && name !== "hours" ? value : [value]) values.append(`f.${name}`, Array.isArray(one) ? one.join("-") : one);
  }
  return values;
}

function weighed(text) {
  const match = NUMBER.exec(text);
  return match ? [match[1], Number(match[2])] : [text, 1];
}

export function readQuery(values) {
  const parts = [];
  const filters = {};
  for (const [name, value] of values) {
    const [body, weight] = weighed(value);
    if (name === "text" || name === "not") parts.push({ kind: "text", text: body, weight, against: name === "not" });
    if (name === "like" || name === "unlike") {
      const [recording, span] = body.split("@");
      const [start, end] = (span ?? "").split("-").map(Number);
      if (Number.isFinite(end)) parts.push({ kind: "moment", recording, start, end, weight, against: name === "unlike" });
    }
    if (name === "file" || name === "unfile") {
      const [upload, media, ...rest] = body.split(":");
      parts.push({ kind: "upload", upload, media, name: rest.join(":"), weight, against: name === "unfile" });
    }
    if (name.startsWith("f.")) readFilter(filters, name.slice(2), value);
  }
  return { parts, filters };
}

const limit = (text) => (text === "" || !Number.isFinite(Number(text)) ? null : Number(text));

function readFilter(filters, name, value) {
  if (RANGES.includes(name)) {
    const [least, most = ""] = value.split(BETWEEN);
    filters[name] = [limit(least), limit(most)];
  } else if (name === "inside") {
    const corners = value.split(";").map((corner) => corner.split(",").map(Number));
    if (corners.length > 2 && corners.every((corner) => corner.length === 2 && corner.every(Number.isFinite))) filters.inside = corners;
  } else if (name === "head") {
    const [range, head = "", ...label] = value.split("@");
    const [least, most = ""] = range.split(BETWEEN);
    filters.head = { name: head, label: label.join("@") || null, least: limit(least) ?? 0, most: limit(most) ?? 1 };
  } else if (name === "site") filters.site = [...(filters.site ?? []), value];
  else if (name === "hours") filters.hours = value.split("-").map(Number);
  else if (name === "reviewed" || name === "windows") filters[name] = value === "true";
  else if (name === "spread") filters[name] = Number(value);
  else filters[name] = value;
}
