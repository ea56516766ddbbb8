"""The formats that `fuzz.py` damages: how a file that is right is made, and the command that reads it.

A format is made once per run of the script, and read in a process of its own for each damaged copy. To add one, write
`Format(name, make, read)` into `FORMATS` or into one of the lists that it joins: of recorders, of derived files of
collections, of models, of label tables and other texts. Sounds and films of many kinds are those of `fuzz_sounds.py`.
"""

import contextlib
import hashlib
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import click
import formats_collections
import formats_models
import formats_published
import formats_recorders
import formats_texts
import numpy as np
import storms
import torch
from fuzz_sounds import CODED, JOINED, NATIVE, samples
from mutations import mutate
from one_format import Format, Read, argument, text_file
from storms import mmasc as command

import mmasc.cli.evaluate
import mmasc.cli.search  # noqa: F401 (so that it is there before a child begins)
from mmasc.audio import find_audio
from mmasc.cli import _fail
from mmasc.cli.chatter import kept_apart
from mmasc.collection import Collection
from mmasc.collection.index import IndexPolicy
from mmasc.collection.ingest import embed
from mmasc.datasets import WaveformCache, read_dataset
from mmasc.errors import MmascError
from mmasc.ivf.decoding import PairConfig
from mmasc.ivf.pairs import prepare_pairs
from mmasc.ivf.pictures import read_photograph
from mmasc.ivf.scenes import write_scenes
from mmasc.ivf.sources import Source, read_sources
from mmasc.label_files.formats import READABLE, write_rows
from mmasc.label_files.rows import LabelRow
from mmasc.networks.load import load_network
from mmasc.training.alignment.mel_cache import read_table
from mmasc.training.alignment.train import train_alignment
from mmasc.weights import store as weights_store
from mmasc.weights import table as weights_table

_KIND_OF = {".json": "json", ".jsonl": "lines", ".safetensors": "safetensors", ".csv": "text", ".yaml": "yaml"}


def names() -> list[str]:
    """Of all formats."""
    return list(FORMATS)


def make_shared(shared: str, wanted: list[str]) -> None:
    """What the commands need next to the damaged file."""
    folder = Path(shared)
    storms.make_sounds(folder / "sounds", 12)
    (folder / "prompts.yaml").write_text(storms._PROMPTS)
    if all(name in _BY_THEMSELVES for name in wanted):
        return
    table = folder / "sounds" / "table.csv"
    embed(folder / "sounds", folder / "c", "classic", window_seconds=1.0, metadata=table)
    embed(folder / "sounds", folder / "c", "mini")
    words = ("--label", "label", "--head", "logistic", "--folds", 2, "-q")
    command("head", "fit", folder / "c", *words, "--out", folder / "kinds.head")
    command("search", folder / "c", "low hum", "--format", "json")  # writes the index


def make(name: str, shared: str, folder: str) -> str:
    """A sample, made in an empty folder; its path."""
    return str(FORMATS[name].make(Path(shared), Path(folder)))


def damage(name: str, path: str, seed: list[int]) -> list[str]:
    """Damage a sample in place; the files that were damaged."""
    one, chance = FORMATS[name], np.random.default_rng(seed)
    sample = Path(path)
    files = [sample]
    if one.parts:
        found = sorted({file for part in one.parts for file in sample.glob(part) if file.is_file()})
        files = [found[int(chance.integers(len(found)))]]
    for file in files:
        content = file.read_bytes()
        kind = one.kind if not one.parts else _KIND_OF.get(file.suffix, one.kind)
        if one.parts and chance.random() < 0.05:
            file.unlink()
            continue
        file.write_bytes(mutate(content, kind, chance))
    if one.seal is not None and chance.random() < 0.5:
        one.seal(sample)
    return [str(file) for file in files]


def read(name: str, shared: str, path: str, seed: list[int] | None = None) -> None:
    """Read a sample as mmasc's commands do: what users can fix is one line and a status, the rest a trace.

    With a seed it is damaged before, here and not in a process of its own; the files are told in `path`.damaged.
    """
    if seed is not None:
        Path(f"{path}.damaged").write_text(json.dumps(damage(name, path, seed)))
    try:
        with kept_apart():
            FORMATS[name].read(Path(shared), Path(path))
    except (MmascError, OSError) as error:
        _fail(str(error), 1)


def is_named(name: str) -> bool:
    """Whether a refusal must name the sample."""
    return FORMATS[name].named


