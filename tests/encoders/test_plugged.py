"""Encoders that people write: vectors are what their code gives, identities what they say, faults are named."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import mmasc
from mmasc.encoders.identity import identity_digest
from mmasc.encoders.registry import spec_of
from mmasc.errors import MmascError

RATE = 8_000


class Moments(mmasc.EncoderPlugin):
    """Mean, mean absolute value and maximum."""

    spec = mmasc.PluginSpec(
        "moments", version="1", sample_rate=RATE, window_seconds=0.5, dim=3, hop_seconds=0.25, heard=["ESC-50"]
    )

    def embed_audio(self, windows):
        return np.stack([windows.mean(1), np.abs(windows).mean(1), windows.max(1)], 1)


class Words(Moments):
    def weights(self):
        return {"table": torch.arange(6.0).reshape(2, 3)}

    def embed_text(self, texts):
        return [[len(text), text.count("a"), 1] for text in texts]

    def embed_image(self, images):
        return [[np.asarray(image).mean(), 0, 1] for image in images]


def changed(name, **methods):
    return type(name, (Moments,), methods)


def test_vectors_are_those_of_the_code(tmp_path):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, round(1.1 * RATE)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, RATE, "FLOAT")
    found = mmasc.embed_file(tmp_path / "a.wav", mmasc.load_encoder(Moments))
    # the hop of the specification; the last window ends with the recording
    np.testing.assert_allclose(found.starts, [0, 0.25, 0.5, 0.6])
    windows = np.stack([samples[round(start * RATE) :][: RATE // 2] for start in found.starts])
    np.testing.assert_array_equal(found.vectors, Moments().embed_audio(windows))
    wide = mmasc.load_encoder(Moments, window_seconds=1.0)
    assert wide.window_samples == RATE
    np.testing.assert_allclose(mmasc.embed_file(tmp_path / "a.wav", wide).starts, [0, 0.1])


def test_what_the_space_understands_is_what_the_class_writes():
    plain, words = mmasc.load_encoder(Moments), mmasc.load_encoder(Words())
    assert plain.spec.modalities == ("audio",)
    assert words.spec.modalities == ("audio", "text", "image")
    np.testing.assert_array_equal(words.embed_text(["rain", "a"]), [[4, 1, 1], [1, 1, 1]])
    np.testing.assert_array_equal(words.embed_image([np.full((2, 2, 3), 7, np.uint8)]), [[7, 0, 1]])
    with pytest.raises(MmascError, match="moments holds audio, no text"):
        plain.embed_text("rain")
    assert [one.name for one in plain.spec.trained_on] == ["ESC-50"]
    assert words.parameter_counts() == (6, 6)


def test_identity_is_made_of_name_version_weights_and_policy(tmp_path):
    words = mmasc.load_encoder(Words)
    about = {"plugin": "moments", "version": "1", "files": {}}
    assert words.identity == identity_digest(words.spec, {"table": torch.arange(6.0).reshape(2, 3)}, about)
    file = tmp_path / "weights.bin"
    identities = {words.identity, mmasc.load_encoder(Moments).identity}
    identities.add(mmasc.load_encoder(Moments, window_seconds=1.0).identity)
    identities.add(mmasc.load_encoder(changed("A", spec=_other(version="2"))).identity)
    identities.add(mmasc.load_encoder(changed("B", spec=_other(name="other"))).identity)
    for content in (b"one", b"two"):
        file.write_bytes(content)
        identities.add(mmasc.load_encoder(changed("C", weights=lambda self: {"file": file})).identity)
        identities.add(mmasc.load_encoder(changed("C", weights=lambda self: {"folder": tmp_path})).identity)
    assert len(identities) == 9
    # what says nothing about vectors
    same = changed("D", spec=_other(licence="MIT", description="x", heard=None, hop_seconds=0.1))
    assert mmasc.load_encoder(same).identity == mmasc.load_encoder(Moments).identity


def _other(**said):
    return replace(Moments.spec, **said)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"embed_audio": lambda self, x: 1 / 0}, "Broken raised ZeroDivisionError in embed_audio .division by zero."),
        ({"__init__": lambda self, path, device: {}["x"]}, "Broken raised KeyError in __init__"),
        ({"weights": lambda self: Path("/no/such").stat()}, "Broken raised FileNotFoundError in weights"),
        ({"weights": lambda self: {"a": object()}}, "Broken gives object as weights 'a'"),
        ({"weights": lambda self: {"a": "/no/such/file"}}, "the weights /no/such/file of Broken cannot be read"),
        ({"embed_audio": lambda self, x: x[:, :2]}, r"Broken gives \[1, 2\] numbers in embed_audio .* dim 3"),
        ({"embed_audio": lambda self, x: x[:, :3] * np.nan}, "Broken gives NaN or infinity in embed_audio"),
        ({"embed_audio": lambda self, x: "no"}, "Broken raised ValueError in embed_audio"),
        ({"spec": None}, "Broken raised AttributeError in spec"),
        ({"embed_audio": mmasc.EncoderPlugin.embed_audio}, "Broken has no embed_audio, embed_text or embed_image"),
    ],
)
def test_faults_are_one_line_that_names_the_plugin(methods, message):
    broken = changed("Broken", **methods)
    with np.errstate(invalid="ignore"), pytest.raises(MmascError, match=message) as found:
        mmasc.load_encoder(broken).embed(np.zeros((1, RATE // 2), np.float32))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("said", [{"name": ""}, {"version": ""}, {"windows_at_once": 0}])
def test_specifications_that_make_no_sense(said):
    with pytest.raises(ValueError, match="must be|needs"):
        _other(**said)


def test_a_collection_of_an_object_is_asked_by_name(tmp_path, monkeypatch):
    """What Python embedded with a class of a file, any later process asks by the file's name."""
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\nimport mmasc\n\n\nclass Mine(mmasc.EncoderPlugin):\n"
        "    spec = mmasc.PluginSpec('mine', version='1', sample_rate=8000, window_seconds=0.5, dim=2)\n\n"
        "    def embed_audio(self, windows):\n        return np.stack([windows.max(1), np.abs(windows).mean(1)], 1)\n"
    )
    monkeypatch.setenv("MMASC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MMASC_TRUST", str(file))
    monkeypatch.chdir(tmp_path)
    for name, level in (("a.wav", 0.1), ("b.wav", 0.7)):
        noise = np.random.default_rng(1).uniform(-level, level, RATE) + 0.2 - level / 4
        soundfile.write(tmp_path / name, noise, RATE)
    mmasc.embed([tmp_path / "a.wav", tmp_path / "b.wav"], tmp_path / "c.mmasc", "mine.py:Mine")
    stored = json.loads((tmp_path / "c.mmasc" / "collection.json").read_text())["spaces"]["mine"]
    assert stored["encoder"] == f"{file}:Mine"
    monkeypatch.chdir("/")
    collection = mmasc.Collection(tmp_path / "c.mmasc")
    assert collection.search(audio=tmp_path / "b.wav")[0].path.endswith("b.wav")
    with pytest.raises(MmascError, match="understands text"):
        collection.search("rain")
    assert spec_of(stored["encoder"]).modalities == ("audio",)
    loaded = mmasc.load_encoder(f"{file}:Mine")
    object_of_it = mmasc.load_encoder(type(loaded.plugin))
    assert object_of_it.loaded_as == loaded.loaded_as == stored["encoder"]
    assert collection.add(tmp_path / "a.wav", object_of_it).skipped == 1


def test_a_collection_of_a_plugin_is_asked_in_the_browser(tmp_path, monkeypatch, sounds):
    pytest.importorskip("fastapi", reason="the extra web is not installed")
    from tests.helpers.web import serving

    file = tmp_path / "mine.py"
    file.write_text(
        "import mmasc\n\n\nclass Mine(mmasc.EncoderPlugin):\n"
        "    spec = mmasc.PluginSpec('mine', version='1', sample_rate=8000, window_seconds=0.5, dim=8)\n\n"
        "    def embed_audio(self, windows):\n        return windows[:, :8] + 1\n\n"
        "    def embed_text(self, texts):\n        return [[len(x) % (n + 2) + 1 for n in range(8)] for x in texts]\n"
    )
    monkeypatch.setenv("MMASC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MMASC_TRUST", str(file))
    mmasc.embed(sounds, tmp_path / "c.mmasc", f"{file}:Mine+speed=0.5")
    for server in serving(tmp_path / "c.mmasc"):
        answer = server.client.post("/api/search", json={"texts": [{"text": "rain"}], "k": 3})
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["hits"]) == 3
