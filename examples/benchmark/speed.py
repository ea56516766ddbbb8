"""Every figure about speed that the pages state, measured in one run and printed with its ratio.

    python examples/benchmark/speed.py                 # all, on sounds made by rule
    python examples/benchmark/speed.py --sounds FOLDER # the same on recordings of your own
    python examples/benchmark/speed.py mel search      # some of it

Each row compares with what a user would otherwise run, or with the part of the work that cannot be left out. Times
are the best of several repetitions: a busy machine only makes them longer.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

# One thread, so that ratios do not depend on the number of cores; set before the libraries that read it are loaded
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import soundfile
import torch

import mmasc
from mmasc.collection import Collection
from mmasc.collection.head import SpaceHead
from mmasc.collection.index import import_faiss
from mmasc.collection.schema import RECORDING_FIELDS, vector_column, windows_schema
from mmasc.collection.store import Store
from mmasc.encoders.embedding import embed_file
from mmasc.windows.units import unit_float32

REPEATS = 5


class Row(NamedTuple):
    """One figure: what, how much, against what, and what it should reach."""

    what: str
    measured: str
    against: str
    wanted: str
    holds: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=f"of: {', '.join(PARTS)}; default: all")
    parser.add_argument("--sounds", help="folder of recordings; default: synthesised sounds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"mmasc {mmasc.__version__}, torch {torch.__version__}, {os.cpu_count()} cores, one thread used", flush=True)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        sounds = Path(options.sounds) if options.sounds else None
        print(f"{'figure':44} {'measured':>22} {'wanted':>12}  against")
        for name in options.parts or PARTS:
            for row in PARTS[name](sounds, Path(folder)):
                failed |= not row.holds
                mark = "" if row.holds else "  MISSED"
                print(f"{row.what:44} {row.measured:>22} {row.wanted:>12}  {row.against}{mark}", flush=True)
    sys.exit(1 if failed else 0)


def make_sounds(folder: Path, suffix: str, count: int = 40) -> Path:
    """Five-second modulated noises at 44.1 kHz, the shape of many sound libraries."""
    folder.mkdir(parents=True)
    seconds = np.arange(5 * 44_100) / 44_100
    for item in range(count):
        noise = np.random.default_rng(item).normal(size=len(seconds))
        swell = 0.5 + 0.5 * np.sin(2 * np.pi * (0.2 + 0.1 * item) * seconds)
        soundfile.write(folder / f"{item:03d}{suffix}", np.clip(0.1 * noise * swell, -1, 1), 44_100)
    return folder


def best_of(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Seconds of the fastest of several runs, after one that warms up."""
    work()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def best_of_both(one: Callable[[], object], other: Callable[[], object], repeats: int = REPEATS) -> tuple[float, float]:
    """Seconds of the fastest runs of two, taken in turns, so that a busy moment hits both."""
    one(), other()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for work, taken in zip((one, other), times, strict=True):
            begun = time.perf_counter()
            work()
            taken.append(time.perf_counter() - begun)
    return min(times[0]), min(times[1])


def mel(sounds: Path | None, folder: Path) -> Iterator[Row]:
    """Our front end against librosa, the same spectrogram."""
    import librosa

    from mmasc.features import LogMel, LogMelConfig

    config = LogMelConfig(44_100, 1_024, 1_024, 320, 64, 50.0, 16_000.0)
    waveforms = np.random.default_rng(0).uniform(-0.5, 0.5, (8, 10 * 44_100)).astype(np.float32)
    front_end, tensor = LogMel(config), torch.from_numpy(waveforms)

    def by_librosa() -> None:
        power = librosa.feature.melspectrogram(
            y=waveforms, sr=44_100, n_fft=1_024, hop_length=320, n_mels=64, fmin=50.0, fmax=16_000.0
        )
        librosa.power_to_db(power, top_db=None)

    ours, theirs = best_of_both(lambda: front_end(tensor), by_librosa)
    ratio = theirs / ours
    yield Row(
        "log-mel, 8 clips of 10 s", f"{ratio:.1f} x faster", "librosa melspectrogram + power_to_db", "3 x", ratio >= 3
    )