# Sounds, films, pictures


def _hear(shared: Path, path: Path) -> None:
    command("head", "apply", shared / "kinds.head", path, "--strict", "-q", "--format", "json")


def _sound(kind: str, stem: str = "") -> Callable[[Path, Path], Path]:
    def make(shared: Path, folder: Path) -> Path:
        all_of_them, stem_of = shared / "samples", stem or ("coded" if kind in CODED else "sound")
        if not all_of_them.exists():
            all_of_them.mkdir()
            samples(all_of_them)
        return Path(shutil.copy(all_of_them / f"{stem_of}.{kind}", folder))

    return make


def _film(shared: Path, folder: Path) -> Path:
    write_scenes(folder, n=1, size=16, seconds=0.6)
    (folder / "meta.csv").unlink()
    return folder / "film-00000.mkv"


def _watch(shared: Path, path: Path) -> None:
    pairs = prepare_pairs([Source(path.name, path, None, "", "")], PairConfig(16), path.parent / "cache")
    for fault in pairs.faults:
        click.echo(fault, err=True)


def _picture(suffix: str) -> Callable[[Path, Path], Path]:
    def make(shared: Path, folder: Path) -> Path:
        from PIL import Image

        pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"sample.{suffix}")
        return folder / f"sample.{suffix}"

    return make


# Texts


_LABEL_KINDS = {"csv": "text", "raven": "text", "audacity": "text", "json": "json", "jsonl": "lines"}


def _label_file(kind: str) -> Callable[[Path, Path], Path]:
    def make(shared: Path, folder: Path) -> Path:
        rows = [
            LabelRow(
                f"low/00{n}.wav", n / 7, n / 7 + 0.5, "hum, low", n / 3, low_hz=50.0, channel=1, by="ann", note="ü"
            )
            for n in range(4)
        ]
        return write_rows(
            rows, kind, folder / ("sample.txt" if kind in ("raven", "audacity") else f"sample.{kind}")
        ).files[0]

    return make


def _compare_labels(_: Path, path: Path) -> None:
    command("label", "compare", path, path, "--format", "json")


def _import_labels(shared: Path, path: Path) -> None:
    copy = shutil.copytree(shared / "c", path.parent / "c")
    with contextlib.suppress(SystemExit):  # its status says that there was nothing to add
        command("label", "import", copy, path)
    command("label", "export", copy, "--format", "jsonl")


