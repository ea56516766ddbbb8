"""Spans of recordings as sounds that browsers play: MP3 if this machine can write it, else WAV; byte ranges."""

from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import soxr
from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from mmasc.audio.cutting import cut_spans
from mmasc.web.cache import file_stamp
from mmasc.web.faults import Refused
from mmasc.web.state import Session

_MOST_SECONDS = 600.0
# Rates that MP3 has, in Hz
_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_CACHED = {"cache-control": "private, max-age=3600"}


@cache
def writes_mp3() -> bool:
    """Whether libsndfile of this machine writes MP3."""
    return "MP3" in soundfile.available_formats()


def write_sound(path: Path, start: float, end: float, target: Path, mp3: bool) -> None:
    """Write a stretch of a recording: one or two channels (more become their mean), at most 48 kHz.

    Args:
        path: The recording.
        start, end: In seconds.
        target: File to write.
        mp3: MP3 instead of WAV of 16 bits.
    Raises:
        MmascError: If it cannot be read, or ends before `start`.
    """
    kept, blocks = cut_spans(path, [(start, end)])
    channels = kept.channels if kept.channels <= 2 else 1
    rate = next((one for one in _RATES if one >= kept.sample_rate), _RATES[-1])
    stream = soxr.ResampleStream(kept.sample_rate, rate, channels) if rate != kept.sample_rate else None
    form = {"format": "MP3"} if mp3 else {"format": "WAV", "subtype": "PCM_16"}
    with soundfile.SoundFile(target, "w", rate, channels, **form) as out:
        for block in blocks:
            samples = as_float(block.samples)
            samples = samples if kept.channels <= 2 else samples.mean(axis=1, keepdims=True, dtype=np.float32)
            out.write(samples if stream is None else stream.resample_chunk(samples, block.last))


def as_float(samples: np.ndarray) -> np.ndarray:
    """Samples of any type as float32 in [-1, 1]."""
    if samples.dtype.kind == "i":
        return (samples / np.float32(-float(np.iinfo(samples.dtype).min))).astype(np.float32)
    return np.nan_to_num(samples.astype(np.float32), posinf=1.0, neginf=-1.0).clip(-1, 1)


def sound_file(session: Session, key: str, path: Path, start: float, end: float) -> FileResponse:
    """The answer with a stretch of a recording, made once.

    Args:
        session: Holds the cache.
        key: Which recording it is.
        path: The recording.
        start, end: In seconds.
    """
    mp3 = writes_mp3()
    stamp = file_stamp(path)
    found = session.cache.get(
        f"sound {key} {stamp} {start:.6f} {end:.6f}",
        ".mp3" if mp3 else ".wav",
        lambda target: write_sound(path, start, end, target, mp3),
    )
    return FileResponse(found, media_type="audio/mpeg" if mp3 else "audio/wav", headers=_CACHED)


def stretch(start: float, end: float | None, duration: float) -> tuple[float, float]:
    """A stretch inside a recording, of which ten minutes are given at most.

    Raises:
        Refused: If it is empty, or begins after the recording's end.
    """
    last = min(duration if end is None else end, duration, start + _MOST_SECONDS)
    if not start < last:
        raise Refused(422, f"the recording lasts {duration:.3f} s: there is nothing at {start:.3f} s")
    return start, last


def sound_router(session: Session) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.get("/api/recordings/{recording}/audio")
    def audio(
        recording: str,
        start: Annotated[float, Query(ge=0, le=1e9, allow_inf_nan=False)] = 0.0,
        end: Annotated[float | None, Query(ge=0, le=1e9, allow_inf_nan=False)] = None,
    ) -> FileResponse:
        path, duration = session.view.file(recording)
        return sound_file(session, recording, path, *stretch(start, end, duration))

    return router
