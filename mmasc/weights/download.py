"""Downloads named weights, or takes them from a folder, and verifies them; table.py lists them, store.py finds them.

Only `fetch` uses the network; `find` never does, and gives a path only after size and SHA-256 are right. A file
whose digest nobody published is trusted the first time it comes over an encrypted connection (or from the user's own
disk); from then on it must stay the same. Nothing that is fetched is run, and this module never opens pickles.

Digests of AudioCLIP: the LFS pointers in its repository (AndreyGuzhov/AudioCLIP, folder assets). Digests of CLAP:
public projects that record them for the revisions pinned here (of clap-htsat-fused: for its main branch); where none
was found there is none here either. Of torchvision's files the names tell how their digests begin.
"""

import contextlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import Any, NamedTuple

from mmasc.errors import MmascError
from mmasc.storage.files import write_atomically
from mmasc.weights.store import folder_of, measure_file, note_path, read_note, record_stamp, verify, wrong_size
from mmasc.weights.table import RemoteFile, WeightFile, is_guarded, weight_file

Progress = Callable[[str, int, int | None], None]

_CHUNK = 1 << 20  # bytes read at once
_ATTEMPTS = 5  # connections in one call, each going on where the last one broke
_TIMEOUT_SECONDS = 60  # without a byte


class StoredFile(NamedTuple):
    """A file that is in its place now.

    Attributes:
        path: Where it is.
        size: Size in bytes.
        sha256: Measured here.
        published: Whether the digest was known before; if not, it was trusted on first use and is recorded now.
        new: Whether this call brought it.
    """

    path: Path
    size: int
    sha256: str
    published: bool
    new: bool


def fetch(name: str, from_file: str | Path | None = None, progress: Progress | None = None) -> list[StoredFile]:
    """Bring weights into the local folder; what is there and right stays, what broke off goes on where it broke.

    Args:
        name: Name of the weights.
        from_file: Take them from this file, or from the files of this folder, instead of the network.
        progress: Called with file name, bytes there and bytes in all (None where the server does not say).
    Raises:
        MmascError: If a server cannot be reached, a download breaks off, or a file is not the one that it should be.
    """
    from filelock import FileLock

    weight = weight_file(name)
    folder = folder_of(weight)
    sources = local_sources(weight, Path(from_file)) if from_file is not None else {}
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        return [_fetch_file(weight, file, sources.get(file.filename), progress) for file in weight.files]


def _fetch_file(weight: WeightFile, file: RemoteFile, source: Path | None, progress: Progress | None) -> StoredFile:
    folder = folder_of(weight)
    path, part = folder / file.filename, folder / f"{file.filename}.part"
    if path.is_file() and source is None:
        # A file that is not right is fetched again: that is what the user asked for.
        with contextlib.suppress(MmascError):
            digest = verify(folder, file, weight.name)
            for rest in (part, note_path(part)):  # of a call that was killed after it had brought the file
                rest.unlink(missing_ok=True)
            return StoredFile(path, path.stat().st_size, digest, bool(file.sha256), False)
    if source is None:
        _download(file, part, progress)
        where = file.address
    else:
        part.unlink(missing_ok=True)
        _copy(source, part, progress)
        where = str(source)
    mend = "the unfinished file was deleted, fetch it again" if source is None else _official(file)
    digest = measure_file(part, file, file.sha256, where, mend, delete=True)
    with part.open("rb+") as written:
        os.fsync(written.fileno())
    # Before the file has its name: else a kill between the two leaves a file that nobody vouches for
    record_stamp(folder, file.filename, part, digest)
    os.replace(part, path)
    record_stamp(folder, file.filename, path, digest)  # a new name is a change, too
    note_path(part).unlink(missing_ok=True)
    return StoredFile(path, path.stat().st_size, digest, bool(file.sha256), True)


def local_sources(weight: WeightFile, given: Path) -> dict[str, Path]:
    """Where each file of the weights lies under what the user gave.

    Args:
        weight: Weights that mmasc knows.
        given: A file, or a folder with all files of the weights.
    Raises:
        MmascError: If one of them does not exist, or has another size than the official one.
    """
    if given.is_dir():
        sources = {file.filename: given / file.filename for file in weight.files}
    elif len(weight.files) == 1:
        sources = {weight.files[0].filename: given}
    else:
        names = ", ".join(file.filename for file in weight.files)
        raise MmascError(
            f"{given} is not a folder; weights {weight.name} are several files: name the folder with {names}"
        )
    lacking = [str(path) for path in sources.values() if not path.is_file()]
    if lacking:
        raise MmascError(f"{', '.join(lacking)} not found; weights {weight.name} cannot be taken from {given}")
    for file in weight.files:
        source = sources[file.filename]
        if fault := wrong_size(source, file, str(source)):
            raise MmascError(f"{fault}; {_official(file)}")
    return sources


