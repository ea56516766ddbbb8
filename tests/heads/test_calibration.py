"""Calibration: laws of shifts and biases, optima against SciPy and brute force, classifiers from end to end."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.special import softmax as scipy_softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import mmasc
from mmasc.cli import cli
from mmasc.collection import Collection
from mmasc.errors import MmascError
from mmasc.heads.calibration import TEMPERATURES, fit_temperature, reliability_curve
from mmasc.heads.shifted import CentredZeroShot, PriorMatchedZeroShot
from mmasc.heads.unlabelled_shifts import MINIMUM_UNLABELLED, centring_shifts
from mmasc.heads.zeroshot import NONE, ZeroShotClassifier
from mmasc.labelling.sources import unlabelled_vectors
from mmasc.metrics.functions import calibration_error
from tests.helpers.cosines import LABELS, cosines_of


def axes_problem(n_items: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sounds along four axes with a part that all share, prompts of which one lies along that part, true labels."""
    generator = np.random.default_rng(seed)
    codes = np.arange(n_items) % 4
    sounds = 0.6 * np.eye(5)[codes] + np.eye(5)[4] + 0.2 * generator.normal(size=(n_items, 5))
    prompts = np.eye(5)[:4].copy()
    prompts[1, 4] = 0.9  # this one is like every sound
    return sounds, prompts, np.array(LABELS)[codes]


def test_centred_labels_have_one_mean_and_a_shift_of_a_label_is_found():
    cosines, _ = cosines_of()
    shifts = centring_shifts(cosines)
    assert shifts.sum() == pytest.approx(0, abs=1e-12)
    centred = cosines - shifts
    np.testing.assert_allclose(centred.mean(axis=0), cosines.mean(), atol=1e-12)
    attracting = cosines + np.array([0.0, 0.4, 0.0, 0.0])
    np.testing.assert_allclose(attracting - centring_shifts(attracting) - 0.1, centred, atol=1e-12)


def test_centring_leaves_unbiased_prompts_as_they_are():
    # Sounds that are each others' mirror images: every prompt has the same mean cosine
    prompts = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    one = np.random.default_rng(2).normal(size=(30, 3))
    sounds = np.concatenate([one, np.roll(one, 1, axis=1), np.roll(one, 2, axis=1)])
    plain = ZeroShotClassifier(temperature=0.1).fit(prompts, ["x", "y", "z"])
    centred = CentredZeroShot(temperature=0.1)
    centred.fit(prompts, ["x", "y", "z"])
    centred.calibrate(sounds)
    np.testing.assert_allclose(centred.shifts_, 0, atol=1e-12)
    tested = np.random.default_rng(3).normal(size=(50, 3))
    order = np.argsort(-plain.decision_function(tested), axis=1)
    np.testing.assert_array_equal(np.argsort(-centred.decision_function(tested), axis=1), order)
    np.testing.assert_allclose(centred.predict_proba(tested), plain.predict_proba(tested), atol=1e-9)


@pytest.mark.parametrize("kind", [CentredZeroShot, PriorMatchedZeroShot])
def test_a_prompt_that_attracts_everything_is_mended(kind):
    sounds, prompts, labels = axes_problem()
    plain = ZeroShotClassifier(temperature=0.1).fit(prompts, LABELS)
    assert plain.score(sounds, labels) < 0.6
    assert (plain.predict(sounds) == "b").mean() > 0.6
    mended = kind(temperature=0.1)
    mended.fit(prompts, LABELS)
    mended.calibrate(sounds[::2])
    assert mended.score(sounds[1::2], labels[1::2]) > 0.85
    np.testing.assert_allclose(mended.predict_proba(sounds).sum(axis=1), 1)
    assert mended.shifts_[1] > 0.2 > mended.shifts_[[0, 2, 3]].max()


def test_prior_of_the_classifier_goes_by_name():
    sounds, prompts, _ = axes_problem()
    prior = {"d": 0.1, "c": 0.2, "b": 0.3, "a": 0.4}
    matched = PriorMatchedZeroShot(temperature=0.05, prior=prior)
    matched.fit(prompts, LABELS)
    matched.calibrate(sounds)
    np.testing.assert_allclose(matched.predict_proba(sounds).mean(axis=0), [0.4, 0.3, 0.2, 0.1], atol=1e-8)
    twin = clone(matched)
    assert twin.prior is prior
    twin.fit(prompts, LABELS)
    with pytest.raises(NotFittedError, match="calibrate this PriorMatchedZeroShot on unlabelled sounds"):
        twin.predict(sounds)
    with pytest.raises(ValueError, match=r"the prior must name the labels \['a', 'b'"):
        twin.set_params(prior={"a": 1.0}).calibrate(sounds)


