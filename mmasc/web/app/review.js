// The view "Review": a label is learned from verdicts, asks about what it is unsure of, says how good it is, and is applied.

import { cancel, follow, get, post } from "./api.js";
import { histogram, percent, precisionCurve } from "./charts.js";
import { Deck } from "./deck.js";
import { button, clear, el, plural, say, select, toast } from "./dom.js";
import { exportMenu } from "./export.js";
import { filterBody } from "./filters.js";
import { addLabel, choose, countsOf, labelNames, questionIs } from "./labels.js";
import { labelPanel } from "./panel.js";
import { drained } from "./sender.js";
import { go, now, on, understands } from "./state.js";

const QUEUES = [
  ["uncertain", "Uncertain", "where a verdict teaches most"],
  ["likely", "Likely", "the best scores, to collect examples"],
  ["random", "Random", "blind, for honest figures"],
  ["spread", "Spread", "over the whole range of scores"],
];
const BATCH = 20;

let view = null;
const chosen = { queue: "uncertain" };

export function reviewView() {
  view ??= build();
  return view;
}

function build() {
  const top = el("div", { class: "review-top" });
  const progress = el("div", { class: "progress-place", "aria-live": "polite" });
  const deck = new Deck({ layout: "stage", act: { more: (hit) => toSearch(hit, false), less: (hit) => toSearch(hit, true), ended: batchOver } });
  const start = el("div", { class: "empty review-start" });
  const figures = el("section", { class: "panel", "aria-label": "What was learned", hidden: true });
  const next = el("section", { class: "panel", "aria-label": "What is done with it", hidden: true });
  const labels = labelPanel();
  const node = el("div", { class: "view review-view" }, el("h1", { class: "unseen", text: "Review" }), top, progress, el("div", { class: "columns" }, el("div", {}, start, deck.node), el("aside", { class: "side" }, figures, next, labels)));
  const results = new Map(); // label → the last result
  let job = null;
  let drawn = null;

  function toSearch({ recording, start: from, end }, against) {
    go("search", new URLSearchParams({ [against ? "unlike" : "like"]: `${recording}@${from}-${end}` }));
  }

  function draw() {
    if (drawn !== now.label) showResult(results.get(now.label) ?? null);
    const { present, absent, unsure } = countsOf(now.label);
    const names = labelNames();
    clear(
      top,
      el("label", { class: "review-label" }, el("span", { text: "Label" }), select("Label to review", [...(now.label ? [] : [["", "choose…"]]), ...names.map((name) => [name, name]), ["\n", "another…"]], now.label, (value) => (value === "\n" ? another() : choose(value)))),
      el("div", { class: "tally", "aria-label": "Verdicts" }, el("b", { text: present }), " yes  ", el("b", { text: absent }), " no  ", unsure ? [el("b", { text: unsure }), " unsure"] : ""),
      el("div", { class: "segments", role: "radiogroup", "aria-label": "Next clips" }, QUEUES.map(([name, text, hint]) =>
        el("button", { type: "button", role: "radio", "aria-checked": String(chosen.queue === name), title: hint, onclick: () => {
          chosen.queue = name;
          draw();
        }, text }))),
      button(results.has(now.label) ? "Learn and show the next batch" : "Learn", learn, { class: "button strong", disabled: !now.label || Boolean(job) }),
    );
  }

  function another() {
    draw();
    document.getElementById("new-label")?.focus();
  }

  async function learn() {
    const label = now.label;
    if (!label || job) return;
    job = "starting";
    draw();
    await drained();
    try {
      const body = { label, space: now.query.filters.space ?? null, queue: chosen.queue, n: BATCH, filters: filterBody().filters, where: filterBody().where ?? null };
      const result = await run(await post("/api/learn", body), "Learning");
      if (result) {
        results.set(label, result);
        if (now.label === label) showResult(result);
      }
    } catch (error) {
      toast(error.message, true);
    } finally {
      job = null;
      clear(progress);
      draw();
    }
  }

  function run(started, text) {
    job = started.job;
    const bar = el("progress", { max: "1" });
    const words = el("span", { text });
    clear(progress, el("div", { class: "progress" }, words, bar, button("Cancel", () => cancel(started.job))));
    return follow(started, (state) => {
      words.textContent = state.text || text;
      if (state.total) bar.value = state.done / state.total;
    });
  }

  function showResult(result) {
    drawn = now.label;
    start.hidden = Boolean(result?.queue.length);
    figures.hidden = !result;
    next.hidden = typeof result?.threshold !== "number"; // nothing was learned yet: the clips come from the label's words
    deck.show(result?.queue ?? []);
    if (!result) return explain();
    if (!result.queue.length) clear(start, el("p", { text: "Everything that this choice of clips offers has a verdict. Choose other clips, or apply what was learned." }));
    drawFigures(result);
    if (!next.hidden) drawNext(result);
  }

  function explain() {
    clear(
      start,
      el("h2", { text: now.label ? `Review “${now.label}”` : "Choose a label to review" }),
      el("ol", { class: "steps" }, [
        understands("text") ? "Search for it, and say yes and no to a few hits: two of each are enough to begin." : "Learn: the page brings moments to begin with. Say yes and no to some.",
        "Learn: the page fits a classifier and brings the clips whose verdicts teach most.",
        "Listen and answer with ↑ and ↓. Learn again: precision is shown with its interval.",
        "When it is good enough, apply it to everything, or keep it as a file.",
      ].map((text) => el("li", { text }))),
      now.label && understands("text") ? el("a", { class: "button", href: `#/search?${new URLSearchParams({ text: now.label })}`, text: `Search for “${now.label}”` }) : null,
    );
  }

  function drawFigures({ figures: found, histogram: bars, threshold, enough, curve, positive, negative }) {
    const figure = (text, known) => known && figureOf(text, known);
    const figureOf = (text, [value, low, high]) => el("div", { class: "figure" }, el("dt", { text }), el("dd", {}, el("b", { text: percent(value) }), el("small", { text: ` ${Math.round(100 * low)} – ${percent(high)}` })));
    clear(
      figures,
      el("h2", { text: `Learned from ${positive} yes, ${negative} no` }),
      found
        ? el("dl", { class: "figures" }, figure("Precision", found.precision), figure("Recall", found.recall), figure("Average precision", found.average_precision))
        : el("p", { class: "hint", text: "Too few verdicts for figures that can be trusted." }),
      bars && histogram({ edges: bars.edges, counts: bars.all, layers: [{ values: bars.present, name: "bar-present" }, { values: bars.absent, name: "bar-absent" }], marks: [threshold].filter((one) => one !== null), label: `Histogram of scores; the threshold is ${threshold?.toFixed(2)}` }),
      bars && el("p", { class: "hint legend" }, [["all", "all windows"], ["present", "yes"], ["absent", "no"], ["mark", "threshold"]].map(([name, text]) => el("span", { class: "entry" }, el("i", { class: `swatch ${name}` }), text))),
      curve?.length > 1 ? [el("h3", { text: "Precision, %" }), precisionCurve(curve)] : null,
      enough ? el("p", { class: "enough", text: enough }) : null,
    );
  }

  function drawNext(result) {
    const threshold = el("input", { type: "number", min: "0", max: "1", step: "any", value: Number(result.threshold.toPrecision(3)), "aria-label": "Threshold" });
    const name = el("input", { type: "text", value: freeName(result.label), "aria-label": "Name of the head", maxlength: "60" });
    const own = el("input", { type: "checkbox", checked: true });
    clear(
      next,
      el("h2", { text: "Use it" }),
      el("label", { class: "field inline bare" }, "Name", name),
      el("label", { class: "field inline bare" }, "Threshold", threshold),
      el("label", { class: "tick", title: "What a recording sounds like all the time is not taken for the label" }, own, "Only what stands out in its recording"),
      el("div", { class: "buttons" },
        button("Save head", () => save(name.value, result.label), { disabled: now.health.read_only }),
        exportMenu(() => deck.items),
        button("Apply to everything", () => apply(name.value, { threshold: Number(threshold.value), background: own.checked ? "own" : null }, result.label), { disabled: now.health.read_only })),
    );
  }

  const saved = new Set(); // names that may be written over, since they were written here

  /** The label as a name of a head that no head of an earlier visit has. */
  function freeName(label) {
    const plain = label.replace(/[^A-Za-z0-9 _-]/g, "").replace(/^[ _-]+/, "").trim().slice(0, 50) || "head";
    const taken = (name) => !saved.has(name) && now.collection.heads.some((head) => head.name === name);
    let name = plain;
    for (let number = 2; taken(name); number++) name = `${plain} ${number}`;
    return name;
  }

  async function save(name, label) {
    try {
      await post("/api/heads", { name, label, replace: saved.has(name) });
      saved.add(name);
      now.collection = await get("/api/collection");
      toast(`Kept as ${name}.head; mmasc head apply takes it.`);
      return true;
    } catch (error) {
      toast(error.message, true);
      return false;
    }
  }

  async function apply(name, how, label) {
    if (job || !(await save(name, label))) return;
    try {
      const result = await run(await post("/api/apply", { head: name, ...how }), "Applying");
      clear(progress);
      if (result) {
        const where = el("a", { href: `#/activity?${new URLSearchParams({ head: name, threshold: how.threshold, ...(how.background && { background: how.background }) })}`, text: "See when" });
        clear(progress, el("div", { class: "progress" }, `${plural(result.events, "event")} in ${plural(result.recordings, "recording")}, ${Math.round(result.seconds)} s in all. `, where));
      }
    } catch (error) {
      clear(progress);
      toast(error.message, true);
    } finally {
      job = null;
      draw();
    }
  }

  function batchOver() {
    say("This batch is done.");
    toast("This batch is done: learn again for the next one (Enter).");
    top.querySelector(".strong")?.focus();
  }

  node.keys = (event) => {
    if (event.key !== "r" || event.ctrlKey || event.metaKey || event.altKey) return false;
    if (now.label) learn();
    else top.querySelector("select").focus();
    return true;
  };
  on("labels", () => node.isConnected && draw());
  node.opened = ({ values }) => {
    now.deck = deck;
    questionIs(() => `review of ${now.label}`);
    const label = values.get("label");
    if (label && label !== now.label) choose(addLabel(label));
    draw();
    deck.refresh();
  };
  return node;
}
