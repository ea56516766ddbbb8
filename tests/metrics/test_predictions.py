"""All metrics at once: against the plain metrics, scikit-learn, and recordings that were really drawn twice."""

import dataclasses
import json
import math
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import sklearn.metrics as oracle

from mmasc.metrics import functions as metrics
from mmasc.metrics import predictions
from mmasc.metrics.predictions import (
    Predictions,
    _metrics,
    by_column,
    class_table,
    draw_weights,
    measure,
    measure_accuracy,
    measure_gain,
)
from tests.parity import rule_weights, rule_weights_b

CLASSES = ("a", "b", "c", "d")


def single(n_items=200, seed=0) -> Predictions:
    generator = np.random.default_rng(seed)
    codes = generator.choice(4, n_items, p=[0.5, 0.3, 0.2, 0])  # "d" is never true
    posteriors = generator.dirichlet(np.ones(4), n_items)
    posteriors[np.arange(n_items), codes] += 0.3
    posteriors = np.round(posteriors / posteriors.sum(1, keepdims=True), 2)  # equal scores occur
    posteriors /= posteriors.sum(1, keepdims=True)
    groups = tuple(f"r{number}" for number in generator.integers(0, 60, n_items))
    return Predictions(codes[:, None] == np.arange(4), posteriors, CLASSES, groups)


