"""Moments of recordings as files, and a table (clips.csv) that says where each of these clips comes from."""

import hashlib
import io
import math
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from mmasc.collection.clip_files import Cut, write_cuts
from mmasc.errors import MmascError, show_path
from mmasc.label_files.rows import LabelRow
from mmasc.remote.addresses import absolute
from mmasc.storage.csv_lines import csv_writer
from mmasc.storage.files import make_folders, write_atomically
from mmasc.storage.tables import read_table
from mmasc.storage.texts import listed

CLIPS_TABLE = "clips.csv"
# Bytes of a name: of 255, room is left for times, the score and what makes it unique
_STEM_BYTES, _LABEL_BYTES = 100, 60
_SAME_SECONDS = 1e-3


@dataclass(frozen=True)
class Clip:
    """A clip and where it comes from: a row of clips.csv.

    Attributes:
        path: Path of the recording.
        start, end: Of the moment, in seconds.
        padded_start, padded_end: Of the clip in the recording, in seconds.
        label: What the moment is about; "" where nothing is said.
        score: None where there is none.
        clip: Name of the file.
    """

    path: str
    start: float
    end: float
    padded_start: float
    padded_end: float
    label: str
    score: float | None
    clip: str


@dataclass(frozen=True)
class ClipReport:
    """What became of the clips.

    Attributes:
        clips: Those that are in the folder now, in the order asked for.
        cut: How many of them were cut just now; the others were there already.
        failed: Recordings that could not be cut, with the reasons.
    """

    clips: list[Clip]
    cut: int
    failed: list[tuple[str, str]]