def embedding(sounds: Path | None, folder: Path) -> Iterator[Row]:
    """File to vector, and how much of it is the network."""
    from mmasc.audio import stream_audio

    encoder = mmasc.load_encoder("mini")
    rate = encoder.spec.sample_rate
    kinds = [""] if sounds is not None else [".wav", ".flac", ".ogg"]
    for kind in kinds:
        files = mmasc.find_audio(sounds if sounds is not None else make_sounds(folder / kind[1:], kind))[:40]
        total = sum(embed_file(path, encoder).duration for path in files)

        def whole(files: list[Path] = files) -> None:
            for path in files:
                embed_file(path, encoder)

        def without_network(files: list[Path] = files) -> None:
            with torch.inference_mode():
                for path in files:
                    blocks = [block[0] for block in stream_audio(path, rate)]
                    samples = torch.from_numpy(np.concatenate(blocks))
                    for window in samples.split(encoder.window_samples):
                        encoder.front_end(window[None])

        vectors, parts = best_of_both(whole, without_network)
        speed, ratio, clips = total / vectors, vectors / parts, len(files) / vectors
        what = f"file → vector, mini{kind and ', ' + kind[1:]}"
        yield Row(
            what,
            f"{speed:.0f} x real time",
            f"{clips:.0f} clips of {total / len(files):.0f} s a second",
            "300 x",
            speed >= 300,
        )
        yield Row(
            "  of it apart from decoding and log-mel",
            f"{ratio:.2f} x",
            "decode + resample + log-mel alone",
            "<= 1.4 x",
            ratio <= 1.4,
        )


def search(sounds: Path | None, folder: Path) -> Iterator[Row]:
    """100,000 windows: our search against the same FAISS call made by hand."""
    faiss = import_faiss()
    generator = np.random.default_rng(0)
    rows, dim = 100_000, 128
    vectors = generator.normal(size=(rows, dim)).astype(np.float32)
    collection = Collection(fill(folder / "search", vectors))
    reader = collection.space()
    by_hand = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    by_hand.train(np.zeros((1, dim), np.float32))
    by_hand.add(unit_float32(vectors))
    for count in (1, 64):
        queries = unit_float32(generator.normal(size=(count, dim)).astype(np.float32))
        ours, theirs = best_of_both(
            lambda queries=queries: reader.search(queries, 10), lambda queries=queries: by_hand.search(queries, 10), 40
        )
        ratio = ours / theirs
        measured = f"{1e3 * ours / count:.2f} ms, {ratio:.2f} x"
        yield Row(
            f"search 100k x 128, {count} at once", measured, "the same FAISS call by hand", "<= 1.1 x", ratio <= 1.1
        )
    whole = best_of(lambda: collection.search(vectors=queries[0], k=10), 10)
    yield Row(
        "  with paths, columns and exact scores", f"{1e3 * whole:.1f} ms", "Collection.search, everything", "-", True
    )
    exact = 0
    for where, passes in FILTERS.items():
        scores = unit_float32(vectors) @ queries[0]
        scores[~passes(np.arange(rows))] = -np.inf
        expected = np.argsort(-scores, kind="stable")[:10]
        hits = collection.search(vectors=queries[0], k=10, where=where)
        found = [2 * int(Path(hit["path"]).stem) + (hit["start"] > 0) for hit in hits]
        exact += found == expected.tolist()
    yield Row(
        "  filtered queries that are exact",
        f"{exact} of {len(FILTERS)}",
        "brute force over the rows that pass",
        "all",
        exact == len(FILTERS),
    )


# Conditions on columns of recordings, of windows and of both, and the rows of `fill` that pass
FILTERS = {
    "label = 'few'": lambda row: row // 2 % 1000 == 0,
    "label = 'some'": lambda row: row // 2 % 20 == 1,
    "start < 2.5": lambda row: row % 2 == 0,
    "label = 'most' AND start > 2.5": lambda row: (row % 2 == 1) & (row // 2 % 1000 != 0) & (row // 2 % 20 != 1),
}


def stored(sounds: Path | None, folder: Path) -> Iterator[Row]:
    """Timelines of 100,000 stored windows by a head and by prompts, against hearing the recordings again."""
    encoder = mmasc.load_encoder("mini")
    rows, dim = 100_000, encoder.spec.dim
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(8, dim))
    vectors = (centres[generator.integers(8, size=rows)] + generator.normal(size=(rows, dim))).astype(np.float32)
    files = mmasc.find_audio(sounds if sounds is not None else make_sounds(folder / "heard", ".wav"))[:40]
    heard = sum(len(embed_file(path, encoder).vectors) for path in files)
    again = best_of(lambda: [embed_file(path, encoder) for path in files], 2) / heard * rows
    for per_recording in (2, 50):
        place = fill(folder / f"stored-{per_recording}", vectors, per_recording, encoder.identity)
        collection = Collection(place)
        head = mmasc.fit_head(collection, "label", "logistic", folds=2, where="start < 1").fitted
        ways: dict[str, Callable[[], object]] = {
            "head apply": lambda head=head, collection=collection: list(
                mmasc.apply_head(head, collection, timeline=True)
            ),
            "classify": lambda collection=collection: list(mmasc.classify(collection, "esc10", encoder, timeline=True)),
        }
        for name, work in ways.items():
            seconds = best_of(work, 2)
            measured = f"{seconds:.1f} s, {again / seconds:.0f} x faster"
            what = f"{name} --timeline, 100k, {per_recording} a recording"
            yield Row(what, measured, "decode and embed again", "<= 5 s", seconds <= 5)


