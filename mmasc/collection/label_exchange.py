"""Labels of a collection from label files, folders and columns, and to label files."""

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmasc.audio.find import AUDIO_EXTENSIONS, VIDEO_EXTENSIONS
from mmasc.collection.annotation import UNNAMED, Annotation
from mmasc.collection.annotations import END_SLACK_SECONDS
from mmasc.collection.collection import Collection
from mmasc.errors import MmascError, show_path
from mmasc.label_files.formats import Reader, Written, read_each, rows_text, write_rows
from mmasc.label_files.rows import NOT_UTF8, LabelRow, Problem, is_utf8
from mmasc.printing import counted
from mmasc.storage.matching import FileMatcher
from mmasc.storage.texts import listed

ENDINGS = tuple(f".{ending}" for ending in sorted((*AUDIO_EXTENSIONS, *VIDEO_EXTENSIONS), key=len, reverse=True))
# Formats that other programs open: paths in them are whole, in the others they are those under the root
_OPENED = ("raven", "m3u")
_NO_BAND = (None, None, 1)  # frequencies and channel of a label that says nothing of them


@dataclass
class LabelImport:
    """What an import did.

    Attributes:
        added: Ids of the annotations that were added, in the order of the files.
        known: How many rows are there already: same recording, times, label, verdict and annotator.
        problems: Lines that could not be used.
        missing: Recordings that are not in the collection, as the files write them, with their rows.
        unclear: Recordings that could be several, with these.
        unjudged: Rows of tables of clips to judge that have no verdict yet.
    """

    added: list[str] = field(default_factory=list)
    known: int = 0
    problems: list[Problem] = field(default_factory=list)
    missing: Counter[str] = field(default_factory=Counter)
    unclear: dict[str, list[str]] = field(default_factory=dict)
    unjudged: int = 0


def import_labels(
    collection: Collection,
    paths: str | Path | Iterable[str | Path],
    format: str | Reader | None = None,
    label_column: str | None = None,
    by: str | None = None,
    verdict: str | None = None,
    names_only: bool = False,
) -> LabelImport:
    """Add the labels of label files to a collection; what cannot be used is reported, the rest is added in one change.

    A recording is found under the root by the rules of `FileMatcher`, also without its ending or with another one.

    Args:
        collection: Where they are added.
        paths: Label files, or folders of them.
        format: As in `read_rows`, or what reads a file of another format (`mmasc.integrations.birdnet.read_birdnet`).
        label_column: As in `read_rows`.
        by: Annotator, if the file does not name one.
        verdict: Verdict of all labels, instead of the file's.
        names_only: Find recordings by the names of their files alone: for paths whose folders are others here.
    Raises:
        MmascError: If a file cannot be read; then nothing is added.
    """
    several = [paths] if isinstance(paths, str | Path) else list(paths)
    files = [file for path in several for file in read_each(Path(path), format, label_column)]
    found = LabelImport()
    ids = _ids_by_file(collection)
    annotations = []
    for file in files:
        found.problems.extend(replace(problem, source=file.path) for problem in file.problems)
        found.unjudged += file.unjudged
        matcher = FileMatcher(ids, [collection.head.root, os.path.abspath(os.path.dirname(file.path))])
        recordings: dict[str, int | None] = {}
        for row, line in zip(file.rows, file.lines, strict=True):
            if row.path not in recordings:
                recordings[row.path] = _recording(row.path, matcher, ids, names_only, found)
            recording = recordings[row.path]
            if recording is None:
                if row.path in found.unclear:
                    continue
                if is_utf8(row.path):
                    found.missing[row.path] += 1
                else:
                    found.problems.append(Problem(line, NOT_UTF8, file.path))
                continue
            try:
                annotations.append(_annotation(collection, recording, row, by, verdict))
            except MmascError as fault:
                reason = str(fault).removeprefix("annotation: ")
                found.problems.append(Problem(line, reason, file.path))
    found.problems.sort(key=lambda problem: (problem.source, problem.line))
    _add(collection, annotations, found)
    return found


def import_folder_labels(collection: Collection, by: str = UNNAMED, verdict: str = "present") -> LabelImport:
    """Label whole recordings with the names of the folders that they lie in; those in the root itself get none."""
    paths = collection.recordings.column("path").to_pylist()
    return _label_whole(collection, [os.path.basename(os.path.dirname(path)) or None for path in paths], by, verdict)


def import_column_labels(
    collection: Collection, column: str, by: str = UNNAMED, verdict: str = "present"
) -> LabelImport:
    """Label whole recordings with the values of a column of your own; those without a value get none.

    Raises:
        MmascError: If there is no such column.
    """
    if column not in collection.metadata_columns:
        raise MmascError(
            f"{show_path(collection.store.location)} has no column {column!r} of your own; it has: "
            f"{listed(collection.metadata_columns) or 'none'}"
        )
    values = collection.recordings.column(column).to_pylist()
    texts = [None if value is None or not str(value).strip() else str(value).strip() for value in values]
    return _label_whole(collection, texts, by, verdict)


