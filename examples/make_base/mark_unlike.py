"""Teach `base` and `base-strict` which windows are unlike everything they heard: base_unlike.safetensors.

    python examples/make_base/mark_unlike.py --tables TABLES --work WORK

TABLES is what write_tables.py and make_takes.py wrote. A window is unlike what was heard if, in the part of the vector
that was learned from the teacher, its fifth nearest of the windows that were heard is further than a threshold. The
threshold is `base-strict`'s, of the recordings held back by credit: three windows in a hundred of theirs are marked,
recordings counting alike. `base` heard these too, so it takes the same. Printed is what the mark is worth: on held
back, on ESC-10 (never heard by `base-strict`), and on sounds by rule that nobody hears outside. Vectors are kept in
WORK. Tried on the same sounds: the other part, both, and the features, each with nearest neighbours, a Mahalanobis
distance, and the distance to the main directions; the cosine with the nearest label. They mark more of ESC-10 than the
choice, or less of the sounds by rule.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import embed_file
from mmasc.encoders.registry import load_encoder
from mmasc.encoders.unlike import nearness

WEIGHTS = Path(__file__).parent.parent.parent / "mmasc" / "encoders" / "weights"
HEARD = {"base-strict": ("trunk",), "base": ("trunk", "held", "esc10", "takes")}
PASSING = 0.97  # of windows held back, recordings counting alike
N_ODD = 20


def windows(encoder: Encoder, paths: list[str], kept: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of all sounding windows, and the place of each one's recording."""
    if not kept.exists():
        files = [embed_file(path, encoder) for path in paths]
        places = np.repeat(np.arange(len(files)), [len(file.vectors) for file in files])
        silent = np.concatenate([~file.heard for file in files])
        np.savez(kept, v=np.concatenate([file.vectors for file in files]), i=places, silent=silent)
    found = np.load(kept)
    return found["v"][~found["silent"]], found["i"][~found["silent"]]


def paths_of(table: Path) -> list[str]:
    """Recordings with a label, each once; what was rendered or heard by the teacher alone is left out."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] and row["source"] != "rendered"]
    return list(dict.fromkeys(row["path"] for row in rows))


def odd_sounds(seconds: float, rate: int) -> dict[str, np.ndarray]:
    """Sounds by rule that are neither music nor of the world: modems, sweeps, pulses and noise above 9 kHz."""
    chance = np.random.default_rng(7)
    n = round(seconds * rate)
    time, hertz = np.arange(n) / rate, np.fft.rfftfreq(n, 1 / rate)

    def phase(frequencies: np.ndarray) -> np.ndarray:
        return 2 * np.pi * np.cumsum(frequencies) / rate

    def modem() -> np.ndarray:
        pair = chance.choice([[1070, 1270], [1200, 2200], [2025, 2225]])
        baud = chance.choice([300, 600, 1200, 2400])
        return np.sin(phase(pair[chance.integers(0, 2, n)[(time * baud).astype(int)]]))

    def two_axes() -> np.ndarray:
        step = (time * chance.choice([1200, 2400])).astype(int)
        one, two = chance.choice([-3, -1, 1, 3], (2, n))
        return one[step] * np.cos(2 * np.pi * 1800 * time) + two[step] * np.sin(2 * np.pi * 1800 * time)

    def sweeps() -> np.ndarray:
        low, high = np.sort(np.exp(chance.uniform(np.log(100), np.log(15_000), 2)))
        period = chance.uniform(0.05, 2)
        return np.sin(phase(low * (high / low) ** ((time % period) / period)))

    def pulses() -> np.ndarray:
        sound, top = 1e-3 * chance.normal(size=n), chance.uniform(12_000, 15_500)
        short = np.arange(160) / rate
        for start in np.arange(0.05, seconds - 0.02, chance.uniform(0.04, 0.3)):
            at = int(start * rate)
            sound[at : at + 160] += np.sin(2 * np.pi * (top - 1.5e5 * short) * short) * np.hanning(160)
        return sound

    def band(low: float, high: float) -> np.ndarray:
        spectrum = np.fft.rfft(chance.normal(size=n))
        spectrum[(hertz < low) | (hertz > high)] = 0
        return np.fft.irfft(spectrum, n)

    def tones() -> np.ndarray:
        each = np.exp(chance.uniform(np.log(80), np.log(14_000), n))
        return np.sin(phase(each[(time * chance.uniform(8, 60)).astype(int)]))

    def modulated() -> np.ndarray:
        carrier, beat, depth = chance.uniform(200, 6000), chance.uniform(20, 1500), chance.uniform(1, 20)
        return np.sin(2 * np.pi * carrier * time + depth * np.sin(2 * np.pi * beat * time))

    makers = {
        "modem of two tones": modem,
        "modem of two axes": two_axes,
        "sweeps": sweeps,
        "pulses of 12 to 15 kHz": pulses,
        "noise above 9 kHz": lambda: band(chance.uniform(9_000, 13_000), rate / 2),
        "noise of a tenth of an octave": lambda: band(low := chance.uniform(100, 9_000), 1.07 * low),
        "tones at random": tones,
        "frequency modulation": modulated,
    }
    found = {}
    for name, make in makers.items():
        sounds = np.stack([make() for _ in range(N_ODD)])
        found[name] = (0.5 * sounds / np.abs(sounds).max(axis=1, keepdims=True)).astype(np.float32)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("tables", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray] = {}
    least = 0.0
    for name, tables in HEARD.items():
        encoder = load_encoder(name)
        own = encoder.network.config.dim

        def of_table(
            table: str, encoder: Encoder = encoder, name: str = name, own: int = own
        ) -> tuple[np.ndarray, np.ndarray]:
            paths = paths_of(options.tables / f"{table}.csv")
            vectors, places = windows(encoder, paths, options.work / f"{name}-{table}.npz")
            return vectors[:, own:], places

        heard = np.concatenate([of_table(table)[0] for table in tables])
        heard /= np.linalg.norm(heard, axis=1, keepdims=True)
        known = np.round(127 * heard / np.abs(heard).max(axis=1, keepdims=True)).astype(np.int8)
        print(f"{name}: {len(known)} windows")
        if name == "base-strict":
            vectors, places = of_table("held")
            near, shares = nearness(vectors, known), 1 / np.bincount(places)[places]
            order = np.argsort(near)
            least = float(near[order][np.searchsorted(np.cumsum(shares[order]), (1 - PASSING) * shares.sum())])
            print(f"  threshold {least:.4f}; held back: {(shares * (near < least)).sum() / shares.sum():.3f} marked")
            vectors, places = of_table("esc10")
            shares = 1 / np.bincount(places)[places]
            print(f"  ESC-10: {(shares * (nearness(vectors, known) < least)).sum() / shares.sum():.3f}")
        for what, sounds in odd_sounds(encoder.spec.window_seconds, encoder.spec.sample_rate).items():
            print(f"  {what}: {(nearness(encoder.embed(sounds)[:, own:], known) < least).mean():.2f}")
        arrays |= {f"{name}.known": known, f"{name}.least": np.array([least], np.float32)}
    path = WEIGHTS / "base_unlike.safetensors"
    path.write_bytes(save(arrays, {"kind": "mmasc-unlike"}))
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
