"""How many frames a second the map of `mmasc serve` draws while it is dragged, in Chromium.

    python examples/benchmark/serve.py --windows 100000 --into bench --requests 0
    python examples/benchmark/serve_map.py bench/c

Prints points, frames a second while the pointer drags for some seconds, the middle and the slowest of the times between
frames, and what one frame costs when nothing else is waited for. Needs playwright and Chromium.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

# Moves the pointer at every frame and notes when frames come
DRAG = """([seconds, lasso]) => new Promise((end) => {
  const canvas = document.querySelector('.map-canvas');
  canvas.lassoing = lasso;
  const box = canvas.getBoundingClientRect();
  const at = (type, x, y) => {
    const place = {clientX: box.left + x, clientY: box.top + y, pointerId: 1, isPrimary: true, bubbles: true};
    canvas.dispatchEvent(new PointerEvent(type, {...place, buttons: 1}));
  };
  canvas.setPointerCapture = () => {};
  const times = [];
  const begun = performance.now();
  at('pointerdown', box.width / 2, box.height / 2);
  const step = (now) => {
    times.push(now);
    const angle = (now - begun) / 200;
    at('pointermove', box.width * (0.5 + 0.3 * Math.cos(angle)), box.height * (0.5 + 0.3 * Math.sin(angle)));
    if (now - begun < 1000 * seconds) requestAnimationFrame(step);
    else { at('pointerup', 5, 5); end(times); }
  };
  requestAnimationFrame(step);
})"""


def told(page: Page, what: str, asked: list[Any]) -> None:
    """Drag, and print the frames."""
    gaps = np.diff(page.evaluate(DRAG, asked))
    rate = 1_000 / gaps.mean()
    print(f"{what:<8} {rate:6.1f} frames a second; {np.median(gaps):.1f} ms in the middle, {gaps.max():.1f} at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    command = [sys.executable, "-m", "mmasc", "serve", str(given.collection), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            measure(server.stdout.readline().strip(), given.seconds)
        finally:
            server.terminate()


def measure(address: str, seconds: float) -> None:
    """Open the map of the server and drag."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        page.wait_for_selector("#tools button", timeout=300_000)
        page.evaluate("location.hash = '#/map'")
        page.get_by_label("Colour by").wait_for(timeout=60_000)
        while not (shown := page.locator(".map-view .hint").first.inner_text()).endswith("windows"):
            page.wait_for_timeout(200)
        print(f"{shown}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        told(page, "move", [seconds, False])
        told(page, "lasso", [seconds, True])
        browser.close()


if __name__ == "__main__":
    main()
