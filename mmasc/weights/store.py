"""Fetched weights on disk: their folder, and whether they are present and unchanged."""

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from mmasc.errors import MmascError
from mmasc.storage.files import write_atomically
from mmasc.storage.texts import parse_json
from mmasc.weights.table import WEIGHTS, RemoteFile, WeightFile, weight_file

# Parts of AudioCLIP that its authors released next to the two files above: size, and how the SHA-256 begins
_PARTS = {
    "CLIP.pt": (408_415_159, "124e6d59d54c0837"),
    "ESRNXFBSP.pt": (124_795_647, "acfcc6b0a0f07025"),
}


def home() -> Path:
    """The folder of everything that mmasc fetched: MMASC_HOME, else "mmasc" in the platform's cache folder."""
    if chosen := os.environ.get("MMASC_HOME"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "mmasc"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mmasc"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mmasc"


def is_present(name: str) -> bool:
    """Whether every file is in its place with its right size; digests are left to `find`."""
    weight = weight_file(name)
    places = [(folder_of(weight) / file.filename, file.size) for file in weight.files]
    return all(path.is_file() and size in (None, path.stat().st_size) for path, size in places)


def find(name: str) -> Path:
    """The local path of weights, verified; no network.

    A digest is measured once and remembered with size and times of the file; a file that changed is measured again.
    The time of the last change of any kind (ctime) is among them, which programs cannot set as they can the other.

    Returns:
        The file, or the folder where the weights are several files.
    Raises:
        MmascError: If a file is missing, truncated, or not the one that it should be.
    """
    weight = weight_file(name)
    folder = folder_of(weight)
    missing = [file.filename for file in weight.files if not (folder / file.filename).is_file()]
    if missing:
        raise MmascError(
            f"weights {name} are not here ({folder} lacks {', '.join(missing)}); run `mmasc models fetch {name}`, "
            f"or without a network `mmasc models fetch {name} --from FOLDER`"
        )
    for file in weight.files:
        verify(folder, file, name)
    return folder / weight.files[0].filename if len(weight.files) == 1 else folder


def check_named(path: str | Path) -> None:
    """Refuse a file that carries the name of a published one and is another: cut short, or somebody else's.

    A file under a name of its own is its owner's business and passes. Size and digest are measured at every call
    (some tenths of a second for 500 MB).

    Args:
        path: Path of the file.
    Raises:
        MmascError: If the name is that of a file whose digest was published, and the file has another.
    """
    path = Path(path)
    known = {
        file.filename: (file.size, file.sha256, f"fetch it with: mmasc models fetch {name}")
        for name, weight in WEIGHTS.items()
        for file in weight.files
        if len(weight.files) == 1 and file.sha256 is not None
    } | {name: (size, digest, "take the file of AudioCLIP's release") for name, (size, digest) in _PARTS.items()}
    if path.name not in known or not path.is_file():
        return
    size, beginning, mend = known[path.name]
    assert beginning is not None
    mend += "; weights of your own need a name of their own"
    if size is not None and path.stat().st_size != size:
        raise MmascError(f"{path} holds {path.stat().st_size:,} bytes instead of {size:,}; {mend}")
    with path.open("rb") as reading:
        digest = hashlib.file_digest(reading, "sha256").hexdigest()
    if not digest.startswith(beginning):
        raise MmascError(f"{path} is not the published file of this name (sha256 {digest}); {mend}")


def verify(folder: Path, file: RemoteFile, name: str) -> str:
    """The digest of a stored file, which must be the published one, else the recorded one.

    Raises:
        MmascError: If it is another, or there is none to compare with.
    """
    path = folder / file.filename
    recorded = read_note(folder / "digests.json").get(file.filename)
    noted = recorded.get("sha256") if isinstance(recorded, dict) else None
    expected = file.sha256 or (noted if isinstance(noted, str) else None)
    if expected is None:
        raise MmascError(
            f"{path} was put there by hand and nobody published its digest; "
            f"run `mmasc models fetch {name} --from {folder}` to take it as it is"
        )
    if recorded == _stamp(path, expected):
        return str(expected)
    digest = measure_file(path, file, expected, str(path), f"run `mmasc models fetch {name}` to replace it")
    # A cache that several users share may be read-only: then the digest is measured each time.
    with contextlib.suppress(PermissionError):
        record_stamp(folder, file.filename, path, digest)
    return digest


def wrong_size(path: Path, file: RemoteFile, where: str) -> str:
    """Half a sentence on a file that has not the published size; "" where it has, or none was published."""
    size = path.stat().st_size
    return f"{where} holds {size:,} bytes instead of {file.size:,}" if file.size not in (None, size) else ""


def measure_file(
    path: Path, file: RemoteFile, expected: str | None, where: str, mend: str, delete: bool = False
) -> str:
    """Size and digest of a file; MmascError, naming where it is from, if one of them is wrong."""
    fault, digest = wrong_size(path, file, where), ""
    if not fault:
        with path.open("rb") as reading:
            digest = hashlib.file_digest(reading, "sha256").hexdigest()
        if expected is not None and digest != expected:
            fault = f"{where} is another file than {file.filename} (sha256 {digest}, expected {expected})"
        elif not digest.startswith(file.begins):
            fault = f"{where} is another file than {file.filename} (sha256 {digest}, must begin with {file.begins})"
    if not fault:
        return digest
    if delete:
        path.unlink()
        note_path(path).unlink(missing_ok=True)
    raise MmascError(f"{fault}; {mend}")


def _stamp(path: Path, digest: str) -> dict[str, Any]:
    status = path.stat()
    times = {"mtime_ns": status.st_mtime_ns, "ctime_ns": status.st_ctime_ns}
    return {"sha256": digest, "size": status.st_size, **times}


def record_stamp(folder: Path, filename: str, path: Path, digest: str) -> None:
    """Remember a digest with the size and times of the file that it was measured on."""
    records = read_note(folder / "digests.json") | {filename: _stamp(path, digest)}
    write_atomically(folder / "digests.json", (json.dumps(records, indent=1, sort_keys=True) + "\n").encode())


def read_note(path: Path) -> dict[str, Any]:
    """A JSON object that only mmasc writes; a damaged one is reported."""
    if not path.exists():
        return {}
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MmascError(f"{path} is damaged ({error}); delete it and run the command again") from error
    if not isinstance(value, dict):
        raise MmascError(f"{path} is damaged (it does not hold a JSON object); delete it and run the command again")
    return value


def folder_of(weight: WeightFile) -> Path:
    """Where the files of a name lie."""
    return home() / "weights" / weight.name


def note_path(part: Path) -> Path:
    """The small file with what is known of a file: its place from the download, its digest."""
    return part.with_name(f"{part.name}.json")
