"""Questions as a folder: a clip of each, and a table to write the answers in, which `import_labels` takes back."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmasc.collection import Collection
from mmasc.collection.clips import cut_clips
from mmasc.errors import MmascError, show_path
from mmasc.label_files.rows import LabelRow
from mmasc.labelling.review import Review
from mmasc.storage.csv_lines import csv_writer
from mmasc.storage.files import make_folders, write_atomically

REVIEW_TABLE = "review.csv"
_COLUMNS = ("path", "start", "end", "label", "score", "clip", "verdict", "note", "question")


@dataclass(frozen=True)
class WrittenReview:
    """What lies in the folder.

    Attributes:
        table: The table to fill in.
        clips: Number of clips.
        failed: Recordings that could not be cut, with the reasons; their questions are in the table without a clip.
    """

    table: Path
    clips: int
    failed: list[tuple[str, str]]


def write_review(
    found: Review,
    collection: Collection,
    folder: str | Path,
    context_seconds: float = 2.0,
    flac: bool = False,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> WrittenReview:
    """Cut a clip for each question and write the table.

    Args:
        found: The questions.
        collection: Whose recordings they are about.
        folder: Created if necessary.
        context_seconds: How much of the recording before and after each moment the clip holds.
        flac: FLAC instead of WAV.
        force: Replace the table, and clips, that the folder holds.
        progress: Called with recordings done and recordings in all.
    Raises:
        MmascError: If the folder holds a table already: it may hold answers.
    """
    target = Path(folder)
    table = target / REVIEW_TABLE
    if table.exists() and not force:
        raise MmascError(
            f"{show_path(table)} is there already and may hold answers; import it (mmasc label import) and give "
            "another folder, or --force to replace it"
        )
    paths = [collection.path_of(item.path) for item in found.items]
    rows = [
        LabelRow(path, item.start, item.end, item.label, item.score)
        for path, item in zip(paths, found.items, strict=True)
    ]
    recordings = collection.recordings
    names = [collection.path_of(path) for path in recordings.column("path").to_pylist()]
    durations = dict(zip(names, recordings.column("duration").to_pylist(), strict=True))
    make_folders(target)
    report = cut_clips(rows, target, context_seconds, context_seconds, durations, flac, force, progress)
    of_moment = {(clip.path, clip.start, clip.label): clip.clip for clip in report.clips}
    lines = [
        [item.path, item.start, item.end, item.label, round(item.score, 6), clip, "", "", item.question]
        for item, path in zip(found.items, paths, strict=True)
        for clip in [of_moment.get((path, item.start, item.label), "")]
    ]
    text = io.StringIO(newline="")
    writer = csv_writer(text)
    writer.writerow(_COLUMNS)
    writer.writerows(lines)
    write_atomically(table, text.getvalue().encode("utf-8", "surrogateescape"))
    return WrittenReview(table, len(report.clips), report.failed)
