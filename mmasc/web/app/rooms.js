// Several collections in one server: switch between them; what is asked goes along as far as it has a meaning there.

import { select } from "./dom.js";
import { now, readAddress, writeQuery } from "./state.js";

const KEPT = ["hours", "spread", "windows", "length"]; // filters that speak of no site, label, head or column
const ALONE = ["review", "recordings", "map", "activity", "about"];

/** The address of the same view in another collection: words and files are asked there too, its moments are not. */
export function addressIn(key) {
  const { view } = readAddress();
  const parts = now.query.parts.filter((part) => part.kind !== "moment");
  const filters = Object.fromEntries(Object.entries(now.query.filters).filter(([name]) => KEPT.includes(name)));
  const values = view === "search" ? writeQuery({ parts, filters }).toString() : "";
  const there = ALONE.includes(view) ? view : view === "recording" ? "recordings" : "search";
  return `/?${new URLSearchParams({ in: key })}#/${there}${values ? `?${values}` : ""}`;
}

export function roomPicker({ here, collections }) {
  const named = collections.map(({ key, name }) => [key, collections.filter((one) => one.name === name).length > 1 ? `${name} (${key})` : name]);
  const node = select("Collection", named, here, (key) => {
    node.value = here; // until the other page is there
    location.assign(addressIn(key));
  });
  node.className = "room-picker";
  return node;
}