def several(n_items=150, seed=1) -> Predictions:
    generator = np.random.default_rng(seed)
    true = generator.uniform(size=(n_items, 4)) < [0.5, 0.3, 0.1, 0.05]
    posteriors = np.round(np.clip(generator.uniform(size=(n_items, 4)) * 0.7 + 0.3 * true, 0, 1), 2)
    groups = tuple(str(number // 2) for number in range(n_items))
    return Predictions(true, posteriors, CLASSES, groups, multi_label=True)


def repeated(answers: Predictions, times) -> Predictions:
    """The same items, each as many times as it was drawn."""
    picked = np.repeat(np.arange(len(answers)), times)
    groups = tuple(answers.groups[item] for item in picked)
    return Predictions(answers.true[picked], answers.posteriors[picked], CLASSES, groups, answers.multi_label)


def test_one_label_as_the_plain_metrics_have_it():
    answers = single()
    labels, given = np.array(CLASSES)[answers.true.argmax(1)], answers.posteriors
    confusion = metrics.confusion_matrix(labels, np.array(CLASSES)[given.argmax(1)], CLASSES)
    np.testing.assert_array_equal(answers.confusion(), confusion)
    found = {name: metric.value for name, metric in measure(answers, n_draws=2).items()}
    assert found == pytest.approx(
        {
            "accuracy": metrics.accuracy(confusion),
            "balanced_accuracy": metrics.balanced_accuracy(confusion),
            "log_loss": metrics.log_loss(labels, given, CLASSES),
            "micro_precision": metrics.accuracy(confusion),
            "micro_recall": metrics.accuracy(confusion),
            "micro_f1": metrics.accuracy(confusion),
            "macro_precision": metrics.macro_scores(confusion).precision,
            "macro_recall": metrics.macro_scores(confusion).recall,
            "macro_f1": metrics.macro_scores(confusion).f1,
            "mean_average_precision": metrics.mean_average_precision(answers.true, given),
            "lwlrap": metrics.lwlrap(answers.true, given),
            "calibration_error": metrics.calibration_error(labels, given, CLASSES),
        }
    )


def test_several_labels_as_scikit_learn_has_them():
    answers = several()
    true, given, said = answers.true, answers.posteriors, answers.predicted
    found = {name: metric.value for name, metric in measure(answers, n_draws=2).items()}
    for mean in ("micro", "macro"):
        wanted = oracle.precision_recall_fscore_support(true, said, average=mean, zero_division=0)[:3]
        assert [found[f"{mean}_{name}"] for name in ("precision", "recall", "f1")] == pytest.approx(wanted)
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(true, said))
    assert found["mean_average_precision"] == pytest.approx(
        oracle.average_precision_score(true, given, average="macro")
    )
    assert found["lwlrap"] == pytest.approx(metrics.lwlrap(true, given))
    binary = [
        oracle.log_loss(true[:, one], np.clip(given[:, one], 1e-15, 1 - 1e-15), labels=[0, 1]) for one in range(4)
    ]
    assert found["log_loss"] == pytest.approx(np.mean(binary), rel=1e-3)
    balanced = [oracle.balanced_accuracy_score(true[:, one], said[:, one]) for one in range(4)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(balanced))


def test_calibration_of_several_labels_is_a_loop_over_pairs():
    answers = several()
    total = 0.0
    for number in range(15):
        inside = (number / 15 < answers.posteriors) & (answers.posteriors <= (number + 1) / 15)
        inside |= (number == 0) & (answers.posteriors == 0)
        total += abs((answers.posteriors - answers.true)[inside].sum())
    found = measure(answers, n_draws=1)["calibration_error"].value
    assert found == pytest.approx(total / answers.posteriors.size)


def test_several_labels_by_hand():
    true = np.array([[True, True, False], [True, False, False]])
    given = np.array([[0.5, 1.0, 1.0], [0.49, 0.0, 0.0]])
    answers = Predictions(true, given, ("x", "y", "z"), ("1", "2"), multi_label=True)
    assert answers.predicted.tolist() == [[True, True, True], [False, False, False]]
    lower = dataclasses.replace(answers, threshold=0.4)
    assert lower.predicted.tolist() == [[True, True, True], [True, False, False]]
    found = {name: metric.value for name, metric in measure(answers, n_draws=1).items()}
    # "x" is always true: half of its balance is the share that was found, and nothing is left of the other half
    assert found["balanced_accuracy"] == pytest.approx((0.25 + 1.0) / 2)
    # A certain mistake costs 36 nats, on either side
    certain = -math.log(2.0**-52)
    pairs = [-math.log(0.5), 0.0, certain, -math.log(0.49), 0.0, 0.0]
    assert found["log_loss"] == pytest.approx(np.mean(pairs))
    assert found["mean_average_precision"] == pytest.approx(1.0)
    assert found["lwlrap"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    with pytest.raises(ValueError, match="needs one label per item"):
        answers.confusion()
    nothing = Predictions(np.zeros((2, 3), bool), given, ("x", "y", "z"), ("1", "2"), multi_label=True)
    found = {name: metric.value for name, metric in measure(nothing, n_draws=1).items()}
    assert found["micro_precision"] == found["micro_recall"] == found["macro_f1"] == 0.0
    assert all(math.isnan(found[name]) for name in ("mean_average_precision", "lwlrap", "balanced_accuracy"))


def test_one_label_by_hand():
    true = np.array([[True, False, False], [True, False, False]])
    answers = Predictions(true, np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]), ("x", "y", "z"), ("1", "2"))
    found = {name: metric.value for name, metric in measure(answers, n_draws=1).items()}
    assert found["log_loss"] == pytest.approx(-math.log(2.0**-52) / 2)
    # "z" is neither true nor said
    assert found["macro_precision"] == pytest.approx(1 / 2)
    assert found["macro_f1"] == pytest.approx(2 / 3 / 2)


@pytest.mark.parametrize("answers", [single(), several()])
def test_intervals_are_quantiles_of_the_draws(answers, monkeypatch):
    values = _metrics(answers, draw_weights(answers.groups, 40, seed=7))
    found = measure(answers, 40, 0.8, 7)
    for name, (low, high) in ((name, metric.interval) for name, metric in found.items()):
        assert (low, high) == pytest.approx(tuple(np.nanquantile(values[name], [0.1, 0.9]))), name
    assert found["accuracy"].interval == pytest.approx(measure_accuracy(answers, 40, 0.8, 7).interval)
    # However many draws are worked on together
    for at_once in (1, 3 * len(answers)):
        monkeypatch.setattr(predictions, "_NUMBERS_AT_ONCE", at_once)
        again = measure(answers, 40, 0.8, 7)
        assert [metric.interval for metric in again.values()] == [
            pytest.approx(metric.interval) for metric in found.values()
        ]


