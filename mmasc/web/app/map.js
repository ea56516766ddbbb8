// The view "Map": all windows as points; the pointer shows and plays one, a lasso takes many.

import { get, post, send } from "./api.js";
import { card } from "./card.js";
import { Deck, openRecording } from "./deck.js";
import { button, clear, el, plural, select, toast } from "./dom.js";
import { exportMenu } from "./export.js";
import { judge, labelNames } from "./labels.js";
import { pointCanvas } from "./map_canvas.js";
import { labelPanel } from "./panel.js";
import { playHit } from "./player.js";
import { go, now, settings, writeQuery } from "./state.js";

const REST_MS = 120; // the pointer rests this long before a point is fetched
const MOST_CORNERS = 60; // of a lasso in an address
const MOST_WORDS = 80;
const WAIT_MS = 600; // until a map that is being computed is asked for again

let view = null;

export function mapView() {
  view ??= build();
  return view;
}

/** Read the binary answer of /api/map. */
export function readMap(buffer) {
  const count = new DataView(buffer).getUint32(0, true);
  return {
    count,
    positions: new Uint32Array(buffer, 4, count),
    places: new Float32Array(buffer, 4 + 4 * count, 2 * count),
    colours: new Uint8Array(buffer, 4 + 12 * count, count),
  };
}

