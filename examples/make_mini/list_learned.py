"""What is needed to know again every recording that a bundled encoder learned from: mini_learned.safetensors.

    python examples/make_mini/list_learned.py --esc10 ESC-10 --ambient AMBIENT --weights mmasc/encoders/weights

ESC-10 and AMBIENT are the folders of train_mini.py. A few minutes of one CPU core. It also says how well recordings are
known again: converted to Ogg Vorbis (a third of them), and how near other recordings come (--other FOLDER, with a
meta.csv).
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from safetensors.numpy import save
from train_mini import ambient_rows, read_meta

from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import embed_file
from mmasc.encoders.learned import BUNDLED, pack, same_recordings
from mmasc.encoders.registry import load_encoder


def means(encoder: Encoder, paths: list[Path]) -> np.ndarray:
    return np.stack([embed_file(str(path), encoder).vector for path in paths])


def converted(encoder: Encoder, paths: list[Path]) -> np.ndarray:
    """Vectors of recordings that went through Ogg Vorbis once more."""
    vectors = []
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            samples, rate = soundfile.read(path)
            again = Path(folder) / "again.ogg"
            soundfile.write(again, samples, rate, format="OGG", subtype="VORBIS")
            vectors.append(embed_file(str(again), encoder).vector)
    return np.stack(vectors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--esc10", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--ambient", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--weights", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--other", type=Path, metavar="FOLDER", help="recordings that none of them learned from")
    options = parser.parse_args()
    torch.set_num_threads(1)
    ambient = [row.path for row in ambient_rows(options.ambient)]
    esc10 = [Path(row["path"]) for row in read_meta(options.esc10)]
    learned = {name: ambient if name == "mini-strict" else [*esc10, *ambient] for name in BUNDLED[:3]}
    encoders = {name: load_encoder(name) for name in BUNDLED[:3]}
    arrays = {
        f"{name}.{part}": array
        for name, paths in learned.items()
        for part, array in pack(means(encoders[name], paths)).items()
    }
    path = options.weights / "mini_learned.safetensors"
    path.write_bytes(save(arrays, {"kind": "mmasc-learned"}))
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")
    for name, paths in learned.items():
        some = paths[::3]
        print(f"{name}: {same_recordings(name, converted(encoders[name], some)).sum()} of {len(some)} known as Ogg")
    if options.other is not None:
        others = [Path(row["path"]) for row in read_meta(options.other)]
        for name in BUNDLED[:3]:
            told = same_recordings(name, means(encoders[name], others)).sum()
            print(f"{name}: {told} of {len(others)} others taken for one of them")
    told = same_recordings("mini-strict", means(encoders["mini-strict"], esc10)).sum()
    print(f"mini-strict: {told} of {len(esc10)} of ESC-10 taken for one of them")


if __name__ == "__main__":
    main()
