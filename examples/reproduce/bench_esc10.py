"""The whole table of ESC-10 by one command: train every system on every fold with every seed, then compare.

    python examples/reproduce/bench_esc10.py ESC-10 --runs runs/esc10 --to examples/results

Each run is a folder of its own and continues where it stopped: stop it at any time and give the command again; with
more seeds or systems only what is new is trained. `--minutes` ends it in time with a table of what is there.
Collections (`mmasc embed ESC-10/audio --into esc10 --metadata ESC-10/meta.csv`) get rows of their own, a head for each
`--head`.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch

from mmasc.datasets import read_dataset
from mmasc.errors import MmascError
from mmasc.evaluation.compare import compare
from mmasc.evaluation.compare_table import write_comparison
from mmasc.evaluation.cost import command_text
from mmasc.evaluation.run_figures import time_text
from mmasc.training.supervised.train import train_network

SYSTEMS = ("sp4sc", "cnn6", "resnet18", "eight-conv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of ESC-10 (or ESC-50)")
    parser.add_argument("--runs", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--to", type=Path, required=True, help="folder for the table")
    parser.add_argument(
        "--systems", nargs="+", default=SYSTEMS, metavar="NETWORK[/FEATURES][@RECIPE]", help="networks to train"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--folds", nargs="+", help="folds to test; default: all")
    parser.add_argument(
        "--cache", type=Path, help="folder for decoded waveforms; default: inside the folder for the runs"
    )
    parser.add_argument("--collections", nargs="*", type=Path, default=[], help="collections of the same clips")
    parser.add_argument("--label", default="category", help="column of the collections with the labels")
    parser.add_argument("--groups", help="column of the collections with what belongs together")
    parser.add_argument("--head", nargs="+", default=["logistic"], dest="heads")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", dest="values", help="options on top of all recipes"
    )
    parser.add_argument("--minutes", type=float, help="minutes after which no further run begins")
    parser.add_argument("--threads", type=int, help="number of threads of torch")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        paths = train_all(options)
        command = command_text("reproduce/bench_esc10.py", sys.argv[1:])
        found = compare(
            [*paths, *options.collections],
            label=options.label,
            heads=options.heads,
            groups=options.groups,
            data=options.data,
            cache=options.cache or options.runs / "cache",
            device=options.device,
            remark=say,
        )
        for path in write_comparison(found, options.to, "esc10", command):
            say(f"→ {path}")
    except MmascError as error:
        sys.exit(f"bench_esc10: {error}")


def train_all(options: argparse.Namespace) -> list[Path]:
    """Train what is missing, seed by seed, so that every system has a figure early; folders of the systems begun."""
    began = time.monotonic()
    values = {name: json.loads(value) for name, _, value in (one.partition("=") for one in options.values)}
    folds = options.folds or read_dataset("esc10", options.data).folds
    jobs = [(system, seed, fold) for seed in options.seeds for system in options.systems for fold in folds]
    for number, (system, seed, fold) in enumerate(jobs, 1):
        folder = folder_of(options.runs, system) / f"seed-{seed}" / f"fold-{fold}"
        if options.minutes is not None and time.monotonic() - began > 60 * options.minutes:
            say(f"time is up: {len(jobs) - number + 1} of {len(jobs)} runs are not begun")
            break
        network, features, recipe = parts_of(system)
        (result,) = train_network(
            network,
            options.data,
            "esc10",
            folder,
            folds=[fold],
            seed=seed,
            features=features,
            recipe=recipe,
            cache=options.cache or options.runs / "cache",
            device=options.device,
            **values,
        )
        say(
            f"{number} of {len(jobs)}: {system}, seed {seed}, fold {fold}: {result.epoch} epochs in "
            f"{time_text(result.seconds)}, loss {result.measured.get('loss', float('nan')):.3f}"
        )
    return [folder_of(options.runs, one) for one in options.systems if folder_of(options.runs, one).is_dir()]


def parts_of(system: str) -> tuple[str, str | None, str]:
    """Network, features (None for its own) and recipe of "NETWORK/FEATURES@RECIPE"."""
    front, _, recipe = system.partition("@")
    network, _, features = front.partition("/")
    return network, features or None, recipe or "default"


def folder_of(runs: Path, system: str) -> Path:
    """The folder of all runs of a system."""
    network, features, recipe = parts_of(system)
    return runs / "-".join([network, *([features] if features else []), recipe])


def say(line: str) -> None:
    """A line on stderr: the table is all that belongs elsewhere."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
