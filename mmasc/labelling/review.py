"""Which moments of a collection to judge next, so that a head learns much from few answers, or can be measured.

A question is a window and a label. What people have answered is never asked again: windows with an annotation of the
label, and windows that carry another label, which `fit_moments` takes as "not this one". The ways of choosing:

- uncertain: where the head is nearest to saying yes. Labels take turns, those that were answered least come first.
- likely: what the head is surest of, labels in turn: to find more of something rare, or to see what it gets wrong.
- random: windows drawn with equal chances, each with the label that fits best. Only these say how often it is right.
- spread: over scores, recordings or sites, and times of day.

Source of "uncertain": Lewis and Gale 1994, "A sequential algorithm for training text classifiers".
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from mmasc.collection import Collection
from mmasc.collection.annotations import Annotation
from mmasc.collection.clock import begins
from mmasc.collection.filters import passing_windows
from mmasc.collection.space import SpaceReader
from mmasc.collection.vectors import stored_windows
from mmasc.errors import MmascError, show_path
from mmasc.heads.background import logits_of
from mmasc.heads.fitted import FittedHead
from mmasc.labelling.apply import HeadLabeller
from mmasc.labelling.carrying import carried
from mmasc.labelling.choosing import Questions, choose
from mmasc.storage.texts import listed

WAYS = ("uncertain", "likely", "random", "spread")
OVERLAP = 0.5  # share from which on a window carries an annotation, as `Moments` has it
_MOST_OF_ONE = 3  # questions of one recording, where there are enough recordings
_QUESTION = "review of "
_ID_DIGITS = 12


@dataclass(frozen=True)
class ReviewItem:
    """A question: does this label hold from `start` to `end`?

    Attributes:
        recording: Id of the recording.
        path: Its path under the root of the collection.
        start, end: Of the window, in seconds.
        label: What is asked.
        score: What the head gives.
        question: Which head asks, and how the moment was chosen; an annotation keeps it.
    """

    recording: int
    path: str
    start: float
    end: float
    label: str
    score: float
    question: str


@dataclass(frozen=True)
class Review:
    """What to judge next.

    Attributes:
        items: The questions, by path and time.
        head, identity: Name and SHA-256 (the first 12 digits) of the head's file; without a file its kind and "".
        by: How they were chosen.
        labels: The labels that were asked for.
        judged: How many pairs of window and label people have answered already.
        open: How many are left, with these.
    """

    items: list[ReviewItem]
    head: str
    identity: str
    by: str
    labels: tuple[str, ...]
    judged: int
    open: int


def review(
    collection: str | Path | Collection,
    head: str | Path | FittedHead,
    n: int = 20,
    by: str = "uncertain",
    labels: Sequence[str] | None = None,
    each: int | None = None,
    where: str | None = None,
    seed: int = 0,
) -> Review:
    """Choose moments to judge; nothing is decoded.

    Args:
        collection: Folder, or opened.
        head: A file of `fit_moments` or `fit_head`, or the head itself.
        n: Number of moments; fewer if fewer are left.
        by: One of `WAYS`.
        labels: Only questions about these labels; default: all of the head.
        each: Most questions of one recording; default: 3, more where there are few recordings.
        where: SQL on columns of recordings and windows: only windows that pass.
        seed: Random seed.
    Raises:
        MmascError: If the head's file is broken, the collection has no vectors of its encoder, or it has no such label.
        ValueError: If a number is out of range or the way is none.
    """
    if by not in WAYS or n < 1 or (each is not None and each < 1):
        raise ValueError(f"by must be one of {', '.join(WAYS)}, n and each at least 1, got {by!r}, {n} and {each}")
    fitted = head if isinstance(head, FittedHead) else FittedHead.load(head)
    opened = collection if isinstance(collection, Collection) else Collection(collection)
    reader = space_of(opened, fitted)
    labeller = HeadLabeller(fitted)
    names = _wanted(labeller, fitted, labels)
    columns = [labeller.names.index(name) for name in names]
    positions, scores, margins = _scored(opened, reader, labeller, where)
    scores, margins = scores[:, columns], margins[:, columns]
    judged, answers = judged_windows(opened, reader, positions, names)
    recordings = reader.recording[positions]
    n_recordings = len(np.unique(recordings))
    questions = Questions(
        scores=scores,
        margins=np.where(judged, np.nan, margins),
        recordings=recordings,
        starts=reader.start[positions],
        ends=reader.end[positions],
        sites=_sites(opened, recordings),
        hours=_hours(opened, recordings, reader.start[positions]),
        answers=np.array([answers[name] for name in names]),
    )
    most = each if each is not None else max(_MOST_OF_ONE, -(-2 * n // max(n_recordings, 1)))
    rows = choose(questions, n, by, most, np.random.default_rng(seed))
    name, identity = name_and_identity(fitted)
    asks = question_of(name, identity, by)
    items = [
        _item(opened, reader, int(positions[row]), names[column], float(scores[row, column]), asks)
        for row, column in rows
    ]
    return Review(
        sorted(items, key=lambda item: (item.path, item.start, item.label)),
        name,
        identity,
        by,
        names,
        int(judged.sum()),
        int((~judged).sum()),
    )


def judged_windows(
    collection: Collection, reader: SpaceReader, positions: Int[np.ndarray, " window"], labels: Sequence[str]
) -> tuple[Bool[np.ndarray, "window label"], Counter[str]]:
    """Which questions people have answered, and how many annotations there are of each label.

    Args:
        collection: Whose annotations count; those of heads and prompts do not.
        reader: The space.
        positions: The windows.
        labels: The labels.
    """
    place = {name: column for column, name in enumerate(labels)}
    judged = np.zeros((len(positions), len(labels)), bool)
    by_recording: dict[int, list[Annotation]] = {}
    answers: Counter[str] = Counter()
    for one in collection.annotations.all():
        if one.identity is None:
            by_recording.setdefault(one.recording, []).append(one)
            answers[one.label] += 1
    recordings = reader.recording[positions]
    for recording, annotations in by_recording.items():
        rows = np.flatnonzero(recordings == recording)
        carries, _ = carried(reader, positions[rows], annotations, OVERLAP)
        for number, one in enumerate(annotations):
            hit = rows[carries[:, number]]
            if one.verdict == "present":
                judged[hit] = True
            elif one.label in place:
                judged[hit, place[one.label]] = True
    return judged, answers


def question_of(head: str, identity: str, by: str) -> str:
    """What an annotation says of the question that led to it."""
    return f"{_QUESTION}{head} {identity[:_ID_DIGITS]}: {by}".replace(" :", ":")


def is_random(annotation: Annotation) -> bool:
    """Whether it answers a question about a moment that was drawn at random."""
    return annotation.question.startswith(_QUESTION) and annotation.question.endswith(": random")


def name_and_identity(fitted: FittedHead) -> tuple[str, str]:
    """Name and SHA-256 of the head's file; of a head without a file what kind of head it is, and ""."""
    if fitted.source is None:
        return fitted.stamp.head, ""
    return fitted.source.name, hashlib.sha256(fitted.source.read_bytes()).hexdigest()[:_ID_DIGITS]


