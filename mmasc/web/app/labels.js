// Labels and verdicts: shown at once, sent in order, each change undone by one step.

import { ask, get, post } from "./api.js";
import { say, toast } from "./dom.js";
import { later } from "./sender.js";
import { emit, now, recall, remember } from "./state.js";

const SHARED = 0.5; // an annotation is about a moment when they share half of the shorter one
export const VERDICTS = ["present", "absent", "unsure"];
export const WORD = { present: "yes", absent: "no", unsure: "unsure" };

const done = [];
const undone = [];
let question = () => "";

/** Tell how the present question is written: it is stored with each verdict. */
export function questionIs(write) {
  question = write;
}

// The list of labels, in the order of their first use here, so that number keys stay the same

let order = [];

export function startLabels(collection) {
  const name = `mmasc-labels-${collection.name}`;
  order = recall(name, []).filter((label) => typeof label === "string");
  countLabels(collection.labels);
  keepOrder = () => remember(name, order);
  if (!now.label && order.length) now.label = order[0];
}

/** Take over how often each label was given. */
function countLabels(labels) {
  counts.clear();
  for (const { label, present, absent, unsure } of labels) {
    if (!order.includes(label)) order.push(label);
    counts.set(label, { present, absent, unsure });
  }
}

const counts = new Map();
let keepOrder = () => {};

export const labelNames = () => [...order];
export const countsOf = (label) => counts.get(label) ?? { present: 0, absent: 0, unsure: 0 };

export function addLabel(text) {
  const label = text.trim();
  if (!label) return null;
  if (!order.includes(label)) {
    order.push(label);
    keepOrder();
  }
  return label;
}

export function choose(label) {
  now.label = addLabel(label) ?? "";
  emit("labels");
}

export function renameLabel(old, fresh) {
  const name = fresh.trim();
  if (!name || name === old) return;
  order = order.map((label) => (label === old ? name : label)).filter((label, place, all) => all.indexOf(label) === place);
  keepOrder();
  if (now.label === old) now.label = name;
  later(async () => {
    if (countsOf(old).present + countsOf(old).absent + countsOf(old).unsure) await post("/api/annotations/rename", { old, new: name });
    await readAgain();
  });
  emit("labels");
}

// Verdicts of hits

function share(one, start, end) {
  return (Math.min(one.end, end) - Math.max(one.start, start)) / Math.max(1e-3, Math.min(one.end - one.start, end - start));
}

/** Whether an annotation is about the moment that a verdict on this hit would be about. */
export const isAbout = (one, hit) => one.recording === hit.recording && share(one, ...momentOf(hit)) >= SHARED;

/** Whether an annotation lies in a hit, which may join many windows. */
export const isIn = (one, hit) => one.recording === hit.recording && share(one, hit.start, hit.end) >= SHARED;

export function verdictOf(hit, label = now.label) {
  return hit.annotations.findLast((one) => one.label === label && isAbout(one, hit)) ?? null;
}

/**
 * Set a verdict on hits: one step for undo. `verdict` null removes it; with `toggle`, so does the same verdict again.
 */
export function judge(hits, label, verdict, { toggle = false } = {}) {
  if (now.health?.read_only) return toast("This collection is open for reading only; verdicts are switched off.", true);
  if (!label) return emit("need-label");
  addLabel(label);
  const taken = toggle && hits.length === 1 && verdictOf(hits[0], label)?.verdict === verdict ? null : verdict;
  const step = { fresh: [], changed: [], gone: [], label };
  for (const hit of hits) {
    const found = verdictOf(hit, label);
    if (taken === null && found) step.gone.push({ hit, one: found });
    else if (taken !== null && found && found.verdict !== taken) step.changed.push({ one: found, before: found.verdict, after: taken });
    else if (taken !== null && !found) step.fresh.push({ hit, one: annotation(hit, label, taken) });
  }
  const parts = ["fresh", "changed", "gone"].filter((name) => step[name].length);
  if (!parts.length) return;
  apply(step);
  done.push(step);
  undone.length = 0;
  for (const name of parts) later(() => SEND[name](step, taken), () => refused(step));
  step.changes = parts.length;
  say(`${label}: ${taken ? WORD[taken] : "no verdict"}`);
}

/** A new annotation of a stretch that was drawn by hand. */
export function annotate(owner, span, label, verdict = "present") {
  judge([{ ...span, annotations: owner, score: null }], label, verdict);
}

/** What a verdict is about: the moment that fits best, where a hit joins several windows. */
export function momentOf(hit) {
  return [hit.best_start ?? hit.start, hit.best_end ?? hit.end];
}

