"""Checksums of the tables' files: written by every commit, compared by `collection check`.

One line per file, `CRC-32 size path`, appended and synced before the head names what the files hold. The last line of a
path counts; lines of files that no version uses do no harm and go when old versions are cleaned.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mmasc.errors import MmascError
from mmasc.storage.files import crc32_of, sync_file, sync_folder, write_atomically

CHECKSUMS = "checksums"


@dataclass(frozen=True)
class Written:
    """A file as it was written."""

    crc32: int
    size: int


def add_checksums(folder: Path, files: Iterable[Path]) -> None:
    """Append the checksums of new files of the collection in `folder`, and bring them to the disk."""
    lines = [f"{crc32_of(path):08x} {path.stat().st_size} {_name(folder, path)}\n" for path in sorted(files)]
    if not lines:
        return
    path = folder / CHECKSUMS
    is_new = not path.exists()
    with open(path, "ab") as file:
        # A writer that was killed here may have left half a line
        file.write(("\n" + "".join(lines)).encode())
    sync_file(path)
    if is_new:
        sync_folder(folder)


def read_checksums(folder: Path) -> dict[str, Written]:
    """Size and checksum of each file by its path under the collection; lines that cannot be read are ignored."""
    try:
        text = (folder / CHECKSUMS).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return {}  # version 0.1.0 wrote none
    except OSError as error:
        raise MmascError(f"{folder / CHECKSUMS} cannot be read ({error.strerror}); restore or delete it") from error
    written = {}
    for line in text.splitlines():
        crc, _, rest = line.partition(" ")
        size, _, name = rest.partition(" ")
        if len(crc) == 8 and size.isdigit() and name:
            try:
                written[name] = Written(int(crc, 16), int(size))
            except ValueError:
                continue  # half a line
    return written


def keep_checksums(folder: Path, files: Iterable[Path]) -> None:
    """Rewrite the list with these files alone; those that have no line yet get one as they are now."""
    known = read_checksums(folder)
    lines = []
    for path in sorted(files):
        name = _name(folder, path)
        written = known.get(name) or _measured(path)
        lines.append(f"{written.crc32:08x} {written.size} {name}\n")
    write_atomically(folder / CHECKSUMS, "".join(lines).encode())


def differing(folder: Path, files: Iterable[Path]) -> list[str]:
    """Paths under the collection of those files that are gone or are not as they were written."""
    known = read_checksums(folder)
    found = []
    for path in sorted(files):
        written = known.get(_name(folder, path))
        if not path.is_file() or (written is not None and _measured(path) != written):
            found.append(_name(folder, path))
    return found


def _measured(path: Path) -> Written:
    return Written(crc32_of(path), path.stat().st_size)


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()
