"""What axe finds in the page of `mmasc serve`: every view, light and dark, in every width.

    python examples/prove/accessibility.py node_modules/axe-core/axe.min.js

The file comes with `npm install axe-core`. Prints a line for each finding, with how grave it is, and ends with status 1
if one is serious or critical. Needs playwright and Chromium; about four minutes.
"""

import shutil
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "show"))
from pictures_of_the_page import ACTS, MORE, WIDTHS, make_collection

GRAVE = ("serious", "critical")
PATIENCE_MS = 60_000
OTHERS = ("recordings", "activity", "about")  # views that need nothing but their address


def findings(page: Page, where: str) -> bool:
    """Print what axe says of what is shown now; whether something is grave."""
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((said) => said.violations)")
    for one in found:
        print(f"{where}: {one['impact']}: {one['id']}: {one['help']} ({len(one['nodes'])})")
        for node in one["nodes"][:4]:
            print(f"    {node['html'][:150]}\n        {' '.join(node['failureSummary'].split())[:230]}")
    sys.stdout.flush()
    return any(one["impact"] in GRAVE for one in found)


def look(page: Page, how: str) -> list[bool]:
    """Whether something grave is in each view."""
    grave = []
    for name in ("search", "review", "recording", "map"):
        ACTS[name](page)
        grave.append(findings(page, f"{name}, {how}"))
    for name in ("filters", "nothing"):
        MORE[name](page)
        grave.append(findings(page, f"{name}, {how}"))
    for name in OTHERS:
        page.evaluate("address => { location.hash = address }", f"#/{name}")
        page.wait_for_timeout(1000)
        grave.append(findings(page, f"{name}, {how}"))
    page.keyboard.press("?")
    grave.append(findings(page, f"keys, {how}"))
    return grave


def main(axe: str) -> None:
    """Serve, look at every view in every way."""
    grave = []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mmasc", "serve", str(make_collection(Path(folder))), "--port", "0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            with sync_playwright() as play:
                assert server.stdout is not None
                address = server.stdout.readline().strip()
                browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                for scheme, (width, height) in product(("light", "dark"), WIDTHS.items()):
                    size = {"width": width, "height": height}
                    page = browser.new_context(color_scheme=scheme, reduced_motion="reduce", viewport=size).new_page()
                    page.set_default_timeout(PATIENCE_MS)
                    page.goto(address)
                    page.wait_for_selector("#tools button")
                    page.evaluate(axe)
                    grave += look(page, f"{scheme}, {width} pixels")
                    page.context.close()
                browser.close()
        finally:
            server.terminate()
    print(f"{sum(grave)} of {len(grave)} with something serious")
    sys.exit(any(grave))


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_text(encoding="utf-8"))
