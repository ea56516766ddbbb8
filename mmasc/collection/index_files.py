"""An index on the disk: FAISS files in a folder of their own, and a header that names the folder that counts.

    index.json            the header: kind, measurements, version of the windows, fingerprints of the files
    index-RANDOM/         vectors.faiss, rows.npy
    .index.lock           held while somebody saves

Savers take turns; a reader who meets a folder that was just replaced reads the header again. All of it is derived:
files that differ from what was written are ignored, and the index is built again.
"""

import json
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from mmasc.collection.sharing import shared
from mmasc.storage.arrays import read_array
from mmasc.storage.files import crc32_of, write_atomically
from mmasc.storage.texts import parse_json

INDEX_FORMAT = 1
HEADER = "index.json"
_LOCK_SECONDS = 60.0
_TRIES = 5
# The checksum of a mapped file would read all of it; such files are checked by their size
_CHECKSUM_BYTES = 1 << 30


def save_files(
    faiss: Any, folder: Path, index: Any, row_ids: np.ndarray, about: dict[str, Any], outdated: bool = False
) -> bool:
    """Write an index next to the windows; the header's rename makes it count.

    Args:
        faiss: The module.
        folder: Folder of the space.
        index: FAISS index.
        row_ids: int64 `[row]`.
        about: What the header is to say; `version` is that of the windows.
        outdated: Whether the windows have changed since: then an index of a newer version is left alone.
    Returns:
        Whether it was written.
    Raises:
        OSError: If it cannot be written; nothing of it stays.
    """
    try:
        with shared(folder), FileLock(folder / ".index.lock", timeout=_LOCK_SECONDS):
            saved = read_header(folder)
            if outdated and saved is not None and saved["version"] > about["version"]:
                return False
            _sweep(folder, None if saved is None else saved["folder"])
            home = folder / f"index-{secrets.token_hex(4)}"
            try:
                home.mkdir()
                write_index(faiss, home, index, row_ids)
                files = {name: fingerprint(home / name) for name in ("vectors.faiss", "rows.npy")}
                header = {"format": INDEX_FORMAT, "folder": home.name, **about, "files": files}
                write_atomically(folder / HEADER, json.dumps(header).encode())
            except BaseException:
                shutil.rmtree(home, ignore_errors=True)
                raise
            _sweep(folder, home.name)
            return True
    except Timeout:
        return False  # another process has been saving its own for a minute


def load_files(faiss: Any, folder: Path) -> tuple[Any, np.ndarray, dict[str, Any]] | None:
    """Index, row ids and header as they were saved; None if there are none or they are not as they were written."""
    for _ in range(_TRIES):
        header = read_header(folder)
        if header is None:
            return None
        try:
            return _read(faiss, folder / header["folder"], header)
        except FileNotFoundError:
            continue  # replaced between reading the header and the files
        except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, MemoryError):
            return None
    return None


def read_header(folder: Path) -> dict[str, Any] | None:
    """The header, or None where there is none that this version of mmasc wrote."""
    try:
        header = parse_json((folder / HEADER).read_text(encoding="utf-8"))
        if header["format"] != INDEX_FORMAT or Path(header["folder"]).name != header["folder"]:
            return None
        whole = all(type(header[name]) is kind for name, kind in {"version": int, "kind": str, "files": dict}.items())
        return header if whole and header["folder"].startswith("index-") else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def forget(folder: Path) -> None:
    """Make the saved index count no more; the next reader builds it again."""
    (folder / HEADER).unlink(missing_ok=True)


def write_index(faiss: Any, home: Path, index: Any, row_ids: np.ndarray) -> None:
    """Write vectors.faiss and rows.npy into a folder.

    Raises:
        OSError: If they cannot be written.
    """
    try:
        faiss.write_index(index, str(home / "vectors.faiss"))
    except RuntimeError as error:
        # FAISS says it with its own source line: a disk that is full, most often
        raise OSError("vectors.faiss cannot be written: is the disk full?") from error
    with open(home / "rows.npy", "wb") as file:
        np.save(file, row_ids, allow_pickle=False)


def _read(faiss: Any, home: Path, header: dict[str, Any]) -> tuple[Any, np.ndarray, dict[str, Any]] | None:
    if any(fingerprint(home / name) != header["files"].get(name) for name in ("vectors.faiss", "rows.npy")):
        return None
    row_ids = read_array(home / "rows.npy")
    index = read_faiss(faiss, home / "vectors.faiss", mapped=header["kind"] == "rabitq")
    if row_ids.dtype != np.int64 or row_ids.ndim != 1 or index.ntotal != len(row_ids):
        return None
    return index, row_ids, header


def read_faiss(faiss: Any, path: Path, mapped: bool) -> Any:
    """Read an index; numbers in the file that promise more than the file holds are refused before memory is taken."""
    size = os.stat(path).st_size
    before = faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()
    faiss.set_deserialization_vector_byte_limit(size)
    faiss.set_deserialization_loop_limit(size)
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    finally:
        faiss.set_deserialization_vector_byte_limit(before[0])
        faiss.set_deserialization_loop_limit(before[1])


def _sweep(folder: Path, kept: str | None) -> None:
    """Delete what killed savers left; called under the lock, so none of it is being written."""
    for one in folder.iterdir():
        # mmasc's own names; a folder that somebody copied stays
        ours = re.fullmatch(r"index-[0-9a-z_]{8}", one.name)
        if ours and one.name != kept and one.is_dir() and not one.is_symlink():
            shutil.rmtree(one, ignore_errors=True)
    for one in folder.glob(f".{HEADER}.*.tmp"):
        one.unlink(missing_ok=True)


def fingerprint(path: Path) -> dict[str, int]:
    """Size and CRC-32 of a file; 0 for that of a file so large that reading all of it takes too long."""
    size = os.stat(path).st_size
    return {"size": size, "crc32": crc32_of(path) if size <= _CHECKSUM_BYTES else 0}
