"""What made the bundled encoder, and the figures in its card.

    python examples/make_mini/train_mini.py train --esc10 ESC-10 --ambient AMBIENT --work WORK NAME...
    python examples/make_mini/train_mini.py evaluate --esc10 ESC-10 --ambient AMBIENT --work WORK
    python examples/make_mini/train_mini.py ship --esc10 ESC-10 --ambient AMBIENT --work WORK \
        --weights mmasc/encoders/weights

ESC-10 and AMBIENT are folders with a meta.csv (columns filename, label and, for ESC-10, fold and category, for the
other credit). NAME is a run: mini-0, mini-1, mini-2 (everything; the first is shipped), strict-0, strict-1, strict-2
(without ESC-10; the first is shipped), fold-1 to fold-4 (without that fold of ESC-10), credit-0 to credit-2 (without
15 % of AMBIENT, by credit). Each takes about ten minutes of one CPU core and is the same as

    mmasc train align --data WORK/NAME.csv --out WORK/NAME --seed SEED --steps STEPS --cache WORK/mel
"""

import argparse
import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save

from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import embed_file
from mmasc.encoders.registry import load_encoder
from mmasc.training.alignment.mel_cache import Row, split_by_group
from mmasc.training.alignment.train import train_alignment
from mmasc.training.alignment.validation import ranking

STEPS = 2400
RUNS = {
    **{f"mini-{seed}": seed for seed in range(3)},
    **{f"strict-{seed}": seed for seed in range(3)},
    **{f"fold-{fold}": 0 for fold in range(1, 5)},
    **{f"credit-{seed}": seed for seed in range(3)},
}


