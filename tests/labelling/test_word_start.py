"""Heads of annotated moments that begin with the words of their labels."""

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.collection.annotations import Annotation
from mmasc.errors import MmascError
from mmasc.heads.fitted import FittedHead
from mmasc.heads.from_words import MAYBE
from mmasc.labelling.carrying import ABSENT, UNKNOWN
from mmasc.labelling.fit_moments import fit_moments
from mmasc.labelling.moments import Moments, annotated_windows
from mmasc.windows.units import unit_as_normalizer
from tests.conftest import STANDIN_SPEC, StandIn
from tests.helpers.command import run
from tests.helpers.moments import annotation


def test_a_label_that_nobody_annotated_is_what_its_words_say(bare, registered, tmp_path):
    alone = fit_moments(bare, Moments(labels=["cab"]), out=tmp_path / "w.head")
    assert (alone.fitted.stamp.words, alone.windows, alone.macro_f1) == (("cab",), 0, None)
    assert alone.remarks == ["nobody annotated 'cab' as present: its head is what the words say"]
    vectors = bare.space().vectors(np.arange(72))
    said = annotated_windows(bare, Moments(labels=["cab"])).words.scores["cab"](unit_as_normalizer(vectors))
    np.testing.assert_array_equal(np.argsort(alone.fitted.predict_proba(vectors)[:, 0]), np.argsort(said))
    loaded = FittedHead.load(tmp_path / "w.head")
    np.testing.assert_array_equal(loaded.predict_proba(vectors), alone.fitted.predict_proba(vectors))
    with pytest.raises(MmascError, match="has no annotations"):
        fit_moments(bare, Moments(labels=["cab"], words=False))


def test_words_are_where_a_head_begins(annotated, registered, tmp_path):
    collection = Collection(annotated)
    vectors = collection.space().vectors(np.arange(72))
    report = fit_moments(collection, Moments(), out=tmp_path / "m.head")
    plain = fit_moments(collection, Moments(words=False))
    assert (report.words, report.fitted.stamp.words) == (["down", "loud", "up"], ("down", "loud", "up"))
    assert (plain.words, plain.fitted.stamp.words) == ([], None)
    again = fit_moments(collection, Moments())
    arrays, others = report.fitted.predictor.arrays(), again.fitted.predictor.arrays()
    assert arrays.keys() == others.keys()
    assert all(np.array_equal(arrays[name], others[name]) for name in arrays)
    loaded = FittedHead.load(tmp_path / "m.head")
    assert loaded.stamp == report.fitted.stamp == again.fitted.stamp
    np.testing.assert_array_equal(loaded.predict_proba(vectors), report.fitted.predict_proba(vectors))


def test_labels_without_known_words_are_learnt_from_examples_alone(annotated, registered, monkeypatch):
    monkeypatch.setattr(StandIn, "unknown_words", lambda self, texts: [one for one in texts if one == "loud"])
    monkeypatch.setattr(StandIn, "nearest_words", lambda self, word: ["cloud"])
    collection = Collection(annotated)
    report = fit_moments(collection, Moments())
    assert report.words == ["down", "up"]
    (line,) = report.remarks
    assert "'loud' is learnt from examples alone" in line
    assert "nearest known: cloud" in line
    monkeypatch.setattr(StandIn, "unknown_words", lambda self, texts: list(texts))
    with pytest.raises(MmascError, match="no annotation of .* has 'loudd' present"):
        fit_moments(collection, Moments(labels=["loudd"]))


def test_an_encoder_that_cannot_be_had_is_said(annotated):
    plain = fit_moments(annotated, Moments(words=False))
    report = fit_moments(annotated, Moments())  # nobody knows this encoder by name
    assert report.words == report.remarks == []
    assert report.per_label == plain.per_label


def test_background_in_which_words_may_be_right_is_left_out(bare, registered):
    bare.annotations.add([annotation(bare, 0, 0, 1, "a"), annotation(bare, 0, 1, 2, "b")])
    windows = annotated_windows(bare, Moments(background="moments"))
    assert windows.judged.sum() == 2 < len(windows)
    units = unit_as_normalizer(windows.vectors)
    for column, label in enumerate(windows.classes):
        maybe = windows.words.scores[label](units) >= MAYBE
        np.testing.assert_array_equal(
            windows.truth[~windows.judged, column], np.where(maybe, UNKNOWN, ABSENT)[~windows.judged]
        )
    every = annotated_windows(bare, Moments(background="moments", words=False))
    assert (every.truth != UNKNOWN).all()


def test_an_answer_about_a_window_is_about_that_window(tmp_path, registered):
    soundfile.write(tmp_path / "long.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 8_000 * 10), 8_000)
    mmasc.embed(tmp_path / "long.wav", tmp_path / "h", StandIn(STANDIN_SPEC), hop_seconds=0.5)
    collection = Collection(tmp_path / "h")
    recording = collection.annotations.recording_id("long.wav")
    said = {"recording": recording, "by": "anna"}
    collection.annotations.add([Annotation(start=2.0, end=3.0, label="a", **said)])
    assert annotated_windows(collection, Moments(words=False)).starts.tolist() == [2.0]
    collection.annotations.add([Annotation(start=6.1, end=7.1, label="a", **said)])  # as it was heard
    assert annotated_windows(collection, Moments(words=False)).starts.tolist() == [2.0, 6.0, 6.5]
    collection.annotations.add([Annotation(start=8.0, end=9.5, label="a", **said)])  # two windows in one hit
    assert annotated_windows(collection, Moments(words=False)).starts.tolist() == [2.0, 6.0, 6.5, 8.0, 8.5]
    whole = annotated_windows(collection, Moments(words=False, overlap=1.0))
    assert whole.starts.tolist() == [2.0, 8.0, 8.5]


def test_commands_begin_with_words_unless_they_are_told_not_to(annotated, registered, tmp_path, capsys):
    fit = ("head", "fit", annotated, "--annotations", "--quiet", "--out", tmp_path / "w.head")
    status, out, err = run(*fit, capsys=capsys)
    assert status == 0, err
    assert "begun with the words of all labels" in out
    status, out, _ = run(*fit, "--no-words", capsys=capsys)
    assert (status, "begun with the words" in out) == (0, False)
    status, out, err = run("review", annotated, "--head", tmp_path / "w.head", "-n", 3, capsys=capsys)
    assert status == 0, err
    status, _, err = run(*fit, "--words", "--head", "prototypes", capsys=capsys)
    assert (status, "--words is for --head logistic" in err) == (2, True)
