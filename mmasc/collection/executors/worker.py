"""A worker: it loads the encoder once, and embeds units of files until nobody needs it any more."""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmasc.collection.executors.job import Recipe, Unit, failed, pack
from mmasc.encoders.embedding import embed_files
from mmasc.encoders.file_vectors import FileVectors, Place
from mmasc.encoders.registry import build_encoder
from mmasc.errors import MmascError
from mmasc.remote.paths import RemotePath
from mmasc.storage.contents import digest_of

_TELL_SECONDS = 0.5  # from one message to the next: each costs the driver a quarter of a millisecond
Send = Callable[[list[tuple]], None]


class Worker:
    """An encoder, and what became of units of files with it.

    Args:
        recipe: How files are embedded.
    Raises:
        MmascError: If the encoder cannot be loaded here; it names this machine.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.host, self.recipe = socket.gethostname(), recipe
        try:
            self.encoder = build_encoder(recipe.origin, recipe.backend)
        except MmascError as error:
            raise MmascError(f"worker on {self.host}: {error}") from error
        except (ImportError, AttributeError, OSError) as error:
            raise MmascError(
                f"worker on {self.host} cannot load encoder {recipe.origin.name} ({error}): install the same mmasc and "
                f"weights there (mmasc models fetch {recipe.origin.name})"
            ) from error
        self.ready = ("ready", self.host, self.encoder.identity)

    def run(self, unit: Unit, send: Send) -> None:
        """Embed the files of a unit.

        Args:
            unit: Its files lie on disks that this machine sees.
            send: Called with events: ("files", unit, packed), ("part", unit, file, places, vectors), ("heard", unit,
                file, seconds), ("unseen", unit) if no file of it is there, and at the end ("done", unit).
        """
        local = [path for path in unit.files if not isinstance(path, RemotePath)]
        if local and not any(os.path.exists(path) for path in local):
            send([("unseen", unit.number)])
        teller = _Teller(unit, send)
        left = dict(enumerate(unit.files))
        try:
            self._embed(list(left.items()), teller, left)
        except Exception:
            # One file of them has done it: each by itself, from the one in hand on
            for number, path in list(left.items()):
                try:
                    self._embed([(number, path)], teller, left)
                except Exception as error:
                    reason = f"{type(error).__name__} while it was embedded ({' '.join(str(error).split())[:200]})"
                    teller.add(number, failed(path, reason, self.encoder.spec.dim))
        teller.flush([("done", unit.number)])

    def _embed(self, files: list[tuple[int, Path]], teller: "_Teller", left: dict[int, Path]) -> None:
        digest = digest_of if self.recipe.digests else None
        results = embed_files(
            [path for _, path in files],
            self.encoder,
            self.recipe.hop_seconds,
            self.recipe.channels,
            threads=0,
            digest=digest,
            keeper=teller,
            heard=teller.heard,
        )
        for (number, _), result in zip(files, results, strict=True):
            del left[number]
            teller.add(number, result)


class _Teller:
    """Sends the events of a unit to the driver, several at a time; the `Keeper` of the worker."""

    def __init__(self, unit: Unit, send: Send) -> None:
        self.unit, self.send = unit, send
        self.numbers = {path: number for number, path in enumerate(unit.files)}
        self.files: list[tuple[int, FileVectors]] = []
        self.told = time.monotonic()

    def begun(self, path: Path) -> Mapping[Place, np.ndarray]:
        """Vectors that an earlier run kept."""
        return self.unit.begun.get(self.numbers[path], {})

    def keep(self, path: Path, places: Sequence[Place], vectors: np.ndarray) -> None:
        """The driver keeps them."""
        self.flush([("part", self.unit.number, self.numbers[path], list(places), vectors)])

    def heard(self, path: Path, seconds: float) -> None:
        """Report that so many seconds of a file are embedded."""
        if time.monotonic() - self.told >= _TELL_SECONDS:
            self.flush([("heard", self.unit.number, self.numbers[path], seconds)])

    def add(self, number: int, file: FileVectors) -> None:
        """A file is done."""
        self.files.append((number, file))
        if time.monotonic() - self.told >= _TELL_SECONDS:
            self.flush([])

    def flush(self, more: list[tuple]) -> None:
        """Tell what waits, and more."""
        events = [("files", self.unit.number, pack(self.files))] if self.files else []
        self.files = []
        self.told = time.monotonic()
        self.send(events + more)
