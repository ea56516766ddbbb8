"""The commands that `kills.py` kills: what they begin with, how they are run, and what is there afterwards.

A storm is a class with `before` (what is there when the command begins), `run` (the command) and `look`: items as
(key, value) of what counts, faults in words, and the names of all files. Everything is small: synthetic sounds, the
encoders `classic` and `mini`, tiny networks.
"""

import csv
import hashlib
import http.server
import json
import os
import re
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import soundfile
import torch

import mmasc.cli.classify
import mmasc.cli.collection
import mmasc.cli.head
import mmasc.cli.models
import mmasc.cli.prompts
import mmasc.cli.train
import mmasc.cli.train_network
import mmasc.labelling.fit
import mmasc.training.alignment.train
from mmasc.cli import main as mmasc_main
from mmasc.collection import Collection
from mmasc.collection import journal as mmasc_journal
from mmasc.collection.annotations import Annotation
from mmasc.collection.ingest import embed
from mmasc.encoders import embedding as mmasc_embedding
from mmasc.heads.fitted import FittedHead
from mmasc.ivf.pictures import read_film
from mmasc.ivf.scenes import write_scenes
from mmasc.ivf.transformation import TransformationConfig
from mmasc.storage.tensors import load_tensors
from mmasc.training.ivf.train import train_ivf
from mmasc.training.supervised.train import train_network
from mmasc.weights import store as weights_store
from mmasc.weights import table as weights_table

_KINDS = ("low", "high", "noise")
_FILES = 36
_PROMPTS = "labels:\n  low: [low hum, engine]\n  high: [bird, whistle]\n  noise: [rain, wind]\n"


def mmasc(*words: Any) -> None:
    """The command line, as it is typed; an exit status that is not 0 ends this process."""
    sys.argv = ["mmasc", *map(str, words)]
    try:
        mmasc_main()
    except SystemExit as error:
        if error.code:
            raise


def make_sounds(folder: Path, count: int) -> None:
    """Hums, whistles and noises of 1 to 4 seconds in folders of their kind, and a table of them."""
    rows = []
    for item in range(count):
        chance, kind = np.random.default_rng(item), _KINDS[item % 3]
        times = np.arange(16_000 + 8_000 * (item % 7)) / 16_000
        hertz = {"low": 80, "high": 3_000, "noise": 0}[kind] * chance.uniform(0.8, 1.2)
        samples = np.sin(2 * np.pi * hertz * times) * 0.3 + chance.normal(size=len(times)) * 0.05
        samples = chance.normal(size=len(times)) * 0.2 if kind == "noise" else samples
        path = folder / kind / f"{item:03d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, 16_000)
        rows.append([path.relative_to(folder).as_posix(), kind, str(item % 4), f"place {item % 5}"])
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "fold", "place"], *rows])


def prepare_all(inputs: str) -> None:
    """What all storms read and none writes."""
    folder = Path(inputs)
    make_sounds(folder / "sounds", _FILES)
    make_sounds(folder / "few", 12)
    shutil.copytree(folder / "sounds", folder / "moved")
    (folder / "long").mkdir()
    for item in range(3):
        samples = np.random.default_rng(item).normal(size=(150 + 40 * item) * 4_000) * 0.1
        soundfile.write(folder / "long" / f"{item}.wav", samples, 4_000)
    (folder / "prompts.yaml").write_text(_PROMPTS)
    generator = np.random.default_rng(0)
    (folder / "weights").mkdir()
    for name in ("big.bin", "small.json"):
        (folder / "weights" / name).write_bytes(generator.bytes(6_000_000 if name == "big.bin" else 2_000))
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        (folder / "port").write_text(str(server.server_address[1]))
    write_scenes(folder / "films", n=8, size=16, seconds=1.0)


def names() -> list[str]:
    """Of all storms."""
    return list(STORMS)


def before(name: str, inputs: str, work: str) -> None:
    """Make what is there when the command begins."""
    STORMS[name].before(Path(inputs), Path(work))


def run(name: str, inputs: str, work: str) -> None:
    """The command."""
    STORMS[name].run(Path(inputs), Path(work))


def look(name: str, inputs: str, work: str) -> dict[str, Any]:
    """What is there: items, faults, names of files; `whole` where all of the change counts or nothing."""
    storm, faults = STORMS[name], []
    try:
        items = storm.look(Path(inputs), Path(work), faults)
    except Exception as error:  # whatever it is: what was written cannot be read
        items, faults = [], [*faults, f"{type(error).__name__}: {error}"]
    return {"items": items, "faults": faults, "files": _files(Path(work)), "whole": storm.whole}


