"""Features compared in rows: accuracy on groups that a network learned from and on others, next to what was published.

What comes in are the folders of runs that `mmasc.evaluation.feature_sweep` leaves.

Paper: Liu et al. 2021, "Cross-modal Spectrum Transformation Network for Acoustic Scene Classification", Table 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from mmasc.devices import Session
from mmasc.errors import MmascError
from mmasc.evaluation.published import published_features
from mmasc.evaluation.runs import Run, find_runs
from mmasc.evaluation.scores import TestScores, read_scores, read_seen_scores
from mmasc.metrics.predictions import Predictions, measure_accuracy
from mmasc.networks.load import load_network
from mmasc.training.supervised.data import seen_before

# Answers, and the names of the clips that they are about
Part = tuple[Predictions, list[str]]


@dataclass(frozen=True)
class FeatureRow:
    """A front end of a sweep, over all folds and seeds.

    Attributes:
        name: As it is shown.
        features: Front end, as `load_front_end` takes it.
        seen, seen_low, seen_high: Accuracy in percent on clips whose group (or city ...) was learned from, and its
            95 % interval over groups; None where there are no such clips.
        seen_clips, seen_answers: Different clips, and how often they were asked about, by fold and seed.
        unseen, unseen_low, unseen_high, unseen_clips, unseen_answers: The same of clips of other groups.
        published_seen, published_unseen: Accuracies of the paper, in percent; None where it has none.
        published_on: What these were measured on; empty as well.
        parameters: Trainable numbers of the network.
        clips_per_second: Clips per second of training, the median over epochs and runs; None where the runs did not
            note it.
        seconds: Seconds of training a fold, the median over runs; None as well.
        folds, seeds: Folds and seeds that were trained.
        missing: "fold F seed S" that were asked for and are missing.
        folder: Folder of its runs.
    """

    name: str
    features: str
    seen: float | None
    seen_low: float | None
    seen_high: float | None
    seen_clips: int
    seen_answers: int
    unseen: float | None
    unseen_low: float | None
    unseen_high: float | None
    unseen_clips: int
    unseen_answers: int
    published_seen: float | None
    published_unseen: float | None
    published_on: str
    parameters: int
    clips_per_second: float | None
    seconds: float | None
    folds: tuple[str, ...]
    seeds: tuple[int, ...]
    missing: tuple[str, ...]
    folder: str


def feature_row(
    name: str,
    front_end: str,
    constants: Mapping[str, Any],
    folder: Path,
    folds: Sequence[str],
    seeds: Sequence[int],
    data: str | Path,
    session: Session,
) -> FeatureRow | None:
    """What the finished runs of a front end say; None where there is none.

    Args:
        name: Name to be shown.
        front_end: As `load_front_end` takes it.
        constants: Constants of the front end, as `front_end_constants` gives them.
        folder: Folder that holds its runs: seed-N/fold-M.
        folds, seeds: Folds and seeds that are asked for.
        data: See `mmasc.evaluation.scores.read_scores`.
        session: As well; hears what is missing.
    Raises:
        MmascError: If a run is of another system, or cannot be tested.
    """
    places = {(fold, seed): folder / f"seed-{seed}" / f"fold-{fold}" for seed in seeds for fold in folds}
    present = {key: path for key, path in places.items() if (path / "last.safetensors").is_file()}
    if not present:
        session.say(f"{name} has no finished run")
        return None
    runs = [find_runs([path])[0] for path in present.values()]
    odd = [run for run in runs if run.config.features != front_end or run.system != runs[0].system]
    if odd:
        raise MmascError(f"{odd[0].folder} is a run of another system than {front_end} in {runs[0].folder}; move it")
    seen, unseen = _parts(runs, data, session)
    speeds = [line["clips_per_second"] for run in runs for line in run.epochs if line.get("clips_per_second")]
    seconds = [run.epochs[-1]["seconds"] for run in runs if run.epochs and "seconds" in run.epochs[-1]]
    config = runs[0].config
    return FeatureRow(
        name,
        front_end,
        *_figures(seen),
        *_figures(unseen),
        *_published(front_end, constants),
        parameters=load_network(f"{config.network}:{runs[0].folder}").parameter_counts()[0],
        clips_per_second=float(np.median(speeds)) if speeds else None,
        seconds=float(np.median(seconds)) if seconds else None,
        folds=tuple(dict.fromkeys(fold for fold, _ in present)),
        seeds=tuple(dict.fromkeys(seed for _, seed in present)),
        missing=tuple(f"fold {fold} seed {seed}" for fold, seed in places if (fold, seed) not in present),
        folder=str(folder),
    )


def table_of(rows: Sequence[FeatureRow]) -> list[dict[str, str]]:
    """Rows as people read them: percent, [95 % interval], (different clips)."""
    return [
        {
            "features": row.name,
            "seen %": _cell(row.seen, row.seen_low, row.seen_high, row.seen_clips),
            "unseen %": _cell(row.unseen, row.unseen_low, row.unseen_high, row.unseen_clips),
            "published seen/unseen": "-"
            if row.published_seen is None
            else f"{row.published_seen:.1f}/{row.published_unseen:.1f}",
        }
        for row in rows
    ]


def _cell(value: float | None, low: float | None, high: float | None, clips: int) -> str:
    if value is None:
        return "-"
    interval = "" if low is None else f" [{low:.1f}, {high:.1f}]"
    return f"{value:.1f}{interval} ({clips})"


def rows_object(rows: Sequence[FeatureRow]) -> list[dict[str, Any]]:
    """Rows as plain values, for JSON: keys may be added, never renamed."""
    return [asdict(row) for row in rows]


def _parts(runs: Sequence[Run], data: str | Path, session: Session) -> tuple[list[Part], list[Part]]:
    """Answers about seen and about unseen clips, a part for each run that has any."""

    def kept(scores: TestScores, run: Run, rows: Bool[np.ndarray, " clip"]) -> list[Part]:
        names = [clip for clip, item in zip(scores.clips, rows, strict=True) if item]
        return [(scores.answers(run.config.classes).part(rows), names)] if names else []

    seen: list[Part] = []
    unseen: list[Part] = []
    for run in runs:
        table, sides = run.data(data)
        before = seen_before(table, sides, run.config.seen_by)[sides.test]
        scores = read_scores(run, data, session)
        seen += kept(scores, run, before)
        unseen += kept(scores, run, ~before)
        if len(sides.seen):
            apart = read_seen_scores(run, data, session)
            seen += kept(apart, run, np.ones(len(apart.clips), bool))
    return seen, unseen


def _figures(parts: Sequence[Part]) -> tuple[float | None, float | None, float | None, int, int]:
    """Accuracy of all answers with its interval in percent, different clips, answers."""
    if not parts:
        return None, None, None, 0, 0
    first = parts[0][0]
    answers = Predictions(
        np.concatenate([part.true for part, _ in parts]),
        np.concatenate([part.posteriors for part, _ in parts]),
        first.classes,
        tuple(group for part, _ in parts for group in part.groups),
        first.multi_label,
    )
    accuracy = measure_accuracy(answers)
    low, high = (None, None) if accuracy.interval is None else (100 * end for end in accuracy.interval)
    return 100 * accuracy.value, low, high, len({name for _, names in parts for name in names}), len(answers)


def _published(front_end: str, constants: Mapping[str, Any]) -> tuple[float | None, float | None, str]:
    """The paper's pair in percent, and what it is of; of a run that imagines, that of its variant."""
    known = front_end
    if front_end.startswith("ivf:"):
        known = f"ivf:{constants['imagination']['variant']}"
    found = published_features(known)
    if found is None or found.unseen is None:
        return None, None, ""
    return 100 * found.value, 100 * found.unseen, f"{found.source}: {found.measured}"
