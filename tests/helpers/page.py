"""The page in a real browser, over a collection of sounds made by rule."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.synth import synthesise

RATE = 48_000
SECONDS = 4.5
KINDS = ["rain", "rooster", "chainsaw", "church_bells", "crackling_fire", "clock_tick"]
NIGHTS = 6
HOSTILE = "<img src=x onerror=document.title='broken'>_20240505_031500.wav"
FAR_TOO_LONG_MS = 30_000
STORED = "n => fetch('/api/annotations?limit=1000', {headers: {'X-Mmasc': sessionStorage.getItem('mmasc-key')}})"
STORED += ".then(a => a.json()).then(a => a.annotations.length === n)"


def night(number: int) -> np.ndarray:
    """One recording: every kind once, in an order of its own, each with silence after it."""
    kinds = np.random.default_rng(number).permutation(KINDS)
    parts = [synthesise(kind, RATE, SECONDS, seed=10 * number + place) for place, kind in enumerate(kinds)]
    return np.concatenate([np.concatenate([part, np.zeros(RATE // 2, np.float32)]) for part in parts])


def make_collection(folder: Path) -> Path:
    """Recordings of two sites with clocks in their names, one name that is markup, and the sound to be recorded."""
    for number in range(NIGHTS):
        name = HOSTILE if number == NIGHTS - 1 else f"night_2024050{number + 1}_0{number + 2}1500.wav"
        path = folder / "sounds" / ("fen" if number % 2 else "mill") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, night(number), RATE, subtype="PCM_16")
    asked = synthesise("rooster", RATE, 3.0, seed=99)
    soundfile.write(folder / "asked.wav", asked, RATE, subtype="PCM_16")
    mill = folder / "sounds" / "mill" / "asked_20240509_051500.wav"
    soundfile.write(mill, asked, RATE, subtype="PCM_16")
    mmasc.embed(folder / "sounds", folder / "c", "mini", folders=["site"])
    return folder / "c"


class Served:
    """`mmasc serve` as a process of its own."""

    def __init__(self, collection: Path, port: int = 0, more: tuple[Path, ...] = ()) -> None:
        folders = [str(one) for one in (collection, *more)]
        command = [sys.executable, "-m", "mmasc", "serve", *folders, "--port", str(port), "--by", "Kim"]
        self.collection = collection
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        self.port = int(self.address.split(":")[2].split("/")[0])

    def end(self) -> None:
        """Kill it, as a machine that loses its power does."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def chromium(recorded: Path) -> tuple:
    """The programs of a browser whose microphone hears a file; skips where something is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no Chromium here")
    arguments = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={recorded}%noloop",
        "--autoplay-policy=no-user-gesture-required",
    ]
    return playwright.sync_playwright, program, arguments


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[tuple]:
    """A collection, a server over it and a browser."""
    folder = tmp_path_factory.mktemp("page")
    start, program, arguments = chromium(folder / "asked.wav")
    served = Served(make_collection(folder))
    with start() as play:
        browser = play.chromium.launch(executable_path=program, args=arguments)
        yield browser, served
        browser.close()
    served.end()


class Visit:
    """A page of a browser of its own, and what went wrong in it."""

    def __init__(self, browser, address: str, width: int = 1280, height: int = 800, **options) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, permissions=["microphone"], **options
        )
        self.context.set_default_timeout(FAR_TOO_LONG_MS)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.hosts: set[str] = set()
        # A hint about tests that read what is drawn, not about the page
        self.page.on("console", lambda line: "willReadFrequently" in line.text or self.faults.append(line.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on(
            "request", lambda request: self.hosts.add(request.url.split("/")[2] if "//" in request.url else "")
        )
        self.page.on("response", lambda one: one.status >= 400 and self.faults.append(f"{one.status} {one.url}"))
        self.page.goto(address)
        self.page.wait_for_selector("#tools button")

    def open(self, address: str) -> None:
        """Go to a view by its address, as the back button does."""
        self.page.evaluate("address => { location.hash = address }", address)

    def ask(self, text: str) -> list[str]:
        """Ask in words; the names of the hits."""
        self.page.fill("#query", text)
        self.page.press("#query", "Enter")
        self.page.wait_for_selector(".card.here")
        self.page.locator("body").click(position={"x": 5, "y": 300})
        return self.page.locator(".card .name").all_inner_texts()

    def get(self, path: str):
        """An answer of the server, asked with the key that the page has."""
        script = "path => fetch(path, {headers: {'X-Mmasc': sessionStorage.getItem('mmasc-key')}}).then(a => a.json())"
        return self.page.evaluate(script, path)

    def annotations(self) -> list[dict]:
        """What is stored."""
        return self.get("/api/annotations?limit=1000")["annotations"]

    def until(self, script: str, argument=None) -> None:
        """Wait until an expression, or what a function of `argument` gives, holds.

        Playwright's own way is refused by the page, which allows no code from strings.
        """
        from playwright.sync_api import Error  # only where the tests of the page run

        for _ in range(FAR_TOO_LONG_MS // 50):
            try:
                if self.page.evaluate(script, argument):
                    return
            except Error as error:
                if "Execution context was destroyed" not in str(error):  # the page is just being replaced
                    raise
            self.page.wait_for_timeout(50)
        raise AssertionError(f"this never came true: {script}")


@pytest.fixture
def visit(site) -> Iterator[Visit]:
    """A visit with nothing stored before it; afterwards nothing may have gone wrong, or gone elsewhere."""
    browser, served = site
    one = Visit(browser, served.address)
    yield one
    one.page.keyboard.press("Escape")
    ids = [found["id"] for found in one.annotations()]
    if ids:
        script = "ids => fetch('/api/annotations', {method: 'DELETE', body: JSON.stringify({ids}), headers: {"
        script += (
            "'Content-Type': 'application/json', 'X-Mmasc': sessionStorage.getItem('mmasc-key')}}).then(a => a.ok)"
        )
        assert one.page.evaluate(script, ids)
    one.context.close()
    assert one.faults == [], one.faults
    assert one.hosts <= {f"127.0.0.1:{served.port}", ""}


def judge_all(visit, label: str, keys: list[str], stored: int = 0) -> None:
    """Name a label and press one key per hit; `stored` are there already."""
    visit.page.fill("#new-label", label)
    visit.page.press("#new-label", "Enter")
    for key in keys:
        visit.page.keyboard.press(key)
    visit.until(STORED, stored + len(keys))
