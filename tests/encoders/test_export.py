"""ONNX files from waveform to answer: equal to what they were made from, and all that a colleague needs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from mmasc.encoders.export import export_encoder
from mmasc.encoders.in_graph import NetworkGraph, encoder_graph
from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS
from tests.helpers.command import run
from tests.helpers.small_network import SMALL, Small, lived_in


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.5, 0.5, shape).astype(np.float32)


@pytest.mark.parametrize("name", ["mini", "base", "mini-features", "classic"])
def test_the_graph_gives_the_vectors_of_the_encoder(name):
    """Before it is a file: one by one and as a batch, of several lengths, quiet and silent ones among them."""
    encoder = load_encoder(name)
    graph = encoder_graph(encoder).eval()
    for samples in (41_600, 163_840 // 2 + 3):
        if name == "classic":
            samples += 2_048
        sounds = noise(3, samples) * np.array([[1.0], [1e-4], [1.0]], np.float32)
        sounds[2, : samples // 2] = 0
        wanted = encoder.embed(sounds)
        with torch.no_grad():
            batch = graph(torch.from_numpy(sounds)).numpy()
            alone = np.concatenate([graph(torch.from_numpy(one[None])).numpy() for one in sounds])
        np.testing.assert_allclose(batch, wanted, atol=1e-4)
        np.testing.assert_allclose(alone, wanted, atol=1e-4)


def test_a_network_with_its_front_end(monkeypatch):
    monkeypatch.setitem(NETWORKS, "small", SMALL)
    network = load_network("small", classes=("a", "b", "c"))
    lived_in(network.body)
    before = [type(module) for module in network.modules()]
    vectors, logits = NetworkGraph(network)(torch.from_numpy(noise(2, 16_000)))
    sound = torch.from_numpy(noise(2, 16_000))[:, None]
    torch.testing.assert_close(vectors, network.embedding(sound), rtol=0, atol=1e-4)
    torch.testing.assert_close(logits, network(sound), rtol=0, atol=1e-4)
    assert [type(module) for module in network.modules()] == before


def test_mini_as_a_file_alone_and_as_an_encoder_again(tmp_path, capsys):
    """The command, a colleague with ONNX Runtime, and the adapter that reads the YAML file: all say the same."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    path = tmp_path / "mini.onnx"
    status, out, err = run("models", "export", "mini", "--to", path, "--format", "json", capsys=capsys)
    assert status == 0, err
    found = json.loads(out)
    page = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(# hear\.py\n.*?)^```$", page, re.DOTALL | re.MULTILINE)
    nothing_else = "import sys\nsys.modules['mmasc'] = sys.modules['torch'] = None\n"
    heard = subprocess.run(
        [sys.executable, "-c", nothing_else + code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert heard.stdout.startswith("mini (2, 128) 0.")
    assert (found["samples"], found["minimum_samples"], found["outputs"]) == (None, 41_600, {"vector": 128})
    assert found["largest_difference"] < 1e-5
    encoder = load_encoder("mini")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert (about["identity"], about["sample_rate"], about["licence"]) == (
        encoder.identity,
        "32000",
        encoder.spec.licence,
    )
    for shape in ((1, 41_600), (2, 100_001), (1, 163_840)):
        (vectors,) = session.run(["vector"], {"waveform": noise(*shape)})
        np.testing.assert_allclose(vectors, encoder.embed(noise(*shape)), atol=1e-4)
    said = yaml.safe_load(path.with_suffix(".yaml").read_text("utf-8"))
    assert (said["sample_rate"], said["window_seconds"], said["padding"]) == (32_000, 5.12, "minimum")
    again = load_encoder(f"onnx:{path}")
    assert (again.spec.dim, again.spec.minimum_seconds) == (128, 1.3)
    for seconds in (0.4, 3.0, 7.5):
        sound = noise(round(32_000 * seconds))
        mine, theirs = encoder.embed_audio(sound, 32_000), again.embed_audio(sound, 32_000)
        assert np.array_equal(mine.starts, theirs.starts)
        np.testing.assert_allclose(theirs.vectors, mine.vectors, atol=1e-4)


def test_a_network_as_a_file_with_its_classes(tmp_path, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    monkeypatch.setitem(NETWORKS, "small", SMALL)
    found = export_encoder("small", tmp_path / "small.onnx")
    assert (found.samples, found.outputs) == (16_000, {"vector": 8, "logits": 3})
    assert found.largest_difference < 1e-4
    network = load_network("small")
    session = onnxruntime.InferenceSession(found.path, providers=["CPUExecutionProvider"])
    vectors, logits = session.run(["vector", "logits"], {"waveform": noise(4, 16_000)})
    with torch.no_grad():
        sound = torch.from_numpy(noise(4, 16_000))[:, None]
        np.testing.assert_allclose(logits, network(sound).numpy(), atol=1e-4)
        np.testing.assert_allclose(vectors, network.embedding(sound).numpy(), atol=1e-4)
    again = load_encoder(f"onnx:{found.path}")
    np.testing.assert_allclose(again.embed(noise(4, 16_000)), vectors, atol=1e-6)

    def wrong(self, waveforms):
        vectors = self.network.body.embedding(self.network.front_end(waveforms[:, None]))
        return vectors, self.network.body.classify(vectors) + 0.01

    before = (tmp_path / "small.onnx").read_bytes()
    monkeypatch.setattr(NetworkGraph, "forward", wrong)
    with pytest.raises(MmascError, match="small as ONNX differs by .*; no file was written"):
        export_encoder("small", tmp_path / "small.onnx")
    assert (tmp_path / "small.onnx").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.onnx", "small.yaml"]


def test_what_cannot_be_exported_is_one_line(tmp_path, standin, monkeypatch, capsys):
    with pytest.raises(MmascError, match="standin cannot be written as ONNX with its front end"):
        encoder_graph(standin)
    with pytest.raises(MmascError, match="hears a band alone"):
        export_encoder("mini+band=500-4000", tmp_path / "mini.onnx")
    with pytest.raises(MmascError, match="is not a folder"):
        export_encoder("mini", tmp_path / "no" / "mini.onnx")
    with pytest.raises(MmascError, match=r"name a file that ends in \.onnx"):
        export_encoder("mini", tmp_path / "mini.yaml")
    monkeypatch.setitem(NETWORKS, "small", SMALL)
    monkeypatch.setattr(Small, "n_tags", 2)
    with pytest.raises(MmascError, match="reads tags in addition to the sound: export it with --without-front-end"):
        export_encoder("small", tmp_path / "small.onnx")
    monkeypatch.undo()
    status, _, said = run("models", "export", "mini", "--to", tmp_path / "x.onnx", "--without-front-end", capsys=capsys)
    assert (status, "mini" in said) == (1, True)
