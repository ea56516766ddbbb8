// The view "Search": the question, its hits, and the panel at their side.

import { post } from "./api.js";
import { askBox, bodyOf, textOf } from "./ask.js";
import { histogram } from "./charts.js";
import { Deck } from "./deck.js";
import { button, clear, el, plural, select, shortened } from "./dom.js";
import { exportMenu } from "./export.js";
import { filterBar, filterBody } from "./filters.js";
import { addLabel, choose, questionIs } from "./labels.js";
import { labelPanel } from "./panel.js";
import { drained } from "./sender.js";
import { go, now, on, readQuery, set, settings, understands, writeQuery } from "./state.js";

let view = null;

/** The view is kept: coming back to it shows what was there. */
export function searchView() {
  view ??= build();
  return view;
}

function build() {
  const box = askBox(() => go("search", writeQuery(now.query)));
  const filters = filterBar(() => go("search", writeQuery(now.query)));
  const deck = new Deck({ act: { more: (hit) => like(hit, false), less: (hit) => like(hit, true) } });
  const line = el("div", { class: "result-line", "aria-live": "polite" });
  const chart = el("section", { class: "panel scores-panel", "aria-label": "Scores", hidden: true });
  const labels = labelPanel();
  const side = el("aside", { class: "side" }, labels, chart);
  const node = el("div", { class: "view search-view" }, el("h1", { class: "unseen", text: "Search" }), box, filters, line, el("div", { class: "columns" }, deck.node, side));
  const about = el("span", { class: "about-label" });
  let shown = null; // the question whose hits are shown
  let running = null;

  function like(hit, against) {
    const { recording, name } = hit;
    const [start, end] = [hit.best_start ?? hit.start, hit.best_end ?? hit.end];
    now.query.parts.push({ kind: "moment", recording, name, start, end, weight: 1, against });
    go("search", writeQuery(now.query));
    scrollTo({ top: 0, behavior: "smooth" });
  }

  async function run(address) {
    running?.abort();
    const mine = (running = new AbortController());
    await drained();
    line.textContent = "Searching…";
    node.setAttribute("aria-busy", "true");
    try {
      const started = performance.now();
      const answer = await post("/api/search", { ...bodyOf(now.query.parts), ...filterBody(), k: settings.k }, { signal: mine.signal });
      if (mine.signal.aborted) return;
      shown = address;
      show(answer, performance.now() - started);
    } catch (error) {
      if (error.name === "AbortError") return;
      shown = null;
      line.replaceChildren(el("span", { class: "bad", text: error.message }));
      deck.show([]);
    } finally {
      if (running === mine) node.removeAttribute("aria-busy");
    }
  }

  function show({ hits, ms, space, remarks, distribution }, whole) {
    const text = now.query.parts.find((part) => part.kind === "text" && !part.against)?.text;
    if (!now.label && text) choose(text);
    deck.show(hits);
    box.remark(remarks ?? []);
    drawAbout();
    clear(
      line,
      el("span", { text: `${plural(hits.length, "hit")} in ${Math.round(ms ?? whole)} ms` }),
      now.collection.spaces.length > 1 ? el("span", { text: `space ${space}` }) : null,
      about,
      el("span", { class: "spring" }),
      select("Number of hits", [20, 60, 120, 200].map((k) => [String(k), `${k} hits`]), String(settings.k), (value) => {
        set("k", Number(value));
        run(shown);
      }),
      exportMenu(() => deck.targets(null).length ? deck.targets(null) : deck.items),
    );
    chart.hidden = !distribution || !hits.length;
    if (!chart.hidden) {
      const marks = hits.length ? [hits[0].score, hits.at(-1).score] : [];
      clear(chart, el("h2", { text: "Scores" }), histogram({ ...distribution, marks, label: "Histogram of the scores of all windows" }), el("p", { class: "hint", text: "All windows; the lines are the first and the last hit. Heights are roots." }));
    }
    if (!hits.length) clear(deck.list, el("li", { class: "empty", text: Object.keys(now.query.filters).length ? "Nothing passes these filters." : "Nothing was found." }));
  }

  /** What yes and no are about, where it is something else than what was asked. */
  function drawAbout() {
    const text = now.query.parts.find((part) => part.kind === "text" && !part.against)?.text;
    const other = now.label && text && text !== now.label;
    clear(about, other && [`Yes and no are about “${shortened(now.label)}”. `, button(`Label “${shortened(text)}”`, () => choose(addLabel(text)), { class: "link", title: "Make these words the label that yes and no are about" })]);
  }
  on("labels", drawAbout);

  function welcome() {
    const words = Object.values(now.collection.words ?? {})[0] ?? [];
    line.textContent = "";
    chart.hidden = true;
    deck.show([]);
    if (!now.collection.recordings) {
      clear(deck.list, el("li", { class: "empty" }, "This collection is empty. Add recordings under About, or with ", el("code", { text: `mmasc embed FOLDER --into ${now.collection.name}` }), "."));
      return;
    }
    clear(
      deck.list,
      el(
        "li",
        { class: "welcome" },
        el("p", { text: howToAsk() }),
        words.slice(0, 6).map(({ group, words: some }) =>
          el("div", { class: "word-group" }, el("span", { text: group }), some.slice(0, 8).map((word) => button(word, () => {
            now.query.parts.push({ kind: "text", text: word, weight: 1, against: false });
            go("search", writeQuery(now.query));
          }, { class: "chip" })))),
      ),
    );
  }

  node.opened = ({ values }) => {
    now.deck = deck;
    questionIs(() => now.query.parts.map(textOf).join(", "));
    const address = values.toString();
    if (address === shown) return deck.refresh();
    const names = new Map(now.query.parts.map((part) => [`${part.recording}@${part.start}`, part.name]));
    now.query = readQuery(values);
    for (const part of now.query.parts) if (part.kind === "moment") part.name = names.get(`${part.recording}@${part.start}`);
    box.draw();
    filters.draw();
    if (now.query.parts.length) run(address);
    else {
      shown = address;
      welcome();
    }
  };
  node.take = box.take;
  node.focusInput = box.focusInput;
  node.again = () => run(shown);
  return node;
}

/** What the collection can be asked with. */
function howToAsk() {
  if (understands("text")) return "Ask in words, drop a sound, a picture or a film here, or use the microphone.";
  const stretch = "open a recording and ask for more like a stretch of it, or let Review bring moments to judge.";
  if (understands("audio")) return `This collection understands no words: drop a sound here, use the microphone, ${stretch}`;
  return `This collection can be asked with what it holds alone: ${stretch}`;
}
