"""What a format is to `fuzz.py`, and the formats that are plain texts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Make = Callable[[Path, Path], Path]
Read = Callable[[Path, Path], Any]


@dataclass(frozen=True)
class Format:
    """Something that mmasc reads.

    Attributes:
        name: Of the format.
        make: `make(shared, folder)` writes a sample into an empty folder; its path, as a user names it.
        read: `read(shared, path)` reads it: a command, or a library function where no command is as direct.
        kind: Of `mutations.mutate`.
        parts: Which files of a sample that is a folder are damaged; each by its own kind where it ends so.
        seal: Checksums made right again after the damage, as somebody with bad intentions would: `seal(path)`.
        named: Whether a refusal must name the sample; an argument has no name.
    """

    name: str
    make: Callable[[Path, Path], Path]
    read: Read
    kind: str = "bytes"
    parts: tuple[str, ...] = ()
    seal: Callable[[Path], None] | None = None
    named: bool = True


def text_file(name: str, content: str) -> Make:
    """Makes a file of a text; SOUNDS in it is the folder of sounds."""

    def make(shared: Path, folder: Path) -> Path:
        (folder / name).write_text(content.replace("SOUNDS", str(shared / "sounds")), encoding="utf-8")
        return folder / name

    return make


def argument(path: Path) -> str:
    """A damaged text as a user types it: the system takes no zeros, and no more than 128 KB, in an argument."""
    return path.read_text(encoding="utf-8", errors="surrogateescape").replace("\x00", " ")[:120_000]