class Storm:
    """What storms share; `whole` says that all of the change counts or nothing."""

    whole = False

    def before(self, inputs: Path, work: Path) -> None:
        """Nothing is there."""

    def run(self, inputs: Path, work: Path) -> None:
        raise NotImplementedError

    def look(self, inputs: Path, work: Path, faults: list[str]) -> list[tuple[str, str]]:
        raise NotImplementedError


class InCollection(Storm):
    """Commands that change a collection, `work/c`; a key is a window or a recording, a value its vector or columns."""

    def look(self, inputs: Path, work: Path, faults: list[str]) -> list[tuple[str, str]]:
        folder = work / "c"
        if not (folder / "collection.json").exists():
            return []
        collection = Collection(folder)
        faults += [f"check: {one.message}" for one in collection.check() if one.level == "error"]
        items = [("root", collection.head.root)]
        rows = collection.recordings.to_pylist()
        for row in rows:
            rest = {name: row[name] for name in ("size", "duration", *collection.metadata_columns)}
            items.append((f"recording {row['path']}", json.dumps(rest, sort_keys=True, default=str)))
        path_of = {row["id"]: row["path"] for row in rows}
        for name in collection.spaces:
            reader = collection.space(name)
            where = zip(reader.recording, reader.lane, reader.start, reader.vectors(), strict=True)
            for recording, lane, start, vector in where:
                key = f"{name} {path_of.get(int(recording), 'nobody')} {lane} {start:.3f}"
                items.append((key, hashlib.sha256(vector.tobytes()).hexdigest()))
        notes = collection.annotations
        items += [(f"label {notes.stored_path(one)} {one.label}", f"{one.start} {one.end}") for one in notes.all()]
        return items


class Embed(InCollection):
    """Many small commits."""

    def run(self, inputs: Path, work: Path) -> None:
        embed(inputs / "sounds", work / "c", "classic", window_seconds=1.0, commit_windows=8)


class EmbedLong(InCollection):
    """Recordings that take long, kept in parts until they are whole."""

    def run(self, inputs: Path, work: Path) -> None:
        mmasc_embedding.KEEP_SECONDS = 40.0
        embed(inputs / "long", work / "c", "classic", window_seconds=1.0, threads=0)


class EmbedSecond(InCollection):
    """A second encoder over the same recordings, with columns of the user's."""

    def before(self, inputs: Path, work: Path) -> None:
        embed(inputs / "sounds", work / "c", "classic", window_seconds=1.0)

    def run(self, inputs: Path, work: Path) -> None:
        embed(inputs / "sounds", work / "c", "mini", commit_windows=6, metadata=inputs / "sounds" / "table.csv")

    def look(self, inputs: Path, work: Path, faults: list[str]) -> list[tuple[str, str]]:
        """Columns come at the end: on the way, recordings are compared without them."""
        items = super().look(inputs, work, faults)
        return [(key, json.loads(value)["size"] if key.startswith("recording") else value) for key, value in items] + [
            (f"columns of {key}", value) for key, value in items if key.startswith("recording") and "label" in value
        ]


class EmbedCompacting(InCollection):
    """Commits that compact by themselves, every few of them."""

    def run(self, inputs: Path, work: Path) -> None:
        for module in [module for name, module in sys.modules.items() if name.startswith("mmasc.")]:
            if hasattr(module, "_FRAGMENTS_BEFORE_COMPACTION"):
                module._FRAGMENTS_BEFORE_COMPACTION = 3
        embed(inputs / "sounds", work / "c", "classic", window_seconds=1.0, commit_windows=4)


def annotate(folder: Path, paths: list[str], count: int, fold_bytes: int) -> None:
    """Labels on recordings under these paths, added one by one and folded every few; added again they are the same."""
    mmasc_journal.FOLD_BYTES = fold_bytes
    annotations = Collection(folder).annotations
    table = Collection(folder).recordings.select(["path", "id"]).sort_by("path").to_pylist()
    ids = [row["id"] for row in table if row["path"].startswith(tuple(paths))]
    for item in range(count):
        times = {"start": item / 1_000, "end": 0.5}
        name = hashlib.md5(f"{paths} {item}".encode(), usedforsecurity=False).hexdigest()
        one = Annotation(id=name, recording=ids[item % len(ids)], label=f"label {item}", **times)
        annotations.add([one])


