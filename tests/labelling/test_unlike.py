"""Marks on recordings and seconds: from heads and bundled encoders to answers and lines for people."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from mmasc.encoders.registry import spec_of
from mmasc.heads.fitted import FittedHead
from mmasc.labelling.apply import apply_head
from mmasc.labelling.classify import classify
from mmasc.labelling.fit import fit_head
from mmasc.labelling.unlike import mark_of_encoder, mark_of_head, marked_seconds
from tests.conftest import STANDIN_SPEC
from tests.helpers.collections import write
from tests.helpers.command import run


def test_marked_seconds_are_those_of_a_fine_grid():
    generator = np.random.default_rng(0)
    bounds = np.array([0, 30, 30, 70])
    starts = generator.integers(0, 60, 70) / 2
    ends = starts + generator.integers(1, 12, 70) / 2
    marked = generator.uniform(size=70) < 0.4
    found = marked_seconds(marked, starts, ends, bounds)
    for place, (first, last) in enumerate(pairwise(bounds)):
        moments = np.arange(0, 60, 0.5) + 0.25
        inside = (starts[first:last, None] < moments) & (moments < ends[first:last, None]) & marked[first:last, None]
        assert found[place] == 0.5 * inside.any(0).sum()


@pytest.fixture
def head(collection, tmp_path):
    """A head on thirty noises, kept in a file."""
    report = fit_head(collection, "label", "neighbours", folds=3, out=tmp_path / "noise.head")
    return report.fitted, tmp_path / "noise.head"


def test_a_head_knows_what_it_learned_from_and_keeps_it(head, standin):
    fitted, path = head
    again = FittedHead.load(path)
    mark, kept = mark_of_head(fitted), mark_of_head(again)
    vectors = np.random.default_rng(0).normal(size=(200, 4))
    assert 0 < mark(vectors).sum() < 200 or mark(vectors).all()
    np.testing.assert_array_equal(kept(vectors), mark(vectors))
    old = FittedHead(fitted.stamp, fitted.predictor)
    assert mark_of_head(old) is None
    old.save(path)
    assert FittedHead.load(path).familiarity is None  # as version 0.1.0 wrote them


def test_answers_say_it_of_recordings_and_seconds(head, noises, tmp_path, registered, capsys):
    fitted, path = head
    odd = write(tmp_path / "odd.wav", -0.9, 3.0)  # a level that no noise has
    known, strange = (next(apply_head(fitted, one, timeline=True)) for one in (noises / "00.wav", odd))
    assert (known.unlike, known.unlike_seconds) == (False, 0.0)
    assert (strange.unlike, strange.unlike_seconds) == (True, 3.0)
    _, printed, _ = run("head", "apply", path, noises / "00.wav", odd, capsys=capsys)
    lines = printed.splitlines()
    assert lines[-1] == "* unlike what it learned from: a label that was chosen because there was no better one"
    assert [" * " in line for line in lines[1:3]] == [False, True]
    _, printed, _ = run("head", "apply", path, odd, "--format", "jsonl", capsys=capsys)
    assert json.loads(printed)["unlike"] is True
    _, printed, _ = run("head", "apply", path, odd, "--timeline", capsys=capsys)
    assert "  unlike what it learned from: 3.0 s\n" in printed
    _, printed, _ = run("head", "apply", path, noises / "00.wav", capsys=capsys)
    assert "unlike" not in printed


def test_encoders_that_cannot_tell_say_nothing(noises, standin):
    assert mark_of_encoder("standin", STANDIN_SPEC) is None
    mini = spec_of("mini")
    assert mark_of_encoder("mini", mini) is not None
    assert mark_of_encoder("mini", replace(mini, window_seconds=3.0)) is None
    assert mark_of_encoder("mini", replace(mini, weights="bundled, first")) is None
    answer = next(classify(noises / "00.wav", {"a": "aa", "b": "bb"}, standin, timeline=True))
    assert (answer.unlike, answer.unlike_seconds) == (None, None)
