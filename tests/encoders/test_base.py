"""The bundled encoder `base`: its weights load, are small, and float16 changes no answer; its words are as trained."""

import csv
import json
import re
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from mmasc.encoders.default_prompts import words_of
from mmasc.encoders.registry import load_encoder, load_text_encoder
from mmasc.encoders.words import learned_words, words_of_labels
from mmasc.prompts.prompts import load_prompts
from mmasc.storage.tensors import load_tensors
from mmasc.synth import SYNTH, synthesise

ROOT = Path(__file__).parent.parent.parent
WEIGHTS = ROOT / "mmasc" / "encoders" / "weights"
# Written by examples/make_base/ship.py from the weights before they were rounded
FULL = Path(__file__).parent.parent / "data" / "base_float32.json"
IDENTITIES = Path(__file__).parent.parent / "data" / "identities.json"


@pytest.fixture(scope="module")
def base():
    return load_encoder("base")


def rows() -> list[dict[str, str]]:
    with (WEIGHTS / "base_attribution.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_all_bundled_weights_together_stay_small():
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 24e6
    for name in ("base.safetensors", "base_strict.safetensors"):
        tensors, about = load_tensors(WEIGHTS / name)
        assert {tensor.dtype for key, tensor in tensors.items() if tensor.ndim > 1} == {torch.float16}
        assert (about["kind"], about["text"]) == ("mmasc-mini", "mini")


def test_float16_moves_no_answer_on_the_sounds_of_the_demo(base):
    recorded = json.loads(FULL.read_text("utf-8"))
    prompts = load_prompts("demo").labels
    asked = base.embed_text([texts[0] for texts in prompts.values()])
    heard = np.stack([base.embed_audio(synthesise(name), 32_000).vector for name in SYNTH])
    cosines = heard @ asked.T / np.linalg.norm(heard, axis=1, keepdims=True)
    full = np.array([recorded[name] for name in SYNTH])
    np.testing.assert_allclose(cosines, full, atol=4e-3)
    assert (cosines.argmax(1) == full.argmax(1)).all()


@pytest.mark.parametrize("name", ["base", "base-features"])
@pytest.mark.parametrize("window", [None, 3.0])
def test_vectors_of_the_first_weights_are_searched_and_continued_by_them(name, window):
    recorded = json.loads(IDENTITIES.read_text("utf-8"))["identities"]
    identity = recorded[f"{name}, first" + ("" if window is None else f", window {window:g}")]
    first, now = (load_encoder(name, window_seconds=window, identity=one) for one in (identity, None))
    assert first.identity == identity != now.identity
    sound = synthesise("rooster")
    assert not np.allclose(first.embed_audio(sound, 32_000).vector, now.embed_audio(sound, 32_000).vector, atol=1e-2)
    texts = load_text_encoder(name, window, identity)
    if texts is not None:
        assert texts.identity == identity
        np.testing.assert_array_equal(texts.embed_text(["violin"]), first.embed_text(["violin"]))


def test_both_sides_of_the_strict_one_are_one_space():
    encoder, texts = load_encoder("base-strict"), load_text_encoder("base-strict")
    assert encoder.identity == texts.identity != load_text_encoder("base").identity
    np.testing.assert_array_equal(encoder.embed_text(["violin"]), texts.embed_text(["violin"]))


def test_features_are_those_before_both_parts(base):
    sound = np.random.default_rng(0).normal(0, 0.1, (1, 163_840)).astype(np.float32)
    features = torch.from_numpy(load_encoder("base-features").embed(sound))
    network = base.network
    parts = [torch.nn.functional.normalize(layer(features), dim=1) for layer in (network.to_joint, network.to_taught)]
    own, taught = network.config.part_weights
    whole = torch.cat([own * parts[0], taught * parts[1]], 1)
    np.testing.assert_allclose(base.embed(sound), whole.numpy(), atol=1e-5)


def test_every_label_that_it_learned_from_is_a_wording_of_one_of_its_words():
    for encoder, strict in (("base", False), ("base-strict", True)):
        labels = {row["label"] for row in rows() if not strict or row["strict"] == "yes"} - {""}
        words = words_of(encoder)
        wordings = [text for texts in words.labels.values() for text in texts]
        assert len(set(wordings)) == len(wordings)
        plain = {re.sub("^an? ", "", label) for label in labels}
        names = {name for name, texts in words.labels.items() if name == texts[0]}
        assert plain <= set(wordings)
        assert set(wordings) - plain <= names == set(words.labels)
        assert sorted(label for group in words.groups.values() for label in group) == sorted(words.labels)


def test_the_script_writes_the_prompt_files(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "examples" / "make_base"), *sys.path])
    written = import_module("ship").prompt_files(rows())
    monkeypatch.delitem(sys.modules, "ship")
    for name, text in written.items():
        assert (ROOT / "prompts" / name).read_text("utf-8") == text


@pytest.fixture
def write_tables(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "examples" / "make_base"), *sys.path])
    module = import_module("write_tables")
    monkeypatch.delitem(sys.modules, "write_tables")
    return module


def test_permissive_licences_ask_for_the_author_alone(write_tables):
    free = (
        "CC0",
        "CC0-1.0",
        "CC BY 3.0",
        "CC-BY-4.0",
        "CC BY",
        "MIT",
        "MIT-style",
        "Public domain (NASA)",
        "public-domain",
    )
    others = (
        *("", "CC BY-SA 3.0", "CC-BY-SA-4.0", "GPL-2+", "GPL-2.0 or CC BY-SA 2.0", "GFDL-1.3 (Data/Sounds) or GPL-2"),
        *(
            "CC-BY-SA-3.0 or CC-BY-3.0",
            "Pixabay Content License or CC0",
            "CC-Sampling+",
            "free-art (Licence Art Libre)",
        ),
    )
    assert all(write_tables.is_free({"licence": licence}) for licence in free)
    assert not any(write_tables.is_free({"licence": licence}) for licence in others)


def test_sounds_without_a_label_have_the_licence_of_the_first_pattern(write_tables, tmp_path):
    table, free = tmp_path / "unlabelled.csv", tmp_path / "free.csv"
    names = (
        "one/usr/snd/a.wav",
        "one/usr/snd/b.wav",
        "one/usr/music/c.ogg",
        "two/usr/snd/a.wav",
        "one/usr/snd/held.wav",
    )
    lines = [f"/packages/{name},,{name.partition('/')[0]}" for name in names]
    table.write_text("\n".join(["path,label,package", *lines]))
    free.write_text("package,pattern,licence\none,usr/snd/b.wav,CC-BY-SA-3.0\none,usr/snd/*,CC0\n")
    rows = write_tables.unlabelled_rows(table, free, {"one/usr/snd/held.wav"})
    assert [row["licence"] for row in rows] == ["CC0", "CC-BY-SA-3.0", "", ""]
    assert [write_tables.is_free(row) for row in rows] == [True, False, False, False]


def test_words_of_its_labels_are_known(base):
    assert not set(words_of_labels()) & set(learned_words())
    assert base.unknown_words(["a glockenspiel and a shamisen", "bagpipes"]) == []
    assert base.unknown_words(["thunderr"]) == ["thunderr"]
