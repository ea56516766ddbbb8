"""Pictures of the page of `mmasc serve`, light and dark, wide and narrow, over sounds that mmasc makes itself.

    python examples/show/pictures_of_the_page.py [FOLDER] [--all] [--collection COLLECTION]

FOLDER is where the pictures go; default: docs/pictures. `--all` takes every view in every width, light and dark: to
look at, not to keep. Needs playwright and Chromium; about two minutes.
"""

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image
from playwright.sync_api import Page, sync_playwright

import mmasc
from mmasc.synth import synthesise

RATE = 32_000
KINDS = [
    *("rain", "rooster", "wind", "thunder", "chainsaw", "church_bells", "crackling_fire", "clock_tick", "sea_waves"),
    *("crickets", "crying_baby", "water_drops", "morse_code"),
]
SITES = ["Alder fen", "Birch ridge", "Mill creek"]
NIGHTS = 12
COLOURS = (256, 128, 96, 64, 48)  # of a picture: as many as keep it small
MOST_BYTES = 145_000
PATIENCE_MS = 300_000  # on a busy machine
# Pictures are fetched when they come in sight, and a strip may be wider than its box
DRAWN = """!document.querySelector('[aria-busy]') && ![...document.querySelectorAll('.spec-plot img')].some((one) => {
  const { left, right, top, bottom } = one.getBoundingClientRect();
  const seen = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  return one.closest('.spec-plot').contains(seen) && !one.naturalWidth;
})"""
# name of the picture: (width, height, dark, what is done)
PICTURES = {
    "page_search": (1440, 900, False, "search"),
    "page_review_dark": (1024, 720, True, "review"),
    "page_recording": (1440, 680, False, "recording"),
    "page_map_dark": (1024, 768, True, "map"),
    "page_phone": (390, 844, False, "phone"),
    "page_phone_dark": (390, 844, True, "review"),
}
WIDTHS = {1440: 900, 1024: 768, 390: 844}


def make_collection(folder: Path) -> Path:
    """Twelve recordings of three sites, a few minutes in all."""
    for night in range(NIGHTS):
        site = SITES[night % len(SITES)]
        kinds = np.random.default_rng(night).permutation(KINDS)
        sounds = [
            synthesise(kind, RATE, 3.0 + place % 3, seed=100 * night + place) * 0.8 for place, kind in enumerate(kinds)
        ]
        name = f"{site.replace(' ', '')}_202405{night + 1:02}_{3 + night % 5:02}1500.flac"
        path = folder / "sounds" / site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        quiet = np.random.default_rng(night).normal(0, 0.0003, sum(map(len, sounds)))
        soundfile.write(path, np.clip(np.concatenate(sounds) + quiet, -1, 1), RATE)
    mmasc.embed(folder / "sounds", folder / "fen-2024", folders=["site"])
    return folder / "fen-2024"


def ask(page: Page, words: str, keys: str) -> None:
    """Ask in words, then press keys."""
    page.fill("#query", words)
    page.press("#query", "Enter")
    page.wait_for_selector(".card.here")
    page.wait_for_timeout(500)
    page.evaluate("document.activeElement.blur()")
    for key in keys.split():
        page.keyboard.press(key)


def search(page: Page) -> None:
    """Hits with verdicts, a question with a part against."""
    ask(page, "rooster crowing", "")
    ask(page, "-wind", "ArrowUp ArrowUp ArrowDown ArrowUp")


def phone(page: Page) -> None:
    """The first hits on a small screen."""
    ask(page, "crickets chirping", "")
    page.evaluate("scrollTo(0, 0)")


def review(page: Page) -> None:
    """A label that is learned from twenty verdicts."""
    page.evaluate("location.hash = '#/search?text=crickets+chirping'")
    page.wait_for_selector(".card.here")
    if not page.locator("#new-label").is_visible():  # on a phone the labels are a bar that opens
        page.locator(".label-pick").first.click()
    page.fill("#new-label", "crickets")
    page.press("#new-label", "Enter")
    for key in ["ArrowUp"] * 9:
        page.keyboard.press(key)
    page.evaluate("location.hash = '#/search?text=rain'")
    page.wait_for_timeout(1500)
    for key in ["ArrowDown"] * 9:
        page.keyboard.press(key)
    page.evaluate("location.hash = '#/review?label=crickets'")
    page.get_by_role("radio", name="Likely").click()
    page.locator(".review-top .strong").click()
    page.wait_for_selector(".card.as-stage")
    for key in ("ArrowUp", "ArrowUp", "ArrowDown"):
        page.wait_for_timeout(200)
        page.keyboard.press(key)
    page.keyboard.press(" ")
    page.wait_for_timeout(1500)
    page.keyboard.press(" ")


