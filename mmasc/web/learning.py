"""One label against the rest: fitted to annotated windows, measured on other recordings, with the next questions.

Everything depends only on the annotations, not on their order.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from mmasc.collection import Collection
from mmasc.heads.fitted import FittedHead
from mmasc.labelling.carrying import ABSENT, PRESENT
from mmasc.labelling.fit_moments import fit_windows
from mmasc.labelling.moments import AnnotatedWindows, Moments, annotated_windows
from mmasc.labelling.out_of_fold import Tested
from mmasc.metrics.functions import average_precision, bootstrap_interval, wilson_interval
from mmasc.printing import counted

FEW = 20  # annotated windows; figures of fewer say nothing
_DRAWS = 500  # of intervals
_OF_ONE_RECORDING = 3  # windows in a queue, at most
_BARS = 40
_WIDE = 0.2  # an interval that is wider asks for more labels

Figure = list[float] | None


@dataclass(frozen=True)
class Learned:
    """A head for one label.

    Attributes:
        fitted: The head.
        windows: What it learned from.
        tested: What heads said of windows whose recordings they had not heard.
        weak: Whether windows that nobody judged stand for "absent", for want of others.
    """

    fitted: FittedHead
    windows: AnnotatedWindows
    tested: Tested
    weak: bool

    @property
    def positive(self) -> int:
        """Windows with the label."""
        return int((self.windows.truth[:, 0] == PRESENT).sum())

    @property
    def negative(self) -> int:
        """Windows without the label, as somebody said."""
        return 0 if self.weak else int(((self.windows.truth[:, 0] == ABSENT) & self.judged).sum())

    @property
    def judged(self) -> Bool[np.ndarray, " window"]:
        """Which windows somebody judged; where none is without the label, all count."""
        known = self.windows.judged
        return np.ones(len(self.windows), bool) if known is None or self.weak else known

    @property
    def threshold(self) -> float:
        """The least probability of the label."""
        assert self.fitted.stamp.thresholds is not None
        return self.fitted.stamp.thresholds[0]


def windows_to_learn(collection: Collection, label: str, space: str | None) -> tuple[AnnotatedWindows, bool]:
    """Annotated windows for one label; where none is without it, windows that nobody judged stand for that.

    A label whose words the encoder knows needs neither: its head begins with them.

    Returns:
        The windows, and whether it is so.
    Raises:
        MmascError: If the label is present nowhere, and its words are not known.
    """
    # Most of what nobody judged is without the label; where its words may be right is left out
    found = annotated_windows(collection, Moments(labels=[label], space=space, background="moments"))
    if found.words.scores:
        return found, False
    found = annotated_windows(collection, Moments(labels=[label], space=space, words=False))
    if (found.truth == ABSENT).any():
        return found, False
    for background in ("recordings", "moments"):
        found = annotated_windows(collection, Moments(labels=[label], space=space, background=background))
        if (found.truth == ABSENT).any():
            break
    return found, True


def learn_label(
    windows: AnnotatedWindows, weak: bool, progress: Callable[[int, int], None] | None = None
) -> Learned | None:
    """A head for the label of these windows, from its words on where they are known.

    None where they are not, and nothing is known to be without it.
    """
    begun = bool(windows.words.scores)
    if not begun and not (windows.truth == ABSENT).any():
        return None
    head = "logistic" if begun or (windows.truth == PRESENT).sum() > 1 else "prototypes"
    fitted, tested = fit_windows(windows, head, progress=progress)
    return Learned(fitted, windows, tested, weak)


def figures_of(learned: Learned, seed: int = 0) -> dict[str, Figure] | None:
    """Precision, recall and average precision, each with a 95 % interval.

    The interval is the wider of Wilson's and one over draws of recordings.

    None with fewer than 20 windows that were judged, or where nothing was tested.
    """
    if learned.weak or learned.positive + learned.negative < FEW:
        return None
    known = ~np.isnan(learned.tested.scores[:, 0]) & learned.judged
    scores, true = learned.tested.scores[known, 0], learned.windows.truth[known, 0] == PRESENT
    said = scores >= learned.tested.thresholds[known, 0]
    groups = learned.windows.groups[known]
    if not true.any() or len(np.unique(groups)) < 2:
        return None

    def precision(rows: np.ndarray) -> float:
        return float((said & true)[rows].sum() / max(said[rows].sum(), 1))

    def recall(rows: np.ndarray) -> float:
        return float((said & true)[rows].sum() / max(true[rows].sum(), 1))

    def ranked(rows: np.ndarray) -> float:
        return average_precision(true[rows], scores[rows]) if true[rows].any() else 0.0

    everything = np.arange(len(true))
    figures: dict[str, Figure] = {}
    n_said, n_true = int(said.sum()), int(true.sum())
    for name, metric, n in (
        ("precision", precision, n_said),
        ("recall", recall, n_true),
        ("average_precision", ranked, n_true),
    ):
        value = metric(everything)
        low, high = bootstrap_interval(metric, len(true), groups, n_draws=_DRAWS, seed=seed)
        # Draws from a few windows that are all right never show a wrong one
        least, most = wilson_interval(round(value * n), n) if n else (0.0, 1.0)
        figures[name] = [value, min(low, least), max(high, most)]
    if not said.any():
        figures["precision"] = None
    return figures


def enough(learned: Learned | None, figures: dict[str, Figure] | None) -> str:
    """What more labels are needed for, in a sentence."""
    if learned is None:
        return "Mark where it is absent, or label other sounds, so that there is something to tell it from."
    if learned.weak:
        return "Nothing is marked as absent yet: moments that nobody judged stand for that. Say no to some."
    judged = learned.positive + learned.negative
    if not learned.positive:
        return "This is what the words say. Say yes or no to some moments, and it learns."
    if judged < FEW:
        of = ", of several recordings," if FEW - judged > 1 else ","
        return f"{counted(FEW - judged, 'more moment')}{of} and it can be said how good this is."
    precision = None if figures is None else figures["precision"]
    if figures is None or precision is None:
        return "It cannot be said how good this is: label it in other recordings as well."
    recordings = len(np.unique(learned.windows.groups[learned.judged]))
    said = f"{precision[0]:.0%} of what it finds is right ({precision[1]:.0%} to {precision[2]:.0%}), tested on the "
    said += (
        f"{counted(judged, 'window')} of {counted(recordings, 'recording')} that you judged, each by a head "
        "that had not heard it."
    )
    return said + (" More labels would say it more exactly." if precision[2] - precision[1] > _WIDE else "")


def queue_of(
    probabilities: Float[np.ndarray, " window"],
    recordings: Int[np.ndarray, " window"],
    free: Bool[np.ndarray, " window"],
    how: tuple[str, int, float],
    seed: int,
) -> Int[np.ndarray, " item"]:
    """Positions of windows to ask about next; at most three of one recording.

    Args:
        probabilities: Probability of the label in each window.
        recordings: Their recordings.
        free: Which windows may be asked about: those that nobody judged.
        how: "uncertain" (nearest to the threshold), "likely" (most probable), "random", or "spread" (half of the first,
            a quarter of each of the others, one of each recording); how many; and the threshold.
        seed: Random seed.
    """
    kind, n, threshold = how
    order = np.random.default_rng(seed).permutation(len(probabilities))
    rankings = {
        "uncertain": np.argsort(np.abs(probabilities - threshold), kind="stable"),
        "likely": np.argsort(-probabilities, kind="stable"),
        "random": order,
    }
    if kind != "spread":
        return np.array(_taken(rankings[kind], recordings, free, n, _OF_ONE_RECORDING, []), np.int64)
    taken: list[int] = []
    for name, share in (("uncertain", n // 2), ("likely", n // 4), ("random", n - n // 2 - n // 4)):
        taken += _taken(rankings[name], recordings, free, share, 1, taken)
    return np.array(taken, np.int64)


def _taken(
    ranking: np.ndarray, recordings: np.ndarray, free: np.ndarray, n: int, most: int, before: list[int]
) -> list[int]:
    """The first n of a ranking that may be taken, at most so many of one recording."""
    counts: dict[int, int] = {}
    for position in before:
        counts[int(recordings[position])] = counts.get(int(recordings[position]), 0) + 1
    taken: list[int] = []
    for position in ranking[free[ranking]].tolist():
        recording = int(recordings[position])
        if counts.get(recording, 0) < most and position not in before:
            counts[recording] = counts.get(recording, 0) + 1
            taken.append(position)
        if len(taken) >= n:
            break
    return taken


def seed_of(label: str, judged: int) -> int:
    """A seed that changes with every judgement, and with nothing else."""
    return zlib.crc32(f"{judged} {label}".encode())


def histogram_of(learned: Learned, probabilities: Float[np.ndarray, " window"]) -> dict[str, Any]:
    """How many windows have which probability: all, and those that were judged, by heads that had not heard them."""
    edges = np.linspace(0, 1, _BARS + 1)
    scores, truth = learned.tested.scores[:, 0], learned.windows.truth[:, 0]

    def counted(values: np.ndarray) -> list[int]:
        return np.histogram(values[~np.isnan(values)], edges)[0].tolist()

    absent = np.zeros(0) if learned.weak else scores[(truth == ABSENT) & learned.judged]
    return {
        "edges": edges.round(4).tolist(),
        "all": counted(probabilities),
        "present": counted(scores[truth == PRESENT]),
        "absent": counted(absent),
    }