def fill(folder: Path, vectors: np.ndarray, per_recording: int = 2, identity: str = "0" * 32) -> Path:
    """A collection with these vectors: so many windows a recording, a column `label` with rare and common values."""
    store = Store.create(folder, folder)
    count = len(vectors) // per_recording
    labels = np.where(np.arange(count) % 1000 == 0, "few", np.where(np.arange(count) % 20 == 1, "some", "most"))
    known = {
        "id": np.arange(count), "path": [f"{item:06d}.wav" for item in range(count)], "size": np.ones(count, int),
        "mtime_ns": np.ones(count, int), "duration": np.full(count, 5.0 * per_recording),
        "sample_rate": np.full(count, 32_000), "channels": np.ones(count, int),
        "status": ["ok"] * count, "reason": [""] * count,
    }  # fmt: skip
    recordings = pa.table(
        {item.name: pa.array(known[item.name], item.type) for item in RECORDING_FIELDS if item.name in known}
    )
    windows = {
        "recording": pa.array(np.repeat(np.arange(count), per_recording)),
        "lane": pa.array(np.zeros(len(vectors), np.int16)),
        "start": pa.array(np.tile(5.0 * np.arange(per_recording), count)),
        "end": pa.array(np.tile(5.0 * np.arange(1, per_recording + 1), count)),
        "vector": vector_column(vectors),
    }
    with store.transaction() as change:
        change.add_space("mini", SpaceHead(identity, "mini", vectors.shape[1], 5.0, 5.0, "mix"))
        change.append_recordings(recordings.append_column("label", pa.array(labels)))
        change.append_windows("mini", pa.table(windows, schema=windows_schema(vectors.shape[1])))
    return folder


def ingest(sounds: Path | None, folder: Path) -> Iterator[Row]:
    """What the store costs in addition to embedding, and whether memory grows with the collection."""
    small, large = (ingest_in_process(folder, windows) for windows in (1_000, 50_000))
    share = large["store_seconds"] / (large["seconds"] - large["store_seconds"])
    yield Row(
        "store and index of 50,000 windows",
        f"{100 * share:.1f} %",
        "the time that embedding took",
        "<= 5 %",
        share <= 0.05,
    )
    growth = large["memory"] / small["memory"]
    measured = f"{small['memory']:.0f} → {large['memory']:.0f} MB"
    yield Row(
        "resident memory, 1,000 → 50,000 windows", measured, "peak of the process", "+- 10 %", abs(growth - 1) <= 0.1
    )


# Recordings of a minute that lie once on the disk under many names: what is measured is embedding, not writing WAV
_INGEST = """
import json, resource, sys
import mmasc
report = mmasc.embed(sys.argv[1], sys.argv[2], threads=0)
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 ** (2 if sys.platform == "darwin" else 1)
numbers = {"seconds": report.seconds, "store_seconds": report.store_seconds, "memory": memory}
print(json.dumps({**numbers, "windows": report.windows}))
"""


def ingest_in_process(folder: Path, windows: int) -> dict:
    """Embed so many windows in a process of their own."""
    import json

    sounds = folder / f"ingest-{windows}"
    sounds.mkdir()
    seconds = 100
    noise = np.random.default_rng(0).normal(size=seconds * 32_000).astype(np.float32) * 0.1
    soundfile.write(sounds / "0000.wav", noise, 32_000)
    for item in range(1, windows * 5 // seconds):
        os.link(sounds / "0000.wav", sounds / f"{item:04d}.wav")
    command = [sys.executable, "-c", _INGEST, str(sounds), str(folder / f"into-{windows}")]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert found["windows"] == windows, found
    return found


def start(sounds: Path | None, folder: Path) -> Iterator[Row]:
    """How long users wait before anything happens."""
    python = best_of(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))
    mmasc_too = best_of(lambda: subprocess.run([sys.executable, "-c", "import mmasc"], check=True))
    command = [sys.executable, "-m", "mmasc", "--help"]
    help_text = best_of(lambda: subprocess.run(command, check=True, capture_output=True))
    alone = 1e3 * (mmasc_too - python)
    yield Row(
        "import mmasc", f"{alone:.0f} ms", f"beyond python itself ({1e3 * python:.0f} ms)", "<= 50 ms", alone <= 50
    )
    yield Row("mmasc --help", f"{help_text:.2f} s", "the whole command", "<= 0.3 s", help_text <= 0.3)


PARTS: dict[str, Callable[[Path | None, Path], Iterator[Row]]] = {
    "start": start, "mel": mel, "embedding": embedding, "search": search, "stored": stored, "ingest": ingest,
}  # fmt: skip

if __name__ == "__main__":
    main()
