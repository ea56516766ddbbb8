"""The words of an encoder: which prompt file it is asked with by default, and that the bundled ones are as trained."""

import csv
import json
import sys
from importlib import import_module
from pathlib import Path

import pytest

from mmasc.encoders.default_prompts import words_of
from mmasc.encoders.registry import ENCODERS, spec_of
from mmasc.errors import MmascError
from mmasc.prompts.prompts import load_prompts
from tests.helpers.command import run

ROOT = Path(__file__).parent.parent.parent


def trained(strict: bool) -> set[str]:
    """Labels of the recordings that the bundled weights were trained on, from the table of their sources."""
    with (ROOT / "mmasc/encoders/weights/mini_attribution.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {row["label"] for row in rows if not (strict and row["collection"].endswith("ESC-10"))}


@pytest.mark.parametrize(("encoder", "count"), [("mini", 263), ("mini-strict", 257)])
def test_the_words_are_those_that_the_encoder_was_trained_with(encoder, count):
    words = words_of(encoder)
    phrases = [phrase for texts in words.labels.values() for phrase in texts]
    assert len(phrases) == len(set(phrases)) == count
    assert set(phrases) == trained(encoder == "mini-strict")
    assert [label for label, texts in words.labels.items() if label != texts[0]] == []
    assert [label for labels in words.groups.values() for label in labels] == list(words.labels)


def test_the_script_writes_the_bundled_files(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "examples" / "make_mini"), *sys.path])
    written = import_module("write_words").prompt_files()
    monkeypatch.delitem(sys.modules, "write_words")
    for name, text in written.items():
        assert (ROOT / "prompts" / name).read_text("utf-8") == text
        assert load_prompts(name.removesuffix(".yaml")).name == name.removesuffix(".yaml")


def test_every_file_that_a_spec_names_is_bundled():
    named = {spec.words for spec in ENCODERS.values() if spec.words}
    assert named == {"base-words", "base-strict-words", "mini-words", "mini-strict-words"}
    for spec in ENCODERS.values():
        assert not spec.words or "text" in spec.modalities, spec.name
    assert words_of(spec_of("mini")).name == "mini-words"


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("clap", "clap comes without a list of its words; give --prompts"),
        ("mini:runs/align", "the words that mini:runs/align was trained with are not known here; give --prompts"),
        ("mini-features", "its space holds no text"),
        ("nothing", "unknown encoder 'nothing'"),
    ],
)
def test_an_encoder_without_words_says_what_to_give(encoder, message, tmp_path, capsys):
    with pytest.raises(MmascError, match=message):
        words_of(encoder)
    status, out, err = run("classify", tmp_path, "--encoder", encoder, capsys=capsys)
    assert (status, out) == (1, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_classify_without_prompts_asks_with_the_words_and_says_so(sounds, registered, capsys):
    status, out, err = run("classify", sounds, "--encoder", registered, "--format", "jsonl", capsys=capsys)
    assert status == 0
    assert err.splitlines()[0] == "prompts: demo, 14 labels (the words of standin; --prompts for others)"
    for line in out.splitlines():
        assert json.loads(line)["prompts"] == "demo"
    with_file = run(
        "classify", sounds, "--encoder", registered, "--prompts", "demo", "--format", "jsonl", capsys=capsys
    )
    assert with_file == (0, out, "")