class Annotate(InCollection):
    """Labels on moments, folded every few."""

    def before(self, inputs: Path, work: Path) -> None:
        embed(inputs / "sounds" / "low", work / "c", "classic", window_seconds=1.0, root=inputs / "sounds")

    def run(self, inputs: Path, work: Path) -> None:
        annotate(work / "c", ["low"], 80, 1_500)


class Lived(InCollection):
    """A collection of two spaces, embedded in two parts, with labels."""

    whole = True

    def before(self, inputs: Path, work: Path) -> None:
        for part in ("low", "high", "noise"):
            table = inputs / "sounds" / "table.csv"
            root = inputs / "sounds"
            embed(root / part, work / "c", "classic", window_seconds=1.0, root=root, metadata=table, commit_windows=8)
        embed(inputs / "sounds", work / "c", "mini", root=inputs / "sounds")
        Collection(work / "c").remove([inputs / "sounds" / "low" / "000.wav"])
        annotate(work / "c", ["low", "high", "noise"], 30, 4_000)


class RemovePaths(Lived):
    def run(self, inputs: Path, work: Path) -> None:
        mmasc("collection", "remove", work / "c", inputs / "sounds" / "high")


class RemoveWhere(Lived):
    def run(self, inputs: Path, work: Path) -> None:
        mmasc("collection", "remove", work / "c", "--where", "label = 'noise' AND place <> 'place 1'")


class Compact(Lived):
    def run(self, inputs: Path, work: Path) -> None:
        mmasc("collection", "compact", work / "c")


class MoveRoot(Lived):
    def run(self, inputs: Path, work: Path) -> None:
        mmasc("collection", "move-root", work / "c", inputs / "moved")


class Merge(InCollection):
    """Another collection with recordings of its own and a space that does not exist."""

    whole = True

    def before(self, inputs: Path, work: Path) -> None:
        root = inputs / "sounds"
        embed([root / "low", root / "high"], work / "c", "classic", window_seconds=1.0, root=root)
        embed([root / "high", root / "noise"], work / "other", "classic", window_seconds=1.0, root=root)
        embed([root / "noise"], work / "other", "mini", root=root)
        annotate(work / "c", ["low", "high"], 10, 1_000)
        annotate(work / "other", ["noise"], 20, 2_000)

    def run(self, inputs: Path, work: Path) -> None:
        mmasc("collection", "merge", work / "c", work / "other")


