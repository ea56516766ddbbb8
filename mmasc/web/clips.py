"""Short previews of recordings: a few seconds of sound and their picture, small enough to live inside a page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float

from mmasc.audio import stream_audio
from mmasc.errors import MmascError
from mmasc.evaluation.plots import PICTURE, spectrogram, spectrogram_image
from mmasc.web.content import Clip

# Every browser plays MP3; at 32 kHz mono it takes about 8 kB a second.
_AUDIO = {"format": "MP3", "subtype": "MPEG_LAYER_III"}
_AUDIO_TYPE, _PICTURE_TYPE = "audio/mpeg", "image/jpeg"
_COLUMNS = 360


@dataclass(frozen=True)
class Wanted:
    """A part of a file to preview: its name on the page, and `seconds` of it from `start` on."""

    path: Path
    name: str
    start: float
    seconds: float


def make_clips(wanted: Sequence[Wanted]) -> tuple[list[Clip | None], list[tuple[str, str]]]:
    """Previews, in the order in which they are wanted; every file is decoded once, no further than needed.

    Args:
        wanted: Parts of files. A part is cut at the end of its file.
    Returns:
        The clips, None where a file cannot be read any more or a part begins behind its end, and for each such file
        its path and the reason.
    """
    of_file: dict[Path, list[int]] = {}
    for number, part in enumerate(wanted):
        of_file.setdefault(part.path, []).append(number)
    clips: list[Clip | None] = [None] * len(wanted)
    failed = []
    for path, numbers in of_file.items():
        try:
            for number, waveform in _cut(path, {number: wanted[number] for number in numbers}):
                clips[number] = _clip(wanted[number], waveform)
        except (MmascError, OSError) as error:
            failed.append((str(path), str(error)))
    return clips, failed


def _cut(path: Path, parts: dict[int, Wanted]) -> Iterator[tuple[int, Float[np.ndarray, " time"]]]:
    """The samples of every part, while the file is decoded block by block."""
    rate, position = PICTURE.sample_rate, 0
    ranges = {
        number: (round(part.start * rate), round((part.start + part.seconds) * rate)) for number, part in parts.items()
    }
    pieces: dict[int, list[np.ndarray]] = {number: [] for number in parts}
    last = max(stop for _, stop in ranges.values())
    with stream_audio(path, rate, "mix") as stream:
        for block in stream:
            samples = block[0]
            for number, (start, stop) in ranges.items():
                inside = samples[max(start - position, 0) : max(stop - position, 0)]
                if len(inside):
                    pieces[number].append(inside.copy())
            position += len(samples)
            if position >= last:
                break
    for number, found in pieces.items():
        if not found:
            raise MmascError(f"{path}: ends before {parts[number].start:g} s; it changed while it was read: run again")
        yield number, np.concatenate(found)


def _clip(part: Wanted, waveform: Float[np.ndarray, " time"]) -> Clip:
    audio = BytesIO()
    soundfile.write(audio, np.clip(waveform, -1.0, 1.0), PICTURE.sample_rate, **_AUDIO)
    return Clip(
        name=part.name,
        start=part.start,
        seconds=len(waveform) / PICTURE.sample_rate,
        audio=audio.getvalue(),
        audio_type=_AUDIO_TYPE,
        picture=spectrogram_image(spectrogram(waveform, PICTURE.sample_rate), _COLUMNS),
        picture_type=_PICTURE_TYPE,
        low_hz=PICTURE.f_min,
        high_hz=PICTURE.f_max,
    )
