"""Sounds that the demo makes by rule, written as WAV files."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

from mmasc.storage.files import make_folders, write_atomically
from mmasc.synth import SYNTH, synthesise

SAMPLE_RATE, SECONDS = 32_000, 5.0  # of the sounds that are made here


def make_sounds(folder: str | Path) -> Path:
    """Write every sound of `SYNTH` as a 16-bit WAV file into a folder; files that are right already are left alone.

    Returns:
        The folder.
    """
    folder = Path(folder)
    for name in SYNTH:
        write_sound(folder / f"{name}.wav", [name], seed=0)
    return folder


def write_sound(path: Path, names: Sequence[str], seed: int) -> None:
    """Sounds one after another as one WAV file."""
    make_folders(path.parent)
    waveform = np.concatenate([synthesise(name, SAMPLE_RATE, SECONDS, seed) for name in names])
    content = BytesIO()
    soundfile.write(content, waveform, SAMPLE_RATE, "PCM_16", format="WAV")
    # The same bytes are not written again: the file keeps its date, and embed knows that it has not changed
    if not path.exists() or path.read_bytes() != content.getvalue():
        write_atomically(path, content.getvalue())
