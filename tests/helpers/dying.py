"""Stand-in encoders for workers: one that a sound kills, one that is killed once, as a machine may be."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from tests.conftest import STANDIN_SPEC, StandIn

DYING_SPEC = replace(STANDIN_SPEC, name="dying", target="tests.helpers.dying:DyingStandIn")
FLAG = "MMASC_TEST_DIES_ONCE"  # names a file: the worker that finds it removes it and dies
DEADLY = 0.9  # a sound that is so loud everywhere kills its worker


class DyingStandIn(StandIn):
    """The stand-in, in a process that may die of it."""

    def _audio(self, waveforms):
        flag = os.environ.get(FLAG)
        if flag and Path(flag).exists():
            Path(flag).unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        if float(waveforms.abs().amin()) >= DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._audio(waveforms)


def many_sounds(folder: Path, count: int, deadly: tuple[int, ...] = ()) -> Path:
    """Short noises of different levels; some of them deadly."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for item in range(count):
        samples = generator.uniform(-0.5, 0.5, 2_000 + 160 * (item % 90)) * (1 + item % 7) / 7
        soundfile.write(folder / f"{item:04d}.wav", np.full(8_000, 0.95) if item in deadly else samples, 8_000)
    return folder
