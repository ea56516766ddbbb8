"""In this process: threads decode ahead of the network."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from mmasc.collection.executors.job import Account, Listener
from mmasc.cores import network_threads
from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import embed_files
from mmasc.encoders.file_vectors import FileVectors
from mmasc.storage.contents import digest_of


class Local:
    """The executor that embeds here.

    Args:
        encoder: Loaded.
        hop_seconds, channels, threads: As `embed_files` takes them.
        digests: Whether digests of the files' contents are wanted.
    """

    def __init__(self, encoder: Encoder, hop_seconds: float, channels: str, threads: int, digests: bool = True) -> None:
        self.encoder, self.account = encoder, Account("local")
        self._hop_seconds, self._channels, self._threads = hop_seconds, channels, threads
        self._digest = digest_of if digests else None

    def run(self, files: Iterable[Path], listener: Listener) -> Iterator[FileVectors]:
        """What became of each file, in order."""
        with network_threads(self.encoder.many_threads or self.encoder.device.type != "cpu"):
            yield from embed_files(
                files,
                self.encoder,
                self._hop_seconds,
                self._channels,
                self._threads,
                digest=self._digest,
                keeper=listener.keeper,
                heard=listener.heard,
            )

    def close(self) -> None:
        """Nothing to do: no processes were started."""
