"""A collection whose files are called like clips of ESC, in the space of an encoder that learned from ESC."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

import mmasc
from mmasc.encoders.registry import ENCODERS
from mmasc.encoders.spec import TrainingSet
from tests.conftest import STANDIN_SPEC

SENTENCE = "standin learned from ESC-50, to which these recordings belong: figures on other recordings may be lower"


def collection_of_a_known_set(folder: Path, monkeypatch) -> Path:
    """Sixteen loud and quiet clips in two folds, with labels in the column `kind`; the encoder is registered."""
    spec = replace(STANDIN_SPEC, trained_on=(TrainingSet("ESC-50", "CC BY-NC 3.0", family="esc"),))
    monkeypatch.setitem(ENCODERS, spec.name, spec)
    (folder / "clips").mkdir(parents=True)
    rows = ["path,kind,fold"]
    for number in range(16):
        loud, fold = number % 2, 1 + number // 8
        name = f"{fold}-{1000 + number}-A-{loud}.wav"
        soundfile.write(folder / "clips" / name, np.full(8_000, 0.2 + 0.5 * loud), 8_000)
        rows.append(f"{name},{'loud' if loud else 'quiet'},{fold}")
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")
    mmasc.embed(folder / "clips", folder / "known", spec.name, metadata=folder / "clips.csv")
    return folder / "known"
