"""Files made to harm: each is refused in one line that names it, before memory or time is spent on it."""

import contextlib
import csv
import json
import struct
import sys
import warnings
import zipfile
import zlib
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file

from mmasc.cli import _fail as fail
from mmasc.collection import Collection
from mmasc.collection.index_files import load_files
from mmasc.collection.ingest import embed
from mmasc.datasets import read_dataset
from mmasc.devices import Session
from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.evaluation.scores import kept_or_made
from mmasc.heads.calibration_file import Calibration
from mmasc.heads.fitted import FittedHead, HeadStamp
from mmasc.heads.predictors import Linear
from mmasc.ivf.decoding import PairConfig
from mmasc.ivf.pairs import prepare_pairs
from mmasc.ivf.pictures import read_photograph
from mmasc.ivf.scenes import write_scenes
from mmasc.ivf.sources import read_sources
from mmasc.networks.load import load_network, read_state
from mmasc.networks.vggish_postprocessor import read_postprocessor
from mmasc.prompts.prompts import load_prompts
from mmasc.storage.arrays import read_array, read_arrays
from mmasc.storage.pictures import opened_picture
from mmasc.storage.tensors import load_tensors, save_tensors
from mmasc.storage.texts import read_reports
from mmasc.training.alignment.mel_cache import read_table
from mmasc.training.alignment.train import train_alignment
from mmasc.training.run_folder import Metrics, read_config
from mmasc.weights.store import find as find_weights
from mmasc.weights.table import WEIGHTS, RemoteFile, WeightFile
from mmasc.windows.units import unit_float32


def refused(call, path: Path) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(MmascError) as caught:
        call(path)
    line = str(caught.value)
    assert path.name in line
    assert len(line.splitlines()) == 1
    assert len(line) < 1_000
    return line


def safetensors_of(header: bytes, data: bytes = b"", size: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if size is None else size) + header + data


def entry(kind: str = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict:
    return {"dtype": kind, "shape": shape, "data_offsets": offsets}


HEADERS = {
    "header of exabytes": safetensors_of(b"{}", size=2**63),
    "header of a gigabyte": safetensors_of(b"{}", size=2**30),
    "brackets": safetensors_of(b"[" * 100_000),
    "depth": safetensors_of(b'{"a":' * 100_000),
    "overlap": safetensors_of(json.dumps({"a": entry(), "b": entry(offsets=(4, 12))}).encode(), bytes(12)),
    "hole": safetensors_of(json.dumps({"a": entry(offsets=(8, 16))}).encode(), bytes(16)),
    "type": safetensors_of(json.dumps({"a": entry("F99")}).encode(), bytes(8)),
    "shape": safetensors_of(json.dumps({"a": entry(shape=(2**62, 2**62))}).encode(), bytes(8)),
    "negative": safetensors_of(json.dumps({"a": entry(shape=(-2,))}).encode(), bytes(8)),
    "no numbers": safetensors_of(json.dumps({"a": entry(shape="two")}).encode(), bytes(8)),
    "metadata": safetensors_of(json.dumps({"__metadata__": {"config": 7}, "a": entry()}).encode(), bytes(8)),
    "record": safetensors_of(json.dumps({"__metadata__": {"config": "[" * 99_999}, "a": entry()}).encode(), bytes(8)),
    "no record": safetensors_of(json.dumps({"__metadata__": {"config": "[]"}, "a": entry()}).encode(), bytes(8)),
    "empty": b"",
    "short": b"\x08",
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_of_tensors(tmp_path, name):
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(HEADERS[name])
    calls = [
        read_state,
        FittedHead.load,
        lambda path: load_network(f"mini-cnn:{path}"),
        lambda path: load_encoder(f"mini:{path}"),
        load_tensors,
    ]
    for call in calls:
        refused(call, path)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.int8, torch.bool, torch.complex64])