function build() {
  const over = el("div", { class: "panel map-hit" }, el("p", { class: "hint", text: "Rest the pointer on a point to see and hear it." }));
  const legend = el("ul", { class: "map-legend" });
  const bar = el("div", { class: "controls" });
  const deck = new Deck({ act: { more: (hit) => like(hit, "like"), less: (hit) => like(hit, "unlike") } });
  const taken = el("section", { class: "map-taken", hidden: true });
  const canvas = pointCanvas({ hover, lasso });
  const node = el(
    "div",
    { class: "view map-view" },
    el("h1", { class: "unseen", text: "Map" }),
    bar,
    el("div", { class: "columns" }, el("div", { class: "map-place" }, canvas, el("p", { class: "hint map-warning", text: "A rough map: two dimensions cannot keep all neighbours. Near here may be far in truth; search decides." })), el("aside", { class: "side" }, over, el("section", { class: "panel legend-panel" }, legend), labelPanel())),
    taken,
  );
  let column = "";
  let loaded = null;
  let names = [];
  let rest = 0;
  let turn = 0;
  let worded = true; // whether words are drawn

  const space = () => now.query.filters.space ?? now.collection.spaces[0]?.name ?? "";
  const understandsWords = () => now.collection.spaces.find(({ name }) => name === space())?.modalities.includes("text");
  const like = (hit, way) => go("search", new URLSearchParams({ [way]: `${hit.recording}@${hit.start}-${hit.end}` }));

  function drawBar(count) {
    const columns = now.collection.columns.filter(({ type }) => type !== "time").map(({ name }) => [name, name]);
    clear(
      bar,
      el("span", { class: "hint", text: count === null ? "Loading the map…" : plural(count, "window") }),
      select("Colour by", [["", "no colours"], ["label", "labels"], ...columns], column, (value) => {
        column = value;
        load();
      }),
      el("div", { class: "segments", role: "radiogroup", "aria-label": "What dragging does" }, [[false, "Move"], [true, "Lasso"]].map(([on, text]) =>
        el("button", { type: "button", role: "radio", "aria-checked": String(canvas.lassoing === on), text, onclick: () => {
          canvas.lassoing = on;
          drawBar(count);
        } }))),
      button("Whole map", () => canvas.fit()),
      understandsWords() ? el("label", { class: "tick" }, el("input", { type: "checkbox", checked: worded, onchange: (event) => {
        worded = event.target.checked;
        drawAnchors();
      } }), "Words") : null,
      el("span", { class: "hint wide", text: "Wheel: zoom. Shift and drag: lasso. Keys: arrows, + −, Enter." }),
    );
  }

  async function load() {
    drawBar(null);
    try {
      const response = await send("GET", `/api/map?${new URLSearchParams({ space: space(), ...(column ? { colour: column } : {}) })}`);
      names = JSON.parse(response.headers.get("X-Colours") ?? "[]");
      if (response.headers.get("X-Ready") === "0") return setTimeout(() => node.isConnected && load(), WAIT_MS); // being computed
      const map = readMap(await response.arrayBuffer());
      canvas.show(map, names);
      drawAnchors();
      loaded = `${space()} ${column}`;
      drawBar(map.count);
      const used = new Set(map.colours);
      clear(legend, names.some(Boolean) ? names.map((name, place) => {
        if (!used.has(place)) return null;
        const swatch = el("i", { class: "dot" });
        swatch.style.background = canvas.colourOf(place);
        return el("li", {}, swatch, el("span", { text: name || "other" }));
      }) : el("li", { class: "hint", text: "Choose a column to colour the points." }));
    } catch (error) {
      clear(bar, el("span", { class: "bad", text: error.message }));
    }
  }

  function hover(position, chosen) {
    clearTimeout(rest);
    const mine = ++turn;
    if (position === null) return;
    rest = setTimeout(async () => {
      try {
        const hit = await get(`/api/windows/${position}?${new URLSearchParams({ space: space() })}`);
        if (mine !== turn) return;
        const shown = card(hit, { focus() {}, judged() {}, open: openRecording, more: (one) => like(one, "like"), less: (one) => like(one, "unlike"), label: () => judge([hit], now.label, "present") });
        clear(over, el("ol", { class: "bare", "aria-label": "Window under the pointer" }, shown));
        if (chosen || settings.autoplay) playHit(hit, shown);
      } catch (error) {
        toast(error.message, true);
      }
    }, chosen ? 0 : REST_MS);
  }

  async function lasso(polygon) {
    try {
      const { positions, hits } = await post("/api/map/select", { space: space(), polygon });
      const count = Array.isArray(positions) ? positions.length : positions;
      taken.hidden = !hits.length;
      if (!hits.length) return toast("No point lies inside.");
      now.deck = deck;
      deck.show(hits);
      clear(
        taken,
        el("div", { class: "controls" },
          el("h2", { text: count > hits.length ? `${plural(count, "window")} inside; ${hits.length} of them are shown` : `${plural(count, "window")} inside` }),
          el("span", { class: "spring" }),
          button(now.label ? `All shown are “${now.label}”` : "Label all shown", () => judge(deck.targets(null).length ? deck.targets(null) : deck.items, now.label, "present")),
          button("Search inside", () => searchInside(polygon), { title: "The lasso becomes a filter of the search" }),
          exportMenu(() => deck.items)),
        deck.node,
      );
      taken.scrollIntoView({ block: "nearest" });
    } catch (error) {
      toast(error.message, true);
    }
  }

  /** The lasso as a filter of what was asked last; with few corners, since it stands in the address. */
  function searchInside(polygon) {
    const inside = polygon.filter((_, place) => place % Math.ceil(polygon.length / MOST_CORNERS) === 0);
    now.query.filters = { ...now.query.filters, inside, ...(now.collection.spaces.length > 1 && { space: space() }) };
    if (!now.query.parts.length) now.query.parts.push({ kind: "text", text: now.label || "sound", weight: 1, against: false });
    go("search", writeQuery(now.query));
  }

  async function drawAnchors() {
    const words = (now.collection.words[space()] ?? []).flatMap(({ words: some }) => some);
    const asked = [...now.query.parts.filter(({ kind }) => kind === "text").map(({ text }) => text), ...labelNames(), ...words].slice(0, MOST_WORDS);
    if (!worded || !asked.length) return canvas.anchors([]);
    try {
      const values = new URLSearchParams([["space", space()], ...asked.map((text) => ["text", text])]);
      const { anchors } = await get(`/api/map/anchors?${values}`);
      canvas.anchors(worded ? anchors : []); // the tick may be another one by now
    } catch (error) {
      toast(error.message, true);
    }
  }

  node.opened = () => {
    now.deck = deck.items.length ? deck : null;
    if (loaded !== `${space()} ${column}`) load();
    else canvas.draw();
  };
  node.settings = () => canvas.draw();
  return node;
}