def cut_clips(
    rows: Iterable[LabelRow],
    to: str | Path,
    before: float = 0.0,
    after: float = 0.0,
    durations: Mapping[str, float] | None = None,
    flac: bool = False,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ClipReport:
    """Cut moments out of recordings, in the sample rate, channels and sample format of each.

    A clip that is there already is not cut again, so a second run changes nothing. Lossy recordings become 16 bits.

    Args:
        rows: Moments, with paths from here; of the labels "present" alone are cut. An infinite end is the recording's.
        to: Folder for the clips and clips.csv; created if it does not exist.
        before, after: Seconds of padding; less at the edges of the recording.
        durations: Seconds of recordings by path: clips.csv says no later end. Needed for infinite ends.
        flac: Whether clips are FLAC instead of WAV.
        force: Whether files of the same names are replaced.
        progress: Called with how many recordings are done, and of how many.
    Returns:
        All clips that exist now, and the recordings that could not be read; the others are cut.
    Raises:
        MmascError: If other files have the names of clips, `clips.csv` is something else, or an end is not known.
        ValueError: If a padding is negative.
    """
    if not (before >= 0 and after >= 0):
        raise ValueError(f"paddings must be 0 seconds or more, got {before} and {after}")
    folder = Path(to)
    known = _read_clips(folder / CLIPS_TABLE)
    rows, late = _within(rows, durations or {})
    planned = _planned(rows, before, after, durations or {}, known, ".flac" if flac else ".wav")
    there = {clip.clip for clip in planned if (folder / clip.clip).exists()}
    if not force:
        _refuse_others([clip for clip in planned if clip.clip in there], known, folder)
    to_cut = [clip for clip in planned if force or clip.clip not in there]
    make_folders(folder)
    # Written first, so that after a run that was stopped its clips are known
    _write_clips(folder, {**known, **{clip.clip.casefold(): clip for clip in planned}})
    cut, failed = _cut_all(to_cut, folder, flac, progress)
    asked = {clip.clip for clip in to_cut}
    done = [clip for clip in planned if clip.clip in cut or clip.clip not in asked]
    _write_clips(folder, {**known, **{clip.clip.casefold(): clip for clip in done}})
    return ClipReport(done, len(cut), [*late, *failed.items()])


def clip_name(row: LabelRow, suffix: str, more: str = "") -> str:
    """FILE_START_END_LABEL_SCORE, fit for every file system.

    Args:
        row: The moment.
        suffix: Ending of the name.
        more: What tells it from another clip of this name.
    """
    parts = [_safe(Path(row.path).stem, _STEM_BYTES), f"{row.start:07.2f}", f"{row.end:07.2f}"]
    parts += [_safe(row.label, _LABEL_BYTES)] if row.label else []
    parts += [] if row.score is None else [f"{row.score:.2f}"]
    return "_".join([*parts, *([more] if more else [])]) + suffix


def _safe(text: str, most_bytes: int) -> str:
    """Letters, digits, points, hyphens and underscores of a text; what else is in it becomes hyphens."""
    kept = "".join(sign if sign.isalnum() or sign in "._-" else "-" for sign in unicodedata.normalize("NFC", text))
    short = re.sub("-+", "-", kept).encode("utf-8", "replace")[:most_bytes].decode("utf-8", "ignore")
    return short.strip(".-") or "x"


def _within(rows: Iterable[LabelRow], durations: Mapping[str, float]) -> tuple[list[LabelRow], list[tuple[str, str]]]:
    """The moments that begin before their recording ends; the others as recordings that failed."""
    kept, late = list[LabelRow](), list[tuple[str, str]]()
    for row in rows:
        if row.start < (duration := durations.get(row.path, math.inf)) or row.verdict != "present":
            kept.append(row)
            continue
        named = f" of {row.label!r}" if row.label else ""
        reason = f"a moment{named} begins at {row.start:g} s, and the recording lasts {duration:g} s"
        late.append((row.path, f"{show_path(row.path)}: {reason}: was it found in another recording of that name?"))
    return kept, late


def _planned(
    rows: Iterable[LabelRow],
    before: float,
    after: float,
    durations: Mapping[str, float],
    known: Mapping[str, Clip],
    suffix: str,
) -> list[Clip]:
    """The clips of the rows, each with a name of its own; the same moment twice is one clip."""
    planned: dict[str, Clip] = {}
    for row in rows:
        if row.verdict != "present":
            continue
        path = absolute(row.path)
        duration = durations.get(row.path, math.inf)
        end = min(row.end, duration)
        if end == math.inf:
            raise MmascError(f"{show_path(row.path)}: it is not known where {row.label!r} ends; give an end in seconds")
        row = replace(row, path=path, end=end)
        padded = max(row.start - before, 0.0), min(end + after, duration)
        clip = Clip(path, row.start, end, *padded, row.label, row.score, clip_name(row, suffix))
        for number in range(100):
            other = planned.get(clip.clip.casefold()) or known.get(clip.clip.casefold())
            if other is None or _is_same_moment(other, clip):
                break
            digest = hashlib.sha256(os.fsencode(f"{path}\n{row.start}\n{end}\n{row.label}\n{number}")).hexdigest()[:8]
            clip = replace(clip, clip=clip_name(row, suffix, digest))
        planned.setdefault(clip.clip.casefold(), clip)
    return list(planned.values())


def _is_same_moment(one: Clip, other: Clip) -> bool:
    near = all(abs(a - b) < _SAME_SECONDS for a, b in ((one.start, other.start), (one.end, other.end)))
    return near and (one.path, one.label) == (other.path, other.label)


def _refuse_others(there: Sequence[Clip], known: Mapping[str, Clip], folder: Path) -> None:
    strangers = [clip.clip for clip in there if clip.clip.casefold() not in known]
    if strangers:
        raise MmascError(
            f"{show_path(folder)} holds files that are not in its {CLIPS_TABLE}: {listed(strangers)}; "
            "give another folder, or --force to replace them"
        )
    changed = []
    for clip in there:
        old = known[clip.clip.casefold()]
        edges = ((old.padded_start, clip.padded_start), (old.padded_end, clip.padded_end))
        if any(abs(one - other) >= _SAME_SECONDS for one, other in edges):
            changed.append(clip.clip)
    if changed:
        raise MmascError(
            f"{show_path(folder)} holds clips with other paddings: {listed(changed)}; give another folder, or --force "
            "to replace them"
        )


def _cut_all(
    clips: Sequence[Clip], folder: Path, flac: bool, progress: Callable[[int, int], None] | None
) -> tuple[set[str], dict[str, str]]:
    """Cut, a recording at a time: names of the clips that were cut, and recordings that failed, with the reasons."""
    of_path: dict[str, list[Clip]] = {}
    for clip in clips:
        of_path.setdefault(clip.path, []).append(clip)
    cut, failed = set[str](), dict[str, str]()
    for done, (path, own) in enumerate(of_path.items(), 1):
        try:
            cuts = [Cut(clip.padded_start, clip.padded_end, folder / clip.clip) for clip in own]
            cut.update(one.target.name for one in write_cuts(path, cuts, flac))
        except (MmascError, ValueError) as error:
            failed[path] = str(error)
        if progress is not None:
            progress(done, len(of_path))
    return cut, failed


def _read_clips(path: Path) -> dict[str, Clip]:
    """Rows of clips.csv by name without capitals; none where there is no such file."""
    if not path.exists():
        return {}
    table = read_table(path)
    names = [one.name for one in fields(Clip)]
    if list(table.columns) != names:
        raise MmascError(f"{show_path(path)} is another table than mmasc clips writes; give another folder")
    found = {}
    for row in table.rows:
        try:
            times = {name: float(row[name]) for name in ("start", "end", "padded_start", "padded_end")}
            score = float(row["score"]) if row["score"] else None
        except ValueError as error:
            raise MmascError(
                f"{show_path(path)}: line {row.line}: {error}; fix the line, or delete the table"
            ) from error
        found[row["clip"].casefold()] = Clip(row["path"], **times, label=row["label"], score=score, clip=row["clip"])
    return found


def _write_clips(folder: Path, clips: Mapping[str, Clip]) -> None:
    if not clips:
        (folder / CLIPS_TABLE).unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv_writer(text)
    writer.writerow([one.name for one in fields(Clip)])
    writer.writerows(["" if value is None else value for value in asdict(clip).values()] for clip in clips.values())
    write_atomically(folder / CLIPS_TABLE, text.getvalue().encode("utf-8", "surrogateescape"))