def test_weights_of_other_types(tmp_path, kind):
    state = load_network("mini-cnn").body.state_dict()
    state["fc2.weight"] = torch.zeros(state["fc2.weight"].shape, dtype=kind)
    save_file(state, tmp_path / "other.safetensors")
    if kind.is_floating_point:  # other numbers of the same meaning
        assert load_network(f"mini-cnn:{tmp_path / 'other.safetensors'}").body.fc2.weight.dtype == torch.float32
    else:
        refused(lambda path: load_network(f"mini-cnn:{path}"), tmp_path / "other.safetensors")


def test_an_archive_that_unfolds(tmp_path):
    """The .pt format is a zip; torch writes it uncompressed, so what is packed is not its."""
    whole, bomb = tmp_path / "whole.pt", tmp_path / "bomb.pt"
    torch.save({"a": torch.zeros(100)}, whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target:
        for one in source.infolist():
            content = source.read(one) if "/data/" not in one.filename else bytes(200_000_000)
            target.writestr(one.filename, content)
    assert bomb.stat().st_size < 1_000_000
    refused(read_state, bomb)


def test_aliases_that_unfold(tmp_path):
    path = tmp_path / "bomb.yaml"
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
    path.write_text("\n".join([*lines, "labels: {a: *a11}"]) + "\n")
    refused(load_prompts, path)
    path.write_text("labels: &a {a: [b], c: *a}\n")
    refused(load_prompts, path)


@pytest.mark.parametrize("text", ["[" * 100_000, "{" * 50_000, '{"a":' * 50_000, "labels: " + "- " * 30_000])
def test_depth_in_texts(tmp_path, text):
    for name, call in {
        "deep.yaml": load_prompts,
        "deep.json": Calibration.load,
        "deep.csv": lambda path: read_dataset("csv", path),
        "table.csv": lambda path: read_table(path, "path", "label"),
        "pairs.csv": read_sources,
    }.items():
        path = tmp_path / name
        path.write_text(text)
        refused(call, path)
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(text)
    refused(lambda path: read_config(path.parent), run / "config.json")


def test_a_field_of_a_table_without_end(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text('path,label\na.wav,"' + "x" * (csv.field_size_limit() + 10) + '"\n')
    for call in (lambda path: read_dataset("csv", path), lambda path: read_table(path, "path", "label"), read_sources):
        refused(call, path)


def png(width: int, height: int) -> bytes:
    """A picture that declares its size and holds nothing but one packed run of zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(5_000_000)))


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (9_000, 9_000), (0, 5)])
def test_pictures_that_unfold(tmp_path, size):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(*size))
    refused(lambda path: read_photograph(path, 32), path)


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


ARRAYS = {
    "objects": npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", bytes(16)),
    "huge": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }", bytes(16)),
    "negative": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-4, -1), }", bytes(16)),
    "no end": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,", bytes(16)),
    "no literal": npy("__import__('os').system('false')", bytes(16)),
    "type": npy("{'descr': '<q99', 'fortran_order': False, 'shape': (4,), }", bytes(16)),
    "keys": npy("{'descr': '<f4'}", bytes(16)),
    "depth": npy("(" * 9_000, bytes(16)),
    "nothing": b"",
    "no array": b"\x80\x04.",
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(tmp_path, name):
    path = tmp_path / "hostile.npy"
    path.write_bytes(ARRAYS[name])
    for mapped in (False, True):
        with pytest.raises(ValueError, match=r"hostile\.npy is not a whole array"):
            read_array(path, mapped)
    with zipfile.ZipFile(tmp_path / "hostile.npz", "w") as archive:
        archive.writestr("a.npy", ARRAYS[name])
    with pytest.raises(ValueError, match=r"hostile\.npz is not a whole archive"):
        read_arrays(tmp_path / "hostile.npz", 1_000)


def test_arrays_that_are_right(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.save(tmp_path / "a.npy", array)
    for mapped in (False, True):
        np.testing.assert_array_equal(read_array(tmp_path / "a.npy", mapped), array)
    np.savez_compressed(tmp_path / "a.npz", one=array, two=array + 1)
    found = read_arrays(tmp_path / "a.npz", 10_000)
    np.testing.assert_array_equal(found["two"] - found["one"], np.ones((2, 3)))
    np.savez_compressed(tmp_path / "bomb.npz", pca_means=np.zeros(10_000_000), pca_eigen_vectors=np.zeros(1))
    assert (tmp_path / "bomb.npz").stat().st_size < 1_000_000
    assert "unfolds" in refused(read_postprocessor, tmp_path / "bomb.npz")


def test_an_index_that_leads_out_of_its_folder(tmp_path):
    import faiss

    outside = tmp_path / "index-outside"
    space = tmp_path / "space"
    outside.mkdir()
    space.mkdir()
    index = faiss.IndexFlatIP(4)
    index.add(np.eye(4, dtype=np.float32))
    faiss.write_index(index, str(outside / "vectors.faiss"))
    np.save(outside / "rows.npy", np.arange(4))
    files = {
        name: {"size": (outside / name).stat().st_size, "crc32": zlib.crc32((outside / name).read_bytes())}
        for name in ("vectors.faiss", "rows.npy")
    }
    header = {"format": 1, "version": 1, "kind": "flat", "nprobe": 0, "curve": {}, "policy": {}, "files": files}
    for folder in ("../index-outside", str(outside), "index-/../../index-outside", "..", ".", ""):
        (space / "index.json").write_text(json.dumps(header | {"folder": folder}))
        assert load_files(faiss, space) is None
    # The same files inside are taken: it was the place that was refused
    outside.rename(space / "index-outside")
    (space / "index.json").write_text(json.dumps(header | {"folder": "index-outside"}))
    assert load_files(faiss, space) is not None


@pytest.mark.parametrize("kind", ["os:system", "tests.conftest:StandIn", "__class__", ""])
def test_heads_that_name_code(tmp_path, kind):
    about = {"kind": kind, "format": 1, "target": "os:system", "classes": ["a"]}
    header = {"__metadata__": {"mmasc_head": json.dumps(about)}, "a": entry()}
    path = tmp_path / "hostile.head"
    path.write_bytes(safetensors_of(json.dumps(header).encode(), bytes(8)))
    refused(FittedHead.load, path)


def test_a_run_that_names_code(tmp_path):
    """A run's record says which network it holds; only names of the registry are built."""
    about = {"network": "os:system", "classes": [], "features": "os:system", "arguments": {"target": "os:system"}}
    header = {"__metadata__": {"config": json.dumps(about)}, "a": entry()}
    path = tmp_path / "last.safetensors"
    path.write_bytes(safetensors_of(json.dumps(header).encode(), bytes(8)))
    refused(lambda path: load_network(f"mini-cnn:{path}"), path)
    about |= {"network": "mini-cnn", "arguments": {"channels": [10**9] * 4}}
    path.write_bytes(
        safetensors_of(json.dumps(header | {"__metadata__": {"config": json.dumps(about)}}).encode(), bytes(8))
    )
    refused(lambda path: load_network(f"mini-cnn:{path}"), path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_inside_a_collection_lead_nowhere_that_is_deleted(tmp_path, standin):
    """A stray link to a folder is not followed when rests are cleared away, and what it leads to stays."""
    sound, precious = tmp_path / "a.wav", tmp_path / "precious"
    soundfile.write(sound, np.zeros(16_000) + 0.1, 8_000)
    precious.mkdir()
    (precious / "thesis.txt").write_text("years")
    collection = tmp_path / "c"
    embed(sound, collection, standin)
    (collection / "spaces" / ("0" * 32)).symlink_to(precious)
    (collection / "spaces" / standin.identity / "index-old").symlink_to(precious)
    embed(sound, collection, standin)
    Collection(collection).compact()
    assert (precious / "thesis.txt").read_text() == "years"
    assert len(Collection(collection).space()) == 2


def test_metrics_are_read_however_damaged(tmp_path):
    """A log decides nothing: what can be read of it is kept, and the run goes on."""
    path = tmp_path / "metrics.jsonl"
    good = [{"step": step, "loss": 1.0 / step} for step in (1, 2, 3)]
    lines = [json.dumps(line).encode() for line in good]
    bad = [
        b"\xff\xfe",
        b'{"step": [',
        b"7",
        b'"step"',
        b"[" * 50_000,
        b'{"step": "2", "loss": []}',
        b'{"loss": 2}',
        b"",
    ]
    path.write_bytes(b"\n".join([lines[0], *bad[:4], lines[1], *bad[4:], lines[2], b'{"step": 4, "lo']))
    assert [line for line in read_reports(path) if "step" in line] == good
    assert {"loss": 2} in read_reports(path)
    Metrics(path, step=2).write(step=3, loss=0.5)
    assert read_reports(path) == [*good[:2], {"step": 3, "loss": 0.5}]


@pytest.mark.parametrize("record", ["text", 7, [], {"sha256": []}, None, {}])
def test_digests_that_are_damaged(tmp_path, monkeypatch, record):
    monkeypatch.setenv("MMASC_HOME", str(tmp_path))
    file = RemoteFile("https://example.invalid/toy.bin", None, None, "toy.bin")
    monkeypatch.setitem(WEIGHTS, "toy", WeightFile("toy", (file,), "none"))
    folder = tmp_path / "weights" / "toy"
    folder.mkdir(parents=True)
    (folder / "toy.bin").write_bytes(b"toy")
    (folder / "digests.json").write_text(json.dumps({"toy.bin": record}))
    refused(lambda path: find_weights("toy"), folder / "toy.bin")


@pytest.mark.parametrize("faults", [7, None, "text", [7], {"a": 1}, 1.5])
def test_a_cached_pair_whose_record_is_damaged_is_made_again(tmp_path, faults):
    write_scenes(tmp_path / "films", n=1, size=16, seconds=1.0)
    config, sources = PairConfig(16), read_sources(tmp_path / "films")
    whole = prepare_pairs(sources, config, tmp_path / "cache")
    file = next((tmp_path / "cache").glob("*.safetensors"))
    save_tensors(file, load_tensors(file)[0], {"kind": "mmasc-pair", "faults": faults})
    again = prepare_pairs(sources, config, tmp_path / "cache")
    np.testing.assert_array_equal(again.frames(0), whole.frames(0))
    assert again.faults == whole.faults == []
    assert load_tensors(file)[1]["faults"] == []


def test_names_too_long_for_any_file(tmp_path):
    """Such a name is that of a missing file, and the message is not as long as it."""
    path = tmp_path / "long.csv"
    path.write_text(f"path,label\n{'x' * 5_000}.wav,a\n")
    for call in (lambda path: read_table(path, "path", "label"), lambda path: read_dataset("csv", path)):
        with pytest.raises(MmascError, match=r"long\.csv"):
            call(path)
    found = CliRunner().invoke(read_it, [str(path)])
    assert found.exit_code == 1
    assert "long.csv" in found.output
    assert len(found.output) < 1_500


@click.command()
@click.argument("path")
def read_it(path: str) -> None:
    try:
        read_table(Path(path), "path", "label")
    except MmascError as error:
        fail(str(error), 1)


def test_a_head_that_is_refused_is_named(tmp_path):
    stamp = HeadStamp(
        "logistic", "label", ("a", "b"), "0" * 32, "classic", "classic", 2, 1.0, 1.0, "mix", 2, "0.1.0", "1.5"
    )
    head = FittedHead(stamp, Linear(np.eye(2), np.zeros(2)))
    head.save(tmp_path / "mine.head")
    loaded = FittedHead.load(tmp_path / "mine.head")
    assert loaded.stamp == head.stamp
    with pytest.raises(MmascError, match=r"mine\.head belongs to encoder classic"):
        loaded.check_space("1" * 32, "mini", "this")
    with pytest.raises(MmascError, match=r"^the head belongs to"):
        head.check_space("1" * 32, "mini", "this")


def test_pictures_that_are_programs_or_lie(tmp_path):
    """Encapsulated PostScript is not run; a TIFF whose tags point behind its end is one line and no warnings."""
    program, damaged = tmp_path / "program.png", tmp_path / "damaged.tiff"
    program.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch ran) (w) file\nshowpage\n")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(damaged)
    content = bytearray(damaged.read_bytes())
    content[-8:] = b"\xff" * 8
    for cut in (len(content), len(content) // 2, 20):
        damaged.write_bytes(content[:cut])
        with contextlib.suppress(MmascError):
            read_photograph(damaged, 8)
    for call in (lambda path: read_photograph(path, 8), lambda path: opened_picture(path).__enter__()):
        refused(call, program)


@pytest.mark.parametrize("part", ["clips", "groups", "columns"])
def test_test_scores_whose_names_are_no_texts(tmp_path, part):
    about = {"digest": "d", "clips": ["a", "b"], "groups": ["g", "g"], "columns": {"place": ["p", "q"]}}
    tensors = {name: torch.zeros(2, 3) for name in ("logits", "targets")}
    path = tmp_path / "scores.safetensors"
    save_tensors(path, tensors, about | {"multi_label": False})
    made = kept_or_made(path, "d", lambda: pytest.fail("they are whole"), Session())
    assert made.clips == ("a", "b")
    bad = {"clips": [["a"], "b"], "groups": ["g", None], "columns": {"place": [7, "q"]}}
    save_tensors(path, tensors, about | {part: bad[part], "multi_label": False})
    said: list[str] = []
    assert kept_or_made(path, "d", lambda: made, Session(remark=said.append)) is made
    assert len(said) == 1
    assert "scores.safetensors holds no test scores" in said[0]


@pytest.mark.parametrize("step", [-1_000_000_000, 4, "two", None, 1e300])
def test_a_checkpoint_of_a_step_that_no_run_has(tmp_path, step):
    """A run of a step far below 0 would never end."""
    for number in range(4):
        soundfile.write(tmp_path / f"{number}.wav", np.random.default_rng(number).normal(size=32_000) * 0.1, 16_000)
    table = tmp_path / "table.csv"
    table.write_text("path,label\n" + "".join(f"{number}.wav,kind {number % 2}\n" for number in range(4)))
    small = {"steps": 3, "batch": 2, "crop_seconds": 1.3}
    train_alignment(table, tmp_path / "run", **small, pause_at=1)
    path = tmp_path / "run" / "training.safetensors"
    tensors, about = load_tensors(path)
    save_tensors(path, tensors, about | {"step": step})
    refused(lambda path: train_alignment(table, path.parent, **small), path)


def test_windows_of_no_recording_are_told_as_damage(tmp_path, standin):
    sound = tmp_path / "a.wav"
    soundfile.write(sound, np.linspace(-0.5, 0.5, 16_000), 8_000)
    embed(sound, tmp_path / "c", standin)
    collection = Collection(tmp_path / "c")
    assert len(collection.search(audio=sound, encoder=standin)) == 2
    collection.row_of.clear()
    for call in (
        lambda: collection.search(audio=sound, encoder=standin),
        lambda: collection.export(tmp_path / "out"),
    ):
        with pytest.raises(MmascError, match=r"c is damaged: it holds windows of a recording that is missing"):
            call()


def test_lengths_of_vectors_that_overflow_are_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert unit_float32(np.full((2, 4), 3e38, np.float32)).shape == (2, 4)
