"""Recordings as the encoders want them: one channel policy, one rate, block by block or whole."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np
import soxr
import torch
from jaxtyping import Float
from torch import Tensor

from mmasc.audio.channels import apply_channels, check_channels, count_lanes
from mmasc.audio.decode import AudioFile, AudioStatus, open_audio
from mmasc.audio.memory import MemorySound, Sound
from mmasc.audio.quality import PhaseMeter, SilenceMeter
from mmasc.errors import MmascError, show_path

# soxr HQ: 64 to 99 dB above its errors, aliases below -130 dB; MQ is at most 4 % faster
_QUALITY = "HQ"
# float32 numbers that load_audio holds at most (8 GiB)
_MOST_NUMBERS = 1 << 31


@dataclass(frozen=True)
class AudioInfo:
    """A recording as it lies in its file: path, rate in Hz, channels, declared length (None if it does not say)."""

    path: Path
    sample_rate: int
    channels: int
    declared_seconds: float | None


class AudioStream:
    """Iterator over blocks `[lane, time]` of a recording at the rate asked for; made by `stream_audio`.

    A context manager; also closed at its end.

    Attributes:
        info: The recording as it lies in its file.
        sample_rate: Sample rate of the blocks, in Hz.
        n_lanes: Lanes that the channel policy makes.
    """

    def __init__(self, file: AudioFile, sample_rate: int, channels: str, block_seconds: float) -> None:
        self._file = file
        self.info = AudioInfo(file.path, file.sample_rate, file.channels, file.declared_seconds)
        self.sample_rate = sample_rate
        self.n_lanes = count_lanes(file.channels, channels)
        self._silence = SilenceMeter(file.sample_rate, self.n_lanes)
        self._phase = PhaseMeter()
        lanes = self._heard(file.blocks(block_seconds), channels)
        self._blocks = lanes if sample_rate == file.sample_rate else self._resampled(lanes)

    @property
    def native_rate(self) -> int:
        """Rate of the file, in Hz."""
        return self._file.sample_rate

    @property
    def native_channels(self) -> int:
        """Channels of the file."""
        return self._file.channels

    @property
    def native_frames(self) -> int:
        """Frames of the file decoded so far, at its own rate; final when the stream is exhausted."""
        return self._file.frames

    @property
    def status(self) -> AudioStatus:
        """What became of the file; final when the stream is exhausted or has raised.

        Its reason also tells of channels that cancel each other, and of digital silence from half the recording on.
        """
        status = replace(self._file.status, silent_seconds=self._silence.seconds)
        remark = self._phase.remark or self._silence.remark
        if status.state == "failed" or not remark:
            return status
        reason = f"{status.reason}; {remark}" if status.reason else f"{show_path(self._file.path)}: {remark}"
        return replace(status, state="truncated" if self._phase.remark else status.state, reason=reason)

    def silence(self, lane: int) -> Float[np.ndarray, "stretch 2"]:
        """Start and end in seconds of stretches of digital silence in a lane, from 0.05 s on, as far as it was read.

        Digital silence: samples below -140 dBFS, or below -40 dBFS and none different from the one before.
        """
        return self._silence.stretches(lane)

    @property
    def is_silent(self) -> bool:
        """Whether nothing but digital silence was read so far."""
        return self._silence.is_whole

    def close(self) -> None:
        """Give the file back to the system."""
        self._file.close()

    def __iter__(self) -> "AudioStream":
        return self

    def __next__(self) -> Float[np.ndarray, "lane time"]:
        return next(self._blocks)

    def __enter__(self) -> "AudioStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _heard(self, blocks: Iterator[np.ndarray], channels: str) -> Iterator[np.ndarray]:
        """Lanes of the blocks, listened to on the way."""
        for block in blocks:
            lanes = apply_channels(block, channels)
            self._silence.push(lanes)
            if channels == "mix" and len(block) > 1:
                self._phase.push(block, lanes[0])
            yield lanes

    def _resampled(self, lanes: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        block = next(lanes)
        following = next(lanes, None)
        if following is None:
            # One call for short recordings: the same numbers, 15 % faster
            done = resample(block, self.native_rate, self.sample_rate)
            if done.shape[1]:
                yield done
            return
        resampler = soxr.ResampleStream(
            self.native_rate, self.sample_rate, self.n_lanes, dtype="float32", quality=_QUALITY
        )
        while True:
            done = resampler.resample_chunk(np.ascontiguousarray(block.T), last=following is None).T
            if done.shape[1]:
                yield done
            if following is None:
                return
            block, following = following, next(lanes, None)


def stream_audio(
    path: Sound | MemorySound, sample_rate: int, channels: str = "mix", block_seconds: float = 30.0
) -> AudioStream:
    """Decode a recording block by block: memory does not grow with its length.

    Args:
        path: Sound, or a video with sound: a file, its bytes, or an open binary file.
        sample_rate: Sample rate in Hz, of the blocks that come out.
        channels: Policy of `apply_channels`; applied before resampling.
        block_seconds: Seconds of the file, decoded at once.
    Returns:
        An iterator over float32 blocks [lane, time] of any lengths; its `status` says at the end whether the file was
        whole. The blocks joined are what `load_audio` gives, to float rounding: n frames become
        floor(n * sample_rate / native_rate + 1/2), however they are cut into blocks.
    Raises:
        MmascError: If the file cannot be read; while iterating, if no sound or no sane sound is in it.
        ValueError: If an argument is out of range.
    """
    _check_rate("sample_rate", sample_rate)
    check_channels(channels)
    if not block_seconds > 0:
        raise ValueError(f"block_seconds must be positive, got {block_seconds}")
    return AudioStream(open_audio(path), sample_rate, channels, block_seconds)


def load_audio(
    path: Sound | MemorySound, sample_rate: int | None = None, channels: str = "mix"
) -> tuple[Float[Tensor, "lane time"], int]:
    """Read a whole recording into memory.

    Args:
        path: Sound, or a video with sound: a file, its bytes, or an open binary file.
        sample_rate: Sample rate in Hz; default: that of the file.
        channels: Policy of `apply_channels`.
    Returns:
        The waveform, float32 [lane, time], and its rate in Hz. Samples lie in [-1, 1]; those of float files that go
        beyond are kept as they are. A cut file gives what is left of it: `stream_audio` tells.
    Raises:
        MmascError: If the file cannot be read, or is too long to be held (8 GiB).
        ValueError: If an argument is out of range.
    """
    check_channels(channels)
    if sample_rate is not None:
        _check_rate("sample_rate", sample_rate)
    with open_audio(path) as file:
        stream = AudioStream(file, file.sample_rate if sample_rate is None else sample_rate, channels, 30.0)
        blocks, numbers = [np.zeros((stream.n_lanes, 0), np.float32)], 0
        for block in stream:
            blocks.append(block)
            numbers += block.size
            if numbers > _MOST_NUMBERS:
                raise MmascError(f"{show_path(file.path)}: too long to be held in memory; read it with stream_audio")
    return torch.from_numpy(np.ascontiguousarray(np.concatenate(blocks, axis=1))), stream.sample_rate


def resample(waveform: Float[np.ndarray, "lane time"], from_rate: int, to_rate: int) -> Float[np.ndarray, "lane out"]:
    """Bring a waveform to another rate with soxr HQ.

    Args:
        waveform: float32 samples.
        from_rate: Its rate in Hz.
        to_rate: The rate wanted, in Hz.
    Returns:
        float32, floor(time * to_rate / from_rate + 1/2) samples; the waveform itself if the rates are equal.
    Raises:
        ValueError: If a rate is not positive.
    """
    _check_rate("from_rate", from_rate)
    _check_rate("to_rate", to_rate)
    if from_rate == to_rate:
        return waveform
    if waveform.shape[1] == 0:
        return waveform.astype(np.float32)
    samples = np.ascontiguousarray(waveform.T, dtype=np.float32)
    return soxr.resample(samples, from_rate, to_rate, quality=_QUALITY).T


def _check_rate(name: str, rate: int) -> None:
    if rate <= 0:
        raise ValueError(f"{name} must be positive, got {rate}")
