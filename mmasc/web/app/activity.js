// The view "Activity": when a label was heard, day by day and hour by hour; empty is told from not recorded.

import { follow, get } from "./api.js";
import { clear, el, plural, select, svg } from "./dom.js";
import { labelNames } from "./labels.js";
import { go, now } from "./state.js";

const LEFT = 84;
const MOST_SIDE = 26;

let view = null;

export function activityView() {
  view ??= build();
  return view;
}

function build() {
  const bar = el("div", { class: "title-line" });
  const place = el("div", { class: "activity-place", tabindex: "0", role: "region", "aria-label": "By day and hour" }); // arrow keys must reach what scrolls
  const node = el("div", { class: "view" }, bar, place);
  let turn = 0;

  node.opened = async ({ values }) => {
    const head = values.get("head");
    const label = values.get("label") ?? (head ? null : now.label || labelNames()[0] || null);
    const chosen = head ? `head=${head}` : `label=${label ?? ""}`;
    const options = [...(label ? [] : head ? [] : [["label=", "choose…"]]), ...labelNames().map((name) => [`label=${name}`, `Label ${name}`]), ...now.collection.heads.map(({ name }) => [`head=${name}`, `Head ${name}`])];
    clear(bar, el("h1", { text: "Activity" }), select("Of what", options, chosen, (value) => {
      const [kind, ...rest] = value.split("=");
      go("activity", new URLSearchParams({ [kind]: rest.join("=") }));
    }), el("p", { class: "hint", id: "activity-sum" }));
    if (!now.collection.clock) return clear(place, el("p", { class: "empty", text: "The recordings have no clock times: mmasc collection clock reads them from file names and headers." }));
    if (!head && !label) return clear(place, el("p", { class: "empty", text: "Give labels to some hits, or apply a head under Review: then this shows when they were heard." }));
    const mine = ++turn;
    clear(place, el("p", { class: "empty", text: "Counting…" }));
    try {
      const said = await get(`/api/activity?${new URLSearchParams(head ? ["head", "threshold", "background"].filter((name) => values.has(name)).map((name) => [name, values.get(name)]) : { label })}`);
      const answer = said.job ? await follow(said, ({ done, total }) => mine === turn && total && clear(place, el("p", { class: "empty", text: `Applying the head: ${done} of ${plural(total, "recording")}…` }))) : said;
      if (answer && mine === turn) show(answer, head ? `head ${head}` : label);
    } catch (error) {
      if (mine === turn) clear(place, el("p", { class: "empty bad", text: error.message }));
    }
  };

  function show({ hours, days, counts, recorded }, what) {
    const sum = counts.flat().reduce((total, value) => total + value, 0);
    document.getElementById("activity-sum").textContent = `${plural(sum, "event")} of ${what} on ${plural(days.length, "day")}`;
    clear(place, chart(hours, days, counts, recorded, what), el("p", { class: "legend hint" }, el("i", { class: "swatch heat-0" }), "recorded, nothing heard ", el("i", { class: "swatch heat-off" }), "not recorded ", [1, 2, 3, 4].map((step) => el("i", { class: `swatch heat-${step}` })), " more"));
  }
  return node;
}

/** Days down, hours across. */
function chart(hours, days, counts, recorded, what) {
  const most = Math.max(1, ...counts.flat());
  const side = MOST_SIDE;
  const tall = days.length > 60 ? 10 : 18;
  const width = LEFT + hours.length * side;
  const node = svg("svg", { class: "chart heat", viewBox: `0 0 ${width} ${24 + days.length * tall}`, role: "img", "aria-label": `Heat map of ${what}` });
  const text = (x, y, words, anchor) => {
    const mark = svg("text", { x, y, "text-anchor": anchor });
    mark.textContent = words;
    node.append(mark);
  };
  hours.forEach((hour, column) => column % Math.max(1, Math.round(hours.length / 12)) === 0 && text(LEFT + column * side, 14, String(hour).padStart(2, "0"), "start"));
  const every = Math.max(1, Math.ceil(14 / tall), Math.round(days.length / 40));
  days.forEach((day, row) => {
    const y = 20 + row * tall;
    if (row % every === 0) text(LEFT - 8, y + tall / 2 + 4, day, "end");
    hours.forEach((hour, column) => {
      const count = counts[row][column];
      const silent = recorded && !recorded[row][column] && !count;
      const step = silent ? "off" : count ? Math.max(1, Math.ceil((4 * Math.sqrt(count)) / Math.sqrt(most))) : 0;
      const cell = svg("rect", { class: `heat-${step}`, x: LEFT + column * side, y, width: side - 2, height: tall - 2, rx: 2 });
      const title = svg("title", {});
      title.textContent = silent ? `${day}, ${hour}: not recorded` : `${day}, ${hour}: ${count}`;
      cell.append(title);
      node.append(cell);
    });
  });
  return node;
}
