"""Files that exist completely or not at all (written under another name, synced, renamed), also after a power cut.

A file's bytes and its name lie in different places: `sync_file` brings the first to the disk, `sync_folder` the second.
"""

import contextlib
import errno
import os
import re
import secrets
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from mmasc.errors import MmascError, show_path
from mmasc.remote.addresses import SCHEMES, is_address

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_BLOCK_BYTES = 1 << 22
_BESIDE = re.compile(r"\..+\.[0-9]+\.[0-9a-f]{8}\.tmp")
# Folders that this process has freed of leftovers: looking once is enough, and a cache may hold many files
_SWEPT: set[Path] = set()
# Where no lock tells whether the writer lives, files as old as this are leftovers
_ABANDONED_SECONDS = 86_400.0
# What a write may end with; reading ends with others
_NOT_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
# Some network file systems sync names by themselves and refuse to be asked
_CANNOT_SYNC_FOLDERS = {errno.EINVAL, errno.ENOTSUP}


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path next to `path` to write to; when the block ends the file is synced and takes the name `path`.

    When the block fails, what was written is deleted and the old file stays; what a killed process left there is
    deleted by the next one that writes into the folder. The new file has the mode that the umask gives to new files;
    where `path` is a link, what it leads to is replaced, and a device or a pipe is written to as it is.

    Raises:
        MmascError: If `path` is an address.
        OSError: If it cannot be written; it names `path`, where the system names no file or the one next to it.
    """
    _refuse_address(path)
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    try:
        with _replacing(path) as beside:
            yield beside
    except OSError as error:
        about = error.filename is None and error.errno in _NOT_WRITTEN
        if about or (isinstance(error.filename, str) and _is_beside(Path(error.filename), path)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    if path.exists() and not path.is_file():
        yield path
        return
    if path.parent not in _SWEPT:
        _SWEPT.add(path.parent)
        _sweep(path.parent)
    beside, held = _beside(path)
    try:
        yield beside
        sync_file(beside)
        os.replace(beside, path)
    finally:
        try:
            beside.unlink(missing_ok=True)
        finally:
            # The lock goes with the renamed file: left open, it would be taken for a reader's
            if held is not None:
                os.close(held)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that at any moment either the old or the new one is there, whole."""
    with replacing(path) as beside:
        beside.write_bytes(content)


def _beside(path: Path) -> tuple[Path, int | None]:
    """A new empty file next to `path`, and a handle that says, as long as it is open, that somebody writes to it."""
    while True:
        # Names may have 255 bytes
        beside = path.with_name(f".{path.name[:50]}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
        held = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if fcntl is None:
            os.close(held)  # an open file could not be renamed there
            return beside, None
        with contextlib.suppress(OSError):  # a file system without locks: then nobody takes the file for a rest either
            fcntl.flock(held, fcntl.LOCK_EX)
        # Another process may have swept it away before it was locked
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(beside), os.fstat(held)):
                return beside, held
        os.close(held)


def _is_beside(name: Path, path: Path) -> bool:
    """Whether a file is what is written in the place of another."""
    return name.parent == path.parent and _BESIDE.fullmatch(name.name) is not None


def _sweep(folder: Path) -> None:
    """Delete what processes that are gone left next to the files of a folder."""
    try:
        with os.scandir(folder) as entries:
            rests = [Path(entry.path) for entry in entries if _BESIDE.fullmatch(entry.name)]
    except OSError:
        return  # the write that comes says what is wrong with the folder
    for rest in rests:
        with contextlib.suppress(OSError):  # held by its writer, somebody else's, or gone meanwhile
            if fcntl is None:
                if time.time() - rest.stat().st_mtime > _ABANDONED_SECONDS:
                    rest.unlink()
                continue
            held = os.open(rest, os.O_RDWR)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                rest.unlink()
            finally:
                os.close(held)


def sync_file(path: Path) -> None:
    """Wait until the file's bytes are on the disk."""
    _sync(path)


def sync_folder(folder: Path) -> None:
    """Wait until the names of a folder are on the disk; nothing to do where folders cannot be synced (Windows)."""
    if os.name != "posix":
        return
    try:
        _sync(folder)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC_FOLDERS:
            raise


def sync_new(before: set[Path], after: set[Path]) -> None:
    """Bring to the disk what came between two calls of `names_below`: files first, then the folders that gained names.

    No times are compared: a clock that was once ahead must not stop the syncing.
    """
    new = after - before
    folders = {path for path in new if path.is_dir()}
    for path in sorted(new - folders):
        sync_file(path)
    # The deepest first: a name counts only when what it leads to is there
    for folder in sorted({path.parent for path in new} | folders, key=lambda path: (-len(path.parts), path)):
        sync_folder(folder)


def names_below(folders: Iterable[Path]) -> set[Path]:
    """These folders, where they are there, and all files and folders below them."""
    names: set[Path] = set()
    for folder in folders:
        for base, below, files in os.walk(folder):
            names.add(Path(base))
            names.update(Path(base, name) for name in [*below, *files])
    return names


def make_folders(folder: Path) -> None:
    """Make a folder and the parents that it lacks, and bring their names to the disk.

    Raises:
        MmascError: If it is an address: a folder called "s3:" is never what is meant; or if a file is in the way.
    """
    _refuse_address(folder)
    missing = [one for one in [folder, *folder.parents] if not one.exists()]
    there = folder if not missing else missing[-1].parent
    if not there.is_dir():
        raise MmascError(f"{show_path(there)} is a file, not a folder; name another place")
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync_folder(one.parent)


def crc32_of(path: Path) -> int:
    """CRC-32 of a file's bytes."""
    checksum = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            checksum = zlib.crc32(block, checksum)
    return checksum


def require_empty(folder: Path, what: str) -> None:
    """Refuse a place where something lies already.

    Args:
        folder: A folder that does not exist yet, or is empty.
        what: What is to be written into it, for the message.
    Raises:
        MmascError: If it holds anything, or is a file.
    """
    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        raise MmascError(f"{show_path(folder)} holds other things; name a new or empty folder for {what}")


def _refuse_address(path: Path) -> None:
    # `Path` makes "s3:/bucket" of "s3://bucket", and "s3:" of "s3://"
    if is_address(path) or os.fspath(path) in [f"{scheme}:" for scheme in SCHEMES]:
        raise MmascError(f"{show_path(path)}: results are written on a local or shared disk; give a path there")


def _sync(path: Path) -> None:
    # Windows syncs only what is open for writing
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_there(path: Path) -> bool:
    """Whether there is a file or folder of this name.

    Raises:
        MmascError: If its folder may not be looked into, or the disk does not answer.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # names with a zero byte are those of no file
        return False
    except OSError as error:
        where = show_path(path.parent)
        raise MmascError(f"{where} cannot be read ({error.strerror}); check its permissions and the disk") from error
    return True
