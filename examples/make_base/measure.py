"""What an encoder with text finds among recordings that it did not learn from.

    python examples/make_base/measure.py --held held.csv --trunk trunk.csv --esc10 ESC-10 ENCODER ...

Of held.csv (write_tables.py) the first wording of each recording is its label. Printed are, of labels as queries, the
share with a right recording first and among ten; of recordings, the share whose label is first and among five of all
labels there are; both also for labels that trunk.csv has, that it has not, and for music. Of ESC-10, the share whose
class name is first, by fold and class. --shares tries weights of the second part of a vector, on held.csv alone. A run
of train_base.py is named base:RUN; for runs with --permissive the trunk.csv is the one of write_tables.py --permissive.
"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import embed_file
from mmasc.encoders.registry import load_encoder

SHARES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def first_texts(table: Path) -> dict[str, tuple[str, str]]:
    """Path → its first text and its group."""
    found: dict[str, tuple[str, str]] = {}
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["label"]:
                found.setdefault(row["path"], (row["label"], row["group"]))
    return found


def sounds(encoder: Encoder, paths: Sequence[str]) -> np.ndarray:
    return unit(np.stack([embed_file(path, encoder).vector for path in paths]))


def reweighed(vectors: np.ndarray, now: tuple[float, float], wanted: tuple[float, float], dim: int) -> np.ndarray:
    scaled = vectors.copy()
    scaled[:, :dim] *= wanted[0] / max(now[0], 1e-9)
    scaled[:, dim:] *= wanted[1] / max(now[1], 1e-9)
    return scaled


def retrieval(scores: np.ndarray, labels: Sequence[str], texts: Sequence[str], chosen: set[str]) -> dict[str, float]:
    """scores `[sound text]`; queries and recordings of the chosen labels, among all sounds and all texts."""
    of_sound = np.array([texts.index(label) for label in labels])
    first, ten, top1, top5 = [], [], [], []
    for place, text in enumerate(texts):
        if text not in chosen:
            continue
        best = np.argsort(-scores[:, place], kind="stable")
        first.append(of_sound[best[0]] == place)
        ten.append((of_sound[best[:10]] == place).any())
    for row, right in zip(scores, of_sound, strict=True):
        if texts[right] in chosen:
            rank = int((row >= row[right]).sum())
            top1.append(rank == 1)
            top5.append(rank <= 5)
    names = ("R@1", "R@10", "top-1", "top-5")
    return {name: float(np.mean(values)) for name, values in zip(names, (first, ten, top1, top5), strict=True)}


def best_scale(scores: np.ndarray, right: Sequence[int]) -> float:
    """The scale with the least cross-entropy of a softmax over all texts."""
    scales = (5, 7, 10, 12, 15, 20, 25, 30, 40)
    losses = [
        float(np.mean(np.log(np.exp(one * scores).sum(1)) - one * scores[np.arange(len(right)), right]))
        for one in scales
    ]
    return float(scales[int(np.argmin(losses))])


def shown(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in values.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", nargs="+", metavar="ENCODER")
    parser.add_argument("--held", type=Path, required=True, metavar="CSV")
    parser.add_argument("--trunk", type=Path, required=True, metavar="CSV")
    parser.add_argument("--music", type=Path, metavar="META", help="a meta.csv with label and group")
    parser.add_argument("--esc10", type=Path, metavar="FOLDER")
    parser.add_argument("--shares", action="store_true")
    options = parser.parse_args()
    held, heard = first_texts(options.held), {label for label, _ in first_texts(options.trunk).values()}
    paths, labels = list(held), [label for label, _ in held.values()]
    texts = sorted(set(labels))
    music: set[str] = set()
    if options.music:
        with options.music.open(newline="", encoding="utf-8") as file:
            music = {row["label"] for row in csv.DictReader(file) if row["group"] == "music"}
    kinds = {"all": set(texts), "heard": set(texts) & heard, "absent": set(texts) - heard, "music": set(texts) & music}
    for name in options.encoders:
        encoder = load_encoder(name)
        vectors, asked = sounds(encoder, paths), unit(encoder.embed_text(texts))
        print(f"\n{name}: {len(paths)} recordings, {len(texts)} labels, {len(kinds['absent'])} absent from training")
        for kind, chosen in kinds.items():
            if chosen:
                print(f"  {kind:7} {shown(retrieval(vectors @ asked.T, labels, texts, chosen))}")
        if options.shares:
            config = encoder.network.config
            for share in SHARES:
                wanted = ((1 - share) ** 0.5, share**0.5)
                one, two = (reweighed(v, config.part_weights, wanted, config.dim) for v in (vectors, asked))
                lines = [shown(retrieval(one @ two.T, labels, texts, chosen)) for chosen in kinds.values() if chosen]
                print(f"  share {share:.1f}: " + " | ".join(lines))
        print(f"  scale of cosines: {best_scale(vectors @ asked.T, [texts.index(label) for label in labels]):g}")
        if options.esc10:
            esc10(encoder, options.esc10)


def esc10(encoder: Encoder, folder: Path) -> None:
    with (folder / "meta.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row["category"] for row in rows})
    asked = unit(encoder.embed_text([name.replace("_", " ") for name in names]))
    vectors = sounds(encoder, [str(folder / "audio" / Path(row["filename"]).name) for row in rows])
    right = np.array([names.index(row["category"]) for row in rows])
    hit = (vectors @ asked.T).argmax(1) == right
    folds = np.array([row["fold"] for row in rows])
    print(
        "  ESC-10 by names: " + "  ".join(f"fold {fold} {hit[folds == fold].mean():.3f}" for fold in sorted(set(folds)))
    )
    print(f"    all {hit.mean():.3f}: " + ", ".join(f"{n} {hit[right == i].mean():.2f}" for i, n in enumerate(names)))


if __name__ == "__main__":
    main()
