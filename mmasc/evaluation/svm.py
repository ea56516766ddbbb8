"""Support vector machines on the codes of trained networks: the layer before last in, a class out.

The codes go in as they are (C 1, gamma "scale"). Which kernel is taken, rbf or sigmoid, is decided on validation clips;
where a run has none, by folds over whole recordings within the clips that it learned from. The way of the papers, the
kernel that is best on the test clips themselves, is there by name: its figures are chosen on what they measure.

Papers: Jung et al. 2019, "Distilling the Knowledge of Specialist Deep Neural Networks in Acoustic Scene
Classification", and 2020, "Acoustic Scene Classification using Audio Tagging".
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64
from sklearn.model_selection import StratifiedGroupKFold

from mmasc.datasets.dataset import Dataset
from mmasc.devices import Session
from mmasc.errors import MmascError
from mmasc.evaluation.runs import Run, hear
from mmasc.evaluation.scores import TestScores, kept_or_made, test_scores_of
from mmasc.heads.support_vectors import SupportVectors
from mmasc.training.supervised.data import Sides

KERNELS = ("rbf", "sigmoid")
# By which clips the kernel is chosen
CHOICES = ("validation", "test")
_FOLDS = 5


@dataclass(frozen=True)
class Codes:
    """Codes of the clips of a run.

    Attributes:
        rows: The layer before last, a row for each clip of the three sides, in the order of `positions`.
        labels: Number of the class of each.
        groups: Recording or place of each.
        positions: Positions of the sides in these rows.
    """

    rows: Float32[np.ndarray, "clip dim"]
    labels: Int64[np.ndarray, " clip"]
    groups: tuple[str, ...]
    positions: Sides


def svm_scores(
    run: Run,
    chosen_on: str = "validation",
    data: str | Path | None = None,
    session: Session | None = None,
) -> TestScores:
    """What a support vector machine on a run's codes says about its test fold; kept next to the weights.

    Args:
        run: Run with weights.
        chosen_on: "validation", or "test" for the way of the papers; see the head of this module.
        data: Where the data set is; default: where it was.
        session: Device of the network, cache and progress of clips; hears which kernel was taken, and on what.
    Raises:
        MmascError: If the run cannot be tested, or its clips can have several labels.
        ValueError: If `chosen_on` is something else.
    """
    if chosen_on not in CHOICES:
        raise ValueError(f"chosen_on must be one of {list(CHOICES)}, got {chosen_on!r}")

    session = session or Session()

    def make() -> TestScores:
        table, sides = run.data(data)
        if table.multi_label:
            raise MmascError(
                f"{run.folder} has clips with several labels, but a support vector machine predicts one; leave it out"
            )
        codes = _codes(run, table, sides, session)
        kernel, chosen = choose_kernel(codes, chosen_on)
        session.say(f"{run.folder}: {chosen}")
        machine = _fitted(kernel, codes, codes.positions.train)
        known = machine.predict_proba(codes.rows[codes.positions.test])
        logits = np.full((len(known), len(run.config.classes)), np.log(np.finfo(np.float32).tiny), np.float32)
        logits[:, machine.classes_] = np.log(np.maximum(known, np.finfo(np.float32).tiny))
        return test_scores_of(run, table, sides.test.tolist(), logits)

    path = run.folder / f"svm_scores-{chosen_on}.safetensors"
    return kept_or_made(path, f"svm {chosen_on} {run.digest}", make, session)


def choose_kernel(codes: Codes, chosen_on: str) -> tuple[str, str]:
    """The kernel with the higher accuracy, the first of equals, and a line about on what.

    Args:
        codes: Codes of the clips of a run; test clips are looked at for "test" only.
        chosen_on: See `svm_scores`.
    """
    sides = codes.positions
    if chosen_on == "test":
        side, where = sides.test, "the test fold itself, as the papers do: the figure is chosen on what it measures"
    elif len(sides.validation):
        side, where = sides.validation, f"{len(sides.validation)} validation clips"
    else:
        side, where = sides.train, f"folds within the {len(sides.train)} clips that the network learned from"
    if side is sides.train:
        right = {kernel: _cross_validated(kernel, codes) for kernel in KERNELS}
    else:
        right = {
            kernel: float((_fitted(kernel, codes, sides.train).predict(codes.rows[side]) == codes.labels[side]).mean())
            for kernel in KERNELS
        }
    best = max(KERNELS, key=lambda kernel: right[kernel])
    both = ", ".join(f"{kernel} {value:.3f}" for kernel, value in right.items())
    return best, f"kernel {best} ({both}), chosen on {where}"


def _fitted(kernel: str, codes: Codes, side: Int64[np.ndarray, " some"]) -> SupportVectors:
    return SupportVectors(kernel).fit(codes.rows[side], codes.labels[side])


def _cross_validated(kernel: str, codes: Codes) -> float:
    """Accuracy over clips, each predicted by a machine that was not fitted to its recording; 0 for too few clips."""
    train = codes.positions.train
    groups = np.array(codes.groups)[train]
    n_folds = min(_FOLDS, len(set(groups)))
    if n_folds < 2:
        return 0.0
    right = 0
    for learned, held in StratifiedGroupKFold(n_folds).split(train, codes.labels[train], groups):
        if len(set(codes.labels[train[learned]])) > 1:
            machine = _fitted(kernel, codes, train[learned])
            right += int((machine.predict(codes.rows[train[held]]) == codes.labels[train[held]]).sum())
    return right / len(train)


def _codes(run: Run, table: Dataset, sides: Sides, session: Session) -> Codes:
    from mmasc.training.supervised.data import targets_for
    from mmasc.training.supervised.scoring import clip_codes

    clips = np.concatenate([sides.train, sides.validation, sides.test])
    ends = np.cumsum([0, len(sides.train), len(sides.validation), len(sides.test)])
    positions = Sides(*(np.arange(start, end) for start, end in itertools.pairwise(ends)))
    found = hear(run, table, clips.tolist(), session)
    rows = clip_codes(found.network, found.waveforms, run.config.hearing, found.names, found.tags, session.progress)
    labels = targets_for(table, run.config.classes)[clips].argmax(1).astype(np.int64)
    groups = table.groups
    return Codes(rows, labels, tuple(groups[clip] for clip in clips.tolist()), positions)
