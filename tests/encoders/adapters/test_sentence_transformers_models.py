"""sentence-transformers with sound: vectors of its own `encode`; folders that want to run code are refused."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import mmasc
from mmasc.encoders.adapters.sentence_transformers_models import _refuse_code
from mmasc.errors import MmascError
from tests.helpers import tiny_models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("sentence_transformers", reason="the extra sentence-transformers is not installed")
    root = tmp_path_factory.mktemp("models")
    return tiny_models.make_sentence_transformers(root / "st", tiny_models.make_clap(root / "clap"))


def test_vectors_are_those_of_the_package(folder):
    from sentence_transformers import SentenceTransformer

    encoder = mmasc.load_encoder(f"sentence-transformers:{folder}")
    assert encoder.spec.modalities == ("audio", "text")
    assert (encoder.spec.window_seconds, encoder.spec.sample_rate, encoder.spec.dim) == (2.0, 8_000, 12)
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    windows = np.random.default_rng(0).normal(0, 0.1, (3, 9_000)).astype(np.float32)
    wanted = model.encode([{"array": one, "sampling_rate": 8_000} for one in windows], batch_size=1)
    found = encoder.embed(windows)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    np.testing.assert_array_equal(encoder.embed(windows[2:]), found[2:])
    texts = ["rain", "a dog barking"]
    np.testing.assert_allclose(encoder.embed_text(texts), model.encode(texts), atol=1e-5)
    assert mmasc.load_encoder(f"sentence-transformers:{folder}").identity == encoder.identity
    with pytest.raises(MmascError, match="hears at most 2 seconds at once, got 3"):
        mmasc.load_encoder(f"sentence-transformers:{folder}", window_seconds=3.0)


def test_no_module_of_another_package_is_loaded(folder, tmp_path):
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    modules = json.loads((copied / "modules.json").read_text())
    (copied / "modules.json").write_text(json.dumps([modules[0] | {"type": "subprocess.Popen"}]))
    with pytest.raises(MmascError, match=r"wants to run code of its own .subprocess.Popen."):
        mmasc.load_encoder(f"sentence-transformers:{copied}")


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([{"type": "sentence_transformers.models.Transformer"}, {"type": "subprocess.Popen"}], "code of its own"),
        ([{"type": "sentence_transformers_evil.Thing"}], "wants to run code of its own .sentence_transformers_evil"),
        ([{"name": "0"}], "modules.json cannot be read"),
        ({"type": "os"}, "modules.json cannot be read"),
        (7, "modules.json cannot be read"),
    ],
)
def test_code_is_refused_before_the_package_sees_the_folder(tmp_path, modules, message):
    """Also where the package is not installed."""
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(MmascError, match=message):
        _refuse_code(tmp_path)


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MmascError, match=r"pip install 'mmasc\[sentence-transformers\]'"):
        mmasc.load_encoder(f"sentence-transformers:{tmp_path}")