def label_rows(collection: Collection, whole_paths: bool = False) -> list[LabelRow]:
    """All annotations as rows of label files, sorted by path and time.

    Args:
        collection: Whose.
        whole_paths: Whether paths are whole; default: those under the root.
    """
    annotations = collection.annotations
    return [
        LabelRow(
            annotations.path_of(one) if whole_paths else annotations.stored_path(one),
            one.start,
            one.end,
            one.label,
            one.score,
            one.verdict,
            by=one.by,
            at=one.at,
            note=one.note,
            identity=one.identity or "",
            question=one.question,
            low_hz=one.low_hz,
            high_hz=one.high_hz,
            channel=one.channel,
        )
        for one in annotations.all()
    ]


def export_labels(collection: Collection, format: str, target: str | Path, each: bool = False) -> Written:
    """Write all annotations into label files, see `write_rows`; `import_labels` of csv, json and jsonl gives the same.

    Raven gets whole paths, which it opens, the others those under the root.
    """
    return write_rows(label_rows(collection, format in _OPENED), format, target, each, collection.head.root)


def export_text(collection: Collection, format: str) -> str:
    """The same as a text; audacity and m3u hold only what is present."""
    rows = label_rows(collection, format in _OPENED)
    if format in ("audacity", "m3u"):
        rows = [row for row in rows if row.verdict == "present"]
    return rows_text(rows, format, paths=True)


def _ids_by_file(collection: Collection) -> dict[str, int]:
    table = collection.recordings
    paths = map(collection.path_of, table.column("path").to_pylist())
    return dict(zip(paths, table.column("id").to_pylist(), strict=True))


def _recording(
    name: str, matcher: FileMatcher, ids: dict[str, int], names_only: bool, found: LabelImport
) -> int | None:
    wanted = name.replace("\\", "/").rsplit("/", 1)[-1] if names_only else name
    files = matcher.find(wanted, ENDINGS)
    if len(files) > 1:
        found.unclear[name] = files
    return ids[files[0]] if len(files) == 1 else None


def _annotation(
    collection: Collection, recording: int, row: LabelRow, by: str | None, verdict: str | None
) -> Annotation:
    duration = collection.annotations.duration_of(recording)
    end = duration if row.end == math.inf else row.end
    for name, late in (("starts", row.start > duration), ("ends", end > duration + END_SLACK_SECONDS)):
        if late:
            raise MmascError(f"{name} after the recording ({row.start:g} to {end:g} s, it lasts {duration:g} s)")
    return Annotation(
        recording=recording,
        start=row.start,
        end=min(end, duration),
        label=row.label,
        verdict=verdict or row.verdict,
        by=row.by or by or UNNAMED,
        identity=row.identity or None,
        score=row.score,
        at=row.at,
        question=row.question,
        note=row.note,
        low_hz=row.low_hz,
        high_hz=row.high_hz,
        channel=row.channel,
    )


def _label_whole(collection: Collection, labels: Sequence[str | None], by: str, verdict: str) -> LabelImport:
    found, annotations = LabelImport(), []
    table = collection.recordings
    for recording, path, duration, label in zip(
        *(table.column(name).to_pylist() for name in ("id", "path", "duration")), labels, strict=True
    ):
        if label is None:
            found.missing[path] += 1
            continue
        try:
            annotations.append(
                Annotation(recording=recording, start=0.0, end=duration, label=label, by=by, verdict=verdict)
            )
        except MmascError as fault:
            raise MmascError(f"{show_path(path)}: {fault}") from fault
    _add(collection, annotations, found)
    return found


def _add(collection: Collection, annotations: list[Annotation], found: LabelImport) -> None:
    """Add labels that do not exist yet, and fill in frequencies and channel where existing ones have none."""
    there = collection.annotations.all()
    seen = {(_key(one), _band(one)) for one in there}
    meant = {_key(one) for one in annotations if _band(one) == _NO_BAND}  # with none in the file as well
    bare = {_key(one): one for one in there if _band(one) == _NO_BAND and _key(one) not in meant}
    new = []
    for one in annotations:
        if (_key(one), _band(one)) in seen:
            found.known += 1
            continue
        seen.add((_key(one), _band(one)))
        same = bare.pop(_key(one), None)
        found.known += same is not None
        kept = one if same is None else replace(same, low_hz=one.low_hz, high_hz=one.high_hz, channel=one.channel)
        new.append(kept)
    if new:
        ids = {one.id for one in there}
        found.added = [name for name in collection.annotations.add(new) if name not in ids]


def _key(one: Annotation) -> tuple[object, ...]:
    return one.recording, one.start, one.end, one.label, one.verdict, one.annotator


def _band(one: Annotation) -> tuple[object, ...]:
    """Frequencies and channel; Raven has the first channel where no label says one."""
    return one.low_hz, one.high_hz, one.channel or 1


def unfound_lines(found: LabelImport, most: int = 10) -> Iterator[str]:
    """Lines for people: recordings that are not in the collection, and those that could be several."""
    for name, count in list(found.missing.items())[:most]:
        yield f"{show_path(name)} is not in the collection: {counted(count, 'label')} left out"
    if len(found.missing) > most:
        yield (
            f"... and {counted(len(found.missing) - most, 'more recording that is', 'more recordings that are')} "
            "not in the collection"
        )
    for name, files in list(found.unclear.items())[:most]:
        shown = listed(map(show_path, files))
        yield f"{show_path(name)} could be several recordings: {shown}; write the folder too"
    if len(found.unclear) > most:
        yield f"... and {counted(len(found.unclear) - most, 'more name')} that could be several recordings"
