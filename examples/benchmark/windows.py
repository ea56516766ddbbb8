"""How a collection of very many made windows opens, answers and grows.

    python examples/benchmark/windows.py --windows 3000000 --recordings 200000 --folder big.mmasc

Makes the collection by a rule (windows of 128 numbers around 4,096 centres, which is easy data: take the ratios),
builds its index, then measures in processes of their own: opening and its memory beside the size of the index,
searches with their recall against brute force in the same run, filtered ones, the memory that merging, exporting,
checking and removing take (each on a copy), adding 100,000 windows, and what a
commit of another process costs a writer beside reading all recordings. With `--folder` the collection is kept, and
made but once.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

DIM, CENTRES, SECONDS = 128, 4_096, 5.12
STEP = 10_000  # recordings in a commit
WHOLE = ("merge", "export", "check", "remove")


def vectors(first: int, count: int) -> np.ndarray:
    """Vectors `[item dim]` by rule: a centre and noise about as long."""
    centres = np.random.default_rng(0).normal(size=(CENTRES, DIM)).astype(np.float32)
    generator = np.random.default_rng([1, first])
    return centres[generator.integers(0, CENTRES, count)] + 0.9 * generator.normal(size=(count, DIM)).astype(np.float32)


def add(folder: Path, first: int, recordings: int, each: int) -> None:
    """Append recordings with their windows in one commit."""
    from mmasc.collection.schema import vector_column, windows_schema
    from mmasc.collection.store import Store

    numbers = np.arange(first, first + recordings)
    ids, count = numbers * 7_919 + 1, recordings * each
    starts = np.tile(np.arange(each) * SECONDS, recordings)
    columns = {
        "id": ids,
        "path": [f"site{one % 50:02}/{one // 1_000:04}/rec_{one:08}.wav" for one in numbers],
        "size": 1_000 + ids % 977,
        "mtime_ns": ids,
        "duration": np.full(recordings, each * SECONDS),
        "sample_rate": np.full(recordings, 16_000, np.int32),
        "channels": np.ones(recordings, np.int32),
        "status": ["ok"] * recordings,
        "reason": [""] * recordings,
        "site": [f"s{one % 50:02}" for one in numbers],
    }
    windows = [np.repeat(ids, each), np.zeros(count, np.int16), starts, starts + SECONDS]
    with Store(folder).transaction() as change:
        change.append_recordings(pa.table(columns))
        table = pa.table([*windows, vector_column(vectors(first, count))], schema=windows_schema(DIM))
        change.append_windows("made", table)


def make(folder: Path, recordings: int, each: int) -> None:
    from mmasc.collection.store import SpaceHead, Store

    with Store.create(folder, folder.parent).transaction() as change:
        change.add_space("made", SpaceHead("a" * 32, "made", DIM, SECONDS, SECONDS, "mix"))
    for first in range(0, recordings, STEP):
        add(folder, first, min(STEP, recordings - first), each)


def resident() -> float:
    """Resident memory in MB, pages of mapped files included."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return int(text.partition("Rss:")[2].split()[0]) / 1024


def milliseconds(call, times: int) -> tuple[float, float]:
    """The least and the median of several calls."""
    found = []
    for number in range(times):
        begun = time.perf_counter()
        call(number)
        found.append(1_000 * (time.perf_counter() - begun))
    return float(np.min(found)), float(np.median(found))


def told(name: str, value: float | str, unit: str = "", median: float | None = None) -> None:
    shown = value if isinstance(value, str) else f"{value:,.2f}"
    print(f"{name:<52} {shown:>12} {unit}" + ("" if median is None else f" (median {median:,.2f})"), flush=True)


