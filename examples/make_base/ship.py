"""Put trained runs into the package: weights in float16, whose sounds they heard, their words.

    python examples/make_base/ship.py --base RUN --strict RUN --share 0.5 --ambient AMBIENT --sounds SOUNDS \
        --esc10 ESC-10 --held TABLES/held.csv --pairs AV --pairs AV2 --rendered RENDERED --unlabelled unlabelled.csv

--share is the share of the second part in a cosine, --scale what cosines are multiplied by before a softmax, both
chosen on held.csv by measure.py. Without --base and --strict the
tables and prompt files alone are written.
"""

import argparse
import csv
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.torch import save

from mmasc.encoders.mini_text import load_text_table, split_words
from mmasc.encoders.registry import load_encoder
from mmasc.encoders.words import learned_words
from mmasc.prompts.prompts import load_prompts
from mmasc.synth import SYNTH, synthesise

ROOT = Path(__file__).parent.parent.parent
WEIGHTS = ROOT / "mmasc" / "encoders" / "weights"
ESC10 = "karolpiczak/ESC-10"
# Groups of the collections' tables that are one group here
GROUPS = {
    "transport": "vehicles",
    "human": "people",
    "rain": "nature",
    "guns": "weapons and explosions",
    "explosions": "weapons and explosions",
    "urban": "places",
    "ambience": "places",
    "alarms": "signals",
    "synthesised": "electronic",
    "noise": "electronic",
    "music": "music and instruments",
}
ARTICLE = re.compile("^an? ")
COLUMNS = ["collection", "file", "label", "licence", "credit", "group", "strict"]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ship_weights(run: Path, share: float, scale: float, file: Path) -> None:
    """float16 kernels (vectors stay float32), with the share of the second part and the scale of cosines."""
    with safe_open(str(run / "last.safetensors"), "pt") as stored:
        about = json.loads(stored.metadata()["config"])
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
    about["network"]["taught_share"], about["logit_scale"] = share, scale
    halved = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in tensors.items()}
    file.write_bytes(save(halved, {"config": json.dumps(about, sort_keys=True)}))
    print(f"{file.name}: {file.stat().st_size / 1e6:.2f} MB, step {about['step']}")


def record_full(run: Path, share: float) -> None:
    """Cosines of the demo's sounds and labels by the weights before rounding, for the tests."""
    encoder = load_encoder(f"base:{run / 'last.safetensors'}")
    own, taught = encoder.network.config.part_weights
    dim = encoder.network.config.dim
    factors = np.repeat([(1 - share) ** 0.5 / own, share**0.5 / taught], [dim, dim]).astype(np.float32)
    asked = encoder.embed_text([texts[0] for texts in load_prompts("demo").labels.values()]) * factors
    cosines = {}
    for name in SYNTH:
        heard = encoder.embed_audio(synthesise(name), 32_000).vector * factors
        cosines[name] = [round(float(one), 5) for one in asked @ heard / np.linalg.norm(heard)]
    (ROOT / "tests" / "data" / "base_float32.json").write_text(json.dumps(cosines, indent=1) + "\n", encoding="utf-8")


def attribution(options: argparse.Namespace) -> list[dict[str, str]]:
    """A row for each recording with a label, one for each instrument that was rendered, one for each package."""
    held = {Path(row["path"]).name for row in read(options.held)}
    rows = []

    def add(strict: bool, *values: str) -> None:
        rows.append(dict(zip(COLUMNS, (*values, "yes" if strict else "no"), strict=True)))

    for folder in (options.ambient, options.sounds):
        for row in read(folder / "meta.csv"):
            values = (row["source"], row["source_path"], row["label"], row["licence"], row["credit"], row["group"])
            add(Path(row["filename"]).name not in held, *values)
    for row in read(options.esc10 / "meta.csv"):
        credit, name = f"{row['author']}, {row['title']}, {row['source']}", row["filename"].rsplit("-", 1)[0]
        add(False, ESC10, f"{Path(name).name}.ogg", row["label"], row["licence"], credit, "")
    for folder in options.pairs:
        for row in read(folder / "meta.csv"):
            if row["audio"]:
                add(True, row["source"], row["audio"], row["label"], row["licence"], row["credit"], "")
    for folder in options.rendered:
        phrases = Counter((row["label"], row["package"], row["licence"]) for row in read(folder / "meta.csv"))
        for (label, package, licence), n in phrases.items():
            add(True, f"Debian package {package}", f"{n} phrases rendered by rule", label, licence, "", "music")
    for texts in load_prompts("demo").labels.values():
        for text in texts:
            add(False, "mmasc", "6 takes made by rule", text, "CC0", "mmasc", "")
    for package, n in Counter(row["package"] for row in read(options.unlabelled)).items():
        what = f"{n} recordings, heard without labels"
        add(True, f"Debian package {package}", what, "", "", "copyright file of the package", "")
    return rows


