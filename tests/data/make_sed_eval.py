"""How tests/data/sed_eval.json was made: answers of sed_eval 0.2.1 to small cases, by hand and random.

It runs where sed_eval and dcase_util are installed (mmasc is not needed) and stands here to say what the file is:

    python tests/data/make_sed_eval.py tests/data/sed_eval.json

A label that was never said has precision 0 (`zero_score`, as DCASE challenges count it).
"""

import json
import random
import sys

import dcase_util
import sed_eval

Events = dict[str, list[list]]  # recording → start, end, label
ONE = {"a.wav": [[0.0, 1.0, "x"], [2.0, 3.5, "y"]]}
BY_HAND: list[tuple[str, Events, Events]] = [
    ("same", ONE, ONE),
    ("swapped labels", ONE, {"a.wav": [[0.0, 1.0, "y"], [2.0, 3.5, "x"]]}),
    ("nothing said", ONE, {"a.wav": []}),
    ("one label missed", ONE, {"a.wav": [[0.1, 1.1, "x"]]}),
    ("split in two", {"a.wav": [[0.0, 6.0, "x"]]}, {"a.wav": [[0.0, 2.9, "x"], [3.1, 6.0, "x"]]}),
    (
        "overlapping",
        {"a.wav": [[0.0, 6.0, "x"], [1.0, 7.0, "y"], [2.0, 3.0, "x"]]},
        {"a.wav": [[0.1, 5.0, "x"], [1.1, 9.0, "y"], [1.9, 3.1, "y"]]},
    ),
    (
        "needs another pairing",
        {"a.wav": [[1.0, 2.0, "x"], [1.15, 2.15, "x"]]},
        {"a.wav": [[0.85, 1.85, "x"], [1.05, 2.05, "x"]]},
    ),
]


def random_case(seed: int) -> tuple[str, Events, Events]:
    """Three recordings; some events are missed, moved, called otherwise or made up."""
    chance, truth, guess = random.Random(seed), {}, {}
    labels, jitter = ["x", "y", "z"][: 2 + seed % 2], 0.1 + 0.05 * seed
    for recording in ("0.wav", "1.wav", "2.wav"):
        true, said = [], []
        for _ in range(chance.randint(1, 4 + seed)):
            start = round(chance.uniform(0, 20), 3)
            end, label = round(start + chance.uniform(0.05, 5), 3), chance.choice(labels)
            true.append([start, end, label])
            if chance.random() > 0.2:
                begin = round(max(0.0, start + chance.uniform(-jitter, jitter)), 3)
                stop = round(max(begin + 0.02, end + chance.uniform(-2 * jitter, 2 * jitter)), 3)
                said.append([begin, stop, chance.choice(labels) if chance.random() < 0.2 else label])
        for _ in range(chance.randint(0, 2)):
            start = round(chance.uniform(0, 20), 3)
            said.append([start, round(start + chance.uniform(0.1, 3), 3), chance.choice(labels)])
        truth[recording], guess[recording] = sorted(true), sorted(said)
    return f"random {seed}", truth, guess


def answers(truth: Events, guess: Events) -> dict:
    """Figures by the options of the metric: "segment SECONDS" or "event COLLAR SHARE WITH_OFFSET"."""
    labels = sorted({label for side in (truth, guess) for events in side.values() for _, _, label in events})
    metrics = {
        f"segment {seconds}": sed_eval.sound_event.SegmentBasedMetrics(labels, time_resolution=seconds)
        for seconds in (1.0, 0.5)
    }
    for collar, share, offset in ((0.2, 0.5, True), (0.2, 0.5, False), (0.1, 0.2, True), (0.5, 0.0, True)):
        metrics[f"event {collar} {share} {offset}"] = sed_eval.sound_event.EventBasedMetrics(
            labels, evaluate_offset=offset, t_collar=collar, percentage_of_length=share
        )
    found = {}
    for name, metric in metrics.items():
        metric.empty_system_output_handling = "zero_score"
        for recording in truth:
            metric.evaluate(listed(truth[recording], recording), listed(guess[recording], recording))
        results = metric.results()
        found[name] = {
            "micro": flat(results["overall"]),
            "macro": flat(results["class_wise_average"]),
            "labels": {label: flat(results["class_wise"][label]) for label in labels},
        }
    return found


def listed(events: list[list], recording: str) -> dcase_util.containers.MetaDataContainer:
    """Events as sed_eval takes them."""
    return dcase_util.containers.MetaDataContainer(
        [{"event_label": label, "onset": start, "offset": end, "file": recording} for start, end, label in events]
    )


def flat(results: dict) -> dict:
    """Figures by name; None for NaN."""
    values = {name: float(value) for part in ("f_measure", "error_rate") for name, value in results[part].items()}
    return {name: value if value == value else None for name, value in values.items()}


if __name__ == "__main__":
    cases = [*BY_HAND, *(random_case(seed) for seed in range(8))]
    made = [
        {"name": name, "truth": truth, "guess": guess, "answers": answers(truth, guess)} for name, truth, guess in cases
    ]
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump({"made_by": f"sed_eval {sed_eval.__version__}", "cases": made}, file, separators=(",", ":"))
