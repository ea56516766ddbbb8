// A list of hits with one in focus: what the keys act on, in a grid (search) or as a stage with a strip (review).

import { card } from "./card.js";
import { clear, el, say } from "./dom.js";
import { isIn, judge, verdictOf } from "./labels.js";
import { fetchAhead, leadIn, leave, playHit, toggleHit } from "./player.js";
import { labelMenu } from "./label_menu.js";
import { go, now, on, settings } from "./state.js";

export class Deck {
  /** `layout`: "grid" or "stage"; `act`: more, less (called with a hit) and ended (after the last hit). */
  constructor({ layout = "grid", act = {} }) {
    this.layout = layout;
    this.items = [];
    this.nodes = new Map();
    this.at = -1;
    this.chosen = new Set();
    this.act = {
      focus: (hit, event) => this.pointed(hit, event),
      label: (hit, node) => labelMenu(node, this.targets(hit), () => this.refresh()),
      open: (hit) => openRecording(hit),
      judged: (hit) => this.judged(hit),
      ...act,
    };
    this.list = el("ol", { class: layout === "grid" ? "hits" : "strip", "aria-label": "Hits" });
    this.stage = layout === "stage" ? el("ol", { class: "stage-place", "aria-label": "Present clip" }) : null;
    this.node = el("div", { class: `deck in-${layout}` }, this.stage, this.list);
  }

  show(items) {
    leave();
    this.items = items;
    this.nodes.clear();
    this.chosen.clear();
    this.at = -1;
    clear(this.list, items.map((hit) => this.make(hit)));
    if (items.length) this.focus(0, { quiet: true });
    else if (this.stage) clear(this.stage);
  }

  /** Draw everything again, after a change of how pictures look. */
  redraw() {
    const place = this.at;
    this.show(this.items);
    this.focus(place, { quiet: true });
  }

  make(hit) {
    const node = card(hit, this.act, this.layout === "grid" ? "grid" : "thumb");
    this.nodes.set(hit, node);
    return node;
  }

  get hit() {
    return this.items[this.at] ?? null;
  }

  /** The node that plays and shows the hit in focus. */
  get front() {
    return this.stage ? this.stage.firstElementChild : this.nodes.get(this.hit);
  }

  /** The hits that a key acts on: the selected ones, else the one given or in focus. */
  targets(hit = this.hit) {
    if (this.chosen.size && (!hit || this.chosen.has(hit))) return this.items.filter((one) => this.chosen.has(one));
    return hit ? [hit] : [];
  }

  focus(place, { quiet = false, select = false } = {}) {
    if (place < 0 || place >= this.items.length) return;
    if (select) this.select([this.at, place]);
    else if (!quiet) this.select([]);
    this.nodes.get(this.hit)?.classList.remove("here");
    this.nodes.get(this.hit)?.setAttribute("tabindex", "-1");
    this.nodes.get(this.hit)?.reach(false);
    this.at = place;
    const node = this.nodes.get(this.hit);
    node.classList.add("here");
    node.setAttribute("tabindex", "0");
    node.reach(true);
    if (this.stage) {
      leave();
      clear(this.stage, card(this.hit, this.act, "stage"));
    }
    if (!quiet) {
      if (!this.stage) node.focus({ preventScroll: true });
      const behavior = calm() ? "auto" : "smooth";
      if (!this.stage) node.scrollIntoView({ block: "nearest", behavior });
      else this.list.scrollTo({ left: node.offsetLeft - (this.list.clientWidth - node.offsetWidth) / 2, behavior }); // the page stays
      if (settings.autoplay) playHit(this.hit, this.front, leadIn(this.hit));
    }
    fetchAhead(this.items[place + 1]);
  }

  move(by, options) {
    this.focus(Math.min(Math.max(this.at + by, 0), this.items.length - 1), options);
  }

  pointed(hit, event) {
    const place = this.items.indexOf(hit);
    if (event.shiftKey) return this.focus(place, { select: true });
    if (event.ctrlKey || event.metaKey) {
      if (this.chosen.has(hit)) this.chosen.delete(hit);
      else this.chosen.add(hit);
      return this.mark();
    }
    if (place !== this.at) this.focus(place, { quiet: Boolean(event.target.closest("button")) || !this.stage });
  }

  /** Add everything from one place to another to the selection; nothing clears it. */
  select(places) {
    if (!places.length) this.chosen.clear();
    else {
      const [low, high] = [Math.min(...places), Math.max(...places)];
      for (const hit of this.items.slice(low, high + 1)) this.chosen.add(hit);
      say(`${this.chosen.size} selected`);
    }
    this.mark();
  }

  selectAll() {
    this.select([0, this.items.length - 1]);
  }

  mark() {
    for (const [hit, node] of this.nodes) {
      node.classList.toggle("chosen", this.chosen.has(hit));
      if (this.chosen.has(hit)) node.setAttribute("aria-selected", "true");
      else node.removeAttribute("aria-selected");
    }
  }

  toggle() {
    if (this.hit) toggleHit(this.hit, this.front);
  }

  judge(verdict) {
    const hits = this.targets();
    judge(hits, now.label, verdict);
    if (now.label) this.judged(hits.at(-1));
  }

  /** After a verdict: on to the next one that has none, if the user wants that. */
  judged(hit) {
    if (!settings.advance || this.chosen.size || !verdictOf(hit)) return;
    const place = this.items.indexOf(hit);
    if (place + 1 < this.items.length) this.focus(place + 1);
    else this.act.ended?.();
  }

  label(number, names) {
    const label = names[number];
    if (label) judge(this.targets(), label, "present", { toggle: true });
  }

  refresh() {
    for (const node of this.nodes.values()) node.refresh();
    for (const node of this.stage?.children ?? []) node.refresh();
  }

  /** Take over annotations that were read again. */
  adopt(annotations) {
    for (const hit of this.items) hit.annotations = annotations.filter((one) => isIn(one, hit));
    this.refresh();
  }
}

export function openRecording(hit) {
  go(`recording/${hit.recording}`, new URLSearchParams({ t: hit.start.toFixed(2), to: hit.end.toFixed(2) }));
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

on("labels", () => now.deck?.refresh());
on("annotations", (annotations) => now.deck?.adopt(annotations));
