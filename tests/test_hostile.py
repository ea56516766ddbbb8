"""Files made to harm: each is refused in one line that names it, before memory or time is spent on it."""

import csv
import json
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from mmasc.collection.index_files import load_files
from mmasc.datasets import read_dataset
from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.heads.calibration_file import Calibration
from mmasc.heads.fitted import FittedHead
from mmasc.ivf.pictures import read_photograph
from mmasc.ivf.sources import read_sources
from mmasc.networks.load import load_network, read_state
from mmasc.networks.vggish_postprocessor import read_postprocessor
from mmasc.prompts.prompts import load_prompts
from mmasc.storage.arrays import read_array, read_arrays
from mmasc.storage.tensors import load_tensors
from mmasc.training.alignment.mel_cache import read_table
from mmasc.training.run_folder import read_config


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
    from mmasc.collection import Collection
    from mmasc.collection.ingest import embed

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