function annotation(hit, label, verdict) {
  const { recording, score = null } = hit;
  const [start, end] = momentOf(hit);
  return { id: null, key: newKey(), recording, start, end, label, verdict, score, question: question(), note: "", by: "" };
}

/** 128 random bits: the same annotation sent twice, since an answer was lost, is then added once. */
const newKey = () => crypto.randomUUID().replaceAll("-", "");

const ids = (list) => list.map(({ one }) => one.id).filter(Boolean);

/** A request about annotations that have ids; those that the server refused have none. */
const about = (method, list, body = {}) => (ids(list).length ? ask(method, "/api/annotations", { ids: ids(list), ...body }) : null);

const SEND = {
  async fresh(step) {
    const annotations = step.fresh.map(({ one: { id, by, key, ...rest } }) => ({ ...rest, id: key }));
    const answer = await post("/api/annotations", { annotations });
    step.fresh.forEach(({ one }, place) => (one.id = answer.ids[place]));
  },
  changed: (step, verdict) => about("PATCH", step.changed, { verdict }),
  gone: (step) => about("DELETE", step.gone),
};

function count(label, verdict, by) {
  const found = countsOf(label);
  counts.set(label, { ...found, [verdict]: Math.max(0, found[verdict] + by) });
}

function put(hit, one) {
  hit.annotations.push(one);
  count(one.label, one.verdict, 1);
}

function take(hit, one) {
  const place = hit.annotations.indexOf(one);
  if (place >= 0) hit.annotations.splice(place, 1);
  count(one.label, one.verdict, -1);
}

function turn(one, verdict) {
  count(one.label, one.verdict, -1);
  one.verdict = verdict;
  count(one.label, verdict, 1);
}

function apply(step) {
  for (const { hit, one } of step.fresh) put(hit, one);
  for (const { one, after } of step.changed) turn(one, after);
  for (const { hit, one } of step.gone) take(hit, one);
  emit("labels");
}

function revert(step) {
  for (const { hit, one } of step.fresh) take(hit, one);
  for (const { one, before } of step.changed) turn(one, before);
  for (const { hit, one } of step.gone) put(hit, one);
  emit("labels");
}

function refused(step) {
  const place = done.indexOf(step);
  if (place < 0) return;
  done.splice(place, 1);
  revert(step);
}

// Undo: what was done here first, then what the server remembers from before

export function undo() {
  const step = done.pop();
  if (step) {
    revert(step);
    undone.push(step);
    later(async () => {
      await post("/api/annotations/undo", { n: step.changes, ids: touched(step) });
      if (isStale(step)) await readAgain();
    });
    say(`Undone: ${step.label}`);
  } else {
    later(async () => {
      const { undone: texts } = await post("/api/annotations/undo", { n: 1 });
      toast(texts.length ? `Undone: ${texts[0]}` : "There is nothing to undo.");
      if (texts.length) await readAgain();
    });
  }
}

/** The annotations of a step: another tab may have changed others since, which stay as they are. */
const touched = ({ fresh, changed, gone }) => ids([...fresh, ...changed, ...gone]);

/** Whether a change is about hits that have been fetched again since: they are other objects now. */
function isStale(step) {
  const shown = now.deck?.items ?? [];
  return [...step.fresh, ...step.gone].some(({ hit }) => !shown.includes(hit)) || step.changed.length > 0;
}

export function redo() {
  const step = undone.pop();
  if (step) {
    apply(step);
    done.push(step);
  }
  later(async () => {
    const answer = await post("/api/annotations/redo", step ? { n: 1, ids: touched(step) } : { n: 1 });
    if (step && !isStale(step)) return;
    if (step) return readAgain();
    const texts = answer.undone ?? answer.redone ?? [];
    toast(texts.length ? `Back again: ${texts[0]}` : "There is nothing to bring back.");
    if (texts.length) await readAgain();
  });
}

/** Read the annotations of everything that is shown again, after a change that was not made here. */
export async function readAgain() {
  let { total, annotations } = await get("/api/annotations");
  if (total > annotations.length) {
    const shown = new Set((now.deck?.items ?? []).map((hit) => hit.recording)); // too many for one answer
    const answers = await Promise.all([...shown].map((id) => get(`/api/annotations?recording=${id}`)));
    annotations = answers.flatMap((answer) => answer.annotations);
  }
  countLabels((await get("/api/collection")).labels);
  emit("annotations", annotations);
  emit("labels");
}
