"""`POST /api/learn`: a job that fits a head to the annotations and chooses the next questions."""

from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import APIRouter

from mmasc.collection import Collection
from mmasc.collection.moments import Moment
from mmasc.collection.space import SpaceReader
from mmasc.errors import MmascError
from mmasc.web.allowed import allowed_windows, passing_beforehand
from mmasc.web.bodies import Learn
from mmasc.web.head_scores import window_scores
from mmasc.web.jobs import Job, Jobs
from mmasc.web.search import hits_of
from mmasc.web.state import Session
from mmasc.windows.units import unit_float32

if TYPE_CHECKING:
    from mmasc.web.learning import Learned


class Learner:
    """Heads of the page's labels.

    Args:
        session: Whose collection.
        jobs: Does the work.
    Attributes:
        curves: By space and label: [judged, precision, low, high] after every fit.
    """

    def __init__(self, session: Session, jobs: Jobs) -> None:
        self._session, self._jobs = session, jobs
        self.curves: dict[tuple[str, str], list[list[float]]] = {}

    def start(self, asked: Learn) -> Job:
        """Begin to learn."""
        return self._jobs.start(f"learn {asked.label}", lambda job: self._learn(job, asked))

    def _learn(self, job: Job, asked: Learn) -> dict[str, Any]:
        from mmasc.web.learning import (
            enough,
            figures_of,
            histogram_of,
            learn_label,
        )  # late: it loads torch, which the first page does without

        session = self._session
        job.progress(0, 1, "reading what is labelled")
        reader = session.call(lambda _: session.reader(asked.space))
        passed = passing_beforehand(session, reader, asked.filters, asked.where)
        try:
            windows, weak = session.call(lambda one: self._windows(one, asked))
        except MmascError as error:
            reason = str(error)
            return session.call(lambda _: self._nothing(reader, asked, reason, passed))
        learned = learn_label(windows, weak, lambda done, total: job.progress(done, total, "learning"))
        if learned is None:
            return session.call(lambda _: self._nothing(reader, asked, enough(None, None), passed))
        figures = figures_of(learned)
        job.progress(job.total, job.total, "listening to all windows")
        probabilities = self._probabilities(job, reader, learned)
        self._note(reader.name, asked.label, learned, figures)
        free = session.call(lambda _: self._free(reader, asked, passed))
        queue = session.call(lambda _: self._queue(reader, asked, learned, (probabilities, free)))
        return {
            "label": asked.label,
            "space": reader.name,
            "positive": learned.positive,
            "negative": learned.negative,
            "figures": figures,
            "threshold": learned.threshold,
            "histogram": histogram_of(learned, probabilities),
            "queue": queue,
            "enough": enough(learned, figures),
            "curve": self.curves.get((reader.name, asked.label), []),
        }

    def _windows(self, collection: Collection, asked: Learn) -> Any:
        from mmasc.web.learning import windows_to_learn

        reader = self._session.reader(asked.space)
        return windows_to_learn(collection, asked.label, reader.name)

    def _probabilities(self, job: Job, reader: SpaceReader, learned: "Learned") -> np.ndarray:
        """Of the label, of all windows; vectors that are not in memory are read a piece at a time."""
        return window_scores(self._session, reader, learned.fitted, 0, lambda: job.progress(job.done, job.total))

    def _queue(
        self, reader: SpaceReader, asked: Learn, learned: "Learned", known: tuple[np.ndarray, np.ndarray]
    ) -> list[dict[str, Any]]:
        from mmasc.web.learning import queue_of, seed_of

        probabilities, free = known
        how = (asked.queue, asked.n, learned.threshold)
        seed = seed_of(asked.label, learned.positive + learned.negative)
        chosen = queue_of(probabilities, reader.recording, free, how, seed)
        return self._hits(reader, chosen, probabilities)

    def _free(self, reader: SpaceReader, asked: Learn, passed: np.ndarray | None) -> np.ndarray:
        """Windows that pass the filters and that nobody judged for this label."""
        free = np.ones(len(reader), bool)
        for recording, marks in self._session.marks().items():
            own = [one for one in marks if one.label == asked.label]
            if own:
                windows = reader.of_recording(recording)
                for one in own:
                    shared = np.minimum(reader.end[windows], one.end) - np.maximum(reader.start[windows], one.start)
                    free[windows[shared > 1e-6]] = False
        allowed = allowed_windows(self._session, reader, asked.filters, passed)
        return free if allowed is None else free & allowed

    def _hits(self, reader: SpaceReader, chosen: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
        moments = [
            Moment(position, float(scores[position]), float(reader.start[position]), float(reader.end[position]))
            for position in chosen.tolist()
        ]
        return hits_of(self._session, reader, moments, np.sort(scores[np.isfinite(scores)]))

    def _nothing(self, reader: SpaceReader, asked: Learn, reason: str, passed: np.ndarray | None) -> dict[str, Any]:
        """Where nothing can be learnt yet: what the label's own words find, else what chance finds. For the worker."""
        from mmasc.web.learning import queue_of, seed_of

        marks = [one for some in self._session.marks().values() for one in some if one.label == asked.label]
        counts = [sum(one.verdict == verdict for one in marks) for verdict in ("present", "absent")]
        side = self._session.text_side(reader)
        scores = np.random.default_rng(seed_of(asked.label, len(marks))).random(len(reader)).astype(np.float32)
        if side is not None and asked.queue != "random":
            target = unit_float32(side.embed_text([asked.label]))[0]
            held = reader.held
            scores = unit_float32(held if held is not None else reader.vectors()) @ target
        free = self._free(reader, asked, passed)
        chosen = queue_of(scores, reader.recording, free, ("likely", asked.n, 0.0), len(marks))
        say = f"Say yes to one moment with “{asked.label}” and no to some without it." if not counts[0] else reason
        return {
            "label": asked.label,
            "space": reader.name,
            "positive": counts[0],
            "negative": counts[1],
            "figures": None,
            "threshold": None,
            "histogram": None,
            "queue": self._hits(reader, chosen, scores),
            "enough": say,
            "curve": [],
        }

    def _note(self, space: str, label: str, learned: "Learned", figures: Any) -> None:
        precision = None if figures is None else figures["precision"]
        if precision is None:
            return
        curve = self.curves.setdefault((space, label), [])
        point = [learned.positive + learned.negative, *precision]
        if not curve or curve[-1] != point:
            curve.append(point)


def learn_router(learner: Learner) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.post("/api/learn")
    def learn(asked: Learn) -> dict[str, Any]:
        return {"job": learner.start(asked).key}

    return router
