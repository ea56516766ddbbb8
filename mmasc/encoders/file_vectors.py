"""The vectors of one file (`FileVectors`), and the interfaces of encoders and of keepers of unfinished files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from mmasc.audio import AudioStatus
from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError
from mmasc.windows.pooling import recording_vector

# Lane, start and end of a window, in samples at the encoder's rate
Place = tuple[int, int, int]


@runtime_checkable
class WindowEncoder(Protocol):
    """What files need of an encoder; every `Encoder` has it.

    Attributes:
        spec: Spec of the encoder: its rate and window count here.
    """

    spec: EncoderSpec

    @property
    def window_samples(self) -> int:
        """Length of a window in samples."""

    @property
    def windows_at_once(self) -> int:
        """How many windows go through the network at once."""

    def embed(self, waveforms: Any) -> np.ndarray:
        """float32 `[window dim]` of windows `[window time]`."""


@runtime_checkable
class Keeper(Protocol):
    """Who keeps the vectors of long files before these are whole, so that an interrupted run can go on inside them."""

    def begun(self, path: Path) -> Mapping[Place, np.ndarray]:
        """Vectors that an earlier run kept, float32 `[dim]` each; of this very content only."""
        ...

    def keep(self, path: Path, places: Sequence[Place], vectors: np.ndarray) -> None:
        """Keep the next windows of a file, float32 `[item dim]`."""
        ...


@dataclass
class FileVectors:
    """The vectors of one file, and how reading it went.

    Attributes:
        path: As it was given; "<memory>" or "<array>" where there was none.
        starts, ends: Starts and ends of the windows, in seconds, float64 `[item]`.
        lanes: Which lane of the channel policy a window comes from, int64 `[item]`; 0 except with "each" and
            "mid-side".
        vectors: float32 `[item dim]`, as the encoder gave them.
        status: ok, truncated or failed, with the reason; a failed file has no windows.
        duration: Decoded seconds.
        sample_rate, channels: Sample rate and channels of the file itself.
        digest: What `digest` of `embed_files` gave.
        silent: Which windows are digital silence and nothing else, bool `[item]`.
    """

    path: Path
    starts: np.ndarray
    ends: np.ndarray
    lanes: np.ndarray
    vectors: np.ndarray
    status: AudioStatus
    duration: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    digest: bytes | None = None
    silent: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def heard(self) -> np.ndarray:
        """Windows in which there is sound, bool `[item]`."""
        return ~self.silent if len(self.silent) == len(self.vectors) else np.ones(len(self.vectors), bool)

    @property
    def vector(self) -> np.ndarray:
        """The recording's vector, float64 `[dim]`, see `recording_vector`: digital silence does not count."""
        if not len(self.vectors):
            raise MmascError(f"{self.path}: no vector, {self.status.reason}")
        return recording_vector(self.vectors, self.starts, self.ends, self.lanes, self.heard)
