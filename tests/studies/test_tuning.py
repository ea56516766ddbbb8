"""Calibrations of prompts: parts by other ways, held-out numbers by a loop, files that come back or are refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.errors import MmascError
from mmasc.heads.calibration import fit_temperature
from mmasc.heads.calibration_file import Calibration, digest_of
from mmasc.heads.shifted import CentredZeroShot, PriorMatchedZeroShot, TunedZeroShot
from mmasc.heads.thresholds import fit_minimum_cosine, fit_thresholds
from mmasc.heads.unlabelled_shifts import centring_shifts
from mmasc.heads.zeroshot import NONE, ZeroShotClassifier
from mmasc.labelling.folds import make_folds
from mmasc.prompts.prompts import Prompts
from mmasc.studies.prompt_tuning import tune_prompts
from mmasc.studies.study import load_study
from tests.conftest import STANDIN_SPEC, StandIn
from tests.helpers.command import run
from tests.helpers.studies import PHRASES, make_collection

# The first label's phrase is like every sound
BIASED = Prompts("biased", "", ("{}",), {**PHRASES, "Low Hum": ("bbbbcccdd",)})
YAML = "name: biased\nlabels: {low hum: [bbbbcccdd], middle: [bbcddd], high $x$: [aabbccdddd]}\n"


@pytest.fixture(scope="module")
def collection(tmp_path_factory) -> Path:
    return make_collection(tmp_path_factory.mktemp("tuning"))


@pytest.fixture(scope="module")
def study(collection):
    return load_study(collection, "label", [BIASED], encoder=StandIn(STANDIN_SPEC))


@pytest.fixture(scope="module")
def tuned(collection):
    return tune_prompts(collection, "label", BIASED, thresholds=True, lost=0.1, encoder=StandIn(STANDIN_SPEC))


def cosines_and_codes(study):
    classifier = ZeroShotClassifier(study.encoder).fit(BIASED)
    codes = np.array([classifier.classes_.tolist().index(name) for name in study.true(0)])
    return classifier, classifier.decision_function(study.vectors), codes


def test_its_parts_are_those_of_the_functions_one_after_the_other(study, tuned):
    classifier, cosines, codes = cosines_and_codes(study)
    made = tuned.calibration
    shifted = cosines - centring_shifts(cosines)
    temperature = fit_temperature(shifted, codes)
    chances = np.exp(shifted / temperature) / np.exp(shifted / temperature).sum(axis=1, keepdims=True)
    expected = fit_thresholds(chances, codes[:, None] == np.arange(3), classifier.classes_)
    np.testing.assert_allclose(made.shifts, centring_shifts(cosines), atol=1e-12)
    assert made.temperature == pytest.approx(temperature)
    assert dict(zip(made.labels, made.thresholds, strict=True)) == pytest.approx(expected)
    assert made.minimum_cosine == pytest.approx(fit_minimum_cosine(shifted, codes, 0.1))
    assert (made.labels, made.recordings, made.multi_label) == (tuple(PHRASES), 30, False)
    assert tuned.unlabelled == 2


@pytest.mark.parametrize(("shift", "kind"), [("centre", CentredZeroShot), ("prior", PriorMatchedZeroShot)])
def test_the_numbers_are_of_recordings_that_were_not_learnt_from(collection, study, shift, kind):
    found = tune_prompts(collection, "label", BIASED, shift=shift, encoder=study.encoder)
    said = np.empty(30, object)
    for part in make_folds(study.recordings, 5):
        classifier = kind(study.encoder)
        classifier.fit(BIASED)
        classifier.calibrate(study.vectors[part.train])
        said[part.test] = classifier.predict(study.vectors[part.test])
    plain = ZeroShotClassifier(study.encoder).fit(BIASED).predict(study.vectors)
    before, after = found.rows
    assert (before.way, after.way) == ("as written", "calibrated")
    assert before.accuracy == pytest.approx((plain == study.true(0)).mean())
    assert after.accuracy == pytest.approx((said == study.true(0)).mean())
    assert after.accuracy > before.accuracy + 0.2  # one label attracts all sounds before
    assert after.log_loss < before.log_loss
    assert before.answered == after.answered == 1.0
    assert after.right_of_answered == after.accuracy


def test_thresholds_answer_less_and_better(tuned):
    before, after = tuned.rows
    assert before.answered == 1.0
    assert 0 < after.answered < 1
    assert after.right_of_answered > after.accuracy


def test_several_labels_have_thresholds_of_their_own(collection, study):
    found = tune_prompts(collection, "label", BIASED, multi_label=True, encoder=study.encoder)
    made = found.calibration
    assert made.multi_label
    assert len(set(made.thresholds)) > 1
    classifier = made.classifier(study.encoder, BIASED)
    held = classifier.predict(study.vectors)
    chances = classifier.predict_proba(study.vectors)
    np.testing.assert_array_equal(held, chances >= np.array(made.thresholds))
    assert set(held.sum(axis=1)) != {1}


def test_a_file_is_what_was_saved_and_answers_alike(tuned, study, tmp_path):
    tuned.calibration.save(tmp_path / "deep" / "c.json")
    read = Calibration.load(tmp_path / "deep" / "c.json")
    assert read == tuned.calibration
    ours, theirs = (one.classifier(study.encoder, BIASED) for one in (tuned.calibration, read))
    np.testing.assert_array_equal(ours.predict_proba(study.vectors), theirs.predict_proba(study.vectors))
    shifted = ZeroShotClassifier(study.encoder).fit(BIASED).decision_function(study.vectors) - np.array(read.shifts)
    np.testing.assert_allclose(theirs.decision_function(study.vectors), shifted, atol=1e-12)
    assert NONE in ours.predict(study.vectors)


def test_other_texts_and_other_encoders_are_refused(tuned, study, tmp_path):
    with pytest.raises(MmascError, match="for other labels or texts .prompts 'biased'. than those of 'other'"):
        tuned.calibration.classifier(study.encoder, Prompts("other", "", ("{}",), PHRASES))
    stranger = StandIn(STANDIN_SPEC)
    stranger.identity = "another0" * 4
    with pytest.raises(MmascError, match="encoder standin with identity standin0.* not to standin .* another0"):
        tuned.calibration.classifier(stranger, BIASED)
    # One that was read from a file is named by it
    tuned.calibration.save(tmp_path / "c.json")
    read = Calibration.load(tmp_path / "c.json")
    with pytest.raises(MmascError, match=r"c\.json was made for other labels or texts"):
        read.classifier(study.encoder, Prompts("other", "", ("{}",), PHRASES))
    with pytest.raises(MmascError, match=r"c\.json belongs to encoder standin"):
        read.classifier(stranger, BIASED)
    path = tmp_path / "c.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | {"labels": ["another", *about["labels"][1:]]}))
    with pytest.raises(MmascError, match=r"c\.json is damaged: its labels are not those of its texts"):
        Calibration.load(path).classifier(study.encoder, BIASED)
    renamed = Prompts("renamed", "other words about it", ("{}",), BIASED.labels)
    assert digest_of(renamed) == digest_of(BIASED)
    tuned.calibration.classifier(study.encoder, renamed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "a head"}, "is not a calibration of prompts; make it again"),
        ({"format": 2}, "newer mmasc .format 2.; update mmasc"),
        ({"format": "1"}, "format is not a number"),
        ({"labels": ["a", "a", "b"]}, "a label occurs twice"),
        ({"labels": "abc"}, "its labels are not a list of texts"),
        ({"labels": ["a"] * 2}, "a label occurs twice"),
        ({"shifts": [0.0]}, "shifts is not a list of 3 numbers"),
        ({"shifts": [0, 0, float("nan")]}, "shifts is not a finite number"),
        ({"shifts": [0, 0, 10**400]}, "damaged: int too large"),
        ({"shifts": [0, 0, "__import__('os')"]}, "shifts is not a finite number"),
        ({"temperature": 0}, "temperature is not above 0"),
        ({"temperature": True}, "temperature is not a finite number"),
        ({"thresholds": [0.1, 0.2, 1.2]}, "thresholds are not in"),
        ({"minimum_cosine": -3}, "minimum_cosine is not in"),
        ({"identity": None}, "identity is not a text"),
        ({"more": 1}, "damaged: .*unexpected keyword argument 'more'"),
        ({"source": "c.json"}, "it has a source"),
    ],
)
def test_a_changed_file_is_one_line(change, message, tuned, tmp_path):
    path = tmp_path / "c.json"
    tuned.calibration.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(MmascError, match=message) as caught:
        Calibration.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\x80\x04}", b"[" * 100_000, b"[]", b"", b"x" * 4_000_001])
def test_what_is_no_calibration_is_one_line(content, tmp_path):
    (tmp_path / "c.json").write_bytes(content)
    with pytest.raises(MmascError, match=r"c\.json is (no|too large)"):
        Calibration.load(tmp_path / "c.json")
    with pytest.raises(MmascError, match="no such file; make it again with: mmasc prompts calibrate"):
        Calibration.load(tmp_path / "none.json")


def test_shifts_go_by_name():
    prompts, labels = np.eye(3), ["a", "b", "c"]
    moved = TunedZeroShot(temperature=0.1, shifts={"c": 0.0, "a": 0.5, "b": -0.5})
    moved.fit(prompts, labels)
    np.testing.assert_allclose(moved.decision_function(prompts), np.eye(3) - np.array([0.5, -0.5, 0.0]))
    with pytest.raises(ValueError, match="shifts must name the labels"):
        TunedZeroShot(shifts={"a": 0.0}).fit(prompts, labels)
    with pytest.raises(ValueError, match="are given"):
        moved.calibrate(prompts)


def test_command_calibrates_and_classify_uses_it(collection, registered, tmp_path, capsys):
    (tmp_path / "p.yaml").write_text(YAML)
    prompts, file, sounds = str(tmp_path / "p.yaml"), str(tmp_path / "c.json"), str(collection.parent / "sounds")
    command = ["prompts", "calibrate", str(collection), "--label", "label", "--prompts", prompts, "--out", file]
    status, out, err = run(*command, "--thresholds", "--groups", "place", capsys=capsys)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["way", "as", "calibrated"]
    assert re.search(r"30 recordings: temperature 0\.\d{4} → .*c\.json", err)
    assert "2 recordings without a label in 'label' were left out" in err
    asked = ["classify", sounds, "--prompts", prompts, "--encoder", registered, "--format", "jsonl"]
    status, out, _ = run(*asked, "--calibration", file, capsys=capsys)
    assert status == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert {line["calibration"] for line in lines} == {file}
    library = list(mmasc.classify(sounds, prompts, registered, calibration=file))
    assert [line["label"] for line in lines] == [one.label for one in library]
    assert [line["scores"] for line in lines] == [one.scores for one in library]
    plain = list(mmasc.classify(sounds, prompts, registered))
    shifts = np.array(Calibration.load(file).shifts)
    for before, after in zip(plain, library, strict=True):
        np.testing.assert_allclose(list(after.cosines.values()), list(before.cosines.values()) - shifts, atol=1e-6)


def test_classify_matches_even_shares_on_unlabelled_sounds(collection, registered, tmp_path, capsys):
    (tmp_path / "p.yaml").write_text(YAML)
    sounds = str(collection.parent / "sounds")
    command = ["classify", sounds, "--prompts", str(tmp_path / "p.yaml"), "--encoder", registered, "--format", "jsonl"]
    status, out, _ = run(*command, "--match-on", str(collection), capsys=capsys)
    assert status == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert {line["matched_on"] for line in lines} == {str(collection)}
    means = np.mean([list(line["scores"].values()) for line in lines], axis=0)
    np.testing.assert_allclose(means, 1 / 3, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--calibration", "c", "--threshold", "0.2", "--multi-label"], "leave out --threshold, --multi-label"),
        (["--calibration", "c", "--centre-on", "d"], "leave out --centre-on"),
        (["--match-on", "c", "--centre-on", "d"], "--centre-on, --match-on and --background exclude each other"),
    ],
)
def test_what_is_said_twice_exits_with_2(arguments, message, capsys):
    status, out, err = run("classify", "in", "--prompts", "demo", *arguments, capsys=capsys)
    assert (status, out) == (2, "")
    assert message in " ".join(err.split())
    options = (
        {"calibration": "c", "temperature": 1.0}
        if "--calibration" in arguments
        else dict.fromkeys(("match_on", "centre_on"), "c")
    )
    with pytest.raises(ValueError, match="leave these out|exclude each other"):
        mmasc.classify("in", "demo", **options)


def test_what_cannot_be_calibrated_is_said(collection, study, tmp_path):
    encoder = study.encoder
    wide = Prompts("wide", "", ("{}",), {**BIASED.labels, "silence": ("d",)})
    for options in ({"thresholds": True}, {"multi_label": True}, {"shift": "prior"}):
        with pytest.raises(MmascError, match="no recording has the labels 'silence' of prompts 'wide'"):
            tune_prompts(collection, "label", wide, encoder=encoder, **options)
    tune_prompts(collection, "label", wide, encoder=encoder)  # a shift and a temperature need no sound of a label
    with pytest.raises(MmascError, match="is a folder; give the name of a file"):
        tune_prompts(collection, "label", BIASED, encoder=encoder, out=tmp_path)
    with pytest.raises(MmascError, match="a fold leaves 15 of 30 recordings .* 20 are needed; .*--shift none"):
        tune_prompts(collection, "label", BIASED, encoder=encoder, folds=2)
    with pytest.raises(ValueError, match="shift must be one of none, centre, prior, got 'x'"):
        tune_prompts(collection, "label", BIASED, shift="x", encoder=encoder)
    with pytest.raises(ValueError, match="lost must be in"):
        tune_prompts(collection, "label", BIASED, lost=1.0, encoder=encoder)


def test_a_temperature_at_its_end_is_remarked(collection, registered, tmp_path, capsys):
    (tmp_path / "p.yaml").write_text("labels: {low hum: [d], middle: [c], high $x$: [b]}\n")
    command = ["prompts", "calibrate", str(collection), "--label", "label", "--prompts", str(tmp_path / "p.yaml")]
    status, _, err = run(*command, "--shift", "none", "--out", str(tmp_path / "c.json"), capsys=capsys)
    assert status == 0
    assert "the cosines do not separate these labels" in err


def test_background_sets_the_least_cosine_and_is_measured_on_what_it_did_not_learn(collection, study, tmp_path):
    generator = np.random.default_rng(8)
    for number in range(20):
        samples = np.clip(generator.uniform(-0.02, 0.02, 8_000) - 0.5, -1, 1)
        soundfile.write(tmp_path / f"{number:02}.wav", samples, 8_000)
    found = tune_prompts(collection, "label", BIASED, background=tmp_path, encoder=study.encoder)
    before, after = found.rows
    assert before.background == 1.0
    assert after.background < 0.2
    assert found.calibration.minimum_cosine is not None
    bounded = tune_prompts(collection, "label", BIASED, background=tmp_path, lost=0.1, encoder=study.encoder)
    assert bounded.calibration.minimum_cosine <= found.calibration.minimum_cosine
    without = tune_prompts(collection, "label", BIASED, encoder=study.encoder)
    assert without.calibration.minimum_cosine is None
    assert [row.background for row in without.rows] == [None, None]
    with pytest.raises(MmascError, match="1 window of background is too few"):
        tune_prompts(collection, "label", BIASED, background=tmp_path / "00.wav", encoder=study.encoder)


def test_labels_of_few_recordings_are_calibrated_with_fewer_folds(collection, study):
    # The recordings of the second label lie at 1, 4, 7 ...
    few = tune_prompts(
        collection,
        "label",
        BIASED,
        shift="none",
        thresholds=True,
        where="path NOT IN ('01.wav', '04.wav', '07.wav', '10.wav', '13.wav', '16.wav', '19.wav')",
        encoder=study.encoder,
    )
    assert (few.folds, few.recordings, few.not_tested) == (5, 23, [])
    one = tune_prompts(
        collection,
        "label",
        BIASED,
        shift="none",
        thresholds=True,
        where="label != 'middle' OR path = '01.wav'",
        encoder=study.encoder,
    )
    assert (one.folds, one.recordings, one.not_tested) == (5, 21, ["middle"])
    assert 0 <= one.rows[1].accuracy <= 1
