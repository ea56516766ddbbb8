"""Detections of a collection's recordings, from annotations, from files of labels, and from heads."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mmasc.collection import Collection
from mmasc.label_files.rows import LabelRow
from mmasc.labelling.apply import apply_head
from mmasc.remote.addresses import normal
from mmasc.storage.matching import FileMatcher
from mmasc.studies.activity import Detection


def annotated(
    collection: Collection, labels: Sequence[str] = (), verdict: str = "present", by: str | None = None
) -> tuple[list[Detection], list[str]]:
    """Annotations as detections, and who made them.

    Args:
        collection: Opened.
        labels: What is taken; everything if there are none.
        verdict: "present", "absent" or "unsure".
        by: Name of an annotator; None takes all.
    """
    found = [one for one in collection.annotations.all(by=by, verdict=verdict) if not labels or one.label in labels]
    rows = [Detection(one.recording, one.start, one.end, one.label) for one in found]
    return rows, sorted({one.by for one in found})


def of_rows(
    collection: Collection,
    rows: Iterable[LabelRow],
    source: str | Path,
    labels: Sequence[str] = (),
    threshold: float | None = None,
    verdict: str = "present",
) -> tuple[list[Detection], int]:
    """Rows of a label file as detections, and how many name no recording of the collection, or several.

    Args:
        collection: Opened.
        rows: As `mmasc.label_files.formats.read_rows` gives them.
        source: The file: names in it may be relative to its folder.
        labels: What is taken; everything if there are none.
        threshold: Least score; rows without one pass.
        verdict: "present", "absent" or "unsure".
    """
    paths, numbers = (collection.recordings.column(name).to_pylist() for name in ("path", "id"))
    ids = {collection.path_of(path): one for path, one in zip(paths, numbers, strict=True)}
    folder = Path(source).absolute() if Path(source).is_dir() else Path(source).absolute().parent
    matcher = FileMatcher(ids, [collection.head.root, folder])
    named: dict[str, list[str]] = {}
    found, strange = [], 0
    for row in rows:
        if (labels and row.label not in labels) or row.verdict != verdict:
            continue
        if threshold is not None and row.score is not None and row.score < threshold:
            continue
        if row.path not in named:
            named[row.path] = matcher.find(row.path)
        if len(named[row.path]) == 1:
            found.append(Detection(ids[named[row.path][0]], row.start, row.end, row.label))
        else:
            strange += 1
    return found, strange


def of_head(
    collection: Collection,
    head: str | Path,
    labels: Sequence[str] = (),
    threshold: float | None = None,
    where: str | None = None,
    background: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Detection]:
    """What a head or a trained network hears in the stored vectors: each event is a detection.

    Args:
        collection: Opened.
        head: What `apply_head` takes: a file of `fit_head`, or a network.
        labels: What is taken; everything if there are none.
        threshold: Least probability.
        where: SQL on columns of recordings and windows.
        background: As of `apply_head`.
        progress: Called with the recordings done, and of how many; may end the work by raising.
    """
    paths, numbers = (collection.recordings.column(name).to_pylist() for name in ("path", "id"))
    ids = {collection.path_of(path): one for path, one in zip(paths, numbers, strict=True)}
    answers = apply_head(head, collection, where=where, timeline=True, threshold=threshold, background=background)
    found = []
    for done, answer in enumerate(answers, 1):
        if progress is not None:
            progress(done, len(paths))
        found += [
            Detection(ids[normal(answer.path)], event.start, event.end, str(event.label))
            for event in answer.events
            if not labels or str(event.label) in labels
        ]
    return found
