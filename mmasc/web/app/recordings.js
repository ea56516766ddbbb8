// The view "Recordings": a table of all of them, and the recording that is open.

import { get } from "./api.js";
import { button, clear, clockOf, el, plural } from "./dom.js";
import { go } from "./state.js";

const PAGE = 100;
let view = null;

export function recordingsView() {
  view ??= build();
  return view;
}

function build() {
  const rows = el("tbody");
  const line = el("p", { class: "hint", "aria-live": "polite" });
  const more = el("div", { class: "more" });
  let query = "";
  let settle = 0;
  let turn = 0;
  const input = el("input", {
    type: "search",
    placeholder: "Name or site",
    "aria-label": "Find recordings",
    oninput: () => {
      clearTimeout(settle);
      settle = setTimeout(() => {
        query = input.value.trim();
        load(0);
      }, 200);
    },
  });

  async function load(offset) {
    const mine = ++turn;
    let answer;
    try {
      answer = await get(`/api/recordings?${new URLSearchParams({ offset, limit: PAGE, q: query })}`);
    } catch (error) {
      line.textContent = error.message;
      return line.classList.add("bad");
    }
    if (mine !== turn) return; // a later search was faster
    const { total, recordings } = answer;
    line.classList.remove("bad");
    line.textContent = plural(total, "recording");
    if (!offset) clear(rows);
    rows.append(...recordings.map(row));
    const left = total - offset - recordings.length;
    clear(more, left > 0 ? button(`Show ${Math.min(left, PAGE)} more`, () => load(offset + PAGE)) : null);
  }

  const node = el(
    "div",
    { class: "view" },
    el("div", { class: "title-line" }, el("h1", { text: "Recordings" }), line, el("span", { class: "spring" }), input),
    el(
      "div",
      { class: "table-place" },
      el(
        "table",
        { class: "table recordings-table" },
        el("thead", {}, el("tr", {}, ["Name", "Site", "Recorded", "Length", "Rate", "Labels"].map((text, place) => el("th", { scope: "col", class: place > 2 ? "number" : "", text })))),
        rows,
      ),
    ),
    more,
  );
  node.opened = () => load(0);
  return node;
}

function row(recording) {
  const address = `#/recording/${recording.id}`;
  return el(
    "tr",
    { onclick: (event) => event.target.closest("a") || go(address.slice(2)) },
    el("td", { class: "long", title: recording.name }, el("a", { href: address, text: recording.name })),
    el("td", { text: recording.site ?? "" }),
    el("td", { text: recording.recorded_at ?? "" }),
    el("td", { class: "number", text: clockOf(recording.duration) }),
    el("td", { class: "number", text: recording.sample_rate ? `${+(recording.sample_rate / 1000).toFixed(1)} kHz` : "" }),
    el("td", { class: "number", text: recording.annotations || "" }),
  );
}
