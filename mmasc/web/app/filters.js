// Filters as chips: what is set can be seen and removed; the rest is one click away.

import { button, clear, el, icon, iconButton, select } from "./dom.js";
import { labelNames } from "./labels.js";
import { now } from "./state.js";

/** What /api/search takes, from the filters of the page. */
export function filterBody() {
  const { where, space, spread, windows, score, ...filters } = now.query.filters;
  const body = { filters };
  if (where) body.where = where;
  if (space) body.space = space;
  if (spread) body.spread = spread;
  if (windows) body.windows = true;
  if (score) body.score = score;
  return body;
}

const TEXTS = {
  site: (value) => value.join(", "),
  from: (value) => `from ${value}`,
  to: (value) => `to ${value}`,
  hours: ([from, to]) => `${two(from)} to ${two(to)}`,
  label: (value) => `labelled ${value}`,
  reviewed: (value) => (value ? "reviewed" : "not reviewed"),
  length: (value) => `recordings ${rangeText(value, " s")}`,
  score: (value) => `score ${rangeText(value, "")}`,
  head: ({ name, label, least, most }) => `head ${label && label !== name ? `${name}, ${label}` : name} ${rangeText([least || null, most < 1 ? most : null], "")}`,
  inside: () => "inside the lasso on the map",
  where: (value) => value,
  space: (value) => `space ${value}`,
  spread: (value) => `at most ${value} per recording`,
  windows: () => "single windows",
};

function rangeText([least, most], unit) {
  if (least !== null && most !== null) return `${least} to ${most}${unit}`;
  return least !== null ? `≥ ${least}${unit}` : most !== null ? `≤ ${most}${unit}` : "any";
}

const two = (hour) => `${String(hour).padStart(2, "0")}:00`;