def test_fitting_other_prompts_forgets_the_shifts():
    sounds, prompts, _ = axes_problem()
    centred = CentredZeroShot(temperature=0.1)
    centred.fit(prompts, LABELS)
    centred.calibrate(sounds)
    centred.fit(prompts[::-1], LABELS)
    with pytest.raises(NotFittedError):
        centred.decision_function(sounds)


def test_temperature_is_the_most_likely_one():
    cosines, codes = cosines_of(200, seed=6, signal=0.05)

    def loss(log_scale):
        logits = np.exp(log_scale) * cosines
        return float((logsumexp(logits, axis=1) - logits[np.arange(200), codes]).mean())

    best = minimize_scalar(loss, bounds=(np.log(0.1), np.log(100)), method="bounded", options={"xatol": 1e-10})
    temperature = fit_temperature(cosines, codes)
    assert TEMPERATURES[0] < temperature < TEMPERATURES[1]
    assert temperature == pytest.approx(np.exp(-best.x), rel=1e-4)
    # Labels that are drawn with a temperature give it back
    drawn = np.random.default_rng(7)
    many = drawn.normal(0.2, 0.1, size=(5_000, 4))
    chances = scipy_softmax(many / 0.07, axis=1).cumsum(axis=1)
    said = (drawn.uniform(size=(5_000, 1)) > chances).sum(axis=1)
    assert fit_temperature(many, said) == pytest.approx(0.07, rel=0.05)


def test_temperature_has_two_ends():
    cosines, codes = cosines_of(seed=8)
    right = np.eye(4)[codes] * 0.5
    assert fit_temperature(right, codes) == TEMPERATURES[0]
    assert fit_temperature(-right, codes) == TEMPERATURES[1]
    with pytest.raises(ValueError, match="labelled sounds are needed, got none"):
        fit_temperature(cosines[:0], codes[:0])
    with pytest.raises(ValueError, match="codes are columns 0 to 3, got 0 to 4"):
        fit_temperature(cosines, np.arange(120) % 5)


def test_thresholds_of_labels_are_used_by_name():
    prompts, sounds = np.eye(2), np.array([[1.0, 0.9], [0.9, 1.0]])
    one = ZeroShotClassifier(temperature=1.0, threshold={"y": 0.51, "x": 0.99}).fit(prompts, ["x", "y"])
    assert list(one.predict(sounds)) == [NONE, "y"]
    several = ZeroShotClassifier(temperature=1.0, multi_label=True, threshold={"x": 0.9, "y": 0.1})
    np.testing.assert_array_equal(several.fit(prompts, ["x", "y"]).predict(sounds), [[0, 1], [0, 1]])
    with pytest.raises(ValueError, match=r"thresholds must name the labels \['x', 'y'\], got \['x'\]"):
        ZeroShotClassifier(threshold={"x": 0.5}).fit(prompts, ["x", "y"])
    with pytest.raises(ValueError, match="threshold is a probability"):
        ZeroShotClassifier(threshold={"x": 0.5, "y": 2.0}).fit(prompts, ["x", "y"])


def test_reliability_is_a_loop_over_bins_and_its_gaps_sum_to_the_error():
    cosines, codes = cosines_of(300, seed=11, signal=0.04)
    probabilities, true = scipy_softmax(30 * cosines, axis=1), np.array(LABELS)[codes]
    curve = reliability_curve(true, probabilities, LABELS, n_bins=10)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == codes
    for place, (low, high) in enumerate(zip(curve.edges[:-1], curve.edges[1:], strict=True)):
        inside = (confidence > low) & (confidence <= high)
        assert curve.counts[place] == inside.sum()
        if inside.any():
            assert curve.confidence[place] == pytest.approx(confidence[inside].mean())
            assert curve.right[place] == pytest.approx(right[inside].mean())
        else:
            assert np.isnan(curve.right[place])
    gaps = np.nan_to_num(np.abs(curve.confidence - curve.right)) * curve.counts / 300
    assert gaps.sum() == pytest.approx(curve.error)
    assert curve.error == pytest.approx(calibration_error(true, probabilities, LABELS, 10))


