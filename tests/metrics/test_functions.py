"""Metrics against scikit-learn, brute force and what is worked out by hand."""

import math
import zlib

import jaxtyping
import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as oracle

from mmasc.metrics.functions import (
    accuracy,
    average_precision,
    balanced_accuracy,
    bootstrap_interval,
    calibration_error,
    class_scores,
    confusion_matrix,
    label_ranking,
    log_loss,
    lwlrap,
    macro_scores,
    macro_tag_scores,
    mean_average_precision,
    micro_tag_scores,
    tag_scores,
    wilson_interval,
)

CLASSES = ["a", "b", "c", "d"]
# Rows true, columns said: ten scenes (airport, bus, metro, metro_station, park, public_square, shopping_mall,
# street_pedestrian, street_traffic, tram), AudioCLIP with long prompts on 7,990 clips of TAU 2020, as published
SCENES = np.array(
    [
        [43, 203, 61, 28, 57, 48, 29, 66, 67, 197],
        [46, 115, 93, 63, 66, 39, 10, 55, 81, 231],
        [45, 138, 90, 52, 68, 67, 24, 40, 81, 194],
        [29, 154, 113, 52, 69, 51, 21, 59, 77, 174],
        [45, 136, 242, 46, 94, 36, 16, 45, 44, 95],
        [55, 147, 83, 34, 74, 51, 20, 64, 73, 198],
        [30, 101, 50, 33, 44, 20, 39, 31, 28, 153],
        [33, 197, 122, 32, 79, 76, 25, 111, 128, 266],
        [44, 81, 69, 33, 31, 55, 17, 82, 57, 105],
        [36, 156, 150, 80, 78, 50, 39, 51, 112, 272],
    ]
)


@pytest.fixture
def answers():
    """True labels, predicted labels and probabilities of 300 items; class "d" is never true."""
    generator = np.random.default_rng(5)
    true = generator.choice(CLASSES[:3], 300, p=[0.6, 0.3, 0.1])
    probabilities = generator.dirichlet(np.ones(4) / 2, 300)
    return true, np.array(CLASSES)[probabilities.argmax(axis=1)], probabilities


@pytest.fixture
def tags():
    """True tags and scores with many equal ones `[item class]`; the last class is never true, one item has no tag."""
    generator = np.random.default_rng(6)
    true = generator.uniform(size=(80, 7)) < 0.25
    true[:, -1] = False
    true[3] = False
    return true, np.round(generator.uniform(size=(80, 7)) + 0.3 * true, 1)


def test_the_published_confusion_matrix_gives_the_published_accuracy():
    assert accuracy(SCENES) == pytest.approx(0.11564, abs=5e-6)
    # Rows are the truth: 799 clips of most scenes, fewer malls, more streets and trams; the largest class is 13.38 %
    assert SCENES.sum(axis=1).tolist() == [799, 799, 799, 799, 799, 799, 529, 1069, 574, 1024]
    assert SCENES.sum(axis=1).max() / SCENES.sum() == pytest.approx(0.1338, abs=5e-5)
    # Bus is said 1,428 times and right 115 times
    scores = class_scores(SCENES)
    assert scores.precision[1] == pytest.approx(115 / 1428)
    assert scores.recall[1] == pytest.approx(115 / 799)


def test_confusion_matrix_comes_back_from_its_items():
    true = np.repeat(np.arange(10), SCENES.sum(axis=1))
    said = np.concatenate([np.repeat(np.arange(10), row) for row in SCENES])
    np.testing.assert_array_equal(confusion_matrix(true, said, range(10)), SCENES)
    np.testing.assert_array_equal(confusion_matrix(true, said, range(10)), oracle.confusion_matrix(true, said))


def test_rows_are_true_and_columns_said():
    np.testing.assert_array_equal(confusion_matrix(["a", "a", "b"], ["b", "b", "b"], ["a", "b"]), [[0, 2], [0, 1]])


