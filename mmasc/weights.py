"""Named weights: where their files come from, what they must be, and the folder that keeps them.

`fetch` alone talks to the network; `find` never does, and gives a path only after size and SHA-256 are right. A file
whose digest nobody published is trusted the first time it comes over an encrypted connection (or from the user's own
disk); from then on it must stay the same. Nothing that is fetched is run, and pickles are no business of this module.

Digests of AudioCLIP: the LFS pointers in its repository (AndreyGuzhov/AudioCLIP, folder assets). Digests of CLAP:
public projects that record them for the revisions pinned here (of clap-htsat-fused: for its main branch); where none
was found there is none here either. Of torchvision's files the names tell how their digests begin.
"""

import contextlib
import hashlib
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from mmasc.errors import MmascError
from mmasc.storage.files import write_atomically
from mmasc.storage.texts import parse_json

Progress = Callable[[str, int, int | None], None]

_CHUNK = 1 << 20  # bytes read at once
_ATTEMPTS = 5  # connections in one call, each going on where the last one broke
_TIMEOUT_SECONDS = 60  # without a byte
_LOOPBACK = ("127.0.0.1", "localhost", "::1")  # plain http to this machine crosses no network


def _is_guarded(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _is_digest(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")


class RemoteFile(NamedTuple):
    """A file on a server; `sha256` (64 hex digits) and `size` (bytes) are None where nobody published them.

    `begins` is the beginning of the digest (8 hex digits or more) where no more of it was published, as in the names
    of torchvision's files.
    """

    address: str
    sha256: str | None
    size: int | None
    filename: str
    begins: str = ""


@dataclass(frozen=True)
class WeightFile:
    """Weights that have a name: one file or several that belong together.

    Attributes:
        name: What `fetch` and `find` take.
        files: What they consist of.
        licence: Of the weights.
        non_commercial: Whether the licence forbids commercial use.
        note: One line for people.
    Raises:
        ValueError: If a file name is a path, a digest is no SHA-256, or an address is neither https nor loopback.
    """

    name: str
    files: tuple[RemoteFile, ...]
    licence: str
    non_commercial: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        for file in self.files:
            if Path(file.filename).name != file.filename or file.filename.startswith("."):
                raise ValueError(f"filename must be a plain name, got {file.filename!r}")
            if file.sha256 is not None and not _is_digest(file.sha256):
                raise ValueError(f"sha256 of {file.filename} must be 64 hex digits or None, got {file.sha256!r}")
            if file.begins and (len(file.begins) < 8 or set(file.begins) - set("0123456789abcdef")):
                raise ValueError(f"begins of {file.filename} must be 8 hex digits or more, got {file.begins!r}")
            if not _is_guarded(file.address):
                raise ValueError(f"address must begin with https://, got {file.address!r}")

    @property
    def size(self) -> int:
        """Bytes of the files whose size is known."""
        return sum(file.size or 0 for file in self.files)


class StoredFile(NamedTuple):
    """A file that is in its place now.

    Attributes:
        path: Where it is.
        size: In bytes.
        sha256: Measured here.
        published: Whether the digest was known before; if not, it was trusted on first use and is recorded now.
        new: Whether this call brought it.
    """

    path: Path
    size: int
    sha256: str
    published: bool
    new: bool


def _audioclip(filename: str, sha256: str) -> RemoteFile:
    release = "https://github.com/AndreyGuzhov/AudioCLIP/releases/download/v0.1"
    return RemoteFile(f"{release}/{filename}", sha256, 537_302_068, filename)


# The RoBERTa vocabulary is the same in every CLAP of the hub.
_VOCABULARY = ("vocab.json", "ed19656ea1707df69134c4af35c8ceda2cc9860bf2c3495026153a133670ab5e", 798_293)
_FRONT_END = ("preprocessor_config.json", "9739f58296aa6f9ac18008fd0150fb2649bc554985fbde86d0a4041c882ac753", 541)


def _hub(repository: str, revision: str, *files: tuple[str, str | None, int | None]) -> tuple[RemoteFile, ...]:
    folder = f"https://huggingface.co/{repository}/resolve/{revision}"
    return tuple(RemoteFile(f"{folder}/{filename}", sha256, size, filename) for filename, sha256, size in files)


def _imagenet(network: str, name: str, begins: str) -> WeightFile:
    filename = f"{name}-{begins}.pth"
    file = RemoteFile(f"https://download.pytorch.org/models/{filename}", None, None, filename, begins)
    return WeightFile(f"{network}-imagenet", (file,), "BSD-3-Clause", note="torchvision's first ImageNet weights")


WEIGHTS: dict[str, WeightFile] = {
    weight.name: weight
    for weight in [
        WeightFile(
            "audioclip-full",
            (
                _audioclip(
                    "AudioCLIP-Full-Training.pt", "2441d35b353352c8b1bbfb8f7c687f46314c3d2909e940eaf763b8c17f632c44"
                ),
            ),
            "MIT",
            note="all three towers trained on AudioSet",
        ),
        WeightFile(
            "audioclip-partial",
            (
                _audioclip(
                    "AudioCLIP-Partial-Training.pt", "1921885b6c3b5de0619f2ef4a9700ecbade758a398b34eb064230c30baef0c75"
                ),
            ),
            "MIT",
            note="sound trained towards the unchanged CLIP RN50",
        ),
        WeightFile(
            "clap-htsat-unfused",
            _hub(
                "laion/clap-htsat-unfused",
                "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a",
                ("config.json", "9efb9557bc804f2ca6e394486af2e45dfed0b18554909735a99c6220b84e4288", 5_390),
                _FRONT_END,
                _VOCABULARY,
                ("merges.txt", "fe36cab26d4f4421ed725e10a2e9ddb7f799449c603a96e7f29b5a3c82a95862", 456_356),
                ("pytorch_model.bin", "1cd3c601bc4afe0fa87be3de4c13dd2cfadd249fac1e29acf74a9b296c3219bb", 614_525_833),
            ),
            "Apache-2.0",
            note="LAION CLAP, small, trained on windows of 10 s",
        ),
        WeightFile(
            "clap-htsat-fused",
            _hub(
                "laion/clap-htsat-fused",
                "cca9e288ab447cee67d9ada1f85ddb46500f1401",
                ("config.json", None, None),
                ("preprocessor_config.json", None, None),
                _VOCABULARY,
                ("merges.txt", None, None),
                ("pytorch_model.bin", "1ed5d0215d887551ddd0a49ce7311b21429ebdf1e6a129d4e68f743357225253", None),
            ),
            "Apache-2.0",
            note="LAION CLAP, small, trained with feature fusion",
        ),
        WeightFile(
            "larger-clap-general",
            _hub(
                "laion/larger_clap_general",
                "ada0c23a36c4e8582805bb38fec3905903f18b41",
                ("config.json", "6268f76a067e3104bf9001e97d7dcc0fcfb16f3086cfb478ee72d95900d7fc1d", 643),
                _FRONT_END,
                _VOCABULARY,
                ("merges.txt", "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5", 456_318),
                ("pytorch_model.bin", "314eb00cce6ad68d25237b8446b659ccdb136ed4672c1bca470f142f72455026", 776_444_665),
            ),
            "Apache-2.0",
            note="LAION CLAP, larger, general sound, music and speech",
        ),
        WeightFile(
            "larger-clap-music-and-speech",
            _hub(
                "laion/larger_clap_music_and_speech",
                "195c3a3e68faebb3e2088b9a79e79b43ddbda76b",
                ("config.json", None, None),
                ("preprocessor_config.json", None, None),
                _VOCABULARY,
                ("merges.txt", None, None),
                ("pytorch_model.bin", "b73c5e596fda5b29b522a1ab3f0842977fe2b147bf8b78c2ec5f7ae6267038a1", 776_444_665),
            ),
            "Apache-2.0",
            note="LAION CLAP, larger, music and speech",
        ),
        _imagenet("alexnet", "alexnet-owt", "7be5be79"),
        _imagenet("vgg16", "vgg16", "397923af"),
        _imagenet("resnet18", "resnet18", "f37072fd"),
        _imagenet("resnet34", "resnet34", "b627a593"),
        _imagenet("resnet50", "resnet50", "0676ba61"),
    ]
}


# Weights that people look for and that mmasc does not take, by encoder and by name, with the reason
REFUSED = dict.fromkeys(
    ("clap-music", "larger-clap-music", "larger_clap_music"),
    "laion/larger_clap_music is refused: its text side gives all texts nearly the same vector (mean cosine 0.9993), so "
    "that no text can be searched for; use clap-music-speech or clap-general",
)


# Parts of AudioCLIP that its authors released beside the two files above: size, and how the SHA-256 begins
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


def weight_file(name: str) -> WeightFile:
    """Weights by name.

    Raises:
        MmascError: If there are none of this name (the names are listed), or they are refused.
    """
    refuse(name)
    if name not in WEIGHTS:
        raise MmascError(f"there are no weights {name!r}; there are: {', '.join(sorted(WEIGHTS))}")
    return WEIGHTS[name]


def refuse(name: str) -> None:
    """Say why weights that people look for are not taken, if `name` is one of those.

    Raises:
        MmascError: With the reason.
    """
    if name in REFUSED:
        raise MmascError(REFUSED[name])


def is_present(name: str) -> bool:
    """Whether every file is in its place with its right size; digests are left to `find`."""
    weight = weight_file(name)
    places = [(_folder(weight) / file.filename, file.size) for file in weight.files]
    return all(path.is_file() and size in (None, path.stat().st_size) for path, size in places)


def find(name: str) -> Path:
    """The local path of weights, verified; no network.

    A digest is measured once and remembered with size and time of the file; a file that changed is measured again.

    Returns:
        The file, or the folder where the weights are several files.
    Raises:
        MmascError: If a file is missing, truncated, or not the one that it should be.
    """
    weight = weight_file(name)
    folder = _folder(weight)
    missing = [file.filename for file in weight.files if not (folder / file.filename).is_file()]
    if missing:
        raise MmascError(
            f"weights {name} are not here ({folder} lacks {', '.join(missing)}); run `mmasc models fetch {name}`, "
            f"or without a network `mmasc models fetch {name} --from FOLDER`"
        )
    for file in weight.files:
        _verify(folder, file, name)
    return folder / weight.files[0].filename if len(weight.files) == 1 else folder


def check_named(path: str | Path) -> None:
    """Refuse a file that carries the name of a published one and is another: cut short, or somebody else's.

    A file under a name of its own is its owner's business and passes. Size and digest are measured at every call
    (some tenths of a second for 500 MB).

    Args:
        path: Of the file.
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


def fetch(name: str, from_file: str | Path | None = None, progress: Progress | None = None) -> list[StoredFile]:
    """Bring weights into the local folder; what is there and right stays, what broke off goes on where it broke.

    Args:
        name: Of the weights.
        from_file: Take them from this file, or from the files of this folder, instead of the network.
        progress: Called with file name, bytes there and bytes in all (None where the server does not say).
    Raises:
        MmascError: If a server cannot be reached, a download breaks off, or a file is not the one that it should be.
    """
    from filelock import FileLock

    weight = weight_file(name)
    folder = _folder(weight)
    sources = _local_sources(weight, Path(from_file)) if from_file is not None else {}
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        return [_fetch_file(weight, file, sources.get(file.filename), progress) for file in weight.files]


def _fetch_file(weight: WeightFile, file: RemoteFile, source: Path | None, progress: Progress | None) -> StoredFile:
    folder = _folder(weight)
    path, part = folder / file.filename, folder / f"{file.filename}.part"
    if path.is_file() and source is None:
        # A file that is not right is fetched again: that is what the user asked for.
        with contextlib.suppress(MmascError):
            digest = _verify(folder, file, weight.name)
            for rest in (part, _note_path(part)):  # of a call that was killed after it had brought the file
                rest.unlink(missing_ok=True)
            return StoredFile(path, path.stat().st_size, digest, bool(file.sha256), False)
    if source is None:
        _download(file, part, progress)
        where = file.address
    else:
        part.unlink(missing_ok=True)
        _copy(source, part, progress)
        where = str(source)
    mend = (
        "the unfinished file was deleted, fetch it again"
        if source is None
        else f"give the official {file.filename}, or fetch it without --from"
    )
    digest = _measure(part, file, file.sha256, where, mend, delete=True)
    with part.open("rb+") as written:
        os.fsync(written.fileno())
    # Before the file has its name: else a kill between the two leaves a file that nobody vouches for
    _record(folder, file.filename, part, digest)
    os.replace(part, path)
    _note_path(part).unlink(missing_ok=True)
    return StoredFile(path, path.stat().st_size, digest, bool(file.sha256), True)


def _local_sources(weight: WeightFile, given: Path) -> dict[str, Path]:
    """Where each file of the weights lies under what the user gave."""
    if given.is_dir():
        sources = {file.filename: given / file.filename for file in weight.files}
    elif len(weight.files) == 1:
        sources = {weight.files[0].filename: given}
    else:
        names = ", ".join(file.filename for file in weight.files)
        raise MmascError(f"{given} is no folder; weights {weight.name} are several files: name the folder with {names}")
    lacking = [str(path) for path in sources.values() if not path.is_file()]
    if lacking:
        raise MmascError(f"{', '.join(lacking)} not found; weights {weight.name} cannot be taken from {given}")
    return sources


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
        "run the command again, it goes on from there"
    )


def _receive(file: RemoteFile, part: Path, begin: int, progress: Progress | None) -> int:
    """One connection: append to the part from byte `begin`; return the length of the whole file."""
    total: int | None
    request = urllib.request.Request(file.address, headers={"User-Agent": "mmasc", "Accept-Encoding": "identity"})  # noqa: S310 (https, see WeightFile)
    if begin:
        request.add_header("Range", f"bytes={begin}-")
        if etag := _read_json(_note_path(part)).get("etag"):
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
        write_atomically(_note_path(part), json.dumps(note).encode())
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
    """Bytes of a part that may be gone on with; any other part is deleted.

    Without a published digest only a server that names the version (a strong ETag) can be gone on with: two halves of
    two versions would otherwise be trusted as one file.
    """
    if not part.exists():
        return 0
    note, size = _read_json(_note_path(part)), part.stat().st_size
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
        if not _is_guarded(newurl):
            raise MmascError(
                f"{req.full_url} sends on to {newurl}, which is not encrypted; take the file from elsewhere with --from"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _range_total(headers: HTTPMessage, begin: int, address: str) -> int:
    """Length of the whole file from a `Content-Range: bytes 10-99/100`, which must begin where we asked."""
    unit, _, rest = str(headers["Content-Range"] or "").partition(" ")
    span, _, total = rest.partition("/")
    if unit != "bytes" or span.partition("-")[0] != str(begin) or not total.isdigit():
        raise MmascError(
            f"{address} answers another range than the bytes from {begin:,} ({headers['Content-Range']}); "
            "take the file from elsewhere with --from"
        )
    return int(total)


def _strong_etag(headers: HTTPMessage) -> str | None:
    etag = headers["ETag"]
    return None if not etag or etag.startswith("W/") else str(etag)


def _verify(folder: Path, file: RemoteFile, name: str) -> str:
    """The digest of a stored file, which must be the published one, else the recorded one.

    Raises:
        MmascError: If it is another, or there is none to compare with.
    """
    path = folder / file.filename
    recorded = _read_json(folder / "digests.json").get(file.filename)
    noted = recorded.get("sha256") if isinstance(recorded, dict) else None
    expected = file.sha256 or (noted if isinstance(noted, str) else None)
    if expected is None:
        raise MmascError(
            f"{path} was put there by hand and nobody published its digest; "
            f"run `mmasc models fetch {name} --from {folder}` to take it as it is"
        )
    if recorded == _stamp(path, expected):
        return str(expected)
    digest = _measure(path, file, expected, str(path), f"run `mmasc models fetch {name}` to replace it")
    # A cache that several users share may be read-only: then the digest is measured each time.
    with contextlib.suppress(PermissionError):
        _record(folder, file.filename, path, digest)
    return digest


def _measure(path: Path, file: RemoteFile, expected: str | None, where: str, mend: str, delete: bool = False) -> str:
    """Size and digest of a file; MmascError, naming where it is from, if one of them is wrong."""
    size = path.stat().st_size
    fault = ""
    digest = ""
    if file.size is not None and size != file.size:
        fault = f"{where} holds {size:,} bytes instead of {file.size:,}"
    else:
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
        _note_path(path).unlink(missing_ok=True)
    raise MmascError(f"{fault}; {mend}")


def _stamp(path: Path, digest: str) -> dict[str, Any]:
    status = path.stat()
    return {"sha256": digest, "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _record(folder: Path, filename: str, path: Path, digest: str) -> None:
    """Remember a digest with the size and time of the file that it was measured on."""
    records = _read_json(folder / "digests.json") | {filename: _stamp(path, digest)}
    write_atomically(folder / "digests.json", (json.dumps(records, indent=1, sort_keys=True) + "\n").encode())


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object that only mmasc writes; a damaged one is told as such."""
    if not path.exists():
        return {}
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MmascError(f"{path} is damaged ({error}); delete it and run the command again") from error
    if not isinstance(value, dict):
        raise MmascError(f"{path} is damaged (it holds no object); delete it and run the command again")
    return value


def _folder(weight: WeightFile) -> Path:
    return home() / "weights" / weight.name


def _note_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _chunks(reading: Any) -> Iterator[bytes]:
    while chunk := reading.read(_CHUNK):
        yield chunk


def _count(total: int | None) -> str:
    return "an unknown number of" if total is None else f"{total:,}"