def space_of(collection: Collection, fitted: FittedHead) -> SpaceReader:
    """The space that a head understands.

    Raises:
        MmascError: If the collection has none.
    """
    stamp = fitted.stamp
    spaces = collection.head.spaces
    same = [name for name, one in spaces.items() if one.identity == stamp.identity]
    reader = collection.space(same[0] if same else None)
    where = f"space {reader.name!r} of {collection.store.location}"
    fitted.check_space(reader.space.identity, reader.space.encoder, where)
    return reader


def _wanted(labeller: HeadLabeller, fitted: FittedHead, labels: Sequence[str] | None) -> tuple[str, ...]:
    able = [name for name in labeller.names if name != fitted.stamp.background]
    missing = [name for name in labels or () if name not in able]
    if missing:
        raise MmascError(
            f"{show_path(fitted.source or 'the head')} has no label {missing[0]!r}; labels: {listed(able)}"
        )
    return tuple(able if labels is None else dict.fromkeys(labels))


def _scored(
    collection: Collection, reader: SpaceReader, labeller: HeadLabeller, where: str | None
) -> tuple[Int[np.ndarray, " window"], Float32[np.ndarray, "window label"], Float32[np.ndarray, "window label"]]:
    """Windows with sound, what the head gives them, and how far that lies from where it says yes (see `_margins`)."""
    allowed = None if where is None else passing_windows(where, collection.recordings, reader)
    positions, scores, margins = [np.zeros(0, np.int64)], [], []
    for some in stored_windows(reader, allowed):
        (found,) = labeller.scores(some.vectors[some.heard])
        positions.append(some.positions[some.heard])
        scores.append(found.astype(np.float32))
        margins.append(_margins(found, labeller).astype(np.float32))
    none = np.zeros((0, len(labeller.names)), np.float32)
    return np.concatenate(positions), np.concatenate([none, *scores]), np.concatenate([none, *margins])


def _margins(scores: Float[np.ndarray, "window label"], labeller: HeadLabeller) -> Float[np.ndarray, "window label"]:
    """How far scores lie from where the head says yes, in logits; above 0 it says yes.

    With several labels that is the threshold; with one the best of the other labels.
    """
    logits = logits_of(scores)
    onsets = labeller.onsets() if labeller.multi_label else None
    if onsets is not None:
        return logits - logits_of(onsets)
    ordered = np.sort(scores, axis=1)
    best, second = ordered[:, -1:], ordered[:, -2:-1]
    return np.log(np.maximum(scores, 1e-9)) - np.log(np.maximum(np.where(scores == best, second, best), 1e-9))


def _sites(collection: Collection, recordings: Int[np.ndarray, " window"]) -> Int[np.ndarray, " window"]:
    """A number for each site; without the column, for each recording."""
    table = collection.recordings
    if "site" not in table.column_names:
        return recordings
    values = [str(value) for value in table.column("site").to_pylist()]
    number = {value: place for place, value in enumerate(sorted(set(values)))}
    return np.array([number[values[collection.row_of[int(one)]]] for one in recordings], np.int64)


def _hours(collection: Collection, recordings: Int[np.ndarray, " window"], starts: np.ndarray) -> np.ndarray:
    """Which quarter of the day, 0 to 3; -1 where the clock is not known."""
    known = begins(collection.recordings)
    first = np.array([-1.0 if one is None else one.hour * 3600 + one.minute * 60 + one.second for one in known])
    own = first[[collection.row_of[int(one)] for one in recordings]] if len(recordings) else np.zeros(0)
    return np.where(own < 0, -1, ((own + starts) % 86_400) // 21_600).astype(np.int64)


def _item(
    collection: Collection, reader: SpaceReader, position: int, label: str, score: float, question: str
) -> ReviewItem:
    recording = int(reader.recording[position])
    path = collection.recordings.column("path")[collection.row_of[recording]].as_py()
    return ReviewItem(
        recording, path, float(reader.start[position]), float(reader.end[position]), label, score, question
    )
