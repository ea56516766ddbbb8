"""Teach the bundled encoders which windows sound like speech or music, which they never heard: mini_unlike.safetensors.

    python examples/make_mini/mark_unlike.py --esc10 ESC-10 --ambient AMBIENT --others OTHERS --work WORK \
        --weights mmasc/encoders/weights

ESC-10 and AMBIENT are the folders of train_mini.py: what was heard. OTHERS has the same columns, and `group` (speech,
music and others), `credit_group` and `package`: what was not. Learned is from speech and music under permissive
licences (CC0, CC BY, MIT, public domain), which mini_unlike_attribution.csv then names; everything else in OTHERS,
from other packages, tells what the mark is worth. Vectors are kept in WORK. Distances to what was heard (nearest
neighbours, Mahalanobis, in any layer) were tried first: they mark none of the speech, because the network was never
asked to keep what tells it from other sounds.
"""

import argparse
import csv
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from train_mini import ambient_rows, read_meta

from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import embed_file
from mmasc.encoders.registry import load_encoder
from mmasc.windows.units import unit_as_normalizer

ENCODERS = ("mini", "mini-strict")
PASSING = 0.99  # of windows of the heard kinds, recordings counting alike
STRENGTH = 0.01  # inverse of the penalty
FOLDS = 10


def windows(encoder: Encoder, paths: list[Path], kept: Path) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of all sounding windows, and the place of each one's recording."""
    if not kept.exists():
        files = [embed_file(str(path), encoder) for path in paths]
        places = np.repeat(np.arange(len(files)), [len(file.vectors) for file in files])
        silent = np.concatenate([~file.heard for file in files])
        np.savez(kept, v=np.concatenate([file.vectors for file in files]), i=places, silent=silent)
    found = np.load(kept)
    sounding = ~found["silent"]
    return unit_as_normalizer(found["v"][sounding]), found["i"][sounding]


def is_permissive(row: dict[str, str]) -> bool:
    licence = row["licence"].upper()
    return licence.startswith(("CC0", "MIT", "PUBLIC")) or (licence.startswith("CC-BY") and "SA" not in licence)


def shares(places: np.ndarray) -> np.ndarray:
    """Weights of windows: every recording weighs 1."""
    return 1 / np.bincount(places)[places]


def quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(reached, share)])


def fit(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """A direction and an offset of unit vectors: logistic regression, both sides of equal weight."""
    weights = np.where(y, weights / weights[y].sum(), weights / weights[~y].sum()) * len(y) / 2
    scaler = StandardScaler().fit(x)
    model = LogisticRegression(C=STRENGTH, max_iter=2000).fit(scaler.transform(x), y, sample_weight=weights)
    direction = model.coef_[0] / scaler.scale_
    return direction, float(model.intercept_[0] - direction @ scaler.mean_)


def by_rule(encoder: Encoder) -> dict[str, np.ndarray]:
    """Windows of noises and tones."""
    rate, generator = encoder.spec.sample_rate, np.random.default_rng(0)
    time = np.arange(round(encoder.spec.window_seconds * rate)) / rate
    white = generator.normal(size=(20, len(time)))
    spectrum = np.fft.rfft(white) / np.sqrt(np.arange(len(time) // 2 + 1) + 1)
    sounds = {
        "white noise": white,
        "pink noise": np.fft.irfft(spectrum, len(time)),
        "tones": np.sin(2 * np.pi * np.geomspace(60, 12_000, 20)[:, None] * time),
        "sweeps": np.sin(2 * np.pi * np.geomspace(20, 2_000, 20)[:, None] * time * (1 + time)),
        "clicks": (generator.uniform(size=(20, len(time))) < 1e-4).astype(float),
    }
    return {
        name: encoder.embed((0.5 * one / np.abs(one).max(axis=1, keepdims=True)).astype(np.float32))
        for name, one in sounds.items()
    }


def learn(name: str, options: argparse.Namespace) -> tuple[np.ndarray, float]:
    """The mark of one encoder; prints what it is worth."""
    encoder = load_encoder(name)
    ambient, esc10, others = ambient_rows(options.ambient), read_meta(options.esc10), read_meta(options.others)
    a, a_of = windows(encoder, [row.path for row in ambient], options.work / f"{name}_ambient.npz")
    e, e_of = windows(encoder, [Path(row["path"]) for row in esc10], options.work / f"{name}_esc10.npz")
    o, o_of = windows(encoder, [Path(row["path"]) for row in others], options.work / f"{name}_sounds.npz")
    learned = np.array([row["group"] in ("speech", "music") and is_permissive(row) for row in others])[o_of]
    uploads = [row["filename"].split("-")[1] for row in esc10]
    heard = [(a, shares(a_of), [ambient[place].group for place in a_of])]
    if name != "mini-strict":
        heard.append((e, shares(e_of), [uploads[place] for place in e_of]))
    heard.append((o[learned], shares(o_of)[learned], [others[place]["credit_group"] for place in o_of[learned]]))
    x, weights = np.concatenate([part[0] for part in heard]), np.concatenate([part[1] for part in heard])
    y = np.arange(len(x)) >= len(x) - learned.sum()
    groups = np.unique([group for part in heard for group in part[2]], return_inverse=True)[1]
    fold = np.random.default_rng(0).integers(0, FOLDS, groups.max() + 1)[groups]
    scores = np.empty(len(x))
    for number in range(FOLDS):
        direction, offset = fit(x[fold != number], y[fold != number], weights[fold != number])
        scores[fold == number] = x[fold == number] @ direction + offset
    least = quantile(scores[~y], weights[~y], PASSING)
    direction, offset = fit(x, y, weights)
    offset -= least

    def marked(vectors: np.ndarray, of: np.ndarray) -> str:
        own = shares(of)
        return f"{(own * (unit_as_normalizer(vectors) @ direction + offset > 0)).sum() / own.sum():.3f}"

    print(f"{name}: share of windows marked, every recording weighing 1")
    print(f"  heard kinds, credits left out: {(weights[~y] * (scores[~y] > least)).sum() / weights[~y].sum():.3f}")
    if name == "mini-strict":
        print(f"  ESC-10, never heard: {marked(e, e_of)}")
    kind = np.array([row["group"] for row in others])[o_of]
    for group, n in Counter(kind[~learned]).most_common():
        chosen = ~learned & (kind == group)
        print(f"  {group}, other packages ({n} windows): {marked(o[chosen], o_of[chosen])}")
    for what, vectors in by_rule(encoder).items():
        print(f"  {what}: {marked(vectors, np.arange(len(vectors)))}")
    return direction, offset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("esc10", "ambient", "others", "work", "weights"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for name in ENCODERS:
        direction, offset = learn(name, options)
        arrays[name] = np.append(direction, offset).astype(np.float32)
    path = options.weights / "mini_unlike.safetensors"
    path.write_bytes(save(arrays, {"kind": "mmasc-unlike"}))
    rows = [row for row in read_meta(options.others) if row["group"] in ("speech", "music") and is_permissive(row)]
    with (options.weights / "mini_unlike_attribution.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["package", "file", "label", "licence", "credit"])
        writer.writerows(
            [row["package"], row["source_path"], row["label"], row["licence"], row["credit"]] for row in rows
        )
    print(f"{path.name}: {path.stat().st_size} bytes, learned from {len(rows)} recordings")


if __name__ == "__main__":
    main()
