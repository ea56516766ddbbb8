"""Windows and annotations of one recording → which carry which, and what is known of each window and label.

A window carries a label if an annotation shares at least half of the shorter of the two with it. An annotation that
begins where a window does and ends where one does is an answer about these windows: a head does not learn from the next
ones, which share just half with it. What is known of a window and a label:

- present: an annotation says so, and none says that it is absent;
- absent: an annotation says so, and none says that it is present; or the window carries other labels, which somebody
  listened to it for;
- nothing, so that the label does not learn from the window: annotators contradict each other, or are unsure.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int, Int8

from mmasc.collection.annotations import Annotation
from mmasc.collection.space import SpaceReader

PRESENT, ABSENT, UNKNOWN = 1, 0, -1
_SAME = 1e-3  # seconds; label files round to that


def carried(
    reader: SpaceReader,
    positions: Int[np.ndarray, " window"],
    annotations: Sequence[Annotation],
    share: float,
    answers_alone: bool = False,
) -> tuple[Bool[np.ndarray, "window annotation"], Bool[np.ndarray, "window annotation"]]:
    """Which windows of a recording carry which of its annotations, and which of them an annotation touches at all.

    Args:
        reader: The space.
        positions: Windows of one recording.
        annotations: Annotations of the same recording.
        share: Least share of the shorter of the two that both have in common.
        answers_alone: Whether windows that share no more than that with an answer about others do not carry it.
    """
    starts, ends = reader.start[positions][:, None], reader.end[positions][:, None]
    froms = np.array([one.start for one in annotations])
    tos = np.array([one.end for one in annotations])
    common = np.minimum(ends, tos) - np.maximum(starts, froms)
    # A moment without length belongs to the windows that it lies in
    inside = (froms == tos) & (starts <= froms) & (froms < ends)
    shorter = np.minimum(ends - starts, tos - froms)
    least = share * shorter
    if answers_alone:
        of_windows = (np.abs(starts - froms) < _SAME).any(axis=0) & (np.abs(ends - tos) < _SAME).any(axis=0)
        least = np.where(of_windows, np.minimum(least + _SAME, shorter), least)
    carries = inside | ((common > 0) & (common >= least - 1e-9))
    return carries, (common > 0) | inside


def known_of_windows(
    reader: SpaceReader,
    positions: Int[np.ndarray, " window"],
    annotations: Sequence[Annotation],
    classes: Sequence[str],
    share: float,
) -> tuple[Int8[np.ndarray, "window class"], Bool[np.ndarray, " window"], Bool[np.ndarray, " window"]]:
    """Of windows of one recording: what is known of each label, whether another label is there, and whether any
    annotation touches the window at all."""
    carries, touches = carried(reader, positions, annotations, share, answers_alone=True)
    column = {name: number for number, name in enumerate(classes)}
    said = {verdict: np.zeros((len(positions), len(classes)), bool) for verdict in ("present", "absent", "unsure")}
    other, decided = np.zeros(len(positions), bool), np.zeros(len(positions), bool)
    for number, one in enumerate(annotations):
        if one.verdict == "present":
            decided |= carries[:, number]
        if one.label in column:
            said[one.verdict][:, column[one.label]] |= carries[:, number]
        elif one.verdict == "present":
            other |= carries[:, number]
    present, absent = said["present"], said["absent"]
    truth = np.where((decided[:, None] & ~said["unsure"]) | absent, ABSENT, UNKNOWN).astype(np.int8)
    truth[present & ~absent] = PRESENT
    truth[present & absent] = UNKNOWN
    return truth, other, np.asarray(touches.any(axis=1))