def read_meta(folder: Path) -> list[dict[str, str]]:
    with (folder / "meta.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        inside = folder / row["filename"]
        row["path"] = str((inside if inside.exists() else folder / "audio" / row["filename"]).resolve())
    return rows


def ambient_rows(folder: Path) -> list[Row]:
    """Rows grouped by credit; a collection that is credited as a whole has every file by itself."""
    rows = read_meta(folder)
    n_files = Counter(row["credit"] for row in rows)
    whole = {credit for credit, n in n_files.items() if n > 10 and "://" not in credit}
    return [
        Row(Path(row["path"]), row["label"], row["filename"] if row["credit"] in whole else row["credit"])
        for row in rows
    ]


def training_rows(name: str, esc10: Path, ambient: Path) -> list[Row]:
    kind, _, number = name.partition("-")
    # In the order of the folds: a seed draws by place in the table
    meta = sorted(read_meta(esc10), key=lambda row: row["fold"])
    clips = [(row["fold"], Row(Path(row["path"]), row["label"], row["filename"])) for row in meta]
    others = ambient_rows(ambient)
    if kind == "strict":
        return others
    if kind == "credit":
        others, _ = split_by_group(others, 0.15, int(number))
    return others + [row for fold, row in clips if kind != "fold" or fold != number]


def train(name: str, options: argparse.Namespace) -> None:
    options.work.mkdir(parents=True, exist_ok=True)
    table = options.work / f"{name}.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        writer.writerows([row.path, row.text] for row in training_rows(name, options.esc10, options.ambient))
    cache = options.work / "mel"
    train_alignment(table, options.work / name, seed=RUNS[name], steps=STEPS, cache=cache, remark=print)


def vectors_of(encoder: Encoder, paths: list[str]) -> np.ndarray:
    """Unit vectors of whole recordings."""
    vectors = np.stack([embed_file(path, encoder).vector for path in paths])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def by_class_names(encoder: Encoder, clips: list[dict[str, str]]) -> dict[str, float]:
    """Accuracy on ESC-10 clips by the cosine with the ten category names; and the recall by category."""
    names = sorted({row["category"].replace("_", " ") for row in clips})
    guessed = np.array(names)[(vectors_of(encoder, [r["path"] for r in clips]) @ encoder.embed_text(names).T).argmax(1)]
    right = np.array([row["category"].replace("_", " ") for row in clips])
    recall = {name: float((guessed[right == name] == name).mean()) for name in names}
    return {"accuracy": float((guessed == right).mean()), **recall}


def probes(encoder: Encoder, train_clips: list[dict[str, str]], test_clips: list[dict[str, str]]) -> dict[str, float]:
    """Accuracy of heads that learn from some clips' vectors and are asked about others'."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    heads = {
        "linear": make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)),
        "neighbours": KNeighborsClassifier(5, metric="cosine"),
        "boosting": HistGradientBoostingClassifier(max_iter=60, random_state=0),
    }
    x, test_x = (vectors_of(encoder, [row["path"] for row in part]) for part in (train_clips, test_clips))
    y, test_y = ([row["category"] for row in part] for part in (train_clips, test_clips))
    return {name: float(head.fit(x, y).score(test_x, test_y)) for name, head in heads.items()}


def by_right_text(encoder: Encoder, rows: list[Row], heard: set[str], texts: list[str]) -> dict[str, dict[str, float]]:
    """Rank of the right text among all, for recordings whose text training had heard, and for the others."""
    scores = vectors_of(encoder, [str(row.path) for row in rows]) @ encoder.embed_text(texts).T
    right = np.array([texts.index(row.text) for row in rows])
    known = np.array([row.text in heard for row in rows])
    top5 = (scores >= scores[np.arange(len(right)), right][:, None]).sum(1) <= 5
    parts = {"heard": known, "never heard": ~known}
    return {
        part: ranking(scores[of], right[of]) | {"top5": float(top5[of].mean()), "n": int(of.sum())}
        for part, of in parts.items()
    }


def evaluate(options: argparse.Namespace) -> None:
    """One JSON line for every run that is there."""
    clips = read_meta(options.esc10)
    everything = ambient_rows(options.ambient)
    texts = sorted({row.text for row in everything} | {row["label"] for row in clips})
    for name in RUNS:
        if not (options.work / name / "last.safetensors").exists():
            continue
        kind, _, number = name.partition("-")
        run = str(options.work / name / "last.safetensors")
        encoder = load_encoder(f"mini:{run}")
        figures: dict[str, object] = {"run": name}
        if kind == "strict":
            figures["names"] = by_class_names(encoder, clips)
        elif kind == "fold":
            held_back = [row for row in clips if row["fold"] == number]
            rest = [row for row in clips if row["fold"] != number]
            figures["names"] = by_class_names(encoder, held_back)
            figures["features"] = probes(load_encoder(f"mini-features:{run}"), rest, held_back)
            figures["joint"] = probes(encoder, rest, held_back)
        elif kind == "credit":
            kept, held_back = split_by_group(everything, 0.15, int(number))
            heard = {row.text for row in kept} | {row["label"] for row in clips}
            figures["texts"] = by_right_text(encoder, held_back, heard, texts)
        print(json.dumps(figures), flush=True)


def ship(options: argparse.Namespace) -> None:
    """The first seeds as float16 (vectors stay float32) and the list of credits, into the package."""
    for run, file in (("mini-0", "mini.safetensors"), ("strict-0", "mini_strict.safetensors")):
        path = options.work / run / "last.safetensors"
        with safe_open(str(path), "pt") as stored:
            metadata = stored.metadata()
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
        halved = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in tensors.items()}
        (options.weights / file).write_bytes(save(halved, metadata))
        print(f"{file}: {(options.weights / file).stat().st_size / 1e6:.2f} MB")


def write_attribution(options: argparse.Namespace) -> None:
    """Whose recordings the weights were trained on."""
    with (options.weights / "mini_attribution.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["collection", "file", "label", "licence", "credit"])
        for row in read_meta(options.ambient):
            writer.writerow([row["source"], row["source_path"], row["label"], row["licence"], row["credit"]])
        for row in read_meta(options.esc10):
            credit = f"{row['author']}, {row['title']}, {row['source']}"
            name = row["filename"].rsplit("-", 1)[0]
            writer.writerow(["karolpiczak/ESC-10", f"{name}.ogg", row["label"], row["licence"], credit])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["train", "evaluate", "ship"])
    parser.add_argument("names", nargs="*", choices=[*RUNS, []], metavar="NAME")
    parser.add_argument("--esc10", type=Path, metavar="FOLDER")
    parser.add_argument("--ambient", type=Path, metavar="FOLDER")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--weights", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.task == "train":
        for name in options.names:
            train(name, options)
    elif options.task == "evaluate":
        evaluate(options)
    else:
        ship(options)
        write_attribution(options)


if __name__ == "__main__":
    main()