def measure(folder: Path) -> None:
    """Opening, memory and searches, in this process, which has done nothing else."""
    from mmasc.collection import Collection
    from mmasc.collection.index import IndexPolicy, import_faiss
    from mmasc.windows.units import unit_float32

    import_faiss().omp_set_num_threads(1)
    before, begun = resident(), time.perf_counter()
    collection = Collection(folder, policy=IndexPolicy(recall=0.99))
    reader = collection.space()
    index = reader.refresh_index()
    told("open, with the index", time.perf_counter() - begun, "s")
    space = collection.store.space_folder(reader.space.identity)
    size = sum(path.stat().st_size for path in space.glob("segments/*/*")) / 2**20
    told("index on the disk", size, "MB")
    told("recall measured when it was built, least", index.recall)
    generator = np.random.default_rng(5)
    chosen = np.sort(generator.choice(len(reader), 200, replace=False))
    noise = 0.3 * generator.normal(size=(200, DIM)).astype(np.float32)
    queries = unit_float32(reader.vectors(chosen) + noise)
    found = [reader.search(query[None], 10)[1][0] for query in queries]
    least, median = milliseconds(lambda one: reader.search(queries[one : one + 1], 10), 200)
    told(f"search in the index ({index.kind})", least, "ms", median)
    least, median = milliseconds(lambda one: collection.search(vectors=queries[one], k=10, windows=True), 30)
    told("search, windows with paths and scores", least, "ms", median)
    least, median = milliseconds(lambda one: collection.search(vectors=queries[one], k=10), 30)
    told("search, moments", least, "ms", median)
    told("resident memory, of the index's size", (resident() - before) / size, "x")
    masks = {"1 of 50": "site = 's07'", "half": "site < 's25'"}
    of_filter = {}
    for name, where in masks.items():
        least, median = milliseconds(
            lambda one, where=where: collection.search(vectors=queries[one], k=10, where=where), 5
        )
        sites = np.array(collection.recordings.column("site").to_pylist())
        passing = sites == "s07" if name == "1 of 50" else sites < "s25"
        allowed = reader.windows_of(collection.recordings.column("id").to_numpy()[passing])
        told(f"filtered search, {name} ({reader.kind_of_search(int(allowed.sum()))})", least, "ms", median)
        of_filter[name] = allowed, [reader.search(query[None], 10, allowed)[1][0] for query in queries[:50]]
    exact = brute_force(
        reader, queries[:50], {"all": None, **{name: allowed for name, (allowed, _) in of_filter.items()}}
    )
    told("recall at 10 against brute force", recall(found[:50], exact["all"]))
    for name, (_, hits) in of_filter.items():
        told(f"recall at 10, filtered, {name}", recall(hits, exact[name]))


def filtered(collection, queries: np.ndarray, where: str, number: int) -> None:
    collection.search(vectors=queries[number], k=10, where=where)


def brute_force(reader, queries: np.ndarray, masks: dict) -> dict[str, np.ndarray]:
    """Positions of the ten best of all windows that pass, by looking at each: the second way of computing."""
    from mmasc.collection.space_index import best_of
    from mmasc.windows.units import unit_float32

    best, first = {name: best_of([], 10, len(queries)) for name in masks}, 0
    for _, some in reader.store.vectors(reader.space):
        all_scores = queries @ unit_float32(some).T
        for name, mask in masks.items():
            passing = np.arange(len(some)) if mask is None else np.flatnonzero(mask[first : first + len(some)])
            scores = all_scores[:, passing]
            top = np.argpartition(-scores, min(10, scores.shape[1] - 1), axis=1)[:, :10]
            found = np.take_along_axis(scores, top, 1), first + passing[top]
            best[name] = best_of([best[name], found], 10, len(queries))
        first += len(some)
    return {name: positions for name, (_, positions) in best.items()}


def recall(found, exact) -> float:
    return float(np.mean([len(np.intersect1d(one, other)) / 10 for one, other in zip(found, exact, strict=True)]))


def grow(folder: Path) -> None:
    """100,000 more windows, and the first answer from an index that has them."""
    from mmasc.collection import Collection
    from mmasc.collection.index import IndexPolicy

    collection = Collection(folder)
    there = len(collection.recordings)
    begun = time.perf_counter()
    for first in range(0, 6_667, 2_000):
        add(folder, there + first, min(2_000, 6_667 - first), 15)
    told("100,000 more windows, written", time.perf_counter() - begun, "s")
    begun = time.perf_counter()
    collection = Collection(folder, policy=IndexPolicy(recall=0.99))
    reader = collection.space()
    query = reader.vectors(np.array([len(reader) - 1]))[0]
    (hit,) = collection.search(vectors=query, k=1, windows=True)
    assert hit.score > 0.9999, hit
    told("... opened, indexed, and the newest window found", time.perf_counter() - begun, "s")
    told("... segments", json.dumps([len(one.index) for one in reader.refresh_index().segments]))


