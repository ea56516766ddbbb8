"""Annotated moments of a collection → windows with labels, from which a head learns when something sounds.

What annotations say of a window is worked out in `carrying.py`. A window that no annotation touches says nothing by
itself: nobody may have listened. With `background` it stands for "none of these".
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from mmasc.collection import Collection
from mmasc.collection.annotations import Annotation
from mmasc.collection.filters import passing_windows
from mmasc.collection.frames import window_order
from mmasc.collection.head import SpaceHead
from mmasc.collection.space import SpaceReader
from mmasc.collection.vectors import check_column, check_finite_vectors, values_of
from mmasc.errors import MmascError
from mmasc.heads.from_words import MAYBE
from mmasc.labelling.carrying import ABSENT, PRESENT, UNKNOWN, known_of_windows
from mmasc.labelling.word_start import WordStart, word_start
from mmasc.storage.texts import listed
from mmasc.windows.units import unit_as_normalizer

BACKGROUNDS = ("moments", "recordings")
ANNOTATIONS = "annotations"  # what a head of annotated moments has in the place of a column
_BACKGROUND_WINDOWS = 5_000  # of recordings without annotations, at most


@dataclass(frozen=True)
class Moments:
    """Which windows of a collection a head learns from, and what they are called.

    Attributes:
        labels: Labels to learn; default: all that are present somewhere. Other labels count as "not these".
        overlap: Minimum overlap, as a share of the shorter of window and annotation, above 0, at most 1.
        by: Annotations of this annotator alone; default: those of people, not of heads and prompts.
        background: "moments": windows that no annotation touches, of recordings with annotations, are "none of these":
            the annotators wrote down everything. A label that begins with its words does not learn from those
            of them in which the words may be right (`mmasc.heads.from_words.MAYBE`). "recordings": windows of
            recordings without any annotation are, for a few examples of something rare. Default: such windows are left
            out.
        groups: Column of what must stay together in folds; default: recordings.
        space: Default: the oldest.
        where: SQL on columns of recordings and windows.
        words: Heads of "logistic" begin with what the words of their labels say, where the encoder knows them; such a
            label needs no example. False: examples alone.
    Raises:
        ValueError: If `overlap` or `background` is out of range.
    """

    labels: Sequence[str] | None = None
    overlap: float = 0.5
    by: str | None = None
    background: str | None = None
    groups: str | None = None
    space: str | None = None
    where: str | None = None
    words: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.overlap <= 1:
            raise ValueError(f"overlap must be above 0 and at most 1, got {self.overlap}")
        if self.background not in (None, *BACKGROUNDS):
            raise ValueError(f"background must be one of {', '.join(BACKGROUNDS)}, got {self.background!r}")


@dataclass(frozen=True)
class AnnotatedWindows:
    """Windows with what is known of them, sorted by path of the recording, lane and start.

    Attributes:
        vectors: float64 `[window dim]`.
        truth: 1 present, 0 absent, -1 not known, int8 `[window class]`.
        others: Whether a window carries a label that is not learnt, bool `[window]`.
        classes: Labels, sorted.
        recordings: Id of the recording of each window, int64 `[window]`.
        starts, ends: Seconds `[window]`.
        groups: What stays together in folds, as text `[window]`.
        annotations: How many annotations were read.
        left_out: Windows that were left out, by reason.
        space_name, space: Where the vectors come from.
        words: What the words of the labels say.
        judged: Whether an annotation says something of the window, bool `[window]`; others are background. None: all.
    """

    vectors: Float[np.ndarray, "window dim"]
    truth: Int8[np.ndarray, "window class"]
    others: Bool[np.ndarray, " window"]
    classes: tuple[str, ...]
    recordings: Int[np.ndarray, " window"]
    starts: Float[np.ndarray, " window"]
    ends: Float[np.ndarray, " window"]
    groups: np.ndarray
    annotations: int
    left_out: dict[str, int]
    space_name: str
    space: SpaceHead
    words: WordStart = field(default_factory=lambda: WordStart({}))
    judged: Bool[np.ndarray, " window"] | None = None

    def __len__(self) -> int:
        return len(self.truth)


def annotated_windows(collection: Collection, moments: Moments) -> AnnotatedWindows:
    """The windows of a collection that annotations say something of.

    Raises:
        MmascError: If there is no such space, column or annotation, a label is present nowhere, or no window carries
            an annotation.
    """
    reader = collection.space(moments.space)
    if moments.groups is not None:
        check_column(collection, moments.groups)
    found = _annotations(collection, moments)
    by_recording: dict[int, list[Annotation]] = {}
    for one in found:
        by_recording.setdefault(one.recording, []).append(one)
    allowed = np.ones(len(reader), bool)
    if moments.where is not None:
        allowed = passing_windows(moments.where, collection.recordings, reader)
    # By path: ids are drawn at random, and what is learnt must not hang on them
    order = window_order(collection, reader, np.arange(len(reader)))
    order = order[allowed[order]]
    classes, words = _classes(collection, reader, moments, found, order)
    left_out = Counter[str]()
    positions, truth, other, heard = _windows_with_truth(
        collection, reader, moments, order, by_recording, classes, left_out
    )
    vectors = reader.vectors(positions)
    check_finite_vectors(reader, vectors)
    sounding = ~reader.is_silence(vectors)
    left_out["digital silence"] += int((~sounding).sum())
    truth[~heard] = _without_maybe(vectors[~heard], truth[~heard], classes, words)
    known = heard | (truth != UNKNOWN).any(axis=1)
    left_out["of background where the words may be right"] += int((sounding & ~known).sum())
    chosen = sounding & known
    truth = truth[chosen]
    if not (truth == PRESENT).any() and not words.scores:
        raise MmascError(
            f"no window of space {reader.name!r} carries an annotation with these labels; shorter annotations are "
            "carried with a lower --overlap"
        )
    positions = positions[chosen]
    recordings = reader.recording[positions]
    return AnnotatedWindows(
        vectors[chosen].astype(np.float64),
        truth,
        other[chosen],
        classes,
        recordings.astype(np.int64),
        reader.start[positions],
        reader.end[positions],
        _groups(collection, moments.groups, recordings),
        len(found),
        {reason: number for reason, number in left_out.items() if number},
        reader.name,
        reader.space,
        words,
        heard[chosen],
    )


def _windows_with_truth(
    collection: Collection,
    reader: SpaceReader,
    moments: Moments,
    order: Int[np.ndarray, " window"],
    by_recording: Mapping[int, list[Annotation]],
    classes: tuple[str, ...],
    left_out: Counter[str],
) -> tuple[Int[np.ndarray, " row"], Int8[np.ndarray, "row class"], Bool[np.ndarray, " row"], Bool[np.ndarray, " row"]]:
    """Windows of which something is known, from annotations or as background.

    Returns:
        Their positions; the truth of each class; whether they carry other labels; whether somebody judged them.
    """
    of_windows = reader.recording[order]
    firsts = np.flatnonzero(np.diff(of_windows, prepend=of_windows[:1] - 1))
    ids = of_windows[firsts]
    kept, truths, others, judged = [], [], [], []
    parts = np.split(order, firsts[1:]) if len(firsts) else []  # of nothing, NumPy makes a part
    for one, positions in zip(ids.tolist(), parts, strict=True):
        if one in by_recording:
            truth, other, touched = known_of_windows(reader, positions, by_recording[one], classes, moments.overlap)
            untouched = ~touched & (moments.background == "moments")
            truth[untouched] = ABSENT
            chosen = (truth != UNKNOWN).any(axis=1)
            left_out["without an annotation"] += int((~touched & ~untouched).sum())
            left_out["unsure, contradictory, or at the edge of an annotation"] += int((touched & ~chosen).sum())
            kept.append(positions[chosen])
            truths.append(truth[chosen])
            others.append(other[chosen])
            judged.append(~untouched[chosen])
    if moments.background == "recordings":
        extra = _unannotated(collection, reader, order)
        kept.append(extra)
        truths.append(np.full((len(extra), len(classes)), ABSENT, np.int8))
        others.append(np.zeros(len(extra), bool))
        judged.append(np.zeros(len(extra), bool))
    return (
        np.concatenate([np.zeros(0, np.int64), *kept]),
        np.concatenate([np.zeros((0, len(classes)), np.int8), *truths]),
        np.concatenate([np.zeros(0, bool), *others]),
        np.concatenate([np.zeros(0, bool), *judged]),
    )


def _without_maybe(
    vectors: Float[np.ndarray, "window dim"],
    truth: Int8[np.ndarray, "window class"],
    classes: Sequence[str],
    of: WordStart,
) -> Int8[np.ndarray, "window class"]:
    """What is known of windows that nobody judged: nothing of labels whose words may be right."""
    units, truth = unit_as_normalizer(vectors.astype(np.float64)), truth.copy()
    for column, label in enumerate(classes):
        if label in of.scores:
            truth[of.scores[label](units) >= MAYBE, column] = UNKNOWN
    return truth


def _annotations(collection: Collection, moments: Moments) -> list[Annotation]:
    """The annotations that count."""
    found = collection.annotations.all(by=moments.by)
    if moments.by is None:
        found = [one for one in found if one.identity is None]
    return found


def _classes(
    collection: Collection,
    reader: SpaceReader,
    moments: Moments,
    found: Sequence[Annotation],
    order: Int[np.ndarray, " window"],
) -> tuple[tuple[str, ...], WordStart]:
    """The labels that are learnt, and what their words say.

    Raises:
        MmascError: If there are none, or a label is present nowhere and its words are not known.
    """
    present = sorted({one.label for one in found if one.verdict == "present"})
    folder = collection.store.location
    labels = present if moments.labels is None else sorted(set(moments.labels))
    words = word_start(collection, reader, order, labels) if moments.words else WordStart({})
    missing = [label for label in labels if label not in present and label not in words.scores]
    if not labels or (missing and not present):
        whose = "" if moments.by is None else f" by {moments.by!r}"
        raise MmascError(
            f"{folder} has no annotations{whose} of something present; add some with: mmasc label add COLLECTION "
            "RECORDING --label LABEL --start SECONDS --end SECONDS"
        )
    if missing:
        raise MmascError(f"no annotation of {folder} has {missing[0]!r} present; labels: {listed(present)}")
    alone = [
        f"nobody annotated {one!r} as present: its head is what the words say" for one in labels if one not in present
    ]
    return tuple(labels), replace(words, remarks=(*words.remarks, *alone))


def _unannotated(
    collection: Collection, reader: SpaceReader, order: Int[np.ndarray, " window"]
) -> Int[np.ndarray, " free"]:
    """Windows of recordings that nobody annotated, evenly spread where they are very many."""
    annotated = np.array(sorted({one.recording for one in collection.annotations.all()}), np.int64)
    free = order[~np.isin(reader.recording[order], annotated)]
    return free[:: -(-len(free) // _BACKGROUND_WINDOWS) or 1]


def _groups(collection: Collection, column: str | None, recordings: Int[np.ndarray, " window"]) -> np.ndarray:
    """What stays together, as text: values of a column, else paths of recordings."""
    rows = [collection.row_of[int(one)] for one in recordings]
    if column is None:
        paths = collection.recordings.column("path").to_pylist()
        return np.array([paths[row] for row in rows], str)
    values = values_of(collection, column)
    missing = [row for row in rows if values[row] is None]
    if missing:
        path = collection.recordings.column("path")[missing[0]].as_py()
        raise MmascError(f"column {column!r} is empty for annotated recordings (the first is {path}); fill it")
    return np.array([str(values[row]) for row in rows], str)
