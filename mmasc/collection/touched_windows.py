"""Which windows of a space share time with annotations."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool

from mmasc.collection.annotation import Annotation
from mmasc.collection.space import SpaceReader


def touched_windows(
    reader: SpaceReader, annotations: Mapping[int, Sequence[Annotation]], label: str | None = None
) -> Bool[np.ndarray, " window"]:
    """Windows that share time with an annotation: with this label (present, or unsure), or with any.

    Args:
        reader: The space.
        annotations: By id of their recording.
        label: Which ones count; None: all.
    """
    found = np.zeros(len(reader), bool)
    for recording, marks in annotations.items():
        chosen = [one for one in marks if label is None or (one.label == label and one.verdict != "absent")]
        if not chosen:
            continue
        windows = reader.of_recording(recording)
        for one in chosen:
            point = one.start == one.end
            touching = (reader.start[windows] < one.end + 1e-6 * point) & (reader.end[windows] > one.start)
            found[windows[touching]] = True
    return found