def test_intervals_are_of_a_thousand_draws_with_seed_0_at_95_percent():
    answers = single(30)
    values = _metrics(answers, draw_weights(answers.groups, 1_000))["accuracy"]
    expected = pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
    assert measure(answers)["accuracy"].interval == expected
    assert measure_accuracy(answers).interval == expected
    drawn = np.random.default_rng(0).multinomial(2, [0.5, 0.5], size=9)
    np.testing.assert_array_equal(draw_weights(["b", "a"], 9), drawn[:, ::-1])
    wrong = np.roll(answers.posteriors, 1, axis=1)
    other = Predictions(answers.true, wrong, CLASSES, answers.groups)
    assert measure_gain(answers, other) == measure_gain(answers, other, 1_000, 0.95, 0)


@pytest.mark.parametrize("answers", [single(), several()])
def test_weights_are_items_that_come_several_times(answers):
    weights = draw_weights(answers.groups, 5, seed=3)
    quick = _metrics(answers, weights)
    for draw, times in enumerate(weights.astype(int)):
        slow = _metrics(repeated(answers, times), np.ones((1, int(times.sum()))))
        assert set(slow) == set(quick) > {"accuracy"}
        for name, values in quick.items():
            assert values[draw] == pytest.approx(slow[name][0], abs=1e-12), name


def test_groups_are_drawn_whole():
    answers = single()
    weights = draw_weights(answers.groups, 50)
    groups = np.array(answers.groups)
    for name in np.unique(groups):
        assert (np.ptp(weights[:, groups == name], axis=1) == 0).all()
    firsts = [np.flatnonzero(groups == name)[0] for name in np.unique(groups)]
    assert (weights[:, firsts].sum(axis=1) == len(firsts)).all()
    assert draw_weights(["one"] * 4, 3) is None
    assert measure(Predictions(answers.true, answers.posteriors, CLASSES, ("one",) * 200))["accuracy"].interval is None


