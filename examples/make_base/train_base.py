"""Train `base` and `base-strict`: a trunk, and from it two falls of the learning rate.

    python examples/make_base/train_base.py trunk --tables TABLES --teacher yamnet --work WORK
    python examples/make_base/train_base.py longer --tables TABLES --teacher yamnet --work WORK
    python examples/make_base/train_base.py base --tables TABLES --teacher yamnet --work WORK
    python examples/make_base/train_base.py strict --tables TABLES --teacher yamnet --work WORK

TABLES is what write_tables.py and make_takes.py wrote. The trunk and `base-strict` learn from trunk.csv alone;
`base` also from held.csv, esc10.csv and takes.csv. So `base-strict` can be measured, and `base` is what is used.
`longer` goes on from the trunk, or with --start FILE from weights; the falls begin from it. What the package holds
is of a second round that began from the first `base-strict`: `widen.py WORK/strict/last.safetensors --channels 48
80 160 320 --out wide.safetensors`, then in another WORK all commands but `trunk` with --network mini-wider,
`longer` with --start. --teacher is YAMNet: `yamnet` once `mmasc models fetch yamnet` has fetched it, else
`yamnet:FILE`; it teaches by the names of its classes and by its layer before last. Preparing the crops takes about
half an hour of one CPU core, the trunk as long, `longer` twice as long, each fall fifteen minutes, on a processor
that multiplies bfloat16; four times as long on one that does not, and --full is faster there. Each command goes on
where it was stopped.

    python examples/make_base/train_base.py short --tables TABLES --teacher yamnet --work WORK --seed 0 --full

trains the network of `mini` for a few minutes on the parts of trunk.csv that have labels, and with --permissive on
those under permissive licences alone: what the seed and what the licences change. Its crops are the same for all seeds.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from mmasc.training.alignment import train_alignment
from mmasc.training.alignment.augment import AugmentConfig

# In two parts: after the first the share of sounds without labels was lowered and the rate raised
TRUNK = (
    {"steps": 1500, "learning_rate": 2e-3, "unlabelled_share": 0.4},
    {"steps": 2500, "learning_rate": 3e-3, "unlabelled_share": 0.25},
)
LONGER = {"steps": 7000, "learning_rate": 3e-3, "unlabelled_share": 0.3}
FALL_STEPS = 2400
SHORT_STEPS = 200
# What a short training can fit: no masks and little dropout
FALL = AugmentConfig(
    mix_share=0.0,
    filter_share=0.2,
    filter_decibels=3.0,
    noise_share=0.15,
    lowpass_share=0.0,
    time_masks=0,
    band_masks=0,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["trunk", "longer", "base", "strict", "short"])
    parser.add_argument("--tables", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--teacher", default="yamnet", metavar="NAME")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--steps", type=int, help=f"of a fall, by default {FALL_STEPS}; of short, {SHORT_STEPS}")
    parser.add_argument("--start", metavar="WEIGHTS", help="for longer: what it begins from, instead of the trunk")
    parser.add_argument("--network", default="mini-wide", help="mini-wider begins from what widen.py wrote")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--permissive", action="store_true", help="for short: sounds under permissive licences alone")
    parser.add_argument("--full", action="store_true", help="float32 instead of bfloat16")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    common = {
        "data": options.tables / "trunk.csv",
        "teacher": (f"names:{options.teacher}", options.teacher),
        "audio": options.network,
        "seed": options.seed,
        "crop_seconds": 3.36,
        "half": not options.full,
        "cache": options.work / "cache",
        "remark": lambda line: print(line, flush=True),
    }
    if options.task == "short":
        short(options, common)
        return
    if options.task == "trunk":
        first, second = options.work / "trunk", options.work / "trunk2"
        train_alignment(out=first, course="hold", **TRUNK[0], **common)
        train_alignment(out=second, start=first, course="hold", **TRUNK[1], **common)
        return
    longer = options.work / "longer"
    if options.task == "longer":
        train_alignment(out=longer, start=options.start or options.work / "trunk2", course="hold", **LONGER, **common)
        return
    also = [options.tables / name for name in ("held.csv", "esc10.csv", "takes.csv")] if options.task == "base" else []
    train_alignment(
        out=options.work / options.task,
        also=also,
        start=longer,
        course="fall",
        steps=options.steps or FALL_STEPS,
        learning_rate=3e-3,
        unlabelled_share=0.25,
        augment=FALL,
        dropout=0.1,
        checkpoint_steps=400,
        **common,
    )


def short(options: argparse.Namespace, common: dict[str, Any]) -> None:
    """One cycle of the smaller network, half the batch, two crops of each recording."""
    parts = options.tables / "parts"
    kinds = ["labelled-free", "rendered-free", *([] if options.permissive else ["labelled-other"])]
    first, *others = (parts / f"{kind}.csv" for kind in kinds)
    train_alignment(
        out=options.work / f"short-{'free' if options.permissive else 'all'}-{options.seed}",
        also=others,
        steps=options.steps or SHORT_STEPS,
        batch=32,
        augment=FALL,
        dropout=0.1,
        crops_each=2,
        crops_seed=1,
        checkpoint_steps=50,
        **(common | {"data": first, "audio": "mini"}),
    )


if __name__ == "__main__":
    main()
