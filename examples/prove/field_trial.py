"""A field recordist's two days, on recordings with known events: what a timeline is worth before and after labelling.

    python examples/prove/field_trial.py DATA --to FOLDER [--seeds 0 1] [--trim 1.28]

DATA holds esc10, ambient and sounds, each a folder of clips with meta.csv. Recordings of 20 to 30 minutes (wind,
rain, the hum of a room) with about 220 events of 17 labels are made from them, half to learn from and half to be
tested on; no clip is on both sides. `mini` learned from all these clips by themselves, `mini-strict` from all but
those of ESC-10, which nine of the 17 labels are of. Nothing is chosen by labels of what is tested: the background is
that of all recordings, without labels, and answers are given about the other half alone. Written to FOLDER:
recordings, collections, labels, and trial.json with one row for each system and seed.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from field_recordings import EVENTS, HEARD_BY_STRICT, make_recordings, read_sounds

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
from mmasc.labelling.review import ReviewItem

TEST, LEARN = "path like 'test/%'", "path like 'learn/%'"
NOTHING = "nothing"  # what the annotator writes where none of the labels is heard
FIRST, ANSWERS = 2, 20  # examples of each label at first; answers for each label in all
# Heads that begin with words, and, for comparison, what is best from examples alone, chosen on recordings of another
# seed: of two examples prototypes, of twenty answers logistic regression; with the moments that nobody looked at as
# background; asking for likely and for unclear moments in turn. What is said must stand out in its own recording; of a
# head of two examples that began with words one label holds at a time, later several may (the best of four ways each)
HEADS = {"words": ("logistic", "logistic"), "no words": ("prototypes", "logistic")}
WAYS = ("likely", "uncertain")
EVENT_RULES = {"gap_seconds": 2.0, "minimum_seconds": 1.0}
STEP = 0.1  # of the share of seconds that are right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--hop", type=float, default=2.56, help="seconds from window to window")
    parser.add_argument("--scale", type=float, default=1.0, help="of the recordings' lengths, for a quick look")
    parser.add_argument("--trim", type=float, default=0.0, help="seconds that both edges of an event move inwards")
    parser.add_argument("--encoders", nargs="+", default=["mini", "mini-strict"])
    parser.add_argument("--systems", default="", help="those whose names hold this; answers need the examples before")
    options = parser.parse_args()
    sounds, rows = read_sounds(options.data), []
    EVENT_RULES["trim_seconds"] = options.trim
    for seed in options.seeds:
        folder = options.to / f"seed{seed}"
        truth = folder / "truth.csv"
        if not truth.exists():
            made = make_recordings(sounds, folder / "sounds", seed, options.scale)
            write_rows([LabelRow(**row) for row in made], "csv", truth)
        for encoder in options.encoders:
            place = folder / f"{encoder}.mmasc"
            embed(folder / "sounds", place, encoder, hop_seconds=options.hop)
            rows += run_trial(place, truth, folder, {"seed": seed, "encoder": encoder}, options.systems)
            (options.to / "trial.json").write_text(json.dumps(rows, indent=1) + "\n")
    for encoder in options.encoders:
        print_means([row for row in rows if row["encoder"] == encoder])


def run_trial(
    place: Path, truth: Path, folder: Path, about: dict[str, object], part: str = ""
) -> list[dict[str, object]]:
    """All systems whose names hold `part`, on one collection."""
    collection, prompts = Collection(place), {label: label for label in EVENTS}
    events = {}
    for row in read_rows(truth).rows:
        events.setdefault(row.path, []).append(row)
    systems: dict[str, Callable[[], object]] = {
        "nothing is ever heard": list,
        "zero-shot, as it was": lambda: classify(collection, prompts, timeline=True, where=TEST),
        "zero-shot, background": lambda: classify(
            collection,
            prompts,
            timeline=True,
            where=TEST,
            background="own",
            **EVENT_RULES,
        ),
    }
    for kind in HEADS:
        systems |= {
            f"{FIRST} examples, {kind}": lambda kind=kind: first_head(collection, events, folder, kind),  # type: ignore[misc]
            f"{ANSWERS} answers, {kind}": lambda kind=kind: reviewed_head(collection, events, folder, kind),  # type: ignore[misc]
        }
    rows = []
    for name, system in systems.items():
        if part not in name:
            continue
        began = time.process_time()
        answers = list(system())  # type: ignore[call-overload]
        said = folder / f"{about['encoder']}_{name.replace(', ', '_').replace(' ', '-')}.csv"
        found = [
            LabelRow(str(Path(*Path(one.path).parts[-2:])), event.start, event.end, event.label, event.score)
            for one in answers
            for event in one.events
            if event.label != NOTHING
        ]
        row = {**about, "system": name, **figures(truth, found, said, collection)}
        row["cpu_seconds"] = round(time.process_time() - began, 1)
        print(json.dumps(row), flush=True)
        rows.append(row)
    return rows


def figures(truth: Path, found: list[LabelRow], said: Path, collection: Collection) -> dict[str, object]:
    """Segment and event F1 (macro, with 95 % intervals over recordings) and the share of seconds that are right."""
    tested = said.with_name("truth_test.csv")
    true = [row for row in read_rows(truth).rows if row.path.startswith("test/")]
    write_rows(true, "csv", tested)
    write_rows(found, "csv", said)
    row: dict[str, object] = {"events": len(true), "said": len(found)}
    if found:
        loose = compare_labels(str(tested), str(said), collar_seconds=1.0)
        exact = compare_labels(str(tested), str(said), collar_seconds=0.2)
        heard = [
            loose.segments.labels[name].f1 for name in HEARD_BY_STRICT if loose.segments.labels[name].f1 is not None
        ]
        row |= {
            "segment_f1": loose.segments.macro.f1,
            "segment_f1_interval": loose.segments.macro_interval.f1,
            "segment_f1_micro": loose.segments.micro.f1,
            "segment_f1_of_labels_not_in_esc10": float(np.mean(heard)),
            "event_f1_1s": loose.events.macro.f1,
            "event_f1_1s_interval": loose.events.macro_interval.f1,
            "event_f1_200ms": exact.events.macro.f1,
        }
    return row | seconds_right(true, found, collection)


def seconds_right(true: list[LabelRow], found: list[LabelRow], collection: Collection) -> dict[str, object]:
    """In which share of all seconds, and of those of events, the best label (or none) is the true one."""
    table = collection.recordings
    right, there, total, false = 0, 0, 0, 0
    right_there = 0
    for path, duration in zip(table.column("path").to_pylist(), table.column("duration").to_pylist(), strict=True):
        if not path.startswith("test/"):
            continue
        sides = [_raster([row for row in side if row.path == path], duration) for side in (true, found)]
        same = sides[0] == sides[1]
        event = sides[0] != ""
        right, total = right + same.sum(), total + len(same)
        right_there, there = right_there + same[event].sum(), there + event.sum()
        false += (sides[1][~event] != "").sum()
    return {
        "seconds_right": float(right / total),
        "event_seconds_right": float(right_there / there),
        "background_said": float(false / (total - there)),
    }


def _raster(rows: list[LabelRow], duration: float) -> np.ndarray:
    """The label of each moment, that of the highest score; "" where there is none."""
    cells = np.full(int(duration / STEP), "", "U40")
    for row in sorted(rows, key=lambda row: row.score or 0.0):
        cells[int(row.start / STEP) : int(row.end / STEP)] = row.label
    return cells


def first_head(collection: Collection, events: dict[str, list[LabelRow]], folder: Path, kind: str) -> object:
    """A head of two events of each label, and of two stretches without any in each recording."""
    taken: dict[str, int] = {}
    notes = []
    for path in sorted(events):
        if not path.startswith("learn/"):
            continue
        recording = collection.annotations.recording_id(path)
        for row in events[path]:
            if taken.get(row.label, 0) < FIRST:
                taken[row.label] = taken.get(row.label, 0) + 1
                notes.append(Annotation(recording=recording, start=row.start, end=row.end, label=row.label, by="day1"))
        ends = [0.0] + [row.end for row in events[path]]
        starts = [row.start for row in events[path]] + [collection.annotations.duration_of(recording)]
        free = sorted(zip(ends, starts, strict=True), key=lambda gap: gap[0] - gap[1])[:2]
        notes += [
            Annotation(recording=recording, start=a + 1, end=min(b - 1, a + 61), label=NOTHING, by="day1")
            for a, b in free
        ]
    collection.annotations.remove([one.id for one in collection.annotations.all()])
    collection.annotations.add(notes)
    head = folder / "trial.head"
    fit_moments(collection, Moments(words=kind == "words"), HEADS[kind][0], out=head)
    return apply_head(
        head, collection, where=TEST, timeline=True, background="own", one_at_a_time=kind == "words", **EVENT_RULES
    )


def reviewed_head(collection: Collection, events: dict[str, list[LabelRow]], folder: Path, kind: str) -> object:
    """The head after 20 answers for each label, given in turns of 34 by an annotator who knows the truth."""
    head = folder / "trial.head"
    for turn in range((ANSWERS - FIRST) * len(EVENTS) // (2 * len(EVENTS))):
        found = review(collection, head, 2 * len(EVENTS), WAYS[turn % 2], list(EVENTS), where=LEARN, seed=turn)
        collection.annotations.add([answer for item in found.items for answer in _answers(item, events)])
        fit_moments(collection, Moments(background="moments", words=kind == "words"), HEADS[kind][1], out=head)
    background = "own" if kind == "words" else None
    return apply_head(head, collection, where=TEST, timeline=True, background=background, **EVENT_RULES)


def _answers(item: ReviewItem, events: dict[str, list[LabelRow]]) -> list[Annotation]:
    """Yes or no; who says no and hears another of the labels writes down which."""
    heard = []
    for row in events[item.path]:
        common = min(row.end, item.end) - max(row.start, item.start)
        if common >= 0.5 * min(row.end - row.start, item.end - item.start):
            heard.append(row.label)
    common = {"recording": item.recording, "start": item.start, "end": item.end, "by": "day2"}
    asked = Annotation(
        label=item.label,
        verdict="present" if item.label in heard else "absent",
        score=item.score,
        question=item.question,
        **common,
    )
    others = [Annotation(label=label, **common) for label in heard if label != item.label]
    return [asked, *others] if heard else [asked, Annotation(label=NOTHING, **common)]


def print_means(rows: list[dict[str, object]]) -> None:
    """A line for each system: means over the seeds."""
    names = ["segment_f1", "event_f1_1s", "event_f1_200ms", "seconds_right", "event_seconds_right", "background_said"]
    print(f"\n{rows[0]['encoder']}\n{'system':<24}" + "".join(f"{name:>22}" for name in names))
    for system in dict.fromkeys(row["system"] for row in rows):
        own = [row for row in rows if row["system"] == system]
        values = [[row[name] for row in own if name in row] for name in names]
        print(f"{system:<24}" + "".join(f"{np.mean(some):>22.3f}" if some else f"{'':>22}" for some in values))


if __name__ == "__main__":
    main()
