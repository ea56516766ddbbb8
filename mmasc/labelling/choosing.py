"""Which questions to ask, from scores alone: a limited number per recording, and no moment twice."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

_SCORE_BINS = 5
_LONG_SECONDS, _APART_SECONDS = 600.0, 30.0  # in long recordings, moments next to each other are much the same
_MOST_SPREAD = 200_000  # questions among which is spread; of more, so many are drawn


@dataclass(frozen=True)
class Questions:
    """All that could be asked: windows and labels.

    Attributes:
        scores: What the head gives `[window label]`.
        margins: How far it is from saying yes `[window label]`, above 0 it does; NaN where it was answered already.
        recordings: Id of the recording `[window]`.
        starts, ends: Seconds `[window]`.
        sites: A number for each site `[window]`.
        hours: A number for each part of the day `[window]`.
        answers: How many annotations each label has `[label]`.
    """

    scores: Float[np.ndarray, "window label"]
    margins: Float[np.ndarray, "window label"]
    recordings: Int[np.ndarray, " window"]
    starts: Float[np.ndarray, " window"]
    ends: Float[np.ndarray, " window"]
    sites: Int[np.ndarray, " window"]
    hours: Int[np.ndarray, " window"]
    answers: Int[np.ndarray, " label"]


class _Taken:
    """The moments chosen so far, and the limits for further ones."""

    def __init__(self, questions: Questions, most: int) -> None:
        self.rows: list[tuple[int, int]] = []
        self._questions, self._most = questions, most
        self._of_recording: Counter[int] = Counter()
        self._spans: dict[int, list[tuple[float, float]]] = {}
        ids, of = np.unique(questions.recordings, return_inverse=True)
        last = np.zeros(len(ids))
        np.maximum.at(last, of, questions.ends)
        self._apart = dict(zip(ids.tolist(), np.where(last > _LONG_SECONDS, _APART_SECONDS, 0.0).tolist(), strict=True))

    def take(self, row: int, column: int) -> bool:
        """Take a question, unless its recording has enough, or one at this time (in long ones: near it) was taken."""
        questions = self._questions
        recording = int(questions.recordings[row])
        start, end = float(questions.starts[row]), float(questions.ends[row])
        spans = self._spans.setdefault(recording, [])
        apart = self._apart[recording]
        near = any(a < end + apart and start < b + apart for a, b in spans)
        if near or self._of_recording[recording] >= self._most:
            return False
        spans.append((start, end))
        self._of_recording[recording] += 1
        self.rows.append((row, column))
        return True


def choose(questions: Questions, n: int, by: str, most: int, generator: np.random.Generator) -> list[tuple[int, int]]:
    """Rows and columns of the questions to ask.

    Args:
        questions: All that could be asked.
        n: How many; fewer where fewer fit.
        by: "uncertain", "likely", "random" or "spread", see `mmasc.labelling.review`.
        most: Most questions of one recording.
        generator: For what is drawn.
    """
    taken = _Taken(questions, most)
    if not questions.margins.size:
        return []
    if by == "random":
        _random(questions, n, taken, generator)
    elif by == "spread":
        _spread(questions, n, taken, generator)
    else:
        badness = np.abs(questions.margins) if by == "uncertain" else -questions.margins
        _in_turn(badness, questions.answers, n, taken)
    return taken.rows


def _in_turn(badness: Float[np.ndarray, "window label"], answers: np.ndarray, n: int, taken: _Taken) -> None:
    """The best of each label in turn, beginning with the label that was answered least."""
    queues: list[Iterator[tuple[int, int]]] = []
    for column in np.argsort(answers, kind="stable").tolist():
        order = np.argsort(badness[:, column], kind="stable")  # NaN comes last
        order = order[: int((~np.isnan(badness[:, column])).sum())]
        queues.append(iter([(row, column) for row in order.tolist()]))
    while queues and len(taken.rows) < n:
        queues = [queue for queue in queues if len(taken.rows) >= n or any(taken.take(*one) for one in queue)]


def _random(questions: Questions, n: int, taken: _Taken, generator: np.random.Generator) -> None:
    """Windows with equal chances, each with its best label; windows in which that was answered are passed over."""
    margins = questions.margins
    open_rows = np.flatnonzero(~np.isnan(margins).all(axis=1))
    best = np.nanargmax(margins[open_rows], axis=1) if len(open_rows) else np.zeros(0, np.int64)
    for place in generator.permutation(len(open_rows)):
        if len(taken.rows) == n:
            return
        taken.take(int(open_rows[place]), int(best[place]))


def _spread(questions: Questions, n: int, taken: _Taken, generator: np.random.Generator) -> None:
    """One after the other: the question whose label, score, site and part of the day were asked least so far."""
    rows, columns = np.nonzero(~np.isnan(questions.margins))
    turn = generator.permutation(len(rows))[:_MOST_SPREAD]
    rows, columns = rows[turn], columns[turn]
    bins = np.minimum((questions.scores[rows, columns] * _SCORE_BINS).astype(np.int64), _SCORE_BINS - 1)
    kinds = [
        np.unique(kind, return_inverse=True)[1]
        for kind in (columns, bins, questions.sites[rows], questions.hours[rows])
    ]
    cost = np.zeros(len(rows))
    while len(taken.rows) < n and len(rows) and np.isfinite(cost).any():
        one = int(cost.argmin())
        if taken.take(int(rows[one]), int(columns[one])):
            for kind in kinds:
                cost += kind == kind[one]
        cost[one] = np.inf
