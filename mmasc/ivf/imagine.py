"""Recordings → PNG files of what a run imagines to their sound."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from mmasc.audio import find_audio, load_audio
from mmasc.devices import resolve_device
from mmasc.errors import MmascError
from mmasc.ivf.imagination import SOUND, load_imagination
from mmasc.printing import counted
from mmasc.storage.files import make_folders, replacing
from mmasc.windows.cut import cut_segments


class Imagined(NamedTuple):
    """A picture that was written: recording, start and end of its window in seconds, and the file."""

    path: str
    start_seconds: float
    end_seconds: float
    picture: str


def imagine_files(
    paths: Sequence[str | Path],
    run: str | Path,
    to: str | Path,
    most: int = 100,
    hop_seconds: float | None = None,
    device: str = "cpu",
    strict: bool = False,
    remark: Callable[[str], None] | None = None,
) -> Iterator[Imagined]:
    """Write the pictures that sounds suggest.

    Args:
        paths: Files, folders, patterns.
        run: Run of `train_ivf`.
        to: Folder for the pictures; recordings of one name get numbers.
        most: Pictures of one recording; of longer ones evenly chosen windows are taken.
        hop_seconds: Seconds from one window's start to the next; default: the window.
        device: "cpu", "cuda", "auto" ...
        strict: A recording that cannot be read is an error; otherwise it is left out, with a remark.
        remark: Called with the line about a recording that was left out.
    Yields:
        Every picture, when it is written.
    Raises:
        MmascError: If there is no recording, none can be read, or the run cannot be used.
    """
    from PIL import Image

    network = load_imagination(run).to(resolve_device(device))
    files = find_audio(paths)
    folder = Path(to)
    make_folders(folder)
    names, written = Counter[str](), 0
    for path in files:
        try:
            waveform, rate = load_audio(path, SOUND.sample_rate)
        except MmascError as error:
            if strict:
                raise
            if remark is not None:
                remark(f"left out: {error}")
            continue
        stem = Path(path).stem
        names[stem] += 1
        name = stem if names[stem] == 1 else f"{stem}-{names[stem]}"
        length = network.config.window_samples
        segments, starts = cut_segments(waveform[0], rate, length / rate, hop_seconds)
        segments = torch.nn.functional.pad(segments, (0, length - segments.shape[1]))
        for number in np.unique(np.linspace(0, len(starts) - 1, min(most, len(starts))).round().astype(int)).tolist():
            with torch.inference_mode():
                picture = network.pictures(segments[number : number + 1].to(network.log_mel_mean.device))[0]
            file = folder / f"{name}-{starts[number]:08.2f}.png"
            with replacing(file) as beside:
                Image.fromarray(picture.cpu().numpy()).save(beside, format="PNG")
            written += 1
            end = min(starts[number] + length / rate, waveform.shape[1] / rate)
            yield Imagined(str(path), starts[number], end, str(file))
    if not written:
        raise MmascError(f"none of the {counted(len(files), 'recording')} can be read; look at the lines above")
