"""Further commands that `kills.py` kills: indexes of large spaces, worker processes, parts and merges of several
collections, publishing, learning from a teacher, a grid of trainings. See `storms.py`.

The object store is a folder in which an object appears whole or not at all, as in a real one.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import lance
import numpy as np
from storms import (
    STORMS,
    InCollection,
    Lived,
    Train,
    TrainAlign,
    annotate,
    before,
    look,
    mmasc,
    names,
    prepare_all,
    run,
)

from mmasc.collection import Collection, columns, published
from mmasc.collection.index import IndexPolicy
from mmasc.collection.ingest import embed
from mmasc.evaluation.value_sweep import sweep_values
from mmasc.remote import stores
from mmasc.remote.seen import Seen
from mmasc.windows.units import unit_float32

__all__ = ["before", "look", "names", "prepare_all", "run"]

# Segments of 100 windows and exact answers: all lists are probed
_POLICY = IndexPolicy(flat_numbers=50 * 26, memory_bytes=1 << 40, recall=1.0, segment_rows=100)
_ADDRESS = "s3://bucket/sounds"


class Index(InCollection):
    """Segments and maps of a space that has lost some windows and got many since they were built."""

    def before(self, inputs: Path, work: Path) -> None:
        _map_columns()
        root = inputs / "sounds"
        options: dict[str, Any] = {"window_seconds": 1.0, "hop_seconds": 0.25, "root": root}
        embed(root / "low", work / "c", "classic", **options)
        Collection(work / "c", policy=_POLICY).index()
        Collection(work / "c").remove([root / "low" / f"{item:03d}.wav" for item in (0, 6, 12)])
        embed([root / "high", root / "noise"], work / "c", "classic", **options)

    def run(self, inputs: Path, work: Path) -> None:
        _map_columns()
        Collection(work / "c", policy=_POLICY).index()

    def look(self, inputs: Path, work: Path, faults: list[str]) -> list[tuple[str, str]]:
        """What a copy answers: looking builds what is missing."""
        _map_columns()
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder)
            shutil.copytree(work / "c", copy / "c")
            reader = Collection(copy / "c", policy=_POLICY).space()
            vectors = unit_float32(reader.vectors())
            queries = vectors[:: max(1, len(vectors) // 7)]
            scores, _ = reader.search(queries, 10)
            exact = -np.sort(-(queries @ vectors.T), axis=1)[:, :10]
            if not np.allclose(scores, exact, atol=2e-3):
                faults.append("other hits than brute force")
            return super().look(inputs, copy, faults)


class EmbedProcesses(InCollection):
    """Two worker processes."""

    def run(self, inputs: Path, work: Path) -> None:
        embed(inputs / "sounds", work / "c", "mini", commit_windows=6, executor="processes", workers=2)


class Shards(InCollection):
    """Two parts, one of them by worker processes, and the merge that joins them in the first."""

    def run(self, inputs: Path, work: Path) -> None:
        for part, words in ((0, ("local",)), (1, ("processes", "--workers", 2))):
            common = ("--encoder", "mini", "--root", inputs / "sounds", "--executor", *words, "-q")
            folder = work / ("c" if part == 0 else "part-1")
            mmasc("embed", inputs / "sounds", "--into", folder, "--shard", f"{part}/2", *common)
        mmasc("collection", "merge", work / "c", work / "part-1")


class MergeSeveral(InCollection):
    """Two collections at once: a space that is new, recordings that both have, labels on the same recordings."""

    def before(self, inputs: Path, work: Path) -> None:
        root = inputs / "sounds"
        for name, kinds in (("c", ["low"]), ("one", ["low", "high"]), ("two", ["high", "noise"])):
            embed([root / kind for kind in kinds], work / name, "classic", window_seconds=1.0, root=root)
            for kind in kinds:  # the same ids on what both have
                annotate(work / name, [kind], 8, 1_000)
        embed([root / "noise"], work / "two", "mini", root=root)

    def run(self, inputs: Path, work: Path) -> None:
        mmasc("collection", "merge", work / "c", work / "one", work / "two")


class Publish(Lived):
    """Again, after recordings were removed and labels added; a reader finds the state before or the one after."""

    def before(self, inputs: Path, work: Path) -> None:
        super().before(inputs, work)
        self.run(inputs, work)
        Collection(work / "c").remove([inputs / "sounds" / "high"])
        annotate(work / "c", ["noise"], 20, 1_000)

    def run(self, inputs: Path, work: Path) -> None:
        _Folder(work).use()
        Collection(work / "c").publish(_ADDRESS)

    def look(self, inputs: Path, work: Path, faults: list[str]) -> list[tuple[str, str]]:
        bucket = _Folder(work)
        bucket.use()
        if not bucket.path(f"{_ADDRESS}/collection.json").exists():
            return []
        with tempfile.TemporaryDirectory() as home:
            os.environ["MMASC_HOME"] = home
            collection = Collection(_ADDRESS)
            for name in collection.spaces:
                collection.space(name).search(unit_float32(collection.space(name).vectors()[:2]), 3)
            notes = collection.annotations
            items = [(f"label {one.id}", f"{notes.stored_path(one)} {one.label} {one.start}") for one in notes.all()]
            items += [(f"recording {path}", "there") for path in collection.recordings.column("path").to_pylist()]
            for name in collection.spaces:
                reader = collection.space(name)
                keys = zip(reader.recording, reader.start, reader.vectors(), strict=True)
                items += [(f"{name} {one} {start:.3f}", str(float(vector[0]))) for one, start, vector in keys]
            return items


class TrainTeacher(TrainAlign):
    """Sounds towards texts and towards what an encoder makes of the crops."""

    def run(self, inputs: Path, work: Path) -> None:
        words = ("--steps", self.steps, "--batch", 4, "--crop", 1.3, "--checkpoint-steps", 2, "--teacher", "mini")
        words += ("--crops-each", 2, "--validation-share", 0.2, "--cache", work / "cache", "-q")
        mmasc("train", "align", "--data", inputs / "few" / "table.csv", "--out", work / "run", *words)


class SweepGrid(Train):
    """Two values of one option, chosen on validation clips and tested."""

    steps = 6
    runs = tuple(f"run/learning-rate-{rate}/seed-0/fold-1" for rate in ("0.001", "0.01"))

    def look(self, inputs: Path, work: Path, faults: list[str]) -> list[tuple[str, str]]:
        """Runs by their whole names: the last parts are the same."""
        return [(f"{name} {key}", value) for name in self.runs for key, value in self._of(work / name, faults)]

    def run(self, inputs: Path, work: Path) -> None:
        sweep_values(
            self.network,
            inputs / "few" / "table.csv",
            "csv",
            work / "run",
            {"learning_rate": [0.001, 0.01]},
            folds=["1"],
            validation="0.3",
            cache=work / "cache",
            recipe="plain",
            epochs=3,
            batch=3,
            crop_seconds=0.5,
            checkpoint_seconds=0.0,
            **self.options,
        )


class _Folder:
    """An object store in the folder `bucket`: the functions of `mmasc.remote.stores`."""

    def __init__(self, work: Path) -> None:
        self.root, self.way = work / "bucket", work.parent / f"{work.name}-on-the-way"

    def use(self) -> None:
        """Ask this store from now on, in this process."""
        for name in ("listed", "look", "read", "read_range", "write"):
            setattr(stores, name, getattr(self, name))
        published._PublishedTables.open = lambda _, table, version=None: lance.dataset(  # type: ignore[method-assign]
            str(self.path(str(table))), version=version
        )

    def path(self, address: str) -> Path:
        return self.root / address.removeprefix("s3://")

    def listed(self, address: str) -> dict[str, Seen]:
        folder = self.path(address.rstrip("/"))
        found = [path for path in folder.rglob("*") if path.is_file()]
        return {f"s3://{path.relative_to(self.root).as_posix()}": self._seen(path) for path in found}

    def look(self, address: str) -> Seen:
        return self._seen(self.path(address))

    def read(self, address: str, begin: int = 0, tag: str | None = None) -> tuple[Seen, int, Generator[bytes]]:
        return self.look(address), begin, (one for one in [self.path(address).read_bytes()[begin:]])

    def read_range(self, address: str, begin: int, count: int) -> bytes:
        return self.path(address).read_bytes()[begin : begin + count]

    def write(self, address: str, content: bytes | Path) -> None:
        self.way.mkdir(parents=True, exist_ok=True)
        beside, target = self.way / re.sub(r"\W", "-", address)[-200:], self.path(address)
        beside.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(beside, target)

    def _seen(self, path: Path) -> Seen:
        about = path.stat()
        return Seen(about.st_size, f"{about.st_mtime_ns}", about.st_mtime_ns)


def _map_columns() -> None:
    """Keep the columns of small spaces in files, too."""
    assert columns.read_columns.__defaults__ is not None
    columns.read_columns.__defaults__ = (1,)


STORMS.update(
    {
        "index": Index(),
        "embed-processes": EmbedProcesses(),
        "shards": Shards(),
        "merge-several": MergeSeveral(),
        "publish": Publish(),
        "train-teacher": TrainTeacher(),
        "sweep-grid": SweepGrid(),
    }
)