def test_the_interval_of_independent_items_is_that_of_the_binomial():
    true = np.zeros((400, 2), bool)
    true[:, 0] = True
    posteriors = np.where(np.arange(400)[:, None] < 300, [0.9, 0.1], [0.2, 0.8])
    answers = Predictions(true, posteriors, ("x", "y"), tuple(map(str, range(400))))
    found = measure(answers, n_draws=4_000)["accuracy"]
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert found.value == 0.75
    assert found.interval == pytest.approx((0.75 - half, 0.75 + half), abs=0.006)
    # Items that come in equal pairs say half as much
    paired = Predictions(true, posteriors, ("x", "y"), tuple(str(number // 2) for number in range(400)))
    wide = measure_accuracy(paired, n_draws=4_000).interval
    assert wide[1] - wide[0] == pytest.approx(2 * half * np.sqrt(2), abs=0.012)


def test_recorded_figures_of_tagging():
    recorded = json.loads((Path(rule_weights_b.__file__).parent / "baselines_keys.json").read_text(encoding="utf-8"))
    uniform = rule_weights.uniform
    truth = uniform("metric:truth", (40, 80)) > 0.93
    scores = (uniform("metric:scores", (40, 80)) + 1) / 2 + 0.3 * truth
    names = tuple(map(str, range(80)))
    answers = Predictions(truth, np.float64(scores), names, tuple(map(str, range(40))), multi_label=True)
    assert measure(answers, n_draws=2)["lwlrap"].value == pytest.approx(recorded["lwlrap"]["value"], abs=1e-7)
    truth = uniform("metric:truth10", (200, 10)) > 0.6
    said = uniform("metric:score10", (200, 10)) + 0.8 * truth > 0.5
    answers = Predictions(truth, said.astype(float), names[:10], tuple(map(str, range(200))), multi_label=True)
    found = measure(answers, n_draws=2)
    for mean in ("micro", "macro"):
        for name in ("precision", "recall", "f1"):
            key = f"{mean}_{name}"
            assert found[key].value == pytest.approx(recorded["micro"][key], abs=1e-12)


def test_tables_by_class_and_by_column():
    answers = single()
    table = class_table(answers)
    assert [row["items"] for row in table.values()] == answers.true.sum(0).tolist()
    assert np.isnan(table["d"]["average_precision"])
    confusion = answers.confusion()
    for name, values in zip(("precision", "recall", "f1"), metrics.class_scores(confusion), strict=True):
        assert [row[name] for row in table.values()] == pytest.approx(values.tolist())
    for column, name in enumerate("abc"):
        wanted = metrics.average_precision(answers.true[:, column], answers.posteriors[:, column])
        assert table[name]["average_precision"] == pytest.approx(wanted)
    assert table["a"]["recall"] == pytest.approx((answers.predicted & answers.true)[:, 0].sum() / table["a"]["items"])
    cities = ["paris" if number % 3 else "" if number % 2 else "lyon" for number in range(len(answers))]
    found = by_column(answers, cities)
    assert list(found) == ["lyon", "paris"]
    of_lyon = np.array(cities) == "lyon"
    right = (answers.posteriors.argmax(1) == answers.true.argmax(1))[of_lyon]
    assert found["lyon"]["accuracy"] == pytest.approx(right.mean())
    assert found["lyon"]["items"] == of_lyon.sum()
    part = answers.part(of_lyon)
    assert found["lyon"]["interval"] == measure_accuracy(part).interval
    assert found["lyon"]["log_loss"] == pytest.approx(measure(part, n_draws=1)["log_loss"].value)


@pytest.mark.parametrize(
    ("true", "posteriors", "message"),
    [
        (np.zeros((0, 2), bool), np.zeros((0, 2)), "one item or more"),
        (np.eye(2, dtype=bool), np.full((2, 2), np.nan), "NaN"),
        (np.ones((2, 2), bool), np.full((2, 2), 0.5), "exactly one label"),
    ],
)
def test_bad_answers_are_refused(true, posteriors, message):
    with pytest.raises(ValueError, match=message):
        Predictions(true, posteriors, ("x", "y"), tuple(map(str, range(len(true)))))


def test_every_item_has_labels_posteriors_and_a_group(monkeypatch):
    # Who uses the package has no checks of shapes
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    two, three = np.eye(2, dtype=bool), np.full((3, 2), 0.5)
    for given, groups in ((three, ("1", "2")), (three[:2], ("1", "2", "3"))):
        with pytest.raises(ValueError, match=f"got 2, {len(given)} and {len(groups)}"):
            Predictions(two, given, ("x", "y"), groups)


def test_a_gain_is_drawn_as_one():
    answers = single()
    generator = np.random.default_rng(3)
    worse = answers.posteriors.copy()
    spoiled = generator.choice(200, 40, replace=False)
    worse[spoiled] = np.roll(worse[spoiled], 1, axis=1)
    other = Predictions(answers.true, worse, CLASSES, answers.groups)
    gain = measure_gain(answers, other, n_draws=50, seed=4)
    assert gain.value == pytest.approx(measure_accuracy(answers).value - measure_accuracy(other).value)
    draws = draw_weights(answers.groups, 50, seed=4).astype(int)
    drawn = [
        measure_accuracy(repeated(answers, times)).value - measure_accuracy(repeated(other, times)).value
        for times in draws
    ]
    assert gain.interval == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
    assert measure_gain(answers, answers).interval == (0, 0)
    back = measure_gain(other, answers, n_draws=50, seed=4)
    assert (back.value, *back.interval) == pytest.approx((-gain.value, -gain.interval[1], -gain.interval[0]))
    of_one = [Predictions(one.true, one.posteriors, CLASSES, ("1",) * 200) for one in (answers, other)]
    assert measure_gain(*of_one).interval is None
    assert measure_gain(*of_one).value == pytest.approx(gain.value)
    assert measure_accuracy(of_one[0]).interval is None
    for part in ({"classes": tuple("wxyz")}, {"groups": ("1",) * 200}, {"true": np.roll(answers.true, 1, axis=0)}):
        with pytest.raises(ValueError, match="must be of the same items"):
            measure_gain(answers, dataclasses.replace(answers, **part))
    with pytest.raises(ValueError, match="must be of the same items, got 200 and 100 of them"):
        measure_gain(answers, single(100))
