"""ONNX Runtime as a backend: the same vectors, another identity, a cache, collections that remember what made them."""

from importlib.util import find_spec

import numpy as np
import pytest
import soundfile
import torch

import mmasc
from mmasc.encoders.identity import backend_identity
from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError

# Looked for and not imported: whoever only collects the tests needs none of it
pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("onnxruntime", "onnxscript"))), reason="the extra onnx is not installed"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("MMASC_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def eager():
    return load_encoder("mini")


@pytest.fixture(scope="module")
def by_onnx(home):
    return load_encoder("mini", backend="onnx")


def noises(seconds: float, count: int = 3) -> np.ndarray:
    return np.random.default_rng(4).uniform(-0.3, 0.3, (count, round(32_000 * seconds))).astype(np.float32)


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one.astype(np.float64) * other).sum(1) / lengths


@pytest.mark.parametrize("seconds", [1.3, 2.01, 5.12])
def test_vectors_agree_for_windows_of_any_length(eager, by_onnx, seconds):
    windows = noises(seconds)
    assert cosines(eager.embed(windows), by_onnx.embed(windows)).min() > 0.99999


def test_a_vector_is_the_same_for_any_batch(by_onnx):
    windows = noises(3.0)
    together = by_onnx.embed(windows)
    assert np.array_equal(together, np.concatenate([by_onnx.embed(window[None]) for window in windows]))


def test_the_backend_is_part_of_the_identity(eager, by_onnx):
    assert by_onnx.backend == "onnx"
    assert eager.backend == "eager"
    assert by_onnx.identity == backend_identity(eager.identity, "onnx") != eager.identity
    assert backend_identity(eager.identity, "eager") == eager.identity
    assert np.array_equal(eager.embed_text(["rain"]), by_onnx.embed_text(["rain"]))


def test_a_model_is_exported_once_and_a_damaged_one_is_told(by_onnx, home, monkeypatch):
    (model,) = (home / "onnx").glob("*.onnx")
    assert [path.name for path in (home / "onnx").iterdir()] == [model.name]
    monkeypatch.setattr(torch.onnx, "export", lambda *args, **options: pytest.fail("exported again"))
    windows = noises(2.0, 1)
    assert np.array_equal(load_encoder("mini", backend="onnx").embed(windows), by_onnx.embed(windows))
    content = model.read_bytes()
    model.write_bytes(content[: len(content) // 2])
    try:
        with pytest.raises(MmascError, match=r"\.onnx cannot be run .*; delete it, it will be made again") as error:
            load_encoder("mini", backend="onnx")
        assert "\n" not in str(error.value)
    finally:
        model.write_bytes(content)


def test_a_collection_is_asked_by_the_backend_that_made_it(by_onnx, tmp_path, monkeypatch):
    monkeypatch.setattr("mmasc.collection.text_probes.bundled_prompts", list)
    for number, samples in enumerate(noises(2.0)):
        soundfile.write(tmp_path / f"{number}.wav", samples, 32_000, subtype="FLOAT")
    mmasc.embed(tmp_path, tmp_path / "collection", "mini", backend="onnx")
    mmasc.embed(tmp_path, tmp_path / "collection", "mini", space="plain")
    collection = mmasc.Collection(tmp_path / "collection")
    assert collection.head.spaces["mini"].identity == by_onnx.identity
    for space in ("mini", "plain"):
        hits = collection.search(audio=tmp_path / "1.wav", space=space)
        assert hits[0]["path"].endswith("1.wav")
        assert hits[0]["duplicate"]
        assert collection.search(text="rain", space=space)


def test_what_has_no_such_backend_says_so(registered, standin, monkeypatch):
    with pytest.raises(MmascError, match="standin has no onnx backend"):
        load_encoder(registered, backend="onnx")
    with pytest.raises(ValueError, match=r"backend must be one of \['eager', 'onnx'\], got 'onxx'"):
        load_encoder("mini", backend="onxx")
    monkeypatch.setattr(standin, "device", torch.device("meta"))
    with pytest.raises(MmascError, match="runs on the CPU, not on meta"):
        standin.use_onnx()


def test_a_second_switch_is_refused(by_onnx):
    with pytest.raises(ValueError, match="runs by onnx already"):
        by_onnx.use_onnx()


@pytest.mark.parametrize("missing", ["onnxruntime", "onnxscript"])
def test_a_missing_extra_is_told_with_the_line_that_installs_it(missing, home, tmp_path, monkeypatch):
    import sys

    if missing == "onnxscript":
        monkeypatch.setenv("MMASC_HOME", str(tmp_path))  # nothing exported yet
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MmascError, match=rf"{missing} is not installed; .*pip install 'mmasc\[onnx\]'"):
        load_encoder("mini", backend="onnx")


@torch.inference_mode()
def test_the_trunk_of_audioclip_agrees_in_small(home, monkeypatch):
    """The same blocks, gates and pooling, one block a layer: the whole one takes a minute to export."""
    from mmasc.encoders import esresnext
    from mmasc.networks.onnx import OnnxPart
    from tests.parity import rule_weights as rw

    monkeypatch.setattr(esresnext, "_BLOCKS", (1, 1, 1, 1))
    network = rw.fill_module(esresnext.ESResNeXt()).eval().requires_grad_(False)
    samples = torch.from_numpy(rw.waveform("noise", 44_100, 1.0).astype(np.float32))[None, None]
    decibels = network.decibels(samples)[0]
    part = OnnxPart(network, "pool", decibels.clone(), "small")
    assert cosines(part(decibels).numpy(), network.pool(decibels).numpy()).min() > 0.99999
    assert torch.equal(part(decibels), part(decibels))
