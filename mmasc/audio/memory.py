"""Sounds in memory: bytes or an open binary file, such as an upload."""

import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmasc.audio.find import find_audio
from mmasc.errors import MmascError
from mmasc.remote.paths import as_path

# What is read as one recording: the path of a file, its bytes, or an open binary file
Sound = str | os.PathLike[str] | bytes | bytearray | memoryview | io.IOBase
_TAKEN = "a path, the bytes of a sound file, or an open binary file"


@dataclass(frozen=True, eq=False)
class MemorySound:
    """The bytes of a sound file, and a name for messages; `path` stands where others have the path of a file."""

    content: bytes = field(repr=False)
    path: Path = Path("<memory>")


class MemoryFile(io.BytesIO):
    """Bytes with the name and mode that an open file has."""

    name, mode = "<memory>", "rb"


def as_source(sound: Any) -> Path | MemorySound:
    """A path as a `Path` (an address as a `RemotePath`), everything else as the bytes of a sound file.

    Args:
        sound: See `Sound`. An open file is read from where it stands to its end.
    Raises:
        MmascError: If it is none of these, or an open file gives text.
    """
    if isinstance(sound, MemorySound):
        return sound
    if isinstance(sound, str | os.PathLike):
        path = os.fspath(sound)
        return as_path(sound if isinstance(sound, Path) else str(path) if isinstance(path, str) else os.fsdecode(path))
    if isinstance(sound, bytes | bytearray | memoryview):
        return MemorySound(bytes(sound))
    if not callable(getattr(sound, "read", None)):
        fix = "; samples become vectors with embed_audio" if hasattr(sound, "__array__") else ""
        raise MmascError(f"a sound must be {_TAKEN}, got {type(sound).__name__}{fix}")
    name = getattr(sound, "name", None)
    path = Path(name) if isinstance(name, str) and name else Path("<memory>")
    content = sound.read()
    if not isinstance(content, bytes | bytearray | memoryview):
        raise MmascError(f"{path}: gives {type(content).__name__}, not bytes; open the file with mode 'rb'")
    if not len(content) and callable(getattr(sound, "tell", None)) and sound.tell():
        raise MmascError(f"{path}: is at its end; go back to its beginning with seek(0)")
    return MemorySound(bytes(content), path)


def find_sounds(sounds: Sound | MemorySound | Iterable[Sound | MemorySound]) -> list[Path | MemorySound]:
    """Recordings meant by paths as `find_audio` takes them, by sounds in memory, or by a mixture, in order.

    Raises:
        MmascError: As `find_audio` and `as_source` do.
    """
    items: list[Any] = [sounds] if is_one(sounds) else list(sounds)  # type: ignore[arg-type]
    if all(isinstance(item, str | os.PathLike) for item in items):
        return [*find_audio(items)]
    found: list[Path | MemorySound] = []
    for item in items:
        found += find_audio(item) if isinstance(item, str | os.PathLike) else [as_source(item)]
    return found


def is_one(sound: Any) -> bool:
    """Whether this is one sound, not several."""
    one = (str, os.PathLike, bytes, bytearray, memoryview, MemorySound, Mapping)  # hits: never their names of values
    return isinstance(sound, one) or callable(getattr(sound, "read", None)) or not isinstance(sound, Iterable)
