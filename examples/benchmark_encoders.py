"""What the encoders' own code saves against the code that their authors ship, measured on one thread.

    python examples/benchmark_encoders.py            # every figure
    python examples/benchmark_encoders.py clap_mel   # some of them

Times are processor time of this thread, the best of several repetitions, so that a busy machine disturbs them little.
Speed does not depend on the numbers in the weights: networks are built with random ones.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

# One thread, so that ratios do not depend on the number of cores; set before the libraries that read it are loaded
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import mmasc


class Row(NamedTuple):
    """One figure: what, how much, against what, and what it should reach."""

    what: str
    measured: str
    against: str
    wanted: str
    holds: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=f"of: {', '.join(PARTS)}; default: all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"mmasc {mmasc.__version__}, torch {torch.__version__}, {os.cpu_count()} cores, one thread used", flush=True)
    failed = False
    print(f"{'figure':44} {'measured':>22} {'wanted':>12}  against")
    for name in options.parts or PARTS:
        with torch.inference_mode():
            for row in PARTS[name]():
                failed |= not row.holds
                mark = "" if row.holds else "  MISSED"
                print(f"{row.what:44} {row.measured:>22} {row.wanted:>12}  {row.against}{mark}", flush=True)
    sys.exit(1 if failed else 0)


def best_of(work: Callable[[], object], repeats: int = 20) -> float:
    """Seconds of this thread in the fastest of several runs, after one that warms up."""
    work()
    times = []
    for _ in range(repeats):
        begun = time.thread_time()
        work()
        times.append(time.thread_time() - begun)
    return min(times)


def noise(seconds: float, sample_rate: int) -> np.ndarray:
    """Noise with swells, float32 in [-1, 1]."""
    time_ = np.arange(round(seconds * sample_rate)) / sample_rate
    swell = 0.55 + 0.45 * np.sin(2 * np.pi * 0.7 * time_)
    return (0.1 * np.random.default_rng(0).standard_normal(len(time_)) * swell).clip(-1, 1).astype(np.float32)


def clap_mel() -> Iterator[Row]:
    """CLAP's log-mel spectrogram of 10 s against transformers' extractor, which gives the same numbers."""
    from transformers import ClapFeatureExtractor

    from mmasc.features import CLAP, CLAP_FUSED, LogMel

    window = noise(10, 48_000)
    tensor = torch.from_numpy(window)[None]
    for name, config, truncation in [("clap", CLAP, "rand_trunc"), ("clap-fused", CLAP_FUSED, "fusion")]:
        front_end = LogMel(config)
        extractor = ClapFeatureExtractor(frequency_min=50, truncation=truncation)
        ours = best_of(lambda front_end=front_end: front_end(tensor))
        theirs = best_of(lambda extractor=extractor: extractor(window, sampling_rate=48_000, return_tensors="np"), 10)
        ratio = theirs / ours
        yield Row(
            f"log-mel of {name}, 10 s, {1000 * ours:.1f} ms",
            f"{ratio:.1f} x faster",
            f"ClapFeatureExtractor, {1000 * theirs:.1f} ms",
            "8 x",
            ratio >= 8,
        )


def clap_audio() -> Iterator[Row]:
    """A window of 10 s to its vector, and the share of it that is no network."""
    from transformers import ClapConfig, ClapModel

    from mmasc.features import CLAP, LogMel

    model, front_end = ClapModel(ClapConfig()).eval(), LogMel(CLAP)
    tensor = torch.from_numpy(noise(10, 48_000))[None]
    features = front_end(tensor).transpose(1, 2)[:, None]
    network = best_of(lambda: model.get_audio_features(input_features=features), 5)
    share = best_of(lambda: front_end(tensor)) / network
    yield Row(
        "window → vector, clap",
        f"{10 / (network * (1 + share)):.0f} x real time",
        f"of it log-mel: {100 * share / (1 + share):.1f} %",
        "under 10 %",
        share < 0.1,
    )


PARTS = {part.__name__: part for part in (clap_mel, clap_audio)}

if __name__ == "__main__":
    main()
