"""Vectors of windows → what each recording is, and when: for prompts, heads and trained networks alike.

A recording is judged by its vector (the mean of its windows' weighted by the time that each adds), its timeline by the
scores of its windows: a moment's score is the mean over the windows that hear it. Windows of digital silence are not
judged. Vectors may come from files or out of a collection (`sources.py`); nothing here knows which.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from mmasc.audio import AudioStatus
from mmasc.heads.zeroshot import NONE
from mmasc.labelling.unlike import Mark, marked_seconds
from mmasc.windows.several import bounds_of, cells_of_several, events_of_several, heard_seconds, joined_of_several
from mmasc.windows.timeline import Event, trimmed_events

Measures = tuple[Float[np.ndarray, "item class"], ...]


@runtime_checkable
class Labeller(Protocol):
    """What says of vectors which labels hold: prompts, a head, the last layer of a network.

    Attributes:
        labels: The labels, in their own type, in the order of the columns.
        names: The labels as text.
        multi_label: Whether several labels can hold at once.
    """

    @property
    def labels(self) -> Sequence[Any]: ...
    @property
    def names(self) -> Sequence[str]: ...
    @property
    def multi_label(self) -> bool: ...

    def scores(self, vectors: Float[np.ndarray, "item dim"]) -> Measures:
        """Probabilities `[item class]` of vectors, and everything else that `accept` looks at, in the same form."""

    def accept(self, *scores: Float[np.ndarray, "item class"]) -> Bool[np.ndarray, "item class"]:
        """Which labels hold, from what `scores` gave, or from means of it."""

    def onsets(self) -> Float[np.ndarray, " class"] | None:
        """Least probability of each label; None where there is none."""

    def loosened(self, offsets: Float[np.ndarray, " class"]) -> "Labeller":
        """The same with these least probabilities."""


@dataclass(frozen=True)
class Classification:
    """What a recording is.

    Attributes:
        path: As it was found; in a collection its root and path.
        label: The best label, or "none of these" where it does not pass the thresholds or the recording is nothing but
            digital silence; None if the file failed.
        score: Probability of the best label, even where it did not pass; None if the file failed.
        scores: Label to probability; in the order of the labels, or the `top` best first.
        cosines: With prompts: label to cosine, the same labels in the same order; with `centre_on` less the label's
            shift. Else empty.
        labels: All labels that hold: at most one, except with several labels at once.
        status: Whether the file was read to its end, and what is odd in it; a failed file has none of the others.
        duration: Decoded seconds.
        sample_rate: Sample rate of the file, in Hz.
        events: With a timeline: which label holds from when to when, in the order of time; windows of digital silence
            have none.
        seconds: With a timeline: label to covered seconds, in the order of the labels.
        windows: With a timeline: label to number of windows; overlapping windows count each.
        unlike: Whether the recording as a whole is unlike what the head, or the bundled encoder, learned from; None
            where that is not known.
        unlike_seconds: With a timeline: seconds in windows that are; None where that is not known.
        recorded_at: When the recording began, by the clock at the place; None where no collection says it.
    """

    path: str
    label: Any
    score: float | None
    scores: dict[Any, float]
    cosines: dict[Any, float]
    labels: tuple[Any, ...]
    status: AudioStatus
    duration: float = 0.0
    sample_rate: int = 0
    events: list[Event] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    windows: dict[str, int] = field(default_factory=dict)
    unlike: bool | None = None
    unlike_seconds: float | None = None
    recorded_at: datetime | None = None


@dataclass(frozen=True)
class Recording:
    """What is known of a recording besides its vectors; see `Classification`."""

    path: str
    status: AudioStatus
    duration: float = 0.0
    sample_rate: int = 0
    recorded_at: datetime | None = None


@dataclass(frozen=True)
class Heard:
    """Windows of recordings, recording by recording; a file that could not be read has none.

    Attributes:
        recordings: The recordings.
        means: Their vectors, float64 `[recording dim]`; undefined for recordings without windows.
        vectors: Vectors of the windows `[window dim]`.
        starts, ends: Seconds `[window]`.
        heard: In which windows there is sound, bool `[window]`.
        bounds: Where the windows of a recording begin, and where the last ones end, int64 `[recording+1]`.
    """

    recordings: list[Recording]
    means: Float[np.ndarray, "recording dim"]
    vectors: Float[np.ndarray, "window dim"]
    starts: Float[np.ndarray, " window"]
    ends: Float[np.ndarray, " window"]
    heard: Bool[np.ndarray, " window"]
    bounds: Int[np.ndarray, " edge"]


@dataclass(frozen=True)
class Wanted:
    """What is asked of recordings.

    Attributes:
        timeline: Also find events, seconds and windows of every label.
        gap_seconds: Gaps of a label up to this long are bridged in the timeline.
        minimum_seconds: Events shorter than this are dropped.
        top: Keep only this many labels in `scores`; default: all.
        offset_threshold: An event of the timeline goes on while the label's probability is at least this, which is at
            most the threshold that lets it begin; default: the same. Labels with lower thresholds keep theirs.
        smooth_seconds: Moments of the timeline shorter than this are judged together with those after them, see
            `joined_cells`; default: none, and with `offset_threshold` the hop.
        threshold: The threshold that was asked for, if one was: `offset_threshold` is at most this.
        trim_seconds: Both edges of an event are moved inwards by this, see `trimmed_events`.
    Raises:
        ValueError: If a number is out of range.
    """

    timeline: bool = False
    gap_seconds: float = 0.0
    minimum_seconds: float = 0.0
    top: int | None = None
    offset_threshold: float | None = None
    smooth_seconds: float | None = None
    threshold: float | None = None
    trim_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.top is not None and self.top < 1:
            raise ValueError(f"top must be at least 1, got {self.top}")
        if not self.gap_seconds >= 0 or not self.minimum_seconds >= 0:
            raise ValueError(
                f"gap_seconds and minimum_seconds must be 0 or more, got {self.gap_seconds}, {self.minimum_seconds}"
            )
        offset, onset = self.offset_threshold, self.threshold
        if offset is not None and onset is not None and offset > onset:
            raise ValueError(f"offset_threshold must be at most threshold, got {offset} and {onset}")
        if self.smooth_seconds is not None and not self.smooth_seconds >= 0:
            raise ValueError(f"smooth_seconds must be 0 or more, got {self.smooth_seconds}")
        if not self.trim_seconds >= 0:
            raise ValueError(f"trim_seconds must be 0 or more, got {self.trim_seconds}")

    def with_hop(self, hop_seconds: float) -> "Wanted":
        """The same options, completed by those that depend on the hop of the windows."""
        if self.smooth_seconds is not None:
            return self
        return replace(self, smooth_seconds=0.0 if self.offset_threshold is None else hop_seconds)


class Answers(Iterator[Classification]):
    """What recordings are, one after the other while they are worked out.

    Attributes:
        names: All labels as text, in the order of the scores.
        encoder: Name of the encoder or network that heard the recordings.
    """

    def __init__(self, heard: Iterator[Heard], labeller: Labeller, wanted: Wanted, encoder: str) -> None:
        if wanted.offset_threshold is not None and labeller.onsets() is None:
            raise ValueError("offset_threshold needs a threshold that lets events begin")
        self.names, self.encoder, self._labeller = tuple(labeller.names), encoder, labeller
        self._results = (answer for some in heard for answer in label_recordings(some, labeller, wanted))

    @property
    def remarks(self) -> list[str]:
        """Remarks on the answers so far, one line each."""
        return list(getattr(self._labeller, "remarks", []))

    def __next__(self) -> Classification:
        return next(self._results)


def label_recordings(heard: Heard, labeller: Labeller, wanted: Wanted) -> Iterator[Classification]:
    """What each recording is, in the order given."""
    sounding = np.add.reduceat(np.append(heard.heard, False), heard.bounds[:-1]) > 0
    there = np.diff(heard.bounds) > 0
    measures = labeller.scores(heard.means)
    accepted = labeller.accept(*measures) & (sounding & there)[:, None]
    ranking = np.argsort(-measures[0], axis=1, kind="stable")
    timelines = _timelines(heard, labeller, wanted) if wanted.timeline else [{}] * len(there)
    mark: Mark | None = getattr(labeller, "mark", None)
    unlike = np.zeros(len(there), bool) if mark is None else mark(heard.means) & sounding
    for row, recording in enumerate(heard.recordings):
        if not there[row]:
            yield Classification(recording.path, None, None, {}, {}, (), recording.status)
            continue
        columns = ranking[row].tolist()
        kept = range(len(columns)) if wanted.top is None else columns[: wanted.top]
        scores, cosines = measures[0][row].tolist(), measures[1][row].tolist() if len(measures) > 1 else None
        labels = labeller.labels
        held = [labels[column] for column in columns if accepted[row, column]]
        yield Classification(
            path=recording.path,
            label=labels[columns[0]] if accepted[row, columns[0]] else NONE,
            score=scores[columns[0]],
            scores={labels[column]: scores[column] for column in kept},
            status=recording.status,
            duration=recording.duration,
            sample_rate=recording.sample_rate,
            cosines={} if cosines is None else {labels[column]: cosines[column] for column in kept},
            labels=tuple(held),
            unlike=None if mark is None else bool(unlike[row]),
            recorded_at=recording.recorded_at,
            **timelines[row],
        )


def _timelines(heard: Heard, labeller: Labeller, wanted: Wanted) -> list[dict[str, Any]]:
    """`events`, `seconds` and `windows` of every recording."""
    names, chosen = list(labeller.names), heard.heard
    bounds = bounds_of(chosen, heard.bounds)
    measures = labeller.scores(heard.vectors[chosen])
    against = getattr(labeller, "against_own", None)  # what stands out in its own recording
    if against is not None:
        measures = against(measures, bounds)
    cells = cells_of_several(measures, heard.starts[chosen], heard.ends[chosen], bounds)
    if wanted.smooth_seconds:
        cells = joined_of_several(cells, wanted.smooth_seconds)
    how: dict[str, Any] = {"threshold": 0.0}
    looser, onsets = labeller, labeller.onsets()
    if wanted.offset_threshold is not None and onsets is not None:
        offsets = np.minimum(onsets, wanted.offset_threshold)
        looser = labeller.loosened(offsets)
        how = {
            name: dict(zip(names, values.tolist(), strict=True))
            for name, values in (("threshold", onsets), ("offset_threshold", offsets))
        }
    # The labeller decides what holds in a cell, in one place for recordings and cells; what does not hold is put below
    # every threshold, and an event's score is the mean over cells that hold only.
    held = np.where(looser.accept(*cells.measures), cells.measures[0], -1.0)
    events = events_of_several(
        held,
        cells,
        names,
        wanted.gap_seconds,
        multi_label=labeller.multi_label,
        minimum_seconds=wanted.minimum_seconds,
        **how,
    )
    if wanted.trim_seconds:
        events = [
            trimmed_events(own, wanted.trim_seconds, cells.starts[first], cells.ends[last - 1]) if own else own
            for own, first, last in zip(events, cells.bounds[:-1], cells.bounds[1:], strict=True)
        ]
    counts = np.zeros((len(bounds) - 1, len(names)), np.int64)
    there = np.diff(bounds) > 0
    if there.any():
        counts[there] = np.add.reduceat(labeller.accept(*measures), bounds[:-1][there], axis=0, dtype=np.int64)
    found: list[dict[str, Any]] = [
        {"events": own, "seconds": heard_seconds(own, names), "windows": dict(zip(names, windows, strict=True))}
        for own, windows in zip(events, counts.tolist(), strict=True)
    ]
    mark: Mark | None = getattr(labeller, "mark", None)
    if mark is not None:
        unlike = marked_seconds(mark(heard.vectors[chosen]), heard.starts[chosen], heard.ends[chosen], bounds)
        found = [one | {"unlike_seconds": seconds} for one, seconds in zip(found, unlike, strict=True)]
    return found
