"""Three kinds of noise by their mean, at four places, in two official folds, and their collection."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import mmasc
from tests.conftest import STANDIN_SPEC, StandIn
from tests.helpers.heads import NAMES


@pytest.fixture(scope="module")
def noises(tmp_path_factory) -> Path:
    """A folder of 38 recordings with meta.csv; two of them have no label, some are longer than a window."""
    folder = tmp_path_factory.mktemp("noises")
    generator = np.random.default_rng(8)
    rows = ["path,label,place,fold,level,hole"]
    for item in range(38):
        label = NAMES[item % 3] if item < 36 else ""
        offset = {"low": -0.2, "middle": 0.0, "high": 0.2}.get(label, 0.0) + generator.normal() * 0.08
        seconds = 0.3 if item % 9 else 2.3
        samples = np.clip(offset + generator.uniform(-0.4, 0.4, round(8_000 * seconds)), -1, 1)
        soundfile.write(folder / f"{item:02}.wav", samples, 8_000)
        hole = "" if item == 5 else "x"
        rows.append(f"{item:02}.wav,{label},place{item // 3 % 4},{item // 18 + 1},{10 - item % 3},{hole}")
    (folder / "meta.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def collection(noises, tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("collection") / "c"
    mmasc.embed(noises, target, StandIn(STANDIN_SPEC), metadata=noises / "meta.csv", hop_seconds=0.5)
    return target