def test_one_label_metrics_are_those_of_scikit_learn(answers):
    true, said, probabilities = answers
    confusion = confusion_matrix(true, said, CLASSES)
    np.testing.assert_array_equal(confusion, oracle.confusion_matrix(true, said, labels=CLASSES))
    assert accuracy(confusion) == pytest.approx(oracle.accuracy_score(true, said))
    present = [item for item, label in enumerate(said) if label != "d"]
    assert balanced_accuracy(confusion_matrix(true[present], said[present], CLASSES)) == pytest.approx(
        oracle.balanced_accuracy_score(true[present], said[present])
    )
    kwargs = {"labels": CLASSES, "zero_division": 0}
    for ours, theirs in (
        (class_scores(confusion), oracle.precision_recall_fscore_support(true, said, **kwargs)[:3]),
        (macro_scores(confusion), oracle.precision_recall_fscore_support(true, said, average="macro", **kwargs)[:3]),
    ):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other)
    assert log_loss(true, probabilities, CLASSES) == pytest.approx(oracle.log_loss(true, probabilities, labels=CLASSES))


def test_balanced_accuracy_leaves_out_classes_that_are_never_true():
    # a: 1 of 2, b: 1 of 1, c: not there
    assert balanced_accuracy(np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]])) == pytest.approx(0.75)


def test_means_leave_out_classes_that_are_neither_true_nor_said():
    # a: said once, rightly, of 2; b: said twice, once rightly, of 1
    scores = macro_scores(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]]))
    assert scores == pytest.approx((0.75, 0.75, 2 / 3))


def test_probabilities_may_be_off_by_rounding():
    near = np.array([[0.50004, 0.5], [0.0, 1.00004]])
    assert log_loss(["a", "b"], near, ["a", "b"]) == pytest.approx(math.log(2) / 2, abs=1e-4)
    assert log_loss(["b"], near[1:], ["a", "b"]) == 0.0


def test_log_loss_of_even_guesses_is_the_logarithm_of_the_number_of_classes(answers):
    true = answers[0]
    assert log_loss(true, np.full((len(true), 4), 0.25), CLASSES) == pytest.approx(math.log(4))
    # one certain mistake costs 36 nats, not infinity
    assert log_loss(["a"], np.array([[0.0, 1.0]]), ["a", "b"]) == pytest.approx(-math.log(2.0**-52))


def test_calibration_error_is_a_loop_over_bins(answers):
    true, said, probabilities = answers
    total = 0.0
    for low in np.arange(10) / 10:
        inside = [item for item in range(len(true)) if low < probabilities[item].max() <= low + 0.1]
        if inside:
            right = np.mean([true[item] == said[item] for item in inside])
            total += len(inside) * abs(right - np.mean([probabilities[item].max() for item in inside]))
    assert calibration_error(true, probabilities, CLASSES, 10) == pytest.approx(total / len(true))


def test_calibration_error_by_hand():
    # Said with 0.8 five times, right four times: calibrated; said with 0.8 and always wrong: off by 0.8
    probabilities = np.tile([0.8, 0.2], (5, 1))
    assert calibration_error(["a"] * 4 + ["b"], probabilities, ["a", "b"]) == pytest.approx(0, abs=1e-12)
    assert calibration_error(["b"] * 5, probabilities, ["a", "b"]) == pytest.approx(0.8)


def test_too_much_and_too_little_confidence_do_not_make_up_for_each_other():
    # Said with 0.9 and wrong, said with 0.6 and right: 0.9 and 0.4 off, in bins of their own
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4]])
    for n_bins in (3, 10, 15):
        assert calibration_error(["b", "a"], probabilities, ["a", "b"], n_bins) == pytest.approx((0.9 + 0.4) / 2)
    assert calibration_error(["b", "a"], probabilities, ["a", "b"], 1) == pytest.approx(abs(0.9 - 0.4) / 2)
    # A bin holds its upper end, not its lower one
    probabilities = np.array([[0.75, 0.25], [0.7, 0.3]])
    assert calibration_error(["b", "a"], probabilities, ["a", "b"], 4) == pytest.approx(abs(0.75 - 0.3) / 2)
    probabilities = np.array([[0.75, 0.25], [0.8, 0.2]])
    assert calibration_error(["b", "a"], probabilities, ["a", "b"], 4) == pytest.approx((0.75 + 0.2) / 2)


def test_average_precision_is_that_of_scikit_learn_with_equal_scores(tags):
    true, scores = tags
    for column in range(6):
        assert average_precision(true[:, column], scores[:, column]) == pytest.approx(
            oracle.average_precision_score(true[:, column], scores[:, column])
        )
    assert mean_average_precision(true, scores) == pytest.approx(
        oracle.average_precision_score(true[:, :6], scores[:, :6], average="macro")
    )


def test_average_precision_by_hand():
    # Ranks of the true ones: 1 and 3; (1/1 + 2/3) / 2
    true = np.array([True, False, True, False])
    assert average_precision(true, np.array([0.9, 0.8, 0.7, 0.1])) == pytest.approx(5 / 6)


