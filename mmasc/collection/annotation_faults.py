"""Faults among the annotations of a collection, as lines of `collection check`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from mmasc.collection.annotation import Annotation
from mmasc.collection.journal import Contents
from mmasc.errors import show_path
from mmasc.printing import counted
from mmasc.storage.texts import listed

Fault = tuple[Literal["error", "warning"], str]


def damaged_lines(journal: Path, contents: Contents) -> Iterator[Fault]:
    """Lines of the journal that cannot be read."""
    if contents.damaged:
        lines = listed(f"line {number} ({reason})" for number, reason in contents.damaged)
        yield "error", f"{journal}: {len(contents.damaged)} damaged: {lines}; the others count"


def homeless(lost: Sequence[Annotation]) -> Iterator[Fault]:
    """Annotations of recordings that are missing."""
    if lost:
        of_people = sum(one.identity is None for one in lost)
        yield (
            "warning",
            counted(
                len(lost),
                "annotation is of a recording that is not in the collection and is not shown",
                "annotations are of recordings that are not in the collection and are not shown",
            )
            + f"; those by people ({of_people}) are kept, and there again when the same files are embedded again",
        )


def past_the_end(late: Sequence[Annotation], first: str) -> Iterator[Fault]:
    """Annotations that end after their recordings.

    Args:
        late: These annotations.
        first: Stored path of the recording of the first.
    """
    if late:
        what = f"{show_path(first)}: {late[0].label} to {late[0].end:.3f} s"
        ends = counted(len(late), "annotation ends after its recording", "annotations end after their recordings")
        yield "warning", f"{ends} ({what})"
