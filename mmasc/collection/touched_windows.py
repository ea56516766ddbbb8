"""Which windows of a space share time with annotations, and the labels or texts of each."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from mmasc.collection.annotation import Annotation
from mmasc.collection.annotations import Annotations
from mmasc.collection.searchable import Searchable
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.collection.vectors import values_of
from mmasc.windows.units import unit_float32


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


def annotations_by_recording(collection: Snapshot) -> dict[int, list[Annotation]]:
    """All annotations, by id of their recording."""
    found: dict[int, list[Annotation]] = {}
    for one in Annotations(collection).all():
        found.setdefault(one.recording, []).append(one)
    return found


def window_texts(collection: Snapshot, reader: SpaceReader, columns: Sequence[str] = ()) -> list[str]:
    """A text for each window: labels that are present in it, else the text of its recording, else "".

    Args:
        collection, reader: Opened, and the space.
        columns: Columns of your own that may hold texts of recordings; the first that is there counts.
    """
    column = next((one for one in columns if one in collection.metadata_columns), None)
    texts = [""] * len(reader)
    if column is not None:
        values = ["" if one is None else str(one) for one in values_of(collection, column)]
        texts = [values[row] for row in collection.row_of.of(reader.recording)]
    present = {
        recording: [one for one in some if one.verdict == "present"]
        for recording, some in annotations_by_recording(collection).items()
    }
    labels = sorted({one.label for some in present.values() for one in some})
    said: dict[int, list[str]] = {}
    for label in labels:
        for position in np.flatnonzero(touched_windows(reader, present, label)).tolist():
            said.setdefault(position, []).append(label)
    for position, some in said.items():
        texts[position] = ", ".join(some)
    return texts


def vectors_of_texts(
    collection: Searchable, reader: SpaceReader, texts: Iterable[str]
) -> dict[str, Float[np.ndarray, " dim"]]:
    """Unit vectors of the texts of windows, each text embedded once, and zero for "".

    None if no window has a text, or the space reads no words.
    """
    said = sorted({one for one in texts if one})
    side = collection.text_side(reader) if said else None
    if side is None:
        return {}
    vectors = dict(zip(said, unit_float32(side.embed_text(said)), strict=True))
    return {"": np.zeros(reader.space.dim, np.float32), **vectors}
