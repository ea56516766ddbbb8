"""Embedding on workers of one kind, from the first file to the last; the driver itself embeds nothing."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mmasc.collection.executors.job import Account, Listener
from mmasc.collection.executors.pool import Pool, Transport
from mmasc.collection.executors.units import SharedFiles
from mmasc.encoders.base import Encoder
from mmasc.encoders.file_vectors import FileVectors


class Workers:
    """The executor of worker processes and of Ray.

    Args:
        name: What it is called.
        transport: Makes what begins the workers; called when there is a file to embed.
        workers: How many.
        encoder: That of the driver.
        expected: About how many files there will be.
    """

    def __init__(
        self, name: str, transport: Callable[[], Transport], workers: int, encoder: Encoder, expected: int
    ) -> None:
        self.account = Account(name)
        self._make, self._workers, self._encoder, self._expected = transport, workers, encoder, expected
        self._transport: Transport | None = None

    def run(self, files: Iterable[Path], listener: Listener) -> Iterator[FileVectors]:
        """What became of each file, in the order in which they are done."""
        shared = SharedFiles(files, self._expected)
        if not shared.is_empty:
            yield from self.begin(shared, listener).results()
        self.close()

    def begin(self, files: SharedFiles, listener: Listener) -> Pool:
        """Begin the workers, and do not wait for them."""
        self._transport = self._make()
        encoder = self._encoder
        workers = max(min(self._workers, files.left), 1)
        pool = Pool(self._transport, workers, (encoder.spec.name, encoder.identity), encoder.spec.dim, self.account)
        pool.begin(files, listener)
        return pool

    def close(self) -> None:
        """End all workers."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