class Files(Storm):
    """Commands that write files: a key is a file's name, a value its bytes; unless an old one stays, it is the new."""

    def look(self, inputs: Path, work: Path, faults: list[str]) -> list[tuple[str, str]]:
        return [(f"file {path.name}", self.value(path)) for path in self.written(work) if path.is_file()]

    def written(self, work: Path) -> list[Path]:
        """Files under their final names."""
        folder = work / "out"
        return [path for path in sorted(folder.rglob("*")) if not path.name.startswith(".")] if folder.exists() else []

    def value(self, path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()


class HeadFit(Files):
    """A new head over an old one."""

    def before(self, inputs: Path, work: Path) -> None:
        Lived().before(inputs, work)
        self._fit(work, "prototypes")

    def run(self, inputs: Path, work: Path) -> None:
        self._fit(work, "logistic")

    def _fit(self, work: Path, head: str) -> None:
        words = ("--label", "label", "--head", head, "--folds", "2", "--out", work / "out" / "kinds.head", "-q")
        mmasc("head", "fit", work / "c", *words)

    def value(self, path: Path) -> str:
        FittedHead.load(path)
        return super().value(path)


class Calibrate(Files):
    """A calibration over an old one."""

    def before(self, inputs: Path, work: Path) -> None:
        Lived().before(inputs, work)
        self._calibrate(inputs, work, "none")

    def run(self, inputs: Path, work: Path) -> None:
        self._calibrate(inputs, work, "centre")

    def _calibrate(self, inputs: Path, work: Path, shift: str) -> None:
        words = ("--prompts", inputs / "prompts.yaml", "--shift", shift, "--folds", "3", "-q")
        mmasc("prompts", "calibrate", work / "c", "--label", "label", *words, "--out", work / "out" / "kinds.json")


class Export(Files):
    """Vectors for other programs, over those of another space."""

    def before(self, inputs: Path, work: Path) -> None:
        Lived().before(inputs, work)
        mmasc("collection", "export", work / "c", "--to", work / "out", "--space", "classic")

    def run(self, inputs: Path, work: Path) -> None:
        for kind in ("npy", "csv"):
            mmasc("collection", "export", work / "c", "--to", work / "out", "--space", "mini", "--format", kind)


class Label(Files):
    """Label files of recordings and a table of them."""

    def run(self, inputs: Path, work: Path) -> None:
        common = ("classify", inputs / "sounds" / "high", "--prompts", inputs / "prompts.yaml", "-q")
        mmasc(*common, "--format", "audacity", "--to", work / "out" / "labels")
        mmasc(*common, "--format", "csv", "--to", work / "out" / "table.csv")


class Report(Files):
    """The page, numbers and figures of prompts."""

    def before(self, inputs: Path, work: Path) -> None:
        Lived().before(inputs, work)

    def run(self, inputs: Path, work: Path) -> None:
        words = ("--label", "label", "--to", work / "out", "-q", "--prompts", inputs / "prompts.yaml")
        mmasc("report", work / "c", *words)


class Fetch(Storm):
    """Weights from a server on this machine that sends slowly."""

    def run(self, inputs: Path, work: Path) -> None:
        port = int((inputs / "port").read_text())
        threading.Thread(target=_server(inputs / "weights", port).serve_forever, daemon=True).start()
        self.fetch(inputs, work, port)

    def fetch(self, inputs: Path, work: Path, port: int = 1, *words: Any) -> None:
        """Fetch the weights `storm`: one file with a published digest, one without."""
        self.known(inputs, work, port)
        mmasc("models", "fetch", "storm", "-q", *words)

    def known(self, inputs: Path, work: Path, port: int) -> None:
        os.environ["MMASC_HOME"] = str(work / "home")
        files = []
        for name, published in (("big.bin", True), ("small.json", False)):
            content = (inputs / "weights" / name).read_bytes()
            digest = hashlib.sha256(content).hexdigest() if published else None
            files.append(weights_table.RemoteFile(f"http://127.0.0.1:{port}/{name}", digest, None, name))
        weights_table.WEIGHTS["storm"] = weights_table.WeightFile("storm", tuple(files), "none")

    def look(self, inputs: Path, work: Path, faults: list[str]) -> list[tuple[str, str]]:
        folder = work / "home" / "weights" / "storm"
        self.known(inputs, work, 1)
        if weights_store.is_present("storm"):
            weights_store.find("storm")
        return [
            (name, hashlib.sha256((folder / name).read_bytes()).hexdigest())
            for name in ("big.bin", "small.json")
            if (folder / name).exists()
        ]


class FetchFrom(Fetch):
    """Weights from a folder."""

    def run(self, inputs: Path, work: Path) -> None:
        self.fetch(inputs, work, 1, "--from", inputs / "weights")


class Trained(Storm):
    """Runs: a key is a step of metrics up to the checkpoint, or a file of weights once it is the last."""

    runs: tuple[str, ...] = ("run",)
    # Whether lines of metrics are of the same steps wherever a run goes on
    exact = True

    def look(self, inputs: Path, work: Path, faults: list[str]) -> list[tuple[str, str]]:
        return [item for name in self.runs for item in self._of(work / name, faults)]

    def _of(self, folder: Path, faults: list[str]) -> list[tuple[str, str]]:
        if not (folder / "config.json").exists():
            return []
        json.loads((folder / "config.json").read_text())
        state = folder / "training.safetensors"
        tensors, about = load_tensors(state) if state.exists() else ({}, {"step": 0})
        items = [(f"{folder.name} step {about['step']}", _digest(tensors))] if about["step"] == self.steps else []
        if (folder / "metrics.jsonl").exists():
            for line in (folder / "metrics.jsonl").read_text().splitlines():
                try:
                    values = json.loads(line)
                except json.JSONDecodeError:
                    continue  # torn by the kill; the run drops it when it continues
                if values["step"] <= about["step"]:
                    told = {key: value for key, value in values.items() if "second" not in key}
                    kind = "validation" if any(key.startswith("validation/") for key in told) else "training"
                    if not self.exact and kind == "training":
                        told = dict.fromkeys(told, "a mean since the run went on")
                    items.append((f"{folder.name} {kind} {values['step']}", json.dumps(told, sort_keys=True)))
        for path in sorted(folder.glob("*.safetensors")):
            tensors, about = load_tensors(path)
            if path != state and about.get("step", self.steps) == self.steps:
                items.append((f"{folder.name} {path.name}", _digest(tensors)))
        return items


class Train(Trained):
    """A supervised network, with a cache of waveforms."""

    steps = 12
    network = "mini-cnn"
    options: ClassVar[dict[str, Any]] = {"arguments": {"channels": (4, 4, 8, 8), "n_hidden": 16}}

    def run(self, inputs: Path, work: Path) -> None:
        train_network(
            self.network,
            data=inputs / "few" / "table.csv",
            dataset="csv",
            out=work / "run",
            folds=["1"],
            recipe="plain",
            epochs=4,
            batch=3,
            crop_seconds=0.5,
            cache=work / "cache",
            checkpoint_seconds=0.0,
            **self.options,
        )


class TrainTags(Train):
    """One that reads tags in addition to the sound."""

    network = "mini-cnn-tags"

    def run(self, inputs: Path, work: Path) -> None:
        self.options = {"tags": f"prompts:{inputs / 'prompts.yaml'}@mini"}  # type: ignore[misc]
        super().run(inputs, work)


class TrainAlign(Trained):
    """Sounds towards texts, with a cache of mel power."""

    steps = 12
    exact = False

    def run(self, inputs: Path, work: Path) -> None:
        words = ("--steps", self.steps, "--batch", 4, "--crop", 1.3, "--checkpoint-steps", 2)
        words += ("--validation-share", 0.2, "--cache", work / "cache", "-q")
        mmasc("train", "align", "--data", inputs / "few" / "table.csv", "--out", work / "run", *words)


class TrainIvf(Trained):
    """Both stages of imagined features, decoding among them."""

    steps = 12
    runs = ("run/vqvae", "run/ivf")

    def run(self, inputs: Path, work: Path) -> None:
        train_ivf(
            inputs / "films",
            work / "run",
            steps=self.steps,
            batch=4,
            network=TransformationConfig(width=16, heads=2, layers=1, cell_layers=1, dropout=0.0),
            vqvae=dict(size=16, codes=16, dim=8, warm_steps=4, validation_share=0.25, batch=4),
            report_steps=4,
            checkpoint_steps=4,
            picture_steps=6,
            remark=lambda _: None,
        )


class Scenes(Files):
    """Films by rule."""

    def run(self, inputs: Path, work: Path) -> None:
        mmasc("train", "scenes", "--to", work / "out", "-n", 10, "--seconds", 0.6, "--size", 16, "-q")

    def value(self, path: Path) -> str:
        """Of a film, what is to be seen: the container numbers every copy at random."""
        if path.suffix != ".mkv":
            return super().value(path)
        frames, times, fault = read_film(path, 16, 25)
        return hashlib.sha256(frames.tobytes() + times.tobytes() + fault.encode()).hexdigest()


STORMS: dict[str, Storm] = {
    "embed": Embed(),
    "embed-long": EmbedLong(),
    "embed-second": EmbedSecond(),
    "embed-compacting": EmbedCompacting(),
    "annotate": Annotate(),
    "remove-paths": RemovePaths(),
    "remove-where": RemoveWhere(),
    "compact": Compact(),
    "merge": Merge(),
    "move-root": MoveRoot(),
    "export": Export(),
    "head-fit": HeadFit(),
    "calibrate": Calibrate(),
    "classify": Label(),
    "report": Report(),
    "fetch": Fetch(),
    "fetch-from": FetchFrom(),
    "train": Train(),
    "train-tags": TrainTags(),
    "train-align": TrainAlign(),
    "train-ivf": TrainIvf(),
    "train-scenes": Scenes(),
}


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def _files(folder: Path) -> list[str]:
    """Names of all files; those that tables and indexes choose by themselves stand for one another."""
    found = set()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and ".lance/" not in name:
            name = re.sub(r"/(index|columns|segment|new)-[^/.]+/", r"/\1-*/", name)
            found.add(re.sub(r"heads/\d+\.json", "heads/*.json", name))
    for space in folder.glob("*/spaces/*"):
        for kind in ("index-*", "columns-*", "segments/*"):
            found.add(f"{space.name}: {len(list(space.glob(kind)))} {kind}")
    return sorted(found)


def _server(folder: Path, port: int) -> http.server.ThreadingHTTPServer:
    class Slow(http.server.BaseHTTPRequestHandler):
        """Files with ranges and ETags, a piece at a time."""

        def do_GET(self) -> None:
            content, begin = (folder / self.path.strip("/")).read_bytes(), 0
            if self.headers["Range"]:
                begin = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
                if begin >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:16]}"')
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            for first in range(begin, len(content), 300_000):
                self.wfile.write(content[first : first + 300_000])
                time.sleep(0.01)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    http.server.ThreadingHTTPServer.daemon_threads = True
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), Slow)
