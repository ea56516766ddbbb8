"""Weights, heads, arrays and checkpoints made to harm: each is refused in one line that names it."""

import json
import warnings
import zipfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from mmasc.devices import Session
from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.evaluation.scores import kept_or_made
from mmasc.heads.fitted import FittedHead, HeadStamp
from mmasc.heads.predictors import Linear
from mmasc.ivf.decoding import PairConfig
from mmasc.ivf.pairs import prepare_pairs
from mmasc.ivf.scenes import write_scenes
from mmasc.ivf.sources import read_sources
from mmasc.networks.load import load_network, read_state
from mmasc.networks.vggish_postprocessor import read_postprocessor
from mmasc.storage.arrays import read_array, read_arrays
from mmasc.storage.tensors import load_tensors, read_pickled, save_tensors
from mmasc.training.alignment.train import train_alignment
from tests.helpers.hostile import entry, npy, refused, safetensors_of

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
    assert "unpacks" in refused(read_postprocessor, tmp_path / "bomb.npz")


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


def test_a_run_whose_layers_have_no_channels(tmp_path):
    """torch builds them with a warning alone."""
    state = load_network("mini-cnn").body.state_dict()
    about = {"network": "mini-cnn", "classes": [], "features": None, "arguments": {"channels": [16, 0, 64, 128]}}
    save_file(state, tmp_path / "last.safetensors", metadata={"config": json.dumps(about)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "can be built" in refused(lambda path: load_network(f"mini-cnn:{path}"), tmp_path / "last.safetensors")


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


RECORDS = {
    "one channel": {"network": {"channels": [16]}},
    "no number of channels": {"network": {"channels": [16, "32", 64, 128]}},
    "channels of half": {"network": {"channels": [16, 32, 64, 128.5]}},
    "more channels than groups": {"network": {"channels": [16, -32, 64, 128]}},
    "no channels": {"network": {"channels": [16, 0, 64, 128]}},
    "absurd channels": {"network": {"channels": [16, 32, 64, 2**40]}},
    "a number for a network": {"network": 7},
    "a list for a network": {"network": ["channels"]},
    "other keys": {"network": {"canals": 7}},
    "no scale": {"logit_scale": None},
    "a text for a scale": {"logit_scale": "14"},
    "no text side": {"text": None},
    "an unknown text side": {"text": "nobody"},
    "words that are none": {"vocabulary": [7, None]},
    "no words": {"vocabulary": "dog"},
}


@pytest.mark.parametrize("name", RECORDS)
def test_records_of_an_encoder_that_do_not_hold_together(tmp_path, name):
    tensors, about = load_tensors(Path(str(files("mmasc.encoders") / "weights" / "mini.safetensors")))
    path = tmp_path / "best.safetensors"
    save_tensors(path, tensors, about)
    assert load_encoder(f"mini:{path}").spec.dim == 128
    save_tensors(path, tensors, about | RECORDS[name])
    refused(lambda path: load_encoder(f"mini:{path}"), path)
    if "network" in RECORDS[name]:
        refused(lambda path: load_encoder(f"mini-features:{path}"), path)


def test_pickles_that_are_damaged_anywhere(tmp_path):
    """The reader of pickles raises whatever comes: a missing entry of its memo, an empty stack."""
    path, seen = tmp_path / "damaged.pt", set()
    torch.save({"a": torch.zeros(3), "b": torch.ones(2, 2)}, path)
    with zipfile.ZipFile(path) as whole:
        parts = {one.filename: whole.read(one) for one in whole.infolist()}
    pickled = next(name for name in parts if name.endswith("data.pkl"))
    for place in range(len(parts[pickled])):
        for changed in (0, 0x68, 0xFF, ord("."), ord("R")):
            content = bytearray(parts[pickled])
            content[place] = changed
            with zipfile.ZipFile(path, "w") as target:
                for name, part in parts.items():
                    target.writestr(name, bytes(content) if name == pickled else part)
            # Anything else than this is a fault
            try:
                read_pickled(path)
            except ValueError as error:
                seen.add(type(error.__cause__))
    assert {KeyError, IndexError} <= seen
    path.write_bytes(path.read_bytes()[:-40])
    refused(read_state, path)
    with pytest.raises(FileNotFoundError):
        read_pickled(tmp_path / "nowhere.pt")
