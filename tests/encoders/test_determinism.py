"""`check_encoder`: an encoder that holds passes, each kind of fault fails at its own line."""

import pytest

from mmasc.encoders import determinism
from mmasc.encoders.determinism import check_encoder
from mmasc.encoders.registry import load_encoder

HEAD = """
import itertools
import numpy as np
import mmasc

COUNT = itertools.count()


class Mine(mmasc.EncoderPlugin):
    spec = mmasc.PluginSpec(
        "mine", version="1", sample_rate=8000, window_seconds=0.5, dim=5, unit_length=True, windows_at_once=16
    )

    def embed_audio(self, windows):
        power = np.abs(np.fft.rfft(windows)) ** 2 + 1e-6
        bands = np.log(np.stack([one.mean(1) for one in np.array_split(power, 5, axis=1)], 1))
        return self.end(bands / np.linalg.norm(bands, axis=1, keepdims=True))

    def embed_text(self, texts):
        return [[len(text), text.count("a"), text.count("e"), text.count("r"), 1] for text in texts]

    def end(self, vectors):
        return vectors
"""


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Checks the plug-in with some lines after it; results by name."""
    monkeypatch.setenv("MMASC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MMASC_TRUST", str(tmp_path / "mine.py"))

    def check(lines=""):
        (tmp_path / "mine.py").write_text(HEAD + lines)
        return {one.name: one for one in check_encoder(f"{tmp_path / 'mine.py'}:Mine")}

    return check


def test_an_encoder_that_holds_passes(results, one_process):
    found = results()
    assert all(one.holds for one in found.values()), found
    assert {"identity in a second process", "vectors of length 1", "short and long sounds", "width of texts"} <= set(
        found
    )


@pytest.fixture
def one_process(monkeypatch):
    """What the second process does, in this one: a start takes seconds, and docs/own_encoders.md starts it."""

    def again(name, device, folder):
        encoder = load_encoder(name, device)
        return encoder.identity, encoder.embed(determinism.probe_windows(encoder))

    monkeypatch.setattr(determinism, "_second_process", again)


@pytest.mark.parametrize(
    ("lines", "fails"),
    [
        # a neighbour of the batch comes in
        ("    def end(self, vectors):\n        return vectors + 0.1 * vectors.mean(0)\n", "batches of 1"),
        # nothing is the same twice
        ("    def end(self, vectors):\n        return vectors * (1 + 1e-3 * next(COUNT))\n", "loaded again"),
        (
            "    def weights(self):\n        return {'w': np.random.random(3)}\n",
            "identity when loaded again",
        ),
        ("    def end(self, vectors):\n        return vectors * 2\n", "vectors of length 1"),
        ("    def end(self, vectors):\n        return np.ones_like(vectors) / 5**0.5\n", "no constant vector"),
        ("    def embed_text(self, texts):\n        return np.ones((len(texts), 5))\n", "no constant vector of texts"),
    ],
)
def test_each_fault_fails_at_its_line(results, one_process, lines, fails):
    found = results(lines)
    assert not found[fails].holds
    assert found["no NaN"].holds


def test_an_identity_that_changes_is_told(results, one_process):
    found = results("    def weights(self):\n        return {'w': np.array([float(next(COUNT))])}\n")
    assert "can never be asked again" in found["identity when loaded again"].found