def test_fifteen_bins_unless_said_otherwise():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4]])
    curve = reliability_curve(["b", "a"], probabilities, ["a", "b"])
    assert len(curve.edges) == 16
    assert curve.error == calibration_error(["b", "a"], probabilities, ["a", "b"], 15)
    assert MINIMUM_UNLABELLED == 20


def test_a_fitted_temperature_calibrates():
    cosines, codes = cosines_of(2_000, seed=12, signal=0.05)
    true = np.array(LABELS)[codes]

    def error(temperature):
        return reliability_curve(true, scipy_softmax(cosines / temperature, axis=1), LABELS).error

    fitted = fit_temperature(cosines[:200], codes[:200])
    assert error(fitted) < 0.05 < error(0.01)


@pytest.fixture
def many_sounds(tmp_path) -> Path:
    """Thirty short recordings whose stand-in vectors differ."""
    folder, generator = tmp_path / "many", np.random.default_rng(13)
    folder.mkdir()
    for number in range(30):
        samples = generator.uniform(-0.5, 0.5, 8_000) * generator.uniform(0.1, 1) + generator.uniform(-0.4, 0.4)
        soundfile.write(folder / f"{number:02}.wav", samples, 8_000)
    return folder


PROMPTS = {"first": "a", "second": "bb", "third": "ccc"}


def test_classify_centres_on_recordings_and_on_a_collection_alike(many_sounds, standin, registered, tmp_path):
    mmasc.embed(many_sounds, into=tmp_path / "c", encoder=standin)
    plain = {one.path: one for one in mmasc.classify(many_sounds, PROMPTS, standin)}
    heard = unlabelled_vectors(many_sounds, standin)
    shifts = centring_shifts(ZeroShotClassifier(standin).fit(PROMPTS).decision_function(heard))
    for source in (many_sounds, tmp_path / "c", Collection(tmp_path / "c"), [str(many_sounds / "*.wav")]):
        for one in mmasc.classify(many_sounds, PROMPTS, standin, centre_on=source):
            expected = np.array(list(plain[one.path].cosines.values())) - shifts
            np.testing.assert_allclose(list(one.cosines.values()), expected, atol=1e-5)
            assert one.label == list(PROMPTS)[int(expected.argmax())]
    assert len({one.label for one in mmasc.classify(many_sounds, PROMPTS, standin, centre_on=many_sounds)}) > 1


def test_command_classifies_centred_and_says_on_what(many_sounds, registered, tmp_path):
    prompts = tmp_path / "p.yaml"
    prompts.write_text("labels: {first: [a], second: [bb], third: [ccc]}\n")
    command = ["classify", str(many_sounds), "--prompts", str(prompts), "--encoder", registered, "--format", "jsonl"]
    plain = CliRunner().invoke(cli, command)
    centred = CliRunner().invoke(cli, [*command, "--centre-on", str(many_sounds)])
    assert (plain.exit_code, centred.exit_code) == (0, 0)
    before, after = ([json.loads(line) for line in one.stdout.splitlines()] for one in (plain, centred))
    assert {one["centred_on"] for one in after} == {str(many_sounds)}
    assert "centred_on" not in before[0]
    # The centred cosines of a label have one mean over the sounds that were centred on
    means = [np.mean([list(one["cosines"].values()) for one in rows], axis=0) for rows in (before, after)]
    assert np.ptp(means[0]) > 0.01
    assert np.ptp(means[1]) < 1e-5


def test_what_cannot_be_centred_on_is_said(many_sounds, sounds, standin, registered, tmp_path):
    with pytest.raises(MmascError, match="14 unlabelled sounds are too few"):
        next(mmasc.classify(sounds, PROMPTS, standin, centre_on=sounds))
    other = type(standin)(standin.spec)
    other.identity = "another0" * 4
    mmasc.embed(sounds, into=tmp_path / "c", encoder=other)
    with pytest.raises(MmascError, match="has no space of standin standin0.*; it has: standin .*mmasc embed PATH"):
        next(mmasc.classify(sounds, PROMPTS, standin, centre_on=tmp_path / "c"))
    (many_sounds / "00.wav").write_bytes(b"RIFF")
    with pytest.raises(MmascError, match=r"00\.wav"):
        next(mmasc.classify(sounds, PROMPTS, standin, centre_on=many_sounds))
