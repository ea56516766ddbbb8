"""Spectrograms of spans of recordings as pictures: linear frequencies upwards, time from left to right."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse
from jaxtyping import Float, UInt8

from mmasc.audio.cutting import read_span
from mmasc.web.cache import file_stamp
from mmasc.web.colours import COLOURS, colour_table
from mmasc.web.faults import Refused
from mmasc.web.sounds import as_float, stretch
from mmasc.web.state import Session

_FFT = (256, 8_192)  # samples of a transform: shortest and longest
_FRAMES_A_COLUMN = 4  # of a long stretch, this many transforms are looked at in each column
_COLUMNS_AT_ONCE = 64
_FLOOR = 1e-12  # of power; -120 dB
_MOST_SECONDS = 600.0
_PADDING = 0.1  # seconds that are read on both sides, as far as they are there
_QUALITY = 85
_CACHED = {"cache-control": "private, max-age=3600"}


@dataclass(frozen=True)
class PictureSize:
    """What a picture shows.

    Attributes:
        width, height: In pixels.
        low, high: Lowest and highest frequency, in Hz; None: 0, and half the sample rate.
        colours: Name of the colours.
        range_db: What lies this much below the loudest is the darkest colour.
        top_db: What is the brightest colour; None: the loudest point of the picture, which is at least -60 dB.
    """

    width: int = 480
    height: int = 192
    low: float | None = None
    high: float | None = None
    colours: str = "magma"
    range_db: float = 60.0
    top_db: float | None = None


def spectrum_of(
    samples: Float[np.ndarray, " time"], rate: int, span: tuple[float, float], shown: PictureSize
) -> tuple[Float[np.ndarray, "row column"], float, float]:
    """Levels in dB of full scale, the highest frequency in the first row.

    A column is the mean power over the transforms (Hann windows) whose middles lie in it.

    Args:
        samples: One channel.
        rate: In Hz.
        span: First and last second, counted in `samples`, that the picture shows.
        shown: Width, height and frequencies.
    Returns:
        Levels, and the lowest and highest frequency, in Hz.
    Raises:
        Refused: If no frequency lies between the two.
    """
    import scipy.fft  # of single precision a third of the time that NumPy takes

    low = 0.0 if shown.low is None else shown.low
    high = min(rate / 2 if shown.high is None else shown.high, rate / 2)
    if not low < high:
        raise Refused(422, f"frequencies must lie between 0 and {rate / 2:g} Hz, the lower first")
    wanted = rate * shown.height / (high - low)  # as many transform lines as rows
    size = int(np.clip(2 ** np.ceil(np.log2(max(wanted, 2.0))), *_FFT))
    seconds = max(span[1] - span[0], 1e-6)
    # A transform must not be longer than a few columns: time would be smeared
    while size > _FFT[0] and size / rate > max(8 * seconds / shown.width, 0.012):
        size //= 2
    per_column = int(np.clip(np.ceil(seconds * rate / shown.width / (size / 2)), 1, _FRAMES_A_COLUMN))
    middles = span[0] + (np.arange(shown.width * per_column) + 0.5) * seconds / (shown.width * per_column)
    padded = np.pad(samples, size // 2)
    firsts = np.clip(np.round(middles * rate).astype(np.int64), 0, len(padded) - size)
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)
    power = np.empty((shown.width, size // 2 + 1), np.float32)
    for first in range(0, shown.width, _COLUMNS_AT_ONCE):  # what fits into the cache of a processor
        some = slice(first, first + _COLUMNS_AT_ONCE)
        lines = scipy.fft.rfft(frames[firsts.reshape(-1, per_column)[some].ravel()] * window, axis=1, overwrite_x=True)
        powers = np.square(lines.real)
        powers += np.square(lines.imag)
        power[some] = powers.reshape(-1, per_column, size // 2 + 1).mean(axis=1)
    power *= np.float32((2 / window.sum()) ** 2)
    return 10 * np.log10(_rows(power, rate / size, (low, high), shown.height) + _FLOOR), low, high


def _rows(
    power: Float[np.ndarray, "column line"], line_hz: float, band: tuple[float, float], height: int
) -> Float[np.ndarray, "row column"]:
    """Lines of the transform as rows of pixels, the highest first: the loudest line in a row, or between lines their
    interpolation."""
    edges = np.linspace(band[0], band[1], height + 1) / line_hz
    if edges[1] - edges[0] <= 1:
        middle = np.clip((edges[:-1] + edges[1:]) / 2, 0, power.shape[1] - 1)
        below = np.minimum(middle.astype(np.int64), power.shape[1] - 2)
        share = (middle - below).astype(np.float32)
        rows = power[:, below] * (1 - share) + power[:, below + 1] * share
    else:
        firsts = np.clip(edges[:-1].astype(np.int64), 0, power.shape[1] - 1)
        rows = np.maximum.reduceat(power[:, : int(np.ceil(edges[-1])) + 1], firsts, axis=1)
    return rows.T[::-1]


def coloured(levels: Float[np.ndarray, "row column"], top_db: float, shown: PictureSize) -> UInt8[np.ndarray, "r c 3"]:
    """Levels as colours."""
    unit = np.clip((levels - top_db) / shown.range_db + 1, 0, 1)
    return colour_table(shown.colours)[np.round(unit * 255).astype(np.uint8)]


def top_of(levels: Float[np.ndarray, "row column"]) -> float:
    """The level of the brightest colour: of the loudest thousandth, at least -60 dB, so that silence stays dark."""
    return max(float(np.percentile(levels, 99.9)), -60.0)


def write_picture(path: Path, span: tuple[float, float], shown: PictureSize, target: Path) -> None:
    """Write the spectrogram of a stretch of a recording as JPEG, and next to it its frequencies and levels.

    The levels are that of the brightest colour, and what that would be if nobody had given it.

    Raises:
        MmascError: If the recording cannot be read.
        Refused: If no frequency lies in the picture.
    """
    from PIL import Image

    begin = max(span[0] - _PADDING, 0.0)
    samples, kept = read_span(path, begin, span[1] + _PADDING)
    mono = as_float(samples).mean(axis=1, dtype=np.float32)
    levels, low, high = spectrum_of(mono, kept.sample_rate, (span[0] - begin, span[1] - begin), shown)
    own = top_of(levels)
    top = own if shown.top_db is None else shown.top_db
    told = f"{low} {high} {top} {own}"
    Image.fromarray(coloured(levels, top, shown)).save(target, "JPEG", quality=_QUALITY, comment=told)


def picture_file(session: Session, key: str, path: Path, span: tuple[float, float], shown: PictureSize) -> FileResponse:
    """The answer with a spectrogram, made once.

    Args:
        session: Holds the cache.
        key: Which recording it is.
        path: The recording.
        span: Start and end, in seconds.
        shown: What it shows.
    """
    from PIL import Image

    found = session.cache.get(
        f"picture {key} {file_stamp(path)} {span} {shown}",
        ".jpg",
        lambda target: write_picture(path, span, shown, target),
    )
    with Image.open(found) as image:  # reads the header alone
        low, high, top, own = image.info["comment"].decode().split()
    levels = {"X-Top-Db": f"{float(top):.2f}", "X-Own-Top-Db": f"{float(own):.2f}"}
    headers = {"X-Low-Hz": low, "X-High-Hz": high, **levels, **_CACHED}
    return FileResponse(found, media_type="image/jpeg", headers=headers)


_Hertz = Annotated[float | None, Query(ge=0, le=1e6, allow_inf_nan=False)]


def picture_size(
    width: Annotated[int, Query(ge=8, le=2_400)] = 480,
    height: Annotated[int, Query(ge=8, le=1_024)] = 192,
    low: _Hertz = None,
    high: _Hertz = None,
    colours: str = "magma",
    range_db: Annotated[float, Query(alias="range", ge=10, le=150, allow_inf_nan=False)] = 60.0,
    top: Annotated[float | None, Query(ge=-150, le=50, allow_inf_nan=False)] = None,
) -> PictureSize:
    """What a request wants to see.

    Raises:
        Refused: If there are no such colours.
    """
    if colours not in COLOURS:
        raise Refused(422, f"colours must be one of {', '.join(COLOURS)}")
    return PictureSize(width, height, low, high, colours, range_db, top)


def picture_router(session: Session) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.get("/api/recordings/{recording}/picture")
    def picture(
        recording: str,
        shown: Annotated[Any, Depends(picture_size)],
        start: Annotated[float, Query(ge=0, le=1e9, allow_inf_nan=False)] = 0.0,
        end: Annotated[float | None, Query(ge=0, le=1e9, allow_inf_nan=False)] = None,
    ) -> FileResponse:
        path, duration = session.view.file(recording)
        return picture_file(session, recording, path, stretch(start, end, duration), shown)

    return router
