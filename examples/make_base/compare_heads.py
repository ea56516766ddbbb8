"""Heads that learn from 1, 2, 4, 8 and 16 examples a label, on vectors of several encoders: one table.

    python examples/make_base/compare_heads.py --esc10 ESC-10 --ambient AMBIENT --sounds SOUNDS --work VECTORS \
        --encoders base-strict,base-features,mini-strict,classic,yamnet:FILE

ESC-10 is split by its folds 1 to 4, the others by credit into four parts: a recording is only asked of heads that
learned from other people's. A label takes part where it has recordings in two parts at least. Of a label with fewer
examples than a column says, all are taken. Accuracy is the mean over labels, then over parts. Vectors are kept in
--work. `mini-strict` heard the ambient recordings, `base-strict` those of ambient and sounds that write_tables.py did
not hold back; neither heard ESC-10.
"""

import argparse
import csv
import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mmasc.encoders.embedding import embed_file
from mmasc.encoders.registry import load_encoder
from mmasc.heads.registry import make_head

HEADS = ("logistic", "prototypes", "boosting")
EXAMPLES = (1, 2, 4, 8, 16)
N_PARTS = 4
# Boosting grows a tree for each label and round: hundreds of labels take hours
MOST_LABELS = 40


def recordings(folder: Path, by_fold: bool) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Paths, labels, and the part of each recording."""
    with (folder / "meta.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    paths = [
        str(next(p for p in (folder / r["filename"], folder / "audio" / r["filename"]) if p.is_file())) for r in rows
    ]
    groups = [row["fold"] if by_fold else row.get("credit_group") or row["credit"] for row in rows]
    parts = [int(g) if by_fold else int(hashlib.sha256(g.encode()).hexdigest(), 16) % N_PARTS for g in groups]
    return paths, np.array([row["label"] for row in rows]), np.array(parts)


def vectors_of(encoder: str, paths: Sequence[str], work: Path, name: str) -> np.ndarray:
    """Unit vectors, kept from run to run by the encoder's identity."""
    loaded = load_encoder(encoder)
    kept = work / f"{name}-{loaded.identity[:16]}.npy"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, np.stack([embed_file(path, loaded).vector for path in paths]))
    vectors = np.load(kept)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def usable(labels: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Recordings of labels with the most recordings among those that stand in two parts at least."""
    found = [label for label in sorted(set(labels)) if len(set(parts[labels == label])) > 1]
    found.sort(key=lambda label: (-(labels == label).sum(), label))
    return np.isin(labels, found[:MOST_LABELS])


def accuracy(head: str, x: np.ndarray, labels: np.ndarray, parts: np.ndarray, n: int) -> float:
    """Mean over parts of the mean over labels."""
    of_parts = []
    for part in sorted(set(parts)):
        chance = np.random.default_rng([n, int(part)])
        train: list[int] = []
        for label in sorted(set(labels[parts != part])):
            there = np.flatnonzero((labels == label) & (parts != part))
            train += chance.permutation(there)[:n].tolist()
        asked = (parts == part) & np.isin(labels, labels[train])
        if not asked.any():
            continue
        right = make_head(head).fit(x[train], labels[train]).predict(x[asked]) == labels[asked]
        of_parts.append(np.mean([right[labels[asked] == label].mean() for label in sorted(set(labels[asked]))]))
    return float(np.mean(of_parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--esc10", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--ambient", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--sounds", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--encoders", default="base-strict,base-features,mini-strict,classic")
    parser.add_argument("--heads", default=",".join(HEADS))
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    torch.set_num_threads(1)
    # One example a label looks like numbers to predict
    warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
    print("| data | labels, recordings | encoder | head | " + " | ".join(map(str, EXAMPLES)) + " |")
    print("| --- " * (4 + len(EXAMPLES)) + "|")
    for name in ("esc10", "ambient", "sounds"):
        paths, labels, parts = recordings(getattr(options, name), name == "esc10")
        kept = usable(labels, parts)
        for encoder in options.encoders.split(","):
            x = vectors_of(encoder, [path for path, keep in zip(paths, kept, strict=True) if keep], options.work, name)
            for head in options.heads.split(","):
                cells = [f"{accuracy(head, x, labels[kept], parts[kept], n):.3f}" for n in EXAMPLES]
                shown = encoder.partition(":")[0]
                size = f"{len(set(labels[kept]))}, {kept.sum()}"
                print(f"| {name} | {size} | {shown} | {head} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