def merged_labels() -> tuple[dict[str, str], dict[str, str]]:
    """Label → the label of the prompt files that it belongs to, and → its group, as merged_labels.txt says."""
    names: dict[str, str] = {}
    groups: dict[str, str] = {}
    group = ""
    for line in (Path(__file__).parent / "merged_labels.txt").read_text("utf-8").split("\n"):
        if line.startswith("#"):
            group = line.removeprefix("# ")
        elif line.strip():
            name, _, others = line.partition("=")
            groups[name.strip()] = group
            names |= {one.strip(): name.strip() for one in (name, *others.split("|")) if one.strip()}
    return names, groups


def name_of(label: str, merged: dict[str, str]) -> str:
    """The label of the prompt files that a label belongs to."""
    bare = ARTICLE.sub("", label)
    return merged.get(label) or merged.get(bare) or bare


def groups_of(rows: list[dict[str, str]]) -> dict[str, dict[str, list[str]]]:
    """Group → labels and their wordings, each label in the group that most of its recordings are in.

    Where none of them is in a group, merged_labels.txt says it.
    The first wording of a label is its name; articles are left out.
    """
    merged, told = merged_labels()
    votes: dict[str, Counter[str]] = {}
    wordings: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["label"]:
            name, group = name_of(row["label"], merged), GROUPS.get(row["group"], row["group"])
            votes.setdefault(name, Counter()).update([group] if group else [])
            wordings.setdefault(name, {name: None})[ARTICLE.sub("", row["label"])] = None
    grouped: dict[str, dict[str, list[str]]] = {}
    for name in sorted(votes):
        group = votes[name].most_common(1)[0][0] if votes[name] else told.get(name, "other sounds")
        first, *others = wordings[name]
        grouped.setdefault(group, {})[name] = [first, *sorted(others)]
    return dict(sorted(grouped.items()))


def prompt_file(name: str, encoder: str, rows: list[dict[str, str]]) -> str:
    groups = groups_of(rows)
    n = sum(map(len, groups.values()))
    lines = [
        "# Written by examples/make_base/ship.py",
        f"name: {name}",
        f"description: The words that {encoder} was trained with; {n} labels in {len(groups)} groups",
        "groups:",
    ]
    for group, labels in groups.items():
        lines += [f"  {group}:", *(f"    - {json.dumps(label)}" for label in labels)]
    lines.append("labels:")
    for group, labels in groups.items():
        lines.append(f"  # {group}")
        lines += [f"  {json.dumps(label)}: {json.dumps(wordings)}" for label, wordings in labels.items()]
    return "\n".join(lines) + "\n"


def prompt_files(rows: list[dict[str, str]]) -> dict[str, str]:
    """Name of the file → its text, from the rows of base_attribution.csv."""
    strict = [row for row in rows if row["strict"] == "yes"]
    return {
        "base-words.yaml": prompt_file("base-words", "base", rows),
        "base-strict-words.yaml": prompt_file("base-strict-words", "base-strict", strict),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, metavar="RUN")
    parser.add_argument("--strict", type=Path, metavar="RUN")
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--scale", type=float, default=20.0)
    parser.add_argument("--ambient", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--sounds", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--esc10", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--held", type=Path, required=True, metavar="CSV")
    parser.add_argument("--pairs", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--rendered", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--unlabelled", type=Path, required=True, metavar="CSV")
    options = parser.parse_args()
    for run, name in ((options.base, "base"), (options.strict, "base_strict")):
        if run is not None:
            ship_weights(run, options.share, options.scale, WEIGHTS / f"{name}.safetensors")
            if name == "base":
                record_full(run, options.share)
    rows = attribution(options)
    with (WEIGHTS / "base_attribution.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    known = set(learned_words()) | set(load_text_table().vocabulary) - {""}
    more = sorted({word for row in rows for word in split_words(row["label"]) if word.isalpha()} - set(learned_words()))
    (WEIGHTS / "base_words.txt").write_text("".join(f"{word}\n" for word in more), encoding="utf-8")
    for name, text in prompt_files(rows).items():
        (ROOT / "prompts" / name).write_text(text, encoding="utf-8")
    print(f"{len(rows)} rows of credits, {len(more)} words more than mini's, {len(set(more) - known)} in pieces")


if __name__ == "__main__":
    main()
