"""What is needed to know the labelled recordings of `base` and `base-strict` again: base_learned.safetensors.

    python examples/make_base/list_learned.py --tables TABLES

TABLES holds trunk.csv, held.csv and esc10.csv of write_tables.py; `base-strict` learned from the first. Recordings
that a teacher alone heard, and phrases that were rendered, are not listed. Some minutes of one CPU core; one pass of a
network serves `base` and `base-features`.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from mmasc.encoders.embedding import embed_file
from mmasc.encoders.learned import pack
from mmasc.encoders.registry import load_encoder

WEIGHTS = Path(__file__).parent.parent.parent / "mmasc" / "encoders" / "weights"


def labelled(table: Path) -> list[str]:
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] and row["source"] != "rendered"]
    return list(dict.fromkeys(row["path"] for row in rows))


def both(name: str, paths: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of recordings, and their features, which are the mean of the windows' as well."""
    encoder = load_encoder(name)
    n_features = encoder.network.config.n_features
    encoder.spec = replace(encoder.spec, dim=n_features + encoder.spec.dim)
    encoder._audio = lambda waveforms: torch.cat(encoder._features_and_vectors(waveforms), 1)
    found = np.stack([embed_file(path, encoder).vector for path in paths])
    return found[:, n_features:], found[:, :n_features]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    torch.set_num_threads(1)
    strict = labelled(options.tables / "trunk.csv")
    everything = [*strict, *(path for name in ("held", "esc10") for path in labelled(options.tables / f"{name}.csv"))]
    vectors, features = both("base", everything)
    of = {"base": vectors, "base-features": features, "base-strict": both("base-strict", strict)[0]}
    arrays = {f"{name}.{part}": array for name, found in of.items() for part, array in pack(found).items()}
    path = WEIGHTS / "base_learned.safetensors"
    path.write_bytes(save(arrays, {"kind": "mmasc-learned"}))
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB, {len(everything)} recordings")


if __name__ == "__main__":
    main()