def foreign(folder: Path) -> None:
    """What a commit of another process costs a writer, beside reading all recordings again."""
    from mmasc.collection.known_recordings import KnownRecordings
    from mmasc.collection.store import Store

    store = Store(folder)
    head = store.head()
    begun = time.perf_counter()
    known = KnownRecordings(store, head, "made")
    whole = time.perf_counter() - begun
    told(f"{len(known):,} recordings read", whole, "s")
    add(folder, 10_000_000 + len(known), 100, 15)
    begun = time.perf_counter()
    known.see(store.head())
    told("a foreign commit of 100 recordings", time.perf_counter() - begun, "s")
    with Store(folder).transaction() as change:
        ids = pa.array(np.arange(100, dtype=np.int64) * 7_919 + 1)
        change.update_recordings(pa.table({"id": ids, "mtime_ns": pa.array(np.arange(100) + int(time.time()))}))
    begun = time.perf_counter()
    known.see(store.head())
    told("a foreign commit that changed 100", time.perf_counter() - begun, "s")


def peak(name: str, folder: Path, do) -> None:
    """Seconds of CPU of one step, and how much memory it took at most over what opening takes, beside the tables."""
    size = sum(path.stat().st_size for path in folder.rglob("*.lance") if path.is_file()) / 2**20
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.process_time()
    do()
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    told(f"{name}: memory at most, of {size:,.0f} MB of tables", more, "MB")
    told(f"{name}: CPU", time.process_time() - begun, "s")


def whole(folder: Path, step: str) -> None:
    """One of merge, export, check and remove, which look at everything there is."""
    from mmasc.collection import Collection
    from mmasc.collection.index import IndexPolicy, import_faiss
    from mmasc.collection.store import Store

    import_faiss().omp_set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        copy = Path(scratch) / "copy"
        if step == "merge":
            Store.create(copy, Store(folder).head().root)
            collection = Collection(copy)
            peak(step, folder, lambda: collection.merge(folder))
        elif step == "remove":
            shutil.copytree(folder, copy, copy_function=os.link, ignore=lambda *_: ["segments", "checksums", "heads"])
            for name in ("collection.json", "checksums"):
                (copy / name).unlink(missing_ok=True)
                shutil.copy(folder / name, copy / name)
            collection = Collection(copy)
            peak(step, folder, lambda: collection.remove(where="site < 's25'"))
        else:
            collection = Collection(folder, policy=IndexPolicy(recall=0.99))
            collection.space()
            do = collection.check if step == "check" else lambda: collection.export(Path(scratch) / "x")
            peak(step, folder, do)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=300_000)
    parser.add_argument("--recordings", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="kept, and not made again where it is there")
    parser.add_argument("--only", choices=["measure", "grow", "foreign", *WHOLE], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only in WHOLE:
        whole(options.folder, options.only)
        return
    if options.only:
        globals()[options.only](options.folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "c"
        if not folder.exists():
            begun = time.perf_counter()
            make(folder, options.recordings, options.windows // options.recordings)
            told(f"{options.windows:,} windows made", time.perf_counter() - begun, "s")
        build = "from mmasc.collection import Collection as C; from mmasc.collection.index import IndexPolicy as P; "
        build += "import sys; C(sys.argv[1], policy=P(recall=0.99)).space().refresh_index()"
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", build, str(folder)], check=True)
        told("index built, where it was missing", time.perf_counter() - begun, "s")
        for part in ("measure", *WHOLE, "foreign", "grow"):
            subprocess.run([sys.executable, __file__, "--folder", str(folder), "--only", part], check=True)


if __name__ == "__main__":
    main()
