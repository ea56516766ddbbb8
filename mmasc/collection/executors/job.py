"""What travels between the process that writes a collection and the workers that embed for it.

To a worker: a `Recipe` (plain values: no encoder, no tensor and no open file), then units of files. Back: events, of
which the vectors of several files are one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np

from mmasc.audio import AudioStatus
from mmasc.encoders.file_vectors import FileVectors, Keeper, Place
from mmasc.encoders.spec import Origin
from mmasc.errors import MmascError, show_path

if TYPE_CHECKING:
    from mmasc.encoders.base import Encoder


@dataclass(frozen=True)
class Recipe:
    """How files are embedded.

    Attributes:
        origin: What the encoder is built from; paths are absolute.
        backend: As `load_encoder` takes it.
        hop_seconds, channels: As `embed_files` takes them.
        digests: Whether digests of the files' contents are wanted.
    """

    origin: Origin
    backend: str
    hop_seconds: float
    channels: str
    digests: bool = True

    @classmethod
    def of(cls, encoder: "Encoder", hop_seconds: float, channels: str, digests: bool = True) -> "Recipe | None":
        """The recipe of a loaded encoder; None if it was not loaded by name, so that no worker could load it."""
        origin = encoder.origin
        if origin is None:
            return None
        if origin.path is not None:
            origin = origin._replace(path=str(Path(origin.path).expanduser().absolute()))
        return cls(origin, encoder.backend, hop_seconds, channels, digests)

    def on(self, device: str) -> "Recipe":
        """The same recipe for another device."""
        return replace(self, origin=self.origin._replace(device=device))


@dataclass
class Unit:
    """A few files that a worker embeds.

    Attributes:
        number: What it is called in events.
        files: Where they lie, as the driver has them.
        begun: Vectors that an earlier run kept, by the number of the file in the unit.
        tries: Workers that were lost over it.
    """

    number: int
    files: Sequence[Path]
    begun: dict[int, Mapping[Place, np.ndarray]] = field(default_factory=dict)
    tries: int = 0


class Listener(NamedTuple):
    """Receives events about files on their way; see `embed_files`."""

    keeper: Keeper | None = None
    heard: Callable[[Path, float], None] | None = None


@dataclass
class Account:
    """What an executor did.

    Attributes:
        executor: Which one: "local", "processes" or "ray".
        workers: Most that worked at once; 0 where this process embedded itself.
        hosts: Machines that they ran on.
        lost_units: Units whose worker was lost, each time counted.
    """

    executor: str = "local"
    workers: int = 0
    hosts: list[str] = field(default_factory=list)
    lost_units: int = 0


@runtime_checkable
class Executor(Protocol):
    """What embeds files, here or elsewhere: the same vectors to the last bit, in any order."""

    @property
    def account(self) -> Account:
        """What it did so far."""

    def run(self, files: Iterable[Path], listener: Listener) -> Iterator[FileVectors]:
        """What became of each file; they are taken as it goes."""

    def close(self) -> None:
        """End all workers; called also after an error or Ctrl-C."""


# Numbers of the files in their unit, how many windows each has, all that is not an array, and the arrays joined
Packed = tuple[list[int], list[int], list[tuple], tuple[np.ndarray, ...]]
_ARRAYS = ("starts", "ends", "lanes", "vectors", "silent")


def pack(files: Sequence[tuple[int, FileVectors]]) -> Packed:
    """What became of some files of a unit, few objects however many there are."""
    about = [(one.status, one.duration, one.sample_rate, one.channels, one.digest, len(one.silent)) for _, one in files]
    arrays = tuple(np.concatenate([getattr(one, name) for _, one in files]) for name in _ARRAYS)
    return [number for number, _ in files], [len(one.vectors) for _, one in files], about, arrays


def unpack(packed: Packed, files: Sequence[Path]) -> list[tuple[int, FileVectors]]:
    """The way back; paths are the driver's own."""
    numbers, counts, about, (starts, ends, lanes, vectors, silent) = packed
    found, first, first_silent = [], 0, 0
    for number, count, (status, duration, rate, channels, digest, n_silent) in zip(numbers, counts, about, strict=True):
        last, last_silent = first + count, first_silent + n_silent
        # Views: what came together is committed together
        found.append(
            (
                number,
                FileVectors(
                    files[number],
                    starts[first:last],
                    ends[first:last],
                    lanes[first:last],
                    vectors[first:last],
                    status,
                    duration,
                    rate,
                    channels,
                    digest,
                    silent[first_silent:last_silent],
                ),
            )
        )
        first, first_silent = last, last_silent
    return found


def failed(path: Path, reason: str, dim: int) -> FileVectors:
    """A file that gave no vectors."""
    none = np.zeros(0)
    status = AudioStatus("failed", f"{show_path(path)}: {reason}", None, 0.0)
    return FileVectors(path, none, none, none.astype(np.int64), np.zeros((0, dim), np.float32), status)


def refuse_identity(host: str, name: str, found: str, wanted: str) -> None:
    """Let no worker work whose encoder is another.

    Raises:
        MmascError: If the identities differ.
    """
    if found != wanted:
        raise MmascError(
            f"worker on {host} has encoder {name} with identity {found}, the driver {wanted}: install the same mmasc "
            "and weights there"
        )
