"""From nothing to a measured recogniser in the page of `mmasc serve`: key presses, clicks, and what they are worth.

    python examples/prove/ten_minutes.py DATA --to FOLDER [--scale 0.25] [--encoder mini] [--labels "dog barking" ...]

DATA holds esc10, ambient and sounds, as for field_trial.py. Recordings with known events are made; one half is served,
the other one is heard by nobody. For each label a person in Chromium, who hears what the truth says, asks in words,
answers for ten hits, learns and answers for a batch twice, learns once more, and applies the head to everything.
Printed for each label: presses and clicks, seconds, and event F1 (starts and ends within a second) on the half that was
served and on the other one: of the words alone, of the head after the first ten answers, of the head that the page
kept, and of a head after as many answers that `mmasc review` asked for. Written to FOLDER: recordings, collections, and
ten_minutes.json. Needs playwright and Chromium.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from field_recordings import make_recordings, read_sounds
from playwright.sync_api import Page, sync_playwright

from mmasc import (
    Annotation,
    Collection,
    LabelRow,
    Moments,
    apply_head,
    classify,
    compare_labels,
    embed,
    fit_moments,
    read_rows,
    review,
    write_rows,
)
from mmasc.encoders.spec import DEFAULT_ENCODER
from mmasc.web.learning import learn_label, windows_to_learn

SIDES = ("learn", "test")
LABELS = ["dog barking", "rooster", "crying baby", "chainsaw"]
FIRST, BATCH = 10, 10  # answers to hits of the search; to each batch
HOP, COLLAR = 2.56, 1.0  # seconds: between windows, as in field_trial.py; between true and said bounds
GAP, MINIMUM = 2.0, 1.0  # of timelines of words, in seconds

MOST_POLLS = 600  # a tenth of a second each
GET = "path => fetch(path, {headers: {'X-Mmasc': sessionStorage.getItem('mmasc-key')}}).then(answer => answer.json())"

Truth = dict[str, list[LabelRow]]  # events by name of the recording


@dataclass
class Person:
    """Presses keys and clicks, counts both, and answers as the truth says.

    Attributes:
        page: What is looked at.
        truth: Events.
        keys, clicks: How many so far; each letter that is typed is a key.
        hits: What the page shows now, in order.
    """

    page: Page
    truth: Truth
    keys: int = 0
    clicks: int = 0
    hits: list[dict[str, Any]] = field(default_factory=list)

    def press(self, *keys: str) -> None:
        """One key after the other."""
        for key in keys:
            self.page.keyboard.press(key)
            self.keys += 1

    def type(self, text: str) -> None:
        """A key for each letter."""
        self.page.keyboard.type(text)
        self.keys += len(text)

    def click(self, selector: str) -> None:
        """What a selector finds."""
        self.page.locator(selector).first.click(timeout=60_000)
        self.clicks += 1

    def answer(self, n: int, label: str) -> list[bool]:
        """Yes or no to n hits, one after the other; the page goes on by itself."""
        said = []
        for _ in range(n):
            here = self.page.locator(".strip .card.here, .hits .card.here").first.get_attribute("aria-label") or ""
            hit = self.hits[int(here.partition(".")[0]) - 1]
            said.append(self.hears(hit, label))
            self.press("ArrowUp" if said[-1] else "ArrowDown")
        return said

    def hears(self, hit: dict[str, Any], label: str) -> bool:
        """Whether half of an event, or of the moment, is in the other."""
        start, end = hit["best_start"], hit["best_end"]
        return any(
            min(one.end, end) - max(one.start, start) >= 0.5 * min(one.end - one.start, end - start)
            for one in self.truth[hit["name"]]
            if one.label == label
        )

    def job(self, selector: str, path: str) -> dict[str, Any]:
        """What comes out of the job that a click begins."""
        with self.page.expect_response(lambda one: one.url.endswith(path)) as begun:
            self.click(selector)
        key = begun.value.json()["job"]
        for _ in range(MOST_POLLS):
            state = self.page.evaluate(GET, f"/api/jobs/{key}")
            if state["state"] == "done":
                return state["result"]
            assert state["state"] in ("waiting", "running"), state
            self.page.wait_for_timeout(100)
        raise AssertionError(f"the job did not end: {state}")

    def learn(self) -> None:
        """Learn, and wait for what is asked."""
        self.hits = self.job(".review-top .strong", "/api/learn")["queue"]
        first = self.hits[0]
        begins = f"{first['rank']}. {first['name']}"
        self.page.locator(f'.stage-place .card[aria-label^="{begins}"]').wait_for()
        self.page.wait_for_selector(".review-top .strong:not([disabled])")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="of the recordings' lengths, for a quick look")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER)
    parser.add_argument("--labels", nargs="+", default=LABELS)
    parser.add_argument(
        "--batches", nargs=2, default=["Uncertain", "Uncertain"], help="Uncertain, Likely, Random, Spread"
    )
    options = parser.parse_args()
    truth = made(options.data, options.to, options.encoder, options.seed, options.scale)
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)
    rows = []
    served = options.to / "served.mmasc"  # without labels and heads of an earlier run
    shutil.rmtree(served, ignore_errors=True)
    shutil.copytree(options.to / "learn.mmasc", served)
    command = [sys.executable, "-m", "mmasc", "serve", str(served), "--port", "0", "--by", "Kim"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        with sync_playwright() as play:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for label in options.labels:
                page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
                page.goto(address)
                page.wait_for_selector("#tools button", timeout=120_000)
                rows.append(visit(Person(page, truth["learn"]), label, options.to, truth, options.batches))
                page.context.close()
            browser.close()
    finally:
        server.terminate()
    (options.to / "ten_minutes.json").write_text(json.dumps(rows, indent=1) + "\n")
    report(rows)


def made(data: Path, folder: Path, encoder: str, seed: int, scale: float) -> dict[str, Truth]:
    """Recordings and collections of both sides; the true events by side and name."""
    table = folder / "truth.csv"
    if not table.exists():
        rows = make_recordings(read_sounds(data), folder / "sounds", seed, scale)
        write_rows([LabelRow(**row) for row in rows], "csv", table)
    truth: dict[str, Truth] = {side: {} for side in SIDES}
    for side in SIDES:
        embed(folder / "sounds" / side, folder / f"{side}.mmasc", encoder, hop_seconds=HOP)
        names = sorted(path.name for path in (folder / "sounds" / side).iterdir())
        truth[side] = {name: [] for name in names}
    for row in read_rows(table).rows:
        side, _, name = row.path.partition("/")
        truth[side][name].append(row)
    return truth


def visit(person: Person, label: str, folder: Path, truth: dict[str, Truth], batches: list[str]) -> dict[str, Any]:
    """One label from the first word to the head, and what came of it."""
    collection, began = Collection(folder / "served.mmasc"), time.monotonic()
    person.press("/")
    person.type(label)
    with person.page.expect_response(lambda one: one.url.endswith("/api/search")) as found:
        person.press("Enter")
    person.hits = found.value.json()["hits"]
    person.page.wait_for_selector(".card.here")
    person.press("Escape")  # out of the box
    if person.page.get_by_text(f"Label “{label}”").count():  # verdicts are about the label of the visit before
        person.click(".result-line .link")
    answers = person.answer(FIRST, label)
    stored(collection, label, len(answers))
    collection.refresh()
    first = learn_label(*windows_to_learn(collection, label, None)) if any(answers) else None
    person.click("#tabs a:has-text('Review')")
    chosen = "Uncertain"  # what the page begins with
    for batch in batches:
        if batch != chosen:
            person.click(f"button[role=radio]:has-text('{batch}')")
            chosen = batch
        person.learn()
        answers += person.answer(BATCH, label)
    person.learn()
    applied = person.job("button:has-text('Apply to everything')", "/api/apply")
    threshold = float(person.page.get_by_role("spinbutton", name="Threshold").input_value())
    row: dict[str, Any] = {"label": label, "keys": person.keys, "clicks": person.clicks}
    row |= {"seconds": round(time.monotonic() - began), "answers": len(answers), "yes": sum(answers)}
    head = folder / "served.mmasc" / "heads-of-mine" / f"{label}.head"
    for side in SIDES:
        place = folder / f"{side}.mmasc"
        words = classify(
            place, {label: label}, timeline=True, gap_seconds=GAP, minimum_seconds=MINIMUM, background="own"
        )
        kept = list(apply_head(head, place, timeline=True, threshold=threshold, background="own"))
        if side == "learn":
            assert applied["events"] == sum(len(one.events) for one in kept)
        asked = asked_for(folder, label, truth["learn"], len(answers))
        reviewed = apply_head(asked, place, timeline=True, background="own")
        few = apply_head(first.fitted, place, timeline=True, background="own") if first else []
        systems = {"words": words, "ten answers": few, "page": kept, "review": reviewed}
        row[side] = {name: event_f1(said, label, truth[side], folder) for name, said in systems.items()}
        row[side]["events"] = sum(one.label == label for some in truth[side].values() for one in some)
    print(json.dumps(row), flush=True)
    return row


def stored(collection: Collection, label: str, n: int) -> None:
    """Wait until so many annotations are on the disk."""
    for _ in range(MOST_POLLS):
        if len(collection.annotations.all(label=label)) >= n:
            return
        time.sleep(0.1)
    raise AssertionError(f"of {n} answers for {label!r} some are not on the disk")


def asked_for(folder: Path, label: str, truth: Truth, n: int) -> Any:
    """A head after n answers that `review` asked for, from one event and one stretch without the label."""
    place = folder / "review.mmasc"
    if not place.exists():
        shutil.copytree(folder / "learn.mmasc", place)
    collection = Collection(place)
    notes = collection.annotations
    notes.remove([one.id for one in notes.all()])
    name, event = next((name, one) for name, some in sorted(truth.items()) for one in some if one.label == label)
    person = Person.__new__(Person)
    person.truth = truth
    recording = notes.recording_id(name)
    common = {"label": label, "by": "Kim", "recording": recording}
    far = max((0.0, event.end + 10), key=lambda start: abs(start - event.start))
    notes.add([Annotation(start=event.start, end=event.end, **common)])
    notes.add([Annotation(start=far, end=far + 10, verdict="absent", **common)])
    head = folder / "review.head"
    fit_moments(collection, Moments([label], background="moments"), out=head)
    for turn, by in enumerate(("likely", "uncertain", "uncertain")):
        for item in review(collection, head, -(-(n - 2) // 3), by, [label], seed=turn).items:
            moment = {"best_start": item.start, "best_end": item.end, "name": Path(item.path).name}
            verdict = "present" if person.hears(moment, label) else "absent"
            notes.add(
                [Annotation(**common | {"recording": item.recording}, start=item.start, end=item.end, verdict=verdict)]
            )
        fit_moments(collection, Moments([label], background="moments"), out=head)
    return head


def event_f1(said: Any, label: str, truth: Truth, folder: Path) -> float:
    """F1 of events whose bounds are right to a second."""
    found = [
        LabelRow(Path(one.path).name, event.start, event.end, event.label, event.score)
        for one in said
        for event in one.events
        if event.label == label
    ]
    if not found:
        return 0.0
    write_rows(found, "csv", folder / "said.csv")
    write_rows(
        [one_named(row) for some in truth.values() for row in some if row.label == label], "csv", folder / "true.csv"
    )
    compared = compare_labels(str(folder / "true.csv"), str(folder / "said.csv"), collar_seconds=COLLAR)
    return round(float(compared.events.macro.f1 or 0.0), 3)


def one_named(row: LabelRow) -> LabelRow:
    """An event under the name of its recording alone."""
    return LabelRow(Path(row.path).name, row.start, row.end, row.label)


def report(rows: list[dict[str, Any]]) -> None:
    """A line for each label, and the means."""
    systems = [name for name in rows[0]["test"] if name != "events"]
    print(f"\n{'label':<22}{'presses':>8}{'s':>5}{'yes':>5}" + "".join(f"{name:>13}" for name in systems) + "  served")
    for row in rows:
        beginning = f"{row['label']:<22}{row['keys'] + row['clicks']:>8}{row['seconds']:>5}{row['yes']:>5}"
        print(beginning + "".join(f"{row['test'][name]:>13.3f}" for name in systems) + f"{row['learn']['page']:>8.3f}")
    means = "".join(f"{np.mean([row['test'][name] for row in rows]):>13.3f}" for name in systems)
    print(f"{'mean, unheard half':<40}{means}{np.mean([row['learn']['page'] for row in rows]):>8.3f}")


if __name__ == "__main__":
    main()
