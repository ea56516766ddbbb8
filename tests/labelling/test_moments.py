"""Annotated moments become windows with labels, and heads of several labels with thresholds."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from mmasc.collection import Collection
from mmasc.errors import MmascError
from mmasc.heads.fitted import FittedHead
from mmasc.heads.registry import make_head
from mmasc.heads.thresholds import fit_thresholds
from mmasc.labelling.apply import apply_head
from mmasc.labelling.carrying import ABSENT, PRESENT, UNKNOWN
from mmasc.labelling.fit import fit_head
from mmasc.labelling.fit_moments import fit_moments
from mmasc.labelling.folds import spread_groups
from mmasc.labelling.moments import Moments, annotated_windows
from mmasc.metrics.functions import average_precision
from tests.helpers.command import run
from tests.helpers.moments import SECONDS, annotation, labels_at, levels_of


def truth_of(collection: Collection, **how) -> dict[tuple[str, float], list[int]]:
    """What is known of each window, by path and start."""
    found = annotated_windows(collection, Moments(**how))
    rows = {}
    reader = collection.space()
    for vector, truth, recording in zip(found.vectors, found.truth, found.recordings, strict=True):
        own = np.flatnonzero(reader.recording == recording)
        (place,) = own[(reader.vectors(own) == vector.astype(np.float32)).all(axis=1)]
        path = collection.recordings.column("path")[collection.row_of[int(recording)]].as_py()
        rows[path, float(reader.start[place])] = truth.tolist()
    return rows


def test_windows_carry_what_people_said_of_them(annotated):
    collection = Collection(annotated)
    found = annotated_windows(collection, Moments())
    assert found.classes == ("down", "loud", "up")
    assert (len(found), found.annotations) == (10 * SECONDS, len(collection.annotations))
    rows = truth_of(collection)
    for item in range(10):
        for second, level in enumerate(levels_of(item)):
            expected = [PRESENT if name in labels_at(level) else ABSENT for name in found.classes]
            assert rows[f"{item:02}.wav", float(second)] == expected
    assert set(found.groups) == {f"{item:02}.wav" for item in range(10)}
    assert set(annotated_windows(collection, Moments(groups="place")).groups) == {"place0", "place1", "place2"}
    assert len(annotated_windows(collection, Moments(where="start >= 3"))) == 10 * (SECONDS - 3)
    assert len(annotated_windows(collection, Moments(background="recordings"))) == 12 * SECONDS


def test_vectors_that_hold_nan_are_not_learned_from(annotated, monkeypatch):
    collection = Collection(annotated)
    reader = type(collection.space())
    read = reader.vectors
    monkeypatch.setattr(reader, "vectors", lambda self, positions=None: read(self, positions) * np.nan)
    with pytest.raises(MmascError, match="holds NaN; see: mmasc collection check"):
        annotated_windows(collection, Moments())


def test_half_of_the_shorter_one_is_enough(bare):
    bare.annotations.add(
        [
            annotation(bare, 0, 0.5, 2.4, "long"),  # half of window 0, all of window 1, less of window 2
            annotation(bare, 1, 0.9, 1.2, "short"),  # a third of it in window 0, two thirds in window 1
            annotation(bare, 2, 3.0, 3.0, "point"),
        ]
    )
    expected = {
        ("00.wav", 0.0): [1, 0, 0], ("00.wav", 1.0): [1, 0, 0], ("01.wav", 1.0): [0, 0, 1], ("02.wav", 3.0): [0, 1, 0],
    }  # fmt: skip
    assert truth_of(bare) == expected
    assert truth_of(bare, overlap=0.3).keys() - expected.keys() == {("00.wav", 2.0), ("01.wav", 0.0)}
    assert truth_of(bare, overlap=1.0).keys() == {("00.wav", 1.0), ("02.wav", 3.0)} | set()
    windows = annotated_windows(bare, Moments())
    assert windows.left_out == {
        "without an annotation": 3 * SECONDS - 6,
        "unsure, contradictory, or at the edge of an annotation": 2,
    }


def test_absent_unsure_and_contradiction(bare):
    bare.annotations.add(
        [
            annotation(bare, 0, 0, 1, "a"),
            annotation(bare, 0, 1, 2, "a", verdict="absent"),
            annotation(bare, 0, 2, 3, "a", verdict="unsure"),
            annotation(bare, 0, 3, 4, "a"),
            annotation(bare, 0, 3, 4, "a", verdict="absent", by="bert"),
            annotation(bare, 0, 3, 4, "b"),
            annotation(bare, 0, 4, 5, "b"),
            annotation(bare, 0, 4, 5, "a", verdict="unsure"),
            annotation(bare, 0, 5, 6, "a", by="model", identity="x" * 32, score=0.9),
        ]
    )
    rows = {start: truth for (_, start), truth in truth_of(bare).items()}
    assert rows == {
        0.0: [PRESENT, ABSENT],
        1.0: [ABSENT, UNKNOWN],  # that a is absent says nothing of b
        3.0: [UNKNOWN, PRESENT],
        4.0: [UNKNOWN, PRESENT],
    }
    rows = {start: truth for (_, start), truth in truth_of(bare, by="anna").items()}
    assert rows[3.0] == [PRESENT, PRESENT]
    assert truth_of(bare, by="model") == {("00.wav", 5.0): [PRESENT]}
    rows = {start: truth for (_, start), truth in truth_of(bare, labels=["a"]).items()}
    assert rows == {0.0: [PRESENT], 1.0: [ABSENT]}
    rows = {start: truth for (_, start), truth in truth_of(bare, background="moments").items()}
    assert rows[5.0] == [ABSENT, ABSENT]  # a head alone said something of it
    assert 2.0 not in rows  # somebody was unsure


@pytest.mark.parametrize("seed", range(3))
def test_labels_are_spread_over_folds_and_groups_are_whole(seed):
    generator = np.random.default_rng(seed)
    groups = generator.integers(0, 15, 200)
    present = np.zeros((200, 4), bool)
    for label, holds in enumerate([range(15), range(6), [3, 4], [7]]):
        present[:, label] = np.isin(groups, list(holds)) & (generator.random(200) < 0.8)
    fold = spread_groups(present, groups, 5, seed)
    assert all(len(set(fold[groups == group])) == 1 for group in set(groups))
    assert len(set(fold)) == 5
    for label in range(4):
        held = len(set(groups[present[:, label]]))
        assert len(set(fold[present[:, label]])) >= min(held, 2)


def shared_threshold(scores, true, column):
    """The best threshold of a label, drawn towards the one that is best for the mean F1 of all, by brute force."""

    def mean_f1(logit):
        said = logit_of(scores) >= logit
        return np.mean(2 * (said & true).sum(axis=0) / (said.sum(axis=0) + true.sum(axis=0)))

    logits = np.linspace(-8, 8, 161)
    values = np.array([mean_f1(logit) for logit in logits])
    best = logits[values > values.max() - 1e-9]
    own = fit_thresholds(scores[:, [column]], true[:, [column]], ["it"])["it"]
    count = true[:, column].sum()
    logit = (count * logit_of(own) + 100 * best[len(best) // 2]) / (count + 100)
    return 1 / (1 + np.exp(-logit))


def logit_of(probability):
    inside = np.clip(probability, 1e-9, 1 - 1e-9)
    return np.log(inside / (1 - inside))


def test_several_labels_have_thresholds_of_their_own_and_are_tested_on_other_recordings(annotated, tmp_path, standin):
    report = fit_moments(annotated, head="logistic", folds=3, out=tmp_path / "m.head")
    assert (report.windows, report.recordings, report.classes) == (60, 10, ["down", "loud", "up"])
    assert (report.folds, report.not_tested, report.interval_over) == (3, [], "recordings")
    # A second time, by hand
    found = annotated_windows(Collection(annotated), Moments())
    fold = spread_groups(found.truth == PRESENT, found.groups, 3, 0)
    truth, probabilities = found.truth == PRESENT, np.zeros((60, 3))
    for column in range(3):
        for number in range(3):
            train = fold != number
            model = make_head("logistic").fit(found.vectors[train], truth[train, column].astype(int))
            probabilities[~train, column] = model.predict_proba(found.vectors[~train])[:, 1]
    for column, label in enumerate(found.classes):
        true, scores, said = truth[:, column], probabilities[:, column], np.zeros(60, bool)
        for number in range(3):
            others = fold != number
            said[~others] = scores[~others] >= shared_threshold(probabilities[others], truth[others], column)
        numbers = report.per_label[label]
        assert numbers["average_precision"] == pytest.approx(average_precision(true, scores))
        hits = (said & true).sum()
        assert numbers["precision"] == pytest.approx(hits / said.sum())
        assert numbers["recall"] == pytest.approx(hits / true.sum())
        assert numbers["f1_low"] <= numbers["f1"] <= numbers["f1_high"]
        assert numbers["threshold"] == pytest.approx(shared_threshold(probabilities, truth, column))
    loaded = FittedHead.load(tmp_path / "m.head")
    assert loaded.stamp == report.fitted.stamp
    assert loaded.stamp.thresholds == tuple(report.per_label[label]["threshold"] for label in report.classes)
    np.testing.assert_array_equal(loaded.predict_proba(found.vectors), report.fitted.predict_proba(found.vectors))
    # Applied, it finds what is in the recordings that nobody annotated
    answers = list(apply_head(loaded, annotated, timeline=True, where="path >= '10'"))
    right = []
    for item, answer in zip((10, 11), answers, strict=True):
        for second, level in enumerate(levels_of(item)):
            heard = {event.label for event in answer.events if event.start <= second < event.end}
            right += [(label in heard) == (label in labels_at(level)) for label in report.classes]
    assert np.mean(right) > 0.85
    files = list(apply_head(loaded, annotated.parent / "sounds", encoder=standin, timeline=True))
    assert [one.windows for one in files[10:]] == [one.windows for one in answers]


def test_of_several_labels_one_at_a_time_is_the_one_farthest_above_its_threshold(annotated):
    report = fit_moments(annotated, folds=3)
    opened = Collection(annotated)
    reader = opened.space()
    probabilities = report.fitted.predict_proba(reader.vectors(np.arange(len(reader))).astype(np.float64))
    margins = logit_of(probabilities) - logit_of(np.array(report.fitted.stamp.thresholds))
    several = 0
    for answer in apply_head(report.fitted, opened, timeline=True, one_at_a_time=True):
        recording = opened.annotations.recording_id(answer.path)
        for position in np.flatnonzero(reader.recording == recording):
            said = margins[position] >= 0
            several += said.sum() > 1
            best = [report.classes[margins[position].argmax()]] * bool(said.any())
            middle = float(reader.start[position] + reader.end[position]) / 2
            assert [event.label for event in answer.events if event.start <= middle < event.end] == best
    assert several


def test_a_head_of_moments_knows_what_it_learned_from(annotated, tmp_path):
    report = fit_moments(annotated, folds=3, out=tmp_path / "m.head")
    assert (report.heard.state, report.heard.recordings) == ("unknown", 10)
    familiarity = FittedHead.load(tmp_path / "m.head").familiarity
    found = annotated_windows(Collection(annotated), Moments())
    # At most 1 of 100 of what it learned from is strange, and what points the other way is
    assert familiarity.unlike(found.vectors).mean() <= 0.05
    assert familiarity.unlike(-found.vectors).all()
    (answer, *_) = apply_head(tmp_path / "m.head", annotated, timeline=True)
    assert answer.unlike_seconds is not None


def test_one_example_is_enough_for_prototypes_and_nothing_is_claimed_of_it(bare, tmp_path):
    bare.annotations.add([annotation(bare, 0, 0, 1, "thing")])
    with pytest.raises(MmascError, match="nothing is known to be without 'thing'"):
        fit_moments(bare)
    with pytest.raises(MmascError, match="one window alone carries 'thing', from which boosting learns nothing"):
        fit_moments(bare, Moments(background="recordings"), head="boosting")
    report = fit_moments(bare, Moments(background="recordings"), head="prototypes")
    assert (report.windows, report.background) == (1 + 11 * SECONDS, 11 * SECONDS)
    assert (report.not_tested, report.macro_f1, report.interval) == (["thing"], None, None)
    assert report.per_label["thing"]["f1_low"] is None
    assert report.fitted.stamp.thresholds == (0.5,)
    level = levels_of(0)[0]
    vectors = np.array([[one, abs(one), one, one > 0] for one in (level, -level)], float)
    scores = report.fitted.predict_proba(vectors)[:, 0]
    assert scores[0] > scores[1]


def test_a_class_of_one_recording_is_learnt_and_not_tested(bare):
    bare.annotations.add([annotation(bare, item, 0, 2, "ab"[item % 2]) for item in range(6)])
    bare.annotations.add([annotation(bare, 7, 0, 3, "alone")])
    several = fit_moments(bare, folds=3)
    assert several.not_tested == ["alone"]
    # of labels that were tested, "a" and "b", the common one; nothing is known of its own
    assert several.per_label["alone"]["threshold"] != 0.5
    single = fit_head(bare, Moments(), head="logistic", folds=3)
    assert (single.not_tested, single.tested) == (["alone"], 12)


def test_heads_of_several_labels_are_read_as_an_enemys(annotated, tmp_path):
    report = fit_moments(annotated, folds=2)
    for wrong in (
        replace(report.fitted.stamp, thresholds=(0.5, 2.0, 0.5)),
        replace(report.fitted.stamp, thresholds=None),
        replace(report.fitted.stamp, background="nothing"),
        replace(report.fitted.stamp, classes=("a", "b")),
    ):
        FittedHead(wrong, report.fitted.predictor).save(tmp_path / "x")
        with pytest.raises(MmascError, match="is damaged"):
            FittedHead.load(tmp_path / "x")


def test_commands_fit_and_apply(annotated, registered, tmp_path, capsys):
    out = tmp_path / "m.head"
    command = ("head", "fit", annotated, "--annotations", "--folds", "3", "-q")
    status, printed, _ = run(*command, "--out", out, capsys=capsys)
    assert status == 0
    assert "60 windows of 10 recordings" in printed
    assert max(map(len, printed.replace(str(out), "").splitlines())) <= 80
    status, printed, _ = run(*command, "--labels", "up", "loud", "--format", "json", capsys=capsys)
    found = json.loads(printed)
    assert (found["classes"], list(found["per_label"])) == (["loud", "up"], ["loud", "up"])
    _, printed, _ = run("head", "apply", out, annotated, "--timeline", "--format", "jsonl", "-q", capsys=capsys)
    assert any(len(json.loads(line)["labels"]) > 1 for line in printed.splitlines())
    status, printed, _ = run(*command, "--single", "--format", "json", capsys=capsys)
    assert json.loads(printed)["unit"] == "windows"
    for arguments, message in [
        (("--label", "place", "--annotations"), "give the labels"),
        ((), "give the labels"),
        (("--label", "place", "--background"), "with --label the background is recordings"),
        (("--annotations", "--shots", "1"), "--shots needs one label per window"),
        (("--annotations", "--folds-column", "place"), "--folds-column is for --label"),
    ]:
        status, _, err = run("head", "fit", annotated, *arguments, capsys=capsys)
        assert status == 2
        assert message in " ".join(err.split())
    for arguments, message in [
        (("--labels", "cat", "--no-words"), "no annotation of .* has 'cat' present; labels: down, loud, up"),
        (("--by", "nobody"), "has no annotations by 'nobody'"),
        (("--groups", "site"), "has no column 'site'"),
    ]:
        status, _, err = run(*command, *arguments, capsys=capsys)
        assert status == 1
        assert re.search(message, err), err
