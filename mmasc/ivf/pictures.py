"""Files → pictures: the frames of a film with their times, or a photograph; squeezed to a square, uint8 RGB.

Films are opened by PyAV (the extra `video`) with the formats that hold pictures in themselves only: no play lists, no
formats that open other files or addresses.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from mmasc.audio.find import VIDEO_EXTENSIONS
from mmasc.errors import MmascError, show_path
from mmasc.storage.pictures import MOST_PIXELS, opened_picture

FILM_EXTENSIONS = frozenset(f".{extension}" for extension in VIDEO_EXTENSIONS)
_FORMATS = "asf,avi,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts,ogg"


def read_film(
    path: Path, size: int, frames_per_second: float, most: int = 2_000
) -> tuple[UInt8[np.ndarray, "frame size size 3"], Float[np.ndarray, " frame"], str]:
    """Frames of a film, at most so many a second, with their times on the clock of its sound.

    Times are those that the film states, so a variable frame rate does no harm; 0 is where the sound begins.

    Args:
        path: A film; its best picture stream is taken.
        size: Height and width of what comes out; the film is squeezed to it.
        frames_per_second: A frame is kept where at least the inverse of this has passed since the one before.
        most: Frames; reading ends there.
    Returns:
        Frames, their times in seconds, and "" or, in words, what was wrong on the way (what could be read is kept).
    Raises:
        MmascError: If PyAV is missing, the file cannot be opened, or there are no pictures in it.
    """
    try:
        import av
    except ImportError as error:
        raise MmascError("films need PyAV: pip install 'mmasc[video]'") from error
    frames: list[np.ndarray] = []
    times: list[float] = []
    fault = ""
    try:
        # "file:" keeps FFmpeg from reading a name as a protocol
        container = av.open(
            f"file:{path.absolute()}", options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MmascError(f"{show_path(path)}: cannot be opened as a film ({error}); copy or leave it out") from error
    with container:
        stream: Any = container.streams.best("video")
        if stream is None or stream.codec_context is None:
            raise MmascError(f"{show_path(path)}: has no pictures, only sound; give a film, or a table with a picture")
        if stream.width * stream.height > MOST_PIXELS:
            raise MmascError(
                f"{show_path(path)}: {stream.width} x {stream.height} pixels are too many; make it smaller"
            )
        stream.codec_context.thread_count = 1
        begin = _sound_begins(container)
        try:
            for time, frame in _frames_apart(container, stream, begin, 1 / frames_per_second):
                if len(frames) == most:
                    fault = (
                        f"{show_path(path)}: only its first {most} frames ({times[-1]:.0f} s) are used; cut it into "
                        "shorter films, or keep fewer frames a second"
                    )
                    break
                frames.append(frame.reformat(size, size, format="rgb24", interpolation="AREA").to_ndarray())
                times.append(time)
        except (av.FFmpegError, OSError, ValueError, RuntimeError) as error:
            fault = f"{show_path(path)}: only {len(frames)} frames could be read ({error}); copy it again"
    if not frames:
        raise MmascError(
            f"{show_path(path)}: no picture in it can be decoded{f' ({fault})' if fault else ''}; leave it out"
        )
    return np.stack(frames), np.array(times), fault


def read_photograph(path: Path, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """A photograph, squeezed to a square; what is transparent becomes white.

    Raises:
        MmascError: If it cannot be read, or is too large.
    """
    from PIL import Image

    with opened_picture(path) as image:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        flat = Image.alpha_composite(white, rgba).convert("RGB")
        way = Image.Resampling.BOX if flat.width >= size else Image.Resampling.BICUBIC
        return np.asarray(flat.resize((size, size), way))


def _sound_begins(container: Any) -> float:
    sound = container.streams.best("audio")
    if sound is None or sound.start_time is None or sound.time_base is None:
        return 0.0
    return float(sound.start_time * sound.time_base)


def _frames_apart(container: Any, stream: Any, begin: float, apart: float) -> Iterator[tuple[float, Any]]:
    """Frames that lie at least `apart` seconds after the one before, none before the sound begins."""
    due = 0.0
    for frame in container.decode(stream):
        # Half a millisecond for time stamps that are rounded to milliseconds
        if frame.time is None or (time := frame.time - begin) < due - 5e-4:
            continue
        yield max(time, 0.0), frame
        due = max(time, 0.0) + apart
