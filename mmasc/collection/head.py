"""The head: the small file that says which versions of the tables count, and how it is read as untrusted JSON."""

import contextlib
import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

from mmasc.collection.leases import Lease, copy_path, generations
from mmasc.errors import MmascError
from mmasc.storage.texts import parse_json

FORMAT = 1
HEAD_NAME = "collection.json"
_MAX_DIM = 1_000_000  # numbers in a vector; more is a damaged head
_RESTORE = "restore it from a backup"
_MOST_SECONDS = 1e9  # a whole number may be larger than any float


@dataclass(frozen=True)
class SpaceHead:
    """What the head knows of a space: which encoder made it, how it was cut, and the version that counts."""

    identity: str
    encoder: str
    dim: int
    window_seconds: float
    hop_seconds: float
    channels: str
    windows: int = 0
    version: int | None = None


@dataclass(frozen=True)
class Head:
    """The versions that count.

    Attributes:
        root: Folder that stored paths are relative to.
        recordings: Version of the table of recordings; None before the first commit.
        spaces: Spaces by name.
        format: Format of the collection; a newer one is refused.
        generation: Counts commits; 0 in a head that version 0.1.0 wrote.
        lease: Keeps the versions on the disk for as long as this object lives; None in heads that are being changed
            and where there are no locks.
    """

    root: str
    recordings: int | None = None
    spaces: dict[str, SpaceHead] = field(default_factory=dict)
    format: int = FORMAT
    generation: int = 0
    lease: Lease | None = field(default=None, compare=False, repr=False)

    def to_json(self) -> str:
        """The text of the file."""
        spaces = {name: asdict(space) for name, space in self.spaces.items()}
        values = {"root": self.root, "recordings": self.recordings, "spaces": spaces}
        return json.dumps({**values, "format": self.format, "generation": self.generation}, indent=1)


def read_head(path: Path) -> Head:
    """The head in a file, without a lease.

    Raises:
        MmascError: If it is missing, damaged, or a newer mmasc made it.
    """
    try:
        return parse_head(path.read_bytes(), path)
    except FileNotFoundError:
        raise MmascError(f"{path.parent} holds no collection; make one with: mmasc embed PATH --into ...") from None
    except NotADirectoryError:
        raise MmascError(f"{path.parent} is not a folder; name the folder of a collection") from None
    except IsADirectoryError as error:
        raise MmascError(f"{path} is damaged ({error}); {_RESTORE}") from error
    except OSError as error:
        raise MmascError(f"{path} cannot be read ({error.strerror}); check its permissions and the disk") from error


def read_copies(folder: Path) -> list[Head]:
    """The copies of heads that commits left, oldest first; those that cannot be read are passed over."""
    heads = []
    for generation in generations(folder):
        with contextlib.suppress(MmascError):
            heads.append(read_head(copy_path(folder, generation)))
    return heads


def parse_head(content: bytes, path: Path, fix: str = _RESTORE) -> Head:
    """The head in a text, without a lease.

    Args:
        content: JSON as UTF-8.
        path: Where it came from, a file or an address, for messages.
        fix: What helps where it is damaged, for messages.
    Raises:
        MmascError: If it is damaged, or a newer mmasc made it.
    """
    try:
        raw = parse_json(content.decode("utf-8"))
    except ValueError as error:
        raise MmascError(f"{path} is damaged ({error}); {fix}") from error
    try:
        _check_types(raw, format=(int,), root=(str,), recordings=(int, NoneType), spaces=(dict,))
        made = raw["format"]
        if made > FORMAT:
            raise MmascError(f"{path.parent} was made by a newer mmasc (format {made}, known {FORMAT}); update mmasc")
        if "\0" in raw["root"]:
            raise ValueError("its root is not a path")
        spaces = {name: _checked_space(space) for name, space in raw["spaces"].items()}
        _check_types({"generation": 0, **raw}, generation=(int,))
        return Head(raw["root"], raw["recordings"], spaces, made, raw.get("generation", 0))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise MmascError(f"{path} is not a head of a collection ({error}); {fix}") from error


def _checked_space(raw: dict[str, Any]) -> SpaceHead:
    """A space as untrusted JSON says it; its identity names a folder and must not lead out of the collection."""
    _check_types(
        raw,
        identity=(str,),
        encoder=(str,),
        dim=(int,),
        window_seconds=(float, int),
        hop_seconds=(float, int),
        channels=(str,),
        windows=(int,),
        version=(int, NoneType),
    )
    space = SpaceHead(**raw)
    if not is_identity(space.identity):
        raise ValueError(f"identity {space.identity[:40]!r} is not a plain name")
    if not 1 <= space.dim <= _MAX_DIM:
        raise ValueError(f"dim must be 1 to {_MAX_DIM:,}, got {space.dim}")
    if not 0 < space.window_seconds < _MOST_SECONDS or not 0 < space.hop_seconds < _MOST_SECONDS:
        raise ValueError(f"seconds must be above 0, got {space.window_seconds!s:.40} and {space.hop_seconds!s:.40}")
    return space


def is_identity(name: str) -> bool:
    """Whether an encoder may have this identity, so that a folder of this name may be a space's."""
    return re.fullmatch(r"[0-9A-Za-z_-]{1,128}", name) is not None


def is_leftover(folder: Path, known: Collection[str]) -> bool:
    """Whether a folder in `spaces` can only be what a killed writer left of a space that never counted.

    Identities of mmasc's encoders are 32 hexadecimal digits; anything else may be the user's own.
    """
    named = re.fullmatch(r"[0-9a-f]{32}", folder.name) is not None
    return named and folder.name not in known and folder.is_dir() and not folder.is_symlink()


def _check_types(raw: dict[str, Any], **types: tuple[type, ...]) -> None:
    for name, allowed in types.items():
        if type(raw.get(name)) not in allowed:
            raise TypeError(f"{name} is {str(raw.get(name))[:40]!r}")