def _table(shared: Path, folder: Path) -> Path:
    text = (shared / "sounds" / "table.csv").read_text()
    lines = text.splitlines()
    rows = [lines[0] + ",image", *(f"{shared / 'sounds'}/{line},{shared / 'prompts.yaml'}" for line in lines[1:])]
    (folder / "sample.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "sample.csv"


def _metadata(shared: Path, path: Path) -> None:
    copy = shutil.copytree(shared / "c", path.parent / "c")
    command("embed", shared / "sounds", "--into", copy, "--encoder", "mini", "--metadata", path, "-q")


def _where(shared: Path, path: Path) -> None:
    command("search", shared / "c", "low hum", "--where", argument(path), "--format", "json")


def _query(shared: Path, path: Path) -> None:
    command("search", shared / "c", "--format", "json", "--", argument(path))


# Weights, heads, runs


def _head(shared: Path, folder: Path) -> Path:
    return Path(shutil.copy(shared / "kinds.head", folder / "sample.head"))


def _calibration(shared: Path, folder: Path) -> Path:
    words = ("--label", "label", "--prompts", shared / "prompts.yaml", "--shift", "none", "--folds", 2, "-q")
    command("prompts", "calibrate", shared / "c", *words, "--out", folder / "sample.json")
    return folder / "sample.json"


def _calibrated(shared: Path, path: Path) -> None:
    sound = shared / "sounds" / "low" / "000.wav"
    command("classify", sound, "--prompts", shared / "prompts.yaml", "--calibration", path, "-q", "--format", "json")


class _Training(storms.Train):
    """A run of the storms in which all is where `shared` says."""

    def begin(self, shared: Path, run: Path, pause: int | None) -> None:
        options = {"tags": f"prompts:{shared / 'prompts.yaml'}@mini"} if "tags" in self.network else self.options
        storms.train_network(
            *(self.network, shared / "sounds" / "table.csv", "csv", run), folds=["1"], recipe="plain", epochs=2,
            batch=4, crop_seconds=0.5, checkpoint_seconds=0.0, pause_at=pause, **options,
        )  # fmt: skip


class _TrainingTags(_Training):
    network = "mini-cnn-tags"


def _run(training: _Training) -> Callable[[Path, Path], Path]:
    def make(shared: Path, folder: Path) -> Path:
        training.begin(shared, folder / "sample", None)
        command("evaluate", folder / "sample", "-q", "--format", "json")
        return folder / "sample"

    return make


def _evaluate(shared: Path, path: Path) -> None:
    command("evaluate", path, "-q", "--format", "json", "--no-figures")
    command("compare", path, "-q", "--format", "json")


def _paused(shared: Path, folder: Path) -> Path:
    _Training().begin(shared, folder / "sample", 3)
    return folder / "sample"


def _align(shared: Path, folder: Path, pause: int | None = None) -> Path:
    cache = folder / "cache" if pause else None
    train_alignment(
        shared / "sounds" / "table.csv", folder / "sample", steps=4, batch=4, crop_seconds=1.3, checkpoint_steps=2,
        cache=cache, pause_at=pause,
    )  # fmt: skip
    return folder / "sample"


def _imagination(shared: Path, folder: Path) -> Path:
    write_scenes(folder / "films", n=4, size=16, seconds=0.6)
    network = storms.TransformationConfig(width=16, heads=2, layers=1, cell_layers=1, dropout=0.0)
    vqvae = dict(size=16, codes=16, dim=8, warm_steps=1, validation_share=0.0, batch=2)
    storms.train_ivf(
        *(folder / "films", folder / "sample"), steps=2, batch=2, network=network, vqvae=vqvae, remark=lambda _: None
    )
    return folder / "sample"


def _state(shared: Path, folder: Path) -> Path:
    network = load_network("mini-cnn")
    torch.save(network.body.state_dict(), folder / "sample.pt")
    return folder / "sample.pt"


# Caches


def _cache(shared: Path, folder: Path) -> Path:
    WaveformCache(folder / "sample", 8_000).load(sorted((shared / "sounds" / "low").glob("*.wav")))
    return folder / "sample"


def _from_cache(shared: Path, path: Path) -> None:
    cache = WaveformCache(path, 8_000, remark=lambda line: click.echo(line, err=True))
    found = cache.load(sorted((shared / "sounds" / "low").glob("*.wav")))
    heard = WaveformCache(None, 8_000).load(sorted((shared / "sounds" / "low").glob("*.wav")))
    assert all(np.array_equal(one, other) for one, other in zip(found, heard, strict=True))


def _pair_cache(shared: Path, folder: Path) -> Path:
    write_scenes(folder / "films", n=2, size=16, seconds=0.6)
    prepare_pairs(read_sources(folder / "films"), PairConfig(16), folder / "sample")
    return folder / "sample"


def _from_pair_cache(shared: Path, path: Path) -> None:
    pairs = prepare_pairs(read_sources(path.parent / "films"), PairConfig(16), path)
    for number in range(len(pairs)):
        pairs.draw(number, np.random.default_rng(0))
        pairs.frames(number)


def _fetched(shared: Path, folder: Path) -> Path:
    home = folder / "sample" / "weights" / "toy"
    home.mkdir(parents=True)
    (home / "toy.bin").write_bytes(b"toy" * 1_000)
    digest = hashlib.sha256(b"toy" * 1_000).hexdigest()
    stat = (home / "toy.bin").stat()
    times = {"mtime_ns": stat.st_mtime_ns, "ctime_ns": stat.st_ctime_ns}
    record = {"sha256": digest, "size": stat.st_size, **times}
    (home / "digests.json").write_text(json.dumps({"toy.bin": record}))
    return folder / "sample"


def _find_weights(shared: Path, path: Path) -> None:
    import os

    os.environ["MMASC_HOME"] = str(path)
    file = weights_table.RemoteFile("https://example.invalid/toy.bin", None, None, "toy.bin")
    weights_table.WEIGHTS["toy"] = weights_table.WeightFile("toy", (file,), "none")
    weights_store.find("toy")


# Collections


def _collection(shared: Path, folder: Path) -> Path:
    return Path(shutil.copytree(shared / "c", folder / "sample"))


def _ask(shared: Path, path: Path) -> None:
    command("search", path, "low hum", "--format", "json")
    command("collection", "info", path, "--format", "json")
    with contextlib.suppress(SystemExit):  # its status says that there are faults, and its answer which
        command("collection", "check", path, "--format", "json")
    command("collection", "export", path, "--to", path.parent / "export")


def _change(shared: Path, path: Path) -> None:
    command("collection", "compact", path)
    command("collection", "remove", path, shared / "sounds" / "low")
    command("embed", shared / "sounds", "--into", path, "--encoder", "mini", "-q")


def _search(shared: Path, path: Path) -> None:
    command("search", path, "low hum", "--format", "json")


def _approximate(shared: Path, path: Path) -> None:
    Collection(path, policy=IndexPolicy(flat_numbers=0)).search("low hum")


def _with_probes(shared: Path, folder: Path) -> Path:
    path = _collection(shared, folder)
    Collection(path, policy=IndexPolicy(flat_numbers=0)).search("low hum")
    for space in (path / "spaces").iterdir():
        if not (space / "probes.npy").exists():
            np.save(space / "probes.npy", np.random.default_rng(0).normal(size=(8, 128)).astype(np.float32))
        (space / "index.json").unlink(missing_ok=True)
    return path


def _large(memory_bytes: int) -> IndexPolicy:
    """The policy of a collection that is large, or too large for the memory."""
    return IndexPolicy(flat_numbers=0, memory_bytes=memory_bytes)


def _with_index(policy: IndexPolicy) -> Callable[[Path, Path], Path]:
    def make(shared: Path, folder: Path) -> Path:
        path = _collection(shared, folder)
        Collection(path, policy=policy).search("low hum")
        return path

    return make


def _asked(policy: IndexPolicy) -> Read:
    return lambda shared, path: Collection(path, policy=policy).search("low hum") and None


def _seal_index(path: Path) -> None:
    """Sizes and checksums in index.json as the damaged files have them."""
    for header in path.glob("spaces/*/index.json"):
        try:
            about = json.loads(header.read_text())
            for name in about["files"]:
                content = (header.parent / about["folder"] / name).read_bytes()
                about["files"][name] = {"size": len(content), "crc32": zlib.crc32(content)}
            header.write_text(json.dumps(about))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # the header itself was damaged


def _annotated(fold_bytes: int) -> Callable[[Path, Path], Path]:
    """Labels with every kind of change, of which some are folded."""

    def make(shared: Path, folder: Path) -> Path:
        path = _collection(shared, folder)
        storms.annotate(path, ["low", "high"], 12, fold_bytes)
        annotations = Collection(path).annotations
        annotations.rename("label 3", "toad")
        annotations.remove([annotations.all()[0].id])
        annotations.undo()
        return path

    return make


def _labels(shared: Path, path: Path) -> None:
    command("label", "list", path, "--format", "json")
    with contextlib.suppress(SystemExit):  # its status says that there are faults, and its answer which
        command("collection", "check", path, "--format", "json")
    command("label", "add", path, "low/000.wav", "--label", "frog")
    command("label", "undo", path, "-n", 3)
    command("collection", "compact", path)
    command("label", "list", path, "--format", "json")


def _seal_journal(path: Path) -> None:
    """Lines with the checksums of what they hold, as somebody with bad intentions writes them."""
    journal = path / "annotations" / "journal.jsonl"
    if not journal.is_file():
        return  # the damage was that it is gone
    lines = journal.read_bytes().split(b"\n")
    sealed = [line[:10] + b"%08x" % zlib.crc32(line[18:]) + line[18:] if len(line) > 18 else line for line in lines]
    journal.write_bytes(b"\n".join(sealed))


# Formats whose commands need no collection and no head
_BY_THEMSELVES = {
    *("prompts", "dataset", "align-table", "pairs-table", "list"),
    *(f"labels-{kind}" for kind in READABLE),
    *(one.name for one in [*formats_models.FORMATS, *formats_recorders.FORMATS, *formats_texts.FORMATS]),
}
_PROMPTS = storms._PROMPTS + 'name: sample\ndescription: "for tests"\ntemplates: ["a recording of {}", "{}"]\n'
_WHERE = "label = 'low' AND (place LIKE 'place%' OR duration > 1.5) AND fold IN (0, 1, 2) AND NOT place IS NULL"
_INDEX = ("spaces/*/index.json", "spaces/*/index-*/*")
_NETWORK_RUN = ("*.json", "*.jsonl", "*.safetensors")

FORMATS = {
    one.name: one
    for one in [
        *[Format(f"sound-{kind}", _sound(kind), _hear) for kind in (*NATIVE, *CODED)],
        *[Format(f"joined-{kind}", _sound(kind, "joined"), _hear) for kind in JOINED],
        Format("sound-ffv1", _film, _hear),
        Format("film", _film, _watch),
        *[
            Format(f"picture-{kind}", _picture(kind), lambda shared, path: read_photograph(path, 32))
            for kind in ("png", "jpg", "webp", "gif", "bmp", "tiff")
        ],
        Format("prompts", text_file("sample.yaml", _PROMPTS), lambda _, path: command("prompts", "list", path), "yaml"),
        Format("metadata", _table, _metadata, "text"),
        Format("dataset", _table, lambda _, path: read_dataset("csv", path), "text"),
        Format("align-table", _table, lambda _, path: read_table(path, "path", "label"), "text"),
        Format("pairs-table", text_file("sample.csv", "video,label,group\na.mkv,red,1\nb.mkv,blue,2\n"),
               lambda _, path: read_sources(path, "group"), "text"),
        *[Format(f"labels-{kind}", _label_file(kind), _compare_labels, _LABEL_KINDS[kind]) for kind in READABLE],
        Format("labels-import", _label_file("csv"), _import_labels, "text"),
        Format("list", text_file("sample.txt", "SOUNDS/low\nSOUNDS/high/001.wav\n"),
               lambda _, path: find_audio([f"@{path}"]), "text"),
        Format("where", text_file("sample.sql", _WHERE), _where, "text", named=False),
        Format("query", text_file("sample.txt", "low hum of an engine, not a bird"), _query, "text", named=False),
        Format("head", _head, lambda shared, path: command("head", "apply", path, shared / "c"), "safetensors"),
        Format("calibration", _calibration, _calibrated, "json"),
        Format("run", _run(_Training()), _evaluate, parts=_NETWORK_RUN),
        Format("run-tags", _run(_TrainingTags()), _evaluate, parts=_NETWORK_RUN),
        Format("run-resumed", _paused, lambda shared, path: _Training().begin(shared, path, None), parts=_NETWORK_RUN),
        Format("run-info", _run(_Training()), lambda _, path: command("models", "info", f"mini-cnn:{path}"),
               parts=("last.safetensors",)),
        Format("run-align", _align, lambda _, path: command("models", "info", f"mini:{path}"), parts=_NETWORK_RUN),
        Format("run-align-resumed", lambda shared, folder: _align(shared, folder, 2),
               lambda shared, path: _align(shared, path.parent), parts=_NETWORK_RUN),
        Format("run-ivf", _imagination, lambda _, path: command("models", "info", f"ivf:{path}"),
               parts=("*/*.json", "*/*.safetensors")),
        Format("weights-pt", _state, lambda _, path: command("models", "info", f"mini-cnn:{path}")),
        Format("cache-waveforms", _cache, _from_cache, parts=("*/*.npy",)),
        Format("cache-pairs", _pair_cache, _from_pair_cache, parts=("*.safetensors",)),
        Format("weights-home", _fetched, _find_weights, parts=("weights/toy/*",)),
        Format("collection-head", _collection, _ask, parts=("collection.json",)),
        Format("collection", _collection, _ask, parts=("**/*.lance/**/*", "**/*")),
        Format("collection-changed", _collection, _change, parts=("**/*.lance/**/*", "**/*")),
        Format("annotations", _annotated(1_000), _labels, parts=("annotations/*.*",)),
        Format("journal", _annotated(100_000), _labels, parts=("annotations/*.jsonl",), seal=_seal_journal),
        Format("index", _collection, _search, parts=_INDEX, seal=_seal_index),
        Format("index-ivf", _with_index(_large(1 << 40)), _asked(_large(1 << 40)), parts=_INDEX, seal=_seal_index),
        Format("index-rabitq", _with_index(_large(0)), _asked(_large(0)), parts=_INDEX, seal=_seal_index),
        Format("probes", _with_probes, _approximate, parts=("spaces/*/probes.npy",)),
        *formats_collections.FORMATS,
        *formats_models.FORMATS,
        *formats_published.FORMATS,
        *formats_recorders.FORMATS,
        *formats_texts.FORMATS,
    ]
}  # fmt: skip
