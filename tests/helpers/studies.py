"""A small collection to study, and phrases for its labels."""

from pathlib import Path

import numpy as np
import soundfile

import mmasc
from tests.conftest import STANDIN_SPEC, StandIn

OFFSETS = {"low_hum": -0.25, "middle": 0.0, "high $x$": 0.25}


# The stand-in counts letters: mean, mean absolute value, maximum, share of positive samples
PHRASES = {"Low Hum": ("bb",), "middle": ("bbcddd",), "high $x$": ("aabbccdddd",)}


def make_collection(folder: Path) -> Path:
    """Thirty recordings of 0.3 s with labels and places, two without a label."""
    generator = np.random.default_rng(21)
    sounds = folder / "sounds"
    sounds.mkdir(parents=True)
    rows = ["path,label,place,same"]
    for item in range(32):
        label = list(OFFSETS)[item % 3] if item < 30 else ""
        offset = OFFSETS.get(label, 0.0) + generator.normal() * 0.12
        samples = np.clip(offset + generator.uniform(-0.4, 0.4, 2_400), -1, 1)
        soundfile.write(sounds / f"{item:02}.wav", samples, 8_000)
        rows.append(f"{item:02}.wav,{label},place{item // 6},one")
    (folder / "meta.csv").write_text("\n".join(rows) + "\n")
    mmasc.embed(sounds, folder / "c", StandIn(STANDIN_SPEC), metadata=folder / "meta.csv")
    return folder / "c"
