"""Spans of a recording → sound files of their own, each complete or absent."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from mmasc.audio.cutting import SoundFormat, cut_spans
from mmasc.errors import MmascError, show_path
from mmasc.storage.files import replacing

_IN_FLAC = {"PCM_U8": "PCM_S8", "PCM_16": "PCM_16", "PCM_24": "PCM_24"}
_SAMPLE_BYTES = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
_MOST_WAV_BYTES = (1 << 32) - (1 << 16)


@dataclass(frozen=True)
class Cut:
    """A span in seconds, and the file that it is to be written to."""

    start: float
    end: float
    target: Path


def write_cuts(path: str | Path, cuts: Sequence[Cut], flac: bool = False) -> Iterator[Cut]:
    """Write spans of a recording to files of their own, each whole or not at all.

    Args:
        path: The recording.
        cuts: Spans and targets.
        flac: Whether FLAC is written instead of WAV.
    Yields:
        Each of the cuts when its file is there.
    Raises:
        MmascError: As `cut_spans` does; or if FLAC cannot hold the samples.
    """
    kept, blocks = cut_spans(path, [(cut.start, cut.end) for cut in cuts])
    if flac and kept.subtype not in _IN_FLAC:
        raise MmascError(
            f"{show_path(path)}: FLAC holds whole numbers of at most 24 bits, these samples are {kept.subtype}; "
            "write WAV"
        )
    sinks: dict[int, _Sink] = {}
    target = cuts[0].target if cuts else Path()
    try:
        for block in blocks:
            target = cuts[block.span].target
            if block.span not in sinks:
                sinks[block.span] = _Sink(cuts[block.span], kept, flac)
            sinks[block.span].write(block.samples)
            if block.last:
                sinks.pop(block.span).finish()
                yield cuts[block.span]
    except soundfile.LibsndfileError as error:
        # libsndfile says no more of a full disk than that it is a fault of the system
        reason = error.error_string.strip(" .")
        raise MmascError(
            f"{show_path(target)}: cannot be written ({reason}); look for room on that disk and at the permissions"
        ) from error
    finally:
        for sink in sinks.values():
            sink.abandon()


class _Sink:
    """A clip that is being written."""

    def __init__(self, cut: Cut, kept: SoundFormat, flac: bool) -> None:
        self._stack = contextlib.ExitStack()
        beside = self._stack.enter_context(replacing(cut.target))
        size = (cut.end - cut.start) * kept.sample_rate * kept.channels * _SAMPLE_BYTES[kept.subtype]
        form = "FLAC" if flac else "RF64" if size > _MOST_WAV_BYTES else "WAV"
        subtype = _IN_FLAC[kept.subtype] if flac else kept.subtype
        try:
            self._file = soundfile.SoundFile(beside, "w", kept.sample_rate, kept.channels, subtype, format=form)
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        self.write = self._file.write

    def finish(self) -> None:
        """Give the clip its name."""
        self._file.close()
        self._stack.close()

    def abandon(self) -> None:
        """Delete what was written."""
        self._file.close()
        stopped = InterruptedError("the clip is not whole")
        with contextlib.suppress(InterruptedError):
            self._stack.__exit__(type(stopped), stopped, None)