def test_tag_scores_are_those_of_scikit_learn(tags):
    true, scores = tags
    said = scores > 0.6
    said[:, 2] = False
    for average, ours in ((None, tag_scores), ("micro", micro_tag_scores), ("macro", macro_tag_scores)):
        theirs = oracle.precision_recall_fscore_support(true, said, average=average, zero_division=0)
        for one, other in zip(ours(true, said), theirs[:3], strict=True):
            np.testing.assert_allclose(one, other)


def test_micro_f1_of_published_precision_and_recall():
    # 0.8984 and 0.7998 are published with F1 0.8462: counts that have them, out of 10,000 true tags
    hits, said, there = 7_998, round(7_998 / 0.8984), 10_000
    true, predicted = np.zeros((2, there + said - hits), bool)
    true[:there] = True
    predicted[there - hits :] = True
    found = micro_tag_scores(true[:, None], predicted[:, None])
    assert found == pytest.approx((0.8984, 0.7998, 0.8462), abs=1e-4)


def test_lwlrap_is_a_loop_over_tags(tags):
    true, scores = tags
    values = []
    for item, column in zip(*np.nonzero(true), strict=True):
        above = [other for other in range(7) if scores[item, other] >= scores[item, column]]
        values.append(sum(true[item, other] for other in above) / len(above))
    assert lwlrap(true, scores) == pytest.approx(np.mean(values))
    with_tags = true.any(axis=1)
    assert lwlrap(true, scores) == pytest.approx(
        oracle.label_ranking_average_precision_score(
            true[with_tags], scores[with_tags], sample_weight=true[with_tags].sum(axis=1)
        )
    )
    per_class, weights = label_ranking(true, scores)
    assert (per_class[-1], weights[-1]) == (0, 0)
    assert weights.sum() == pytest.approx(1)


def uniform(name: str, shape: tuple[int, int]) -> np.ndarray:
    """Numbers in [-1, 1) from a name alone, as they were made for the recorded answers."""
    return np.random.RandomState(zlib.crc32(name.encode())).random_sample(shape) * 2 - 1


def test_recorded_answers_of_official_code():
    true = uniform("metric:truth", (40, 80)) > 0.93
    scores = (uniform("metric:scores", (40, 80)) + 1) / 2 + 0.3 * true
    assert lwlrap(true, scores) == pytest.approx(0.43858368269698267, abs=1e-12)
    true = uniform("metric:truth10", (200, 10)) > 0.6
    said = uniform("metric:score10", (200, 10)) + 0.8 * true > 0.5
    assert micro_tag_scores(true, said) == pytest.approx(
        (0.38109756097560976, 0.6188118811881188, 0.4716981132075472), abs=1e-12
    )
    assert macro_tag_scores(true, said) == pytest.approx(
        (0.3798801777641983, 0.6161192863262824, 0.4676360245941729), abs=1e-12
    )


def test_intervals_shrink_with_the_square_root_of_items():
    widths = []
    for n_items in (50, 200, 800):
        right = np.arange(n_items) % 5 > 0  # 80 %
        low, high = bootstrap_interval(lambda items, right=right: float(right[items].mean()), n_items)
        assert low < 0.8 < high
        # The binomial's own interval
        assert high - low == pytest.approx(2 * 1.96 * math.sqrt(0.16 / n_items), rel=0.15)
        widths.append(high - low)
    assert widths[0] > widths[1] > widths[2]


def test_interval_over_groups_is_that_of_so_many_groups():
    # 20 groups of 40 recordings that are all right or all wrong: 20 observations, not 800
    right = np.repeat(np.arange(20) % 2 == 0, 40)
    groups = np.repeat(np.arange(20), 40)

    def metric(items):
        return float(right[items].mean())

    low, high = bootstrap_interval(metric, 800, groups)
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(0.25 / 20), rel=0.15)
    narrow = bootstrap_interval(metric, 800)
    assert narrow[1] - narrow[0] < 0.25 * (high - low)
    assert bootstrap_interval(metric, 800, groups) == (low, high)
    wide = bootstrap_interval(metric, 800, groups, level=0.5)
    assert low < wide[0] < wide[1] < high