def _official(file: RemoteFile) -> str:
    return f"give the official {file.filename}, or fetch it without --from"


def _copy(source: Path, part: Path, progress: Progress | None) -> None:
    total, done = source.stat().st_size, 0
    with source.open("rb") as reading, part.open("wb") as writing:
        for chunk in _chunks(reading):
            writing.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(source.name, done, total)


def _download(file: RemoteFile, part: Path, progress: Progress | None) -> None:
    """Bring a `.part` file to its full length, over as many connections as bring something."""
    reason: object = ""
    total = file.size
    for _ in range(_ATTEMPTS):
        before = _resumable(file, part)
        if total is not None and before == total:
            return
        try:
            total = _receive(file, part, before, progress)
            reason = "the connection ended"
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:
                # Nothing begins there: the part is the whole file (stopped before it was renamed), or another's.
                if error.headers["Content-Range"] == f"bytes */{before}":
                    return
                part.unlink()
                continue
            raise MmascError(
                f"{file.address}: the server answers {error.code} ({error.reason}); try later, "
                "or take the file from elsewhere with --from"
            ) from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
        here = part.stat().st_size if part.exists() else 0
        if total is not None and here == total:
            return
        if here <= before:
            break
    if not part.exists() or part.stat().st_size == 0:
        raise MmascError(
            f"{file.address} cannot be reached ({reason}); without a network fetch the file elsewhere and use --from"
        )
    raise MmascError(
        f"{file.filename} broke off after {part.stat().st_size:,} of {_count(total)} bytes ({reason}); "
        "run the command again, it continues from there"
    )


def _receive(file: RemoteFile, part: Path, begin: int, progress: Progress | None) -> int:
    """One connection: append to the part from byte `begin`; return the length of the whole file."""
    total: int | None
    request = urllib.request.Request(file.address, headers={"User-Agent": "mmasc", "Accept-Encoding": "identity"})  # noqa: S310 (https, see WeightFile)
    if begin:
        request.add_header("Range", f"bytes={begin}-")
        if etag := read_note(note_path(part)).get("etag"):
            request.add_header("If-Range", etag)
    opener = urllib.request.build_opener(_GuardedRedirects)
    with opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
        if response.status == 206:
            total = _range_total(response.headers, begin, file.address)
        else:
            # The server sends all of it, because it knows no ranges or because the file changed.
            begin = 0
            length = response.headers["Content-Length"]
            total = int(length) if length else None
        if total is None and file.sha256 is None and not response.chunked:
            raise MmascError(
                f"{file.address} does not say how long the file is, and nobody published its digest; "
                "take it from elsewhere with --from"
            )
        if file.size is not None and total is not None and total != file.size:
            raise MmascError(
                f"{file.address} offers {total:,} bytes, not the {file.size:,} of the file that mmasc knows; "
                "take the right file from elsewhere with --from"
            )
        note = {"address": file.address, "etag": _strong_etag(response.headers)}
        write_atomically(note_path(part), json.dumps(note).encode())
        done = begin
        with part.open("rb+" if begin else "wb") as writing:
            writing.seek(begin)
            for chunk in _chunks(response):
                writing.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(file.filename, done, total if total is not None else file.size)
        return done if total is None else total


def _resumable(file: RemoteFile, part: Path) -> int:
    """Bytes of a part that can be continued; any other part is deleted.

    Without a published digest only a server that names the version (a strong ETag) can be continued: two halves of
    two versions would otherwise be trusted as one file.
    """
    if not part.exists():
        return 0
    note, size = read_note(note_path(part)), part.stat().st_size
    same = note.get("address") == file.address and (file.sha256 or note.get("etag"))
    if same and (file.size is None or size <= file.size):
        return size
    part.unlink()
    return 0


class _GuardedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections that stay encrypted; one to plain http would let anybody on the way change the file."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if not is_guarded(newurl):
            raise MmascError(
                f"{req.full_url} redirects to {newurl}, which is not encrypted; "
                "take the file from elsewhere with --from"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _range_total(headers: HTTPMessage, begin: int, address: str) -> int:
    """Length of the whole file from a `Content-Range: bytes 10-99/100`, which must begin where we asked."""
    unit, _, rest = str(headers["Content-Range"] or "").partition(" ")
    span, _, total = rest.partition("/")
    if unit != "bytes" or span.partition("-")[0] != str(begin) or not total.isdigit():
        raise MmascError(
            f"{address} answered with another range than the bytes from {begin:,} ({headers['Content-Range']}); "
            "take the file from elsewhere with --from"
        )
    return int(total)


def _strong_etag(headers: HTTPMessage) -> str | None:
    etag = headers["ETag"]
    return None if not etag or etag.startswith("W/") else str(etag)


def _chunks(reading: Any) -> Iterator[bytes]:
    while chunk := reading.read(_CHUNK):
        yield chunk


def _count(total: int | None) -> str:
    return "an unknown number of" if total is None else f"{total:,}"
