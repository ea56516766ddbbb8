// Export: hits or labels as a file of the browser's downloads.

import { send } from "./api.js";
import { button, el, plural, toast } from "./dom.js";
import { place } from "./label_menu.js";

const FORMATS = [
  ["csv", "Table (CSV)", "csv"],
  ["parquet", "Table (Parquet)", "parquet"],
  ["raven", "Raven selection tables", "txt"],
  ["audacity", "Audacity labels", "txt"],
  ["m3u", "Playlist", "m3u"],
  ["clips", "Sounds, cut out (ZIP)", "zip"],
];

async function save(format, ending, hits, pad) {
  const rows = hits.map(({ recording, start, end, label = "", score = null }) => ({ recording, start, end, label, score }));
  const response = await send("POST", "/api/export", { format, hits: rows, pad });
  const given = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1];
  saveFile(await response.blob(), given ?? `moments.${ending}`);
  return Number(response.headers.get("X-Left-Out"));
}

/** Put a file among the downloads. */
export function saveFile(blob, name) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** A button with the formats; `chosen()` gives the hits at the time of the click. */
export function exportMenu(chosen) {
  let menu = null;
  const close = () => {
    menu?.remove();
    menu = null;
    removeEventListener("pointerdown", outside);
  };
  const outside = (event) => menu && !menu.contains(event.target) && event.target !== opener && close();
  const opener = button("Export", () => (menu ? close() : open()), { "aria-haspopup": "true" });

  function open() {
    const hits = chosen();
    if (!hits.length) return toast("There is nothing to export.");
    const pad = el("input", { type: "number", min: "0", max: "30", step: "0.5", value: "0.5" });
    menu = el(
      "div",
      { class: "menu export-menu", role: "menu", onkeydown: (event) => event.key === "Escape" && (close(), opener.focus()) },
      el("p", { class: "hint", text: plural(hits.length, "moment") }),
      FORMATS.map(([format, text, ending]) =>
        button(text, async () => {
          const seconds = Number(pad.value) || 0;
          close();
          try {
            const lost = await save(format, ending, hits, seconds);
            toast(lost ? `Saved without ${plural(lost, "recording")} that cannot be cut; left_out.txt in the ZIP says why.` : "Saved among the downloads of this browser.", Boolean(lost));
          } catch (error) {
            toast(error.message, true);
          }
        }, { class: "menu-item", role: "menuitem" }),
      ),
      el("label", { class: "field inline" }, "Seconds around cut sounds", pad),
    );
    document.body.append(menu);
    place(menu, opener);
    menu.querySelector("button").focus();
    addEventListener("pointerdown", outside);
  }
  return opener;
}