/** The row of chips; `changed()` is called when a filter is another one. */
export function filterBar(changed) {
  const chips = el("div", { class: "chips" });
  const panel = el("div", { class: "filter-panel", id: "filter-panel", hidden: true });
  const opener = el("button", { type: "button", class: "chip add", "aria-expanded": "false", "aria-controls": "filter-panel", onclick: () => openPanel(panel.hidden) }, icon("filter"), "Filter");
  const node = el("div", { class: "filters" }, el("div", { class: "filter-row" }, opener, chips), panel);

  function openPanel(open) {
    panel.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    if (open) drawPanel();
  }

  function put(name, value) {
    if (value === null || value === "" || (Array.isArray(value) && !value.length)) delete now.query.filters[name];
    else now.query.filters[name] = value;
    draw();
    changed();
  }

  function draw() {
    const set = Object.entries(now.query.filters).filter(([name]) => TEXTS[name]);
    clear(
      chips,
      set.map(([name, value]) =>
        el("span", { class: "chip" }, el("span", { class: "what", text: TEXTS[name](value) }), iconButton("no", `Remove filter ${TEXTS[name](value)}`, () => put(name, null), { class: "remove" })),
      ),
      set.length > 1 ? button("Reset", () => {
        now.query.filters = {};
        draw();
        changed();
      }, { class: "link" }) : null,
    );
    if (!panel.hidden) drawPanel();
  }

  function drawPanel() {
    const { collection, query: { filters } } = now;
    const field = (text, ...inputs) => el("label", { class: "field" }, el("span", { text }), ...inputs);
    const date = (name) => el("input", { type: "date", value: filters[name] ?? "", onchange: (event) => put(name, event.target.value) });
    const hour = (place) => {
      const [from, to] = filters.hours ?? ["", ""];
      const options = [["", "any"], ...Array.from({ length: 25 }, (_, at) => [String(at), two(at)])];
      return select(place ? "To hour" : "From hour", options, String(place ? to : from), (value) => {
        const pair = [...(filters.hours ?? [0, 24])];
        pair[place] = Number(value);
        put("hours", value === "" ? null : pair);
      });
    };
    const number = (text, value, onchange, props) => el("input", { type: "number", step: "any", "aria-label": text, placeholder: props.placeholder, min: props.min, max: props.max, value: value ?? "", onchange: (event) => event.target.checkValidity() && onchange(event.target.value === "" ? null : Number(event.target.value)) });
    const range = (name, text, props = {}) => el("div", { class: "field" }, el("span", { text }), el("span", { class: "pair" }, ["at least", "at most"].map((side, place) =>
      number(`${text}, ${side}`, filters[name]?.[place], (value) => {
        const pair = [...(filters[name] ?? [null, null])];
        pair[place] = value;
        put(name, pair.every((one) => one === null) ? null : pair);
      }, { ...props, placeholder: place ? "most" : "least" }))));
    const heads = collection.heads.flatMap(({ name, labels }) => labels.map((label) => ({ name, label: labels.length > 1 ? label : null })));
    const headKey = ({ name, label }) => JSON.stringify([name, label]);
    const head = () => el("div", { class: "field" }, el("span", { text: "Head" }), el("span", { class: "pair" },
      select("Head", [["", "any"], ...heads.map((one) => [headKey(one), one.label ? `${one.name}, ${one.label}` : one.name])], filters.head ? headKey(filters.head) : "", (value) => {
        const [name, label] = value ? JSON.parse(value) : [];
        put("head", value ? { least: 0.5, most: 1, ...filters.head, name, label } : null);
      }),
      ...(filters.head ? ["least", "most"].map((side) => number(`Probability, at ${side}`, filters.head[side], (value) => put("head", { ...filters.head, [side]: value ?? (side === "most" ? 1 : 0) }), { min: 0, max: 1 })) : [])));
    const pick = (name, options, read = (value) => value) => select(name, options, String(filters[name] ?? ""), (value) => put(name, value === "" ? null : read(value)));
    clear(
      panel,
      collection.sites.length
        ? el("fieldset", { class: "field wide" }, el("legend", { text: "Site" }), collection.sites.map((site) =>
            el("label", { class: "tick" }, el("input", { type: "checkbox", checked: filters.site?.includes(site) ?? false, onchange: (event) => {
              const rest = (filters.site ?? []).filter((one) => one !== site);
              put("site", event.target.checked ? [...rest, site] : rest);
            } }), site)))
        : null,
      collection.clock ? [field("From", date("from")), field("To", date("to")), el("div", { class: "field" }, el("span", { text: "Time of day" }), el("span", { class: "pair" }, hour(0), hour(1)))] : null,
      field("Label", pick("label", [["", "any"], ...labelNames().map((name) => [name, name])])),
      field("Reviewed", pick("reviewed", [["", "all"], ["true", "reviewed"], ["false", "not reviewed"]], (value) => value === "true")),
      range("length", "Length of the recording, s", { min: 0 }),
      range("score", "Score"),
      heads.length ? head() : null,
      field("Per recording", pick("spread", [["", "any number"], ["1", "at most 1"], ["3", "at most 3"], ["10", "at most 10"]], Number)),
      field("Hits", pick("windows", [["", "neighbours joined"], ["true", "single windows"]], () => true)),
      collection.spaces.length > 1 ? field("Space", pick("space", [["", "as it comes"], ...collection.spaces.map(({ name }) => [name, name])])) : null,
      el("label", { class: "field wide" }, el("span", { text: "Condition on columns" }), el("input", { type: "text", value: filters.where ?? "", placeholder: columnHint(collection), spellcheck: "false", maxlength: "2000", onchange: (event) => put("where", event.target.value.trim()) })),
    );
  }

  node.draw = draw;
  draw();
  return node;
}

/** An example with a real column of this collection. */
function columnHint(collection) {
  const column = collection.columns.find(({ values }) => values?.length);
  return column ? `${column.name} = '${column.values[0]}'` : "duration > 60";
}
