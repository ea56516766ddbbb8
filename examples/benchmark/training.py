"""Clips that are learned from in a second: our path against the plain one, side by side in one run.

    python examples/benchmark/training.py --data ESC-10 --work WORK
    python examples/benchmark/training.py --data ESC-10 --work WORK --networks sp4sc --crop 1.0 --threads 2

The plain way decodes, resamples and computes features of every clip in every epoch with librosa, in one worker of
torch's DataLoader, and steps the same network (as torch builds it) on the same crops. Ours is `mmasc train` with the
recipe "plain" and crops of features that are computed once. Rounds take turns, so that a machine that is busy for a
while is busy for both; the best round counts. Decoding and features of ours are paid once, and said in seconds.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

from mmasc.cli.output import print_table
from mmasc.datasets import read_dataset
from mmasc.devices import ProcessGroup
from mmasc.features.base import LogMelFrontEnd
from mmasc.networks.load import load_network
from mmasc.networks.network import Network
from mmasc.training.supervised.batches import Batches
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.crops import Items
from mmasc.training.supervised.run import Run


class PlainClips(Dataset):
    """Clips as people read them at first: everything computed again for every clip."""

    def __init__(self, paths: list[Path], targets: np.ndarray, network: Network, frames: int) -> None:
        assert isinstance(network.front_end, LogMelFrontEnd)
        self.paths, self.targets, self.frames = paths, targets, frames
        self.config = network.front_end.log_mel.config

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        config = self.config
        waveform, _ = librosa.load(self.paths[number], sr=config.sample_rate)
        mel = librosa.feature.melspectrogram(
            y=waveform,
            sr=config.sample_rate,
            n_fft=config.n_fft,
            win_length=config.win_length,
            hop_length=config.hop_length,
            n_mels=config.n_mels,
            fmin=config.f_min,
            fmax=config.f_max,
        )
        decibels = torch.from_numpy(librosa.power_to_db(mel, amin=1e-10, top_db=None).astype(np.float32)).T
        start = int(torch.randint(max(1, len(decibels) - self.frames + 1), ()))
        return decibels[None, start : start + self.frames], torch.from_numpy(self.targets[number])


def plain_steps(clips: PlainClips, network: Network, batch: int) -> Iterator[int]:
    """Steps of the plain way without end; gives how many clips each learned from."""
    body = network.body.train()
    optimizer = torch.optim.AdamW(body.parameters(), lr=1e-3)
    while True:
        for features, targets in DataLoader(clips, batch, shuffle=True, num_workers=1, drop_last=True):
            optimizer.zero_grad()
            F.cross_entropy(body(features), targets).backward()
            optimizer.step()
            yield len(features)


def our_steps(run: Run) -> Iterator[int]:
    """Steps of `mmasc train`, as its run makes them."""
    while True:
        float(run.train_step(np.random.default_rng(run.step))["loss"])  # as the loop looks at it
        run.step += 1
        yield run.batches.batch


def clips_a_second(steps: Iterator[int], n_steps: int) -> float:
    """Over so many steps."""
    began = time.perf_counter()
    n_clips = sum(next(steps) for _ in range(n_steps))
    return n_clips / (time.perf_counter() - began)


def compare(name: str, options: argparse.Namespace) -> dict[str, float | str]:
    """One row of the table."""
    table = read_dataset("esc10", options.data)
    rows = [number for number, clip in enumerate(table.clips) if clip.fold != "1"]
    paths, targets = [table.paths[row] for row in rows], table.targets()[rows]
    config = SupervisedConfig(
        *(name, load_network(name).features, table.classes, "esc10", str(options.data), ""),
        epochs=10_000,
        batch=options.batch,
        crop_seconds=options.crop,
    )
    plain, ours = (load_network(name, classes=table.classes) for _ in range(2))
    began = time.perf_counter()
    items = Items(ours, config, paths, targets, torch.device("cpu"), options.work / "waveforms")
    for item in range(len(items)):
        items.raw(item, 0)
    paid_once = time.perf_counter() - began
    folder = options.work / name
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(config, folder, ours, Batches(items, config, ProcessGroup()), ProcessGroup())
    ways = {
        "plain": plain_steps(PlainClips(paths, targets, plain, items.crop_frames), plain, options.batch),
        "ours": our_steps(run),
    }
    best = dict.fromkeys(ways, 0.0)
    for steps in ways.values():
        next(steps)  # starts the worker, and fills what torch prepares
    for _ in range(options.rounds):
        for way, steps in ways.items():
            best[way] = max(best[way], clips_a_second(steps, options.steps))
    return {
        "network": name,
        "frames x bands": f"{items.crop_frames} x {ours.front_end.n_bands}",
        "plain clips/s": round(best["plain"], 1),
        "our clips/s": round(best["ours"], 1),
        "ratio": round(best["ours"] / best["plain"], 2),
        "paid once, s": round(paid_once, 1),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of ESC-10")
    parser.add_argument("--work", type=Path, required=True, help="folder for the cache of waveforms")
    parser.add_argument("--networks", default="cnn6,sp4sc,resnet34")
    parser.add_argument("--crop", type=float, default=1.0, help="length of a crop in seconds, for both")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=4, help="steps per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    rows = [compare(name, options) for name in options.networks.split(",")]
    print_table(rows, list(rows[0]), f"{options.threads} threads, crops of {options.crop:g} s, batch {options.batch}")


if __name__ == "__main__":
    main()
