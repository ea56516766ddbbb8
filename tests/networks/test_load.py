"""Files of networks: whatever stands in them, they load, or one line says why not; nothing in them is run."""

import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import mmasc
from mmasc.errors import MmascError


@pytest.fixture
def network():
    return mmasc.load_network("mini-cnn", classes=("a", "b", "c"))


def record(**more):
    return {"network": "mini-cnn", "classes": ["a", "b", "c"], "features": "levelled", "arguments": {}} | more


def write(path, network, about):
    save_file(network.body.state_dict(), str(path), {"config": about if isinstance(about, str) else json.dumps(about)})
    return path


def test_a_written_network_comes_back(network, tmp_path):
    path = write(tmp_path / "w.safetensors", network, record())
    loaded = mmasc.load_network(f"mini-cnn:{path}")
    assert loaded.classes == ("a", "b", "c")
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 64_000).astype(np.float32)
    np.testing.assert_array_equal(loaded.scores(noise, 32_000), network.scores(noise, 32_000))
    assert loaded.scores(noise, 32_000).shape == (3,)


def test_scores_take_any_rate_channels_and_container(network):
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 64_000).astype(np.float32)
    mono = network.scores(noise, 32_000)
    np.testing.assert_array_equal(network.scores(torch.from_numpy(noise), 32_000), mono)
    np.testing.assert_allclose(network.scores(np.stack([noise, noise]), 32_000), mono, atol=1e-4)
    assert network.scores(noise, 48_000).shape == (3,)


@pytest.mark.parametrize(
    ("waveform", "rate", "message"),
    [
        (np.zeros(0), 32_000, r"waveform must be \[time\] or \[channel, time\] with time > 0"),
        (np.zeros(64_000), 0, "sample_rate must be positive, got 0"),
        (np.full(64_000, np.nan), 32_000, "NaN or infinite"),
        (np.zeros(100), 32_000, r"mini-cnn takes at least 0\.310 s, got 0\.003 s"),
    ],
)
def test_scores_refuse_what_is_no_sound(network, waveform, rate, message):
    with pytest.raises(ValueError, match=message):
        network.scores(waveform, rate)


@pytest.mark.parametrize(
    "about",
    [
        record(arguments={"n_mels": 10**12}),
        record(arguments={"unknown": 1}),
        record(arguments={"n_mels": "many"}),
        record(arguments=[1, 2]),
        record(classes=["a"]),
        record(classes=7),
        record(features="nothing"),
        record(features=["panns"]),
        record(network=3),
        record(network="cnn6"),
        {"network": "mini-cnn"},
        "[]",
        "not json",
        "[" * 100_000,
    ],
    ids=str,
)
def test_a_record_that_lies_is_one_line(network, tmp_path, about):
    path = write(tmp_path / "w.safetensors", network, about)
    with pytest.raises(MmascError, match=r"^[^\n]*w\.safetensors[^\n]*$"):
        mmasc.load_network(f"mini-cnn:{path}")


class Evil:
    def __reduce__(self):
        return (open, ("evil.txt", "w"))


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.safetensors", "w"])
def test_code_in_a_file_is_not_run(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps({"model": Evil()}))
    with pytest.raises(MmascError, match="cannot be read as weights"):
        mmasc.load_network(f"mini-cnn:{tmp_path / name}")
    torch.save({"model": Evil()}, tmp_path / "t.pt")
    with pytest.raises(MmascError, match="files that hold more than tensors are refused"):
        mmasc.load_network(f"mini-cnn:{tmp_path / 't.pt'}")
    assert not (tmp_path / "evil.txt").exists()


@pytest.mark.parametrize("content", [{}, [], 3, {"model": 5}, {"a": "b"}, {1: torch.zeros(1)}], ids=str)
def test_what_is_no_state_dict_is_named(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(MmascError, match=r"w\.pt"):
        mmasc.load_network(f"mini-cnn:{tmp_path / 'w.pt'}")


def test_tensors_of_another_shape_are_named(network, tmp_path):
    state = network.body.state_dict()
    first = next(iter(state))
    torch.save(state | {first: torch.zeros(3, 3, 3)}, tmp_path / "w.pt")
    with pytest.raises(MmascError, match=r"w\.pt does not hold mini-cnn: 1 names of another shape"):
        mmasc.load_network(f"mini-cnn:{tmp_path / 'w.pt'}")
    torch.save({name: tensor.flatten()[:0] for name, tensor in state.items()}, tmp_path / "w.pt")
    with pytest.raises(MmascError, match=r"w\.pt"):
        mmasc.load_network(f"mini-cnn:{tmp_path / 'w.pt'}")


def test_a_network_is_an_encoder_by_its_layer_before_last(network, tmp_path):
    path = write(tmp_path / "w.safetensors", network, record())
    encoder = mmasc.load_encoder(f"mini-cnn:{path}")
    assert encoder.spec.dim == 512
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (3, 64_000)).astype(np.float32)
    vectors = encoder.embed(noise)
    np.testing.assert_array_equal(vectors[1:2], encoder.embed(noise[1:2]))
    with torch.inference_mode():
        logits = encoder.network.body.classify(torch.from_numpy(vectors))
    np.testing.assert_allclose(logits[0], network.scores(noise[0], 32_000), rtol=1e-4, atol=1e-4)
    with pytest.raises(MmascError, match="mini-cnn is a network without weights of its own; name a file or a run"):
        mmasc.load_encoder("mini-cnn")
    assert encoder.identity != mmasc.load_encoder(f"mini-cnn:{path}", window_seconds=3.0).identity
