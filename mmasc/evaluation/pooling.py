"""Runs of one system and the scores of their test folds → one `Evaluation`: figures over all folds and seeds.

The interval draws whole recordings, a recording's answers of all seeds together.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.datasets.known import clips_digest
from mmasc.encoders.heard import Heard
from mmasc.errors import MmascError
from mmasc.evaluation.learned import learned_before
from mmasc.evaluation.runs import Run
from mmasc.evaluation.scores import TestScores
from mmasc.metrics.predictions import Metric, Predictions, by_column, class_table, measure, measure_accuracy

COLUMNS = ("city", "device")  # looked at by themselves wherever a data set has them


@dataclass(frozen=True)
class RunResult:
    """One run on its test fold.

    Attributes:
        folder, fold, seed: Which one.
        accuracy: Accuracy on the test fold.
        clips: Tested.
        epochs: Done.
        seconds: Seconds of training; None where the run did not note them.
        clips_per_second: Clips per second of training, the median over epochs; None as well.
        unfinished: How far it is, where it has not ended; else empty.
    """

    folder: str
    fold: str
    seed: int
    accuracy: float
    clips: int
    epochs: int
    seconds: float | None
    clips_per_second: float | None
    unfinished: str


@dataclass(frozen=True)
class Evaluation:
    """A system on all its folds and seeds.

    Attributes:
        network, features, recipe, dataset: What it is, and on what data.
        folder: Folder that holds its runs.
        classes: Classes in the order of rows and columns.
        multi_label: Whether a clip can have several labels.
        metrics: Name → value and interval, see `mmasc.metrics.predictions.measure`.
        fold_names, fold_sizes, folds: Folds, clips and accuracies (means over seeds).
        seeds, seed_accuracies: Accuracy over all folds of each seed.
        spread: Standard deviation (n - 1) of these; None for one seed.
        missing: "fold F seed S" that other folds or seeds have; the mean over seeds is then not even.
        runs: One by one.
        per_class: Class → precision, recall, f1, average_precision, items.
        by: Column → value → accuracy, interval, log_loss, items.
        confusion: How many of each class (rows) were called what (columns), all seeds; None with several labels.
        answers: Answers of all clips and seeds.
        learned: What starting weights and teachers of the runs learned from the clips that are tested here.
        tested_on: Digest of the tested clips and their folds, see `mmasc.datasets.known.clips_digest`.
    """

    network: str
    features: str
    recipe: str
    dataset: str
    folder: Path
    classes: tuple[str, ...]
    multi_label: bool
    metrics: dict[str, Metric]
    fold_names: list[str]
    fold_sizes: list[int]
    folds: list[float]
    seeds: list[int]
    seed_accuracies: list[float]
    spread: float | None
    missing: list[str]
    runs: list[RunResult]
    per_class: dict[str, dict[str, float]]
    by: dict[str, dict[str, dict[str, object]]]
    confusion: list[list[int]] | None
    answers: Predictions = field(repr=False)
    sources: tuple[Run, ...] = field(repr=False)
    learned: tuple[Heard, ...] = ()
    tested_on: str = ""


def pool(runs: Sequence[Run], scores: Sequence[TestScores], by: Sequence[str] = ()) -> Evaluation:
    """Pool the test folds of runs of one system.

    Args:
        runs: Runs of one system.
        scores: Scores of each run.
        by: Columns in addition to city and device.
    Raises:
        MmascError: If two runs are of one fold and seed, a column does not exist, or a clip lies in two folds.
    """
    _check(runs, scores, by)
    config = runs[0].config
    parts = [entry.answers(config.classes) for entry in scores]
    answers = Predictions(
        np.concatenate([part.true for part in parts]),
        np.concatenate([part.posteriors for part in parts]),
        parts[0].classes,
        tuple(group for part in parts for group in part.groups),
        parts[0].multi_label,
    )
    results = [_result(run, part) for run, part in zip(runs, parts, strict=True)]
    folds = list(dict.fromkeys(result.fold for result in results))
    seeds = sorted({result.seed for result in results})
    present = {(result.fold, result.seed) for result in results}
    missing = [f"fold {fold} seed {seed}" for seed in seeds for fold in folds if (fold, seed) not in present]
    of_seeds = [_pooled([entry for entry in results if entry.seed == seed]) for seed in seeds]
    return Evaluation(
        network=config.network,
        features=config.features,
        recipe=config.recipe,
        dataset=config.dataset,
        folder=Path(os.path.commonpath([run.folder.resolve() for run in runs])),
        classes=config.classes,
        multi_label=answers.multi_label,
        metrics=measure(answers),
        fold_names=folds,
        fold_sizes=[max(result.clips for result in results if result.fold == fold) for fold in folds],
        folds=[_pooled([entry for entry in results if entry.fold == fold]) for fold in folds],
        seeds=seeds,
        seed_accuracies=of_seeds,
        spread=float(np.std(of_seeds, ddof=1)) if len(seeds) > 1 else None,
        missing=missing,
        runs=results,
        per_class=class_table(answers),
        by=_by(runs, scores, answers, by),
        confusion=None if answers.multi_label else answers.confusion().tolist(),
        answers=answers,
        sources=tuple(runs),
        learned=tuple(learned_before(runs, [entry.clips for entry in scores])),
        tested_on=clips_digest(
            {(clip, run.config.fold) for run, entry in zip(runs, scores, strict=True) for clip in entry.clips}
        ),
    )


def evaluation_object(found: Evaluation) -> dict[str, Any]:
    """The machine-readable object of an evaluation: keys may be added, never renamed."""
    intervals = {name: metric.interval for name, metric in found.metrics.items()}
    return {
        "network": found.network,
        "features": found.features,
        "recipe": found.recipe,
        "dataset": found.dataset,
        **{name: metric.value for name, metric in found.metrics.items()},
        "interval": intervals["accuracy"],
        "interval_over": "recordings (groups of the data set), drawn with all their seeds",
        "intervals": intervals,
        "fold_names": found.fold_names,
        "fold_sizes": found.fold_sizes,
        "folds": found.folds,
        "seeds": found.seeds,
        "seed_accuracies": found.seed_accuracies,
        "spread": found.spread,
        "missing": found.missing,
        "clips": len(found.answers),
        "classes": list(found.classes),
        "multi_label": found.multi_label,
        "confusion": found.confusion,
        "per_class": found.per_class,
        "by": found.by,
        "runs": [vars(result) for result in found.runs],
        "heard": [asdict(one) for one in found.learned],
        "tested_on": found.tested_on,
    }


def _check(runs: Sequence[Run], scores: Sequence[TestScores], by: Sequence[str]) -> None:
    twice = [key for key, count in Counter((run.config.fold, run.config.seed) for run in runs).items() if count > 1]
    if twice:
        fold, seed = twice[0]
        both = [str(run.folder) for run in runs if (run.config.fold, run.config.seed) == (fold, seed)]
        raise MmascError(f"{both[0]} and {both[1]} are both fold {fold!r} with seed {seed} of one system; name one")
    fold_of: dict[str, str] = {}
    for run, entry in zip(runs, scores, strict=True):
        for clip in entry.clips:
            if fold_of.setdefault(clip, run.config.fold) != run.config.fold:
                raise MmascError(
                    f"{clip} was tested in the folds {fold_of[clip]} and {run.config.fold}; train it again"
                )
        lacking = [name for name in by if name not in entry.columns]
        if lacking:
            known = ", ".join(entry.columns) or "none"
            raise MmascError(f"the data of {run.folder} has no column {lacking[0]!r}; its columns are {known}")


def _result(run: Run, answers: Predictions) -> RunResult:
    last = run.epochs[-1] if run.epochs else {}
    speeds = [line["clips_per_second"] for line in run.epochs if line.get("clips_per_second")]
    return RunResult(
        folder=str(run.folder),
        fold=run.config.fold,
        seed=run.config.seed,
        accuracy=measure_accuracy(answers, n_draws=1).value,
        clips=len(answers),
        epochs=int(last.get("epoch", 0)),
        seconds=last.get("seconds"),
        clips_per_second=float(np.median(speeds)) if speeds else None,
        unfinished=run.unfinished,
    )


def _pooled(results: Sequence[RunResult]) -> float:
    """Accuracy over all clips of some runs."""
    return sum(result.accuracy * result.clips for result in results) / sum(result.clips for result in results)


def _by(
    runs: Sequence[Run], scores: Sequence[TestScores], answers: Predictions, by: Sequence[str]
) -> dict[str, dict[str, dict[str, object]]]:
    """Tables by column; what was held out of training is also seen against unseen."""
    everywhere = [name for name in (*COLUMNS, *by) if all(name in entry.columns for entry in scores)]
    columns = {name: [value for entry in scores for value in entry.columns[name]] for name in dict.fromkeys(everywhere)}
    column, _, values = runs[0].config.hold_out.partition("=")
    if column and all(column in entry.columns for entry in scores):
        unseen = {value.strip() for value in values.split(",")}
        every = [value for entry in scores for value in entry.columns[column]]
        columns[f"{column} in training"] = ["unseen" if value in unseen else "seen" for value in every]
    return {name: by_column(answers, own) for name, own in columns.items() if len(set(own) - {""}) > 1}