def test_an_interval_is_of_two_thousand_draws_with_seed_0_at_95_percent():
    drawn = []

    def metric(items):
        drawn.append(float(items.mean()))
        return drawn[-1]

    found = bootstrap_interval(metric, 2)
    assert found == (0.0, 1.0)
    assert len(drawn) == 2_000
    generator = np.random.default_rng(0)
    values = [generator.integers(0, 9, 9).mean() for _ in range(2_000)]
    assert bootstrap_interval(metric, 9) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=1e-12)


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 7), (7, 7), (3, 10), (80, 100), (499, 1000)])
def test_wilson_interval_is_that_of_scipy(hits, n):
    theirs = scipy.stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    low, high = wilson_interval(hits, n)
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-6)
    assert 0.0 <= low <= hits / n <= high <= 1.0
    # One standard deviation instead of 1.96
    theirs = scipy.stats.binomtest(hits, n).proportion_ci(0.6826894921, method="wilson")
    assert wilson_interval(hits, n, 1.0) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_every_group_is_drawn_whole():
    groups = np.array(["x", "y", "x", "z", "y", "x"])
    seen = []

    def metric(items):
        counts = np.bincount(items, minlength=6)
        assert counts[0] == counts[2] == counts[5]
        assert counts[1] == counts[4]
        seen.append(int(counts[[0, 1, 3]].sum()))
        return 0.0

    bootstrap_interval(metric, 6, groups, n_draws=50)
    assert set(seen) == {3}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: confusion_matrix([], [], CLASSES), "one item or more"),
        (lambda: confusion_matrix(["a", "b"], ["a"], CLASSES), "one value of each, got 2 and 1"),
        (lambda: confusion_matrix(["a"], ["x"], CLASSES), "among the classes .* got x"),
        (lambda: confusion_matrix(["a"], ["a"], ["a", "a"]), "all different"),
        (lambda: accuracy(np.zeros((3, 3), np.int64)), "one item or more"),
        (lambda: balanced_accuracy(np.zeros((3, 3), np.int64)), "one item or more"),
        (lambda: macro_scores(np.zeros((3, 3), np.int64)), "one item or more"),
        *(
            (lambda score=score: score(np.zeros((0, 3), bool), np.zeros((0, 3), bool)), "one item or more")
            for score in (tag_scores, micro_tag_scores, macro_tag_scores)
        ),
        (lambda: log_loss(["a"], np.array([[0.5, 0.6]]), ["a", "b"]), "sum to 1"),
        (lambda: log_loss(["a"], np.array([[1.001, 0.0]]), ["a", "b"]), "sum to 1"),
        (lambda: log_loss(["a"], np.array([[1.1, -0.1]]), ["a", "b"]), "must be 0 or more"),
        (lambda: calibration_error(["a"], np.array([[1.1, -0.1]]), ["a", "b"]), "must be 0 or more"),
        (lambda: log_loss(["a"], np.array([[1.0]]), ["a", "b"]), r"\[1, 2\], got \[1, 1\]"),
        (lambda: calibration_error(["a"], np.array([[1.0]]), ["a"], 0), "n_bins"),
        (lambda: average_precision(np.zeros(3, bool), np.zeros(3)), "needs an item that is true"),
        (lambda: mean_average_precision(np.zeros((3, 2), bool), np.zeros((3, 2))), "needs a class that is true"),
        (lambda: lwlrap(np.zeros((3, 2), bool), np.zeros((3, 2))), "needs an item with a label"),
        (lambda: bootstrap_interval(len, 1), "two or more items, got 1"),
        (lambda: bootstrap_interval(len, 3, ["a", "a", "a"]), "two or more groups, got 1"),
        (lambda: bootstrap_interval(len, 0, []), "two or more groups, got 0"),
        (lambda: bootstrap_interval(len, 3, ["a", "b"]), "one value of each, got 3 and 2"),
        (lambda: bootstrap_interval(len, 3, level=1.0), "level must be in"),
        (lambda: bootstrap_interval(len, 3, level=0.0), "level must be in"),
        (lambda: bootstrap_interval(len, 3, n_draws=0), "n_draws at least 1"),
    ],
)
def test_what_cannot_be_measured_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_interval_of_one_draw_is_that_draw():
    low, high = bootstrap_interval(lambda items: float(items.mean()), 5, n_draws=1)
    assert low == high
    assert 0 <= low <= 4


def test_average_precision_wants_a_score_for_each_item(monkeypatch):
    # Who uses the package has no checks of shapes
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match="2 .*3"):
        average_precision(np.array([True, False]), np.array([0.1, 0.2, 0.3]))