def recording(page: Page) -> None:
    """A recording with what its labels and words say."""
    page.evaluate("location.hash = '#/recordings'")
    page.locator(".table a").first.click()
    page.wait_for_selector(".tiles img")
    page.locator(".controls .pair select").select_option(index=1)
    page.wait_for_timeout(2500)
    box = page.locator(".long-plot .spec-plot").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 90)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.42, box["y"] + 90, steps=4)
    page.mouse.up()


def points(page: Page) -> None:
    """The map, coloured by site, with the pointer on a point."""
    page.evaluate("location.hash = '#/map'")
    page.wait_for_timeout(3000)
    page.get_by_label("Colour by").select_option("site")
    page.wait_for_timeout(1500)
    box = page.locator(".map-canvas").bounding_box()
    assert box is not None
    for step in range(60):  # until a point lies under the pointer
        page.mouse.move(box["x"] + box["width"] * (0.3 + step * 0.006), box["y"] + box["height"] * 0.5)
        page.wait_for_timeout(150)
        if page.locator(".map-hit .card img[src]").count():
            break


def filters(page: Page) -> None:
    """A question of many parts with many filters, the panel of filters open."""
    asked = "text=crickets&text=rooster+crowing*2&not=wind+in+the+trees&not=rain"
    asked += "&f.site=Alder+fen&f.site=Mill+creek&f.from=2024-05-01&f.to=2024-05-12&f.hours=3-9&f.length=10..600"
    page.evaluate(
        "asked => { location.hash = '#/search?' + asked }", asked + "&f.score=-0.5..&f.spread=3&f.windows=true"
    )
    page.wait_for_selector(".card.here")
    page.get_by_role("button", name="Filter", exact=True).click()
    page.evaluate("scrollTo(0, 0)")


def nothing(page: Page) -> None:
    """A question that nothing answers, and one that cannot be read."""
    page.evaluate("location.hash = '#/search?text=xyzzyq&f.where=site+is+nowhere'")
    page.wait_for_selector(".result-line .bad")


def plain(name: str) -> Callable[[Page], None]:
    """A view that needs nothing but its address."""

    def act(page: Page) -> None:
        page.evaluate("address => { location.hash = address }", f"#/{name}")
        page.wait_for_timeout(1500)

    return act


ACTS = {"search": search, "phone": phone, "review": review, "recording": recording, "map": points}
MORE = {"filters": filters, "nothing": nothing} | {
    name: plain(name) for name in ("search", "review", "recordings", "activity", "about")
}


def small_png(content: bytes) -> bytes:
    """The picture with as many colours as its size allows."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    for colours in COLOURS:
        buffer = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= MOST_BYTES:
            break
    return buffer.getvalue()


def every_picture() -> dict[str, tuple[int, int, bool, Callable[[Page], None]]]:
    """Every view in every width, light and dark."""
    acts = {name: act for name, act in ACTS.items() if name != "phone"} | {
        f"plain_{one}": act for one, act in MORE.items()
    }
    return {
        f"{name}_{width}_{'dark' if dark else 'light'}": (width, height, dark, act)
        for name, act in acts.items()
        for width, height in WIDTHS.items()
        for dark in (False, True)
    }


def main(target: Path, everything: bool = False, collection: Path | None = None) -> None:
    """Serve, look, write."""
    wanted = every_picture() if everything else {name: (*one[:3], ACTS[one[3]]) for name, one in PICTURES.items()}
    target.mkdir(parents=True, exist_ok=True)
    program = shutil.which("chromium")
    if program is None:
        sys.exit("this needs Chromium as `chromium`")
    with tempfile.TemporaryDirectory() as folder:
        collection = collection or make_collection(Path(folder))
        command = [sys.executable, "-m", "mmasc", "serve", str(collection), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                take(server.stdout.readline().strip(), program, target, wanted)
            finally:
                server.terminate()


def take(address: str, program: str, target: Path, wanted: Mapping[str, tuple[int, int, bool, Callable]]) -> None:
    """Open the page for each picture, do what it shows, and write it."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, (width, height, dark, act) in wanted.items():
            scheme = "dark" if dark else "light"
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            page.goto(address)
            page.wait_for_selector("#tools button")
            act(page)
            page.wait_for_timeout(1500)
            until_drawn(page)
            content = small_png(page.screenshot())
            (target / f"{name}.png").write_bytes(content)
            print(f"{name}.png: {len(content) / 1000:.0f} kB", flush=True)
            context.close()
        browser.close()


def until_drawn(page: Page) -> None:
    """Wait for the answer and for the spectrograms that are in sight."""
    for _ in range(PATIENCE_MS // 200):
        if page.evaluate(DRAWN):
            return
        page.wait_for_timeout(200)
    sys.exit("the page is not drawn")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parents[2] / "docs" / "pictures")
    parser.add_argument("--all", action="store_true", help="Every view in every width, light and dark.")
    parser.add_argument("--collection", type=Path, help="Use this collection instead of making one.")
    given = parser.parse_args()
    main(given.folder, given.all, given.collection)
