"""Heads as arrays: each kind worked out by hand, and every array that does not fit refused when it is read."""

import numpy as np
import pytest
from scipy.special import softmax

from mmasc.heads import predictors, tree_sums
from mmasc.heads.one_against_rest import OneAgainstRest
from mmasc.heads.predictor import floats_of, integers_of, probabilities_of
from mmasc.heads.predictors import Linear, Nearest, SupportVectorPairs
from mmasc.heads.tree_sums import Trees

# Two trees of one branch each: number 0 up to 0.5, number 1 up to 0
TREES = {
    "baseline": np.array([0.25]),
    "roots": np.array([[0], [3]]),
    "feature": np.array([0, 9, 9, 1, 9, 9]),
    "threshold": np.array([0.5, 0.0, 0.0, 0.0, np.inf, 0.0]),
    "left": np.array([1, -1, -1, 4, -1, -1]),
    "right": np.array([2, -1, -1, 5, -1, -1]),
    "value": np.array([0.0, 1.0, -1.0, 0.0, 2.0, -2.0]),
    "rounded": np.array([True]),
    "n_features": np.array([2]),
}
PROJECTED = TREES | {"mean": np.array([1.0, 0.0]), "components": np.array([[0.0, 1.0], [1.0, 0.0]])}
LINEAR = {"weights": np.array([[1.0, 0.0], [0.0, 2.0]]), "biases": np.array([0.5, -0.5])}
PAIRS = {
    "vectors": np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]),
    "duals": np.array([[1.0, -0.5, -0.25], [0.75, 0.5, -1.5]]),
    "counts": np.array([1, 1, 1]),
    "biases": np.array([0.1, 0.2, 0.3]),
    "gamma_sigmoid_temperature": np.array([0.5, 0.0, 2.0]),
}
NEAREST = {
    "vectors": np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]),
    "codes": np.array([0, 1, 1]),
    "sizes": np.array([2, 2]),
    "near": np.array([0.5]),
}
KINDS = [(Trees, TREES), (Trees, PROJECTED), (Linear, LINEAR), (SupportVectorPairs, PAIRS), (Nearest, NEAREST)]
ASKED = np.array([[0.5, 0.1], [0.6, -0.1], [0.5 + 1e-9, 0.0], [0.0, 1.0]])


def test_trees_by_hand():
    log_odds = np.array([0.25 + 1 - 2, 0.25 - 1 + 2, 0.25 + 1 + 2, 0.25 + 1 - 2])  # 0.5 + 1e-9 is 0.5 in float32
    second = 1 / (1 + np.exp(-log_odds))
    found = Trees.load(TREES)
    np.testing.assert_allclose(found.predict_proba(ASKED), np.stack([1 - second, second], axis=1))
    exact = Trees.load(TREES | {"rounded": np.array([False])}).predict_proba(ASKED)
    np.testing.assert_allclose(exact[2, 1], 1 / (1 + np.exp(-(0.25 - 1 + 2))))
    np.testing.assert_allclose(exact[[0, 1, 3]], found.predict_proba(ASKED)[[0, 1, 3]])
    assert (found.n_classes, found.n_features) == (2, 2)
    # The numbers change places, and 1 is taken from the second
    turned = Trees.load(PROJECTED).predict_proba(ASKED)
    np.testing.assert_allclose(turned, found.predict_proba(ASKED[:, ::-1] - [0.0, 1.0]))
    # One column for each class where there are three
    three = TREES | {"baseline": np.array([0.0, 1.0]), "roots": np.array([[0, 3]])}
    np.testing.assert_allclose(Trees.load(three).predict_proba(ASKED[:1]), softmax([[1.0, 1.0 - 2.0]], axis=1))


def test_a_line_by_hand():
    np.testing.assert_allclose(Linear.load(LINEAR).predict_proba(ASKED), softmax(ASKED * [1, 2] + [0.5, -0.5], axis=1))


@pytest.mark.parametrize("sigmoid", [False, True])
def test_support_vectors_by_hand(sigmoid):
    found = SupportVectorPairs.load(PAIRS | {"gamma_sigmoid_temperature": np.array([0.5, float(sigmoid), 2.0])})
    for asked, answer in zip(ASKED, found.predict_proba(ASKED), strict=True):
        if sigmoid:
            kernel = [np.tanh(0.5 * asked @ vector) for vector in PAIRS["vectors"]]
        else:
            kernel = [np.exp(-0.5 * ((asked - vector) ** 2).sum()) for vector in PAIRS["vectors"]]
        duals = PAIRS["duals"]
        pairs = {
            (0, 1): kernel[0] * duals[0, 0] + kernel[1] * duals[0, 1] + 0.1,
            (0, 2): kernel[0] * duals[1, 0] + kernel[2] * duals[0, 2] + 0.2,
            (1, 2): kernel[1] * duals[1, 1] + kernel[2] * duals[1, 2] + 0.3,
        }
        votes, sure = np.zeros(3), np.zeros(3)
        for (first, second), value in pairs.items():
            votes[first if value >= 0 else second] += 1
            sure[first] += value
            sure[second] -= value
        np.testing.assert_allclose(answer, softmax((votes + sure / (3 * (np.abs(sure) + 1))) / 2.0))


def test_neighbours_by_hand():
    # Cosine distances of (0, 1): 1 to the first and the third, 0 to the second; of two, one is the second
    found = Nearest.load(NEAREST | {"sizes": np.array([1, 2])}).predict_proba(ASKED[3:])
    np.testing.assert_allclose(found, [[0.0, 1.0]])
    found = Nearest.load(NEAREST | {"sizes": np.array([3, 2])}).predict_proba(ASKED[3:])
    own, other = 1 / 1.5, 1 / 0.5 + 1 / 1.5
    np.testing.assert_allclose(found, [[own / (own + other), other / (own + other)]])


@pytest.mark.parametrize(("kind", "arrays"), KINDS)
@pytest.mark.parametrize("at_once", [1, 4_000_000])
def test_any_number_of_vectors_is_answered_alike(kind, arrays, at_once, monkeypatch):
    for module in (predictors, tree_sums):
        monkeypatch.setattr(module, "NUMBERS_AT_ONCE", at_once)
    one = kind.load(arrays)
    whole = one.predict_proba(ASKED)
    np.testing.assert_allclose(whole.sum(axis=1), 1.0)
    for row in range(len(ASKED)):
        np.testing.assert_allclose(one.predict_proba(ASKED[row : row + 1]), whole[row : row + 1], rtol=1e-12)
    assert one.predict_proba(ASKED[:0]).shape == (0, one.n_classes)
    again = kind.load(one.arrays())
    assert set(one.arrays()) == set(arrays)
    np.testing.assert_array_equal(again.predict_proba(ASKED), whole)


def put(name: str, place: object, value: float):
    def change(arrays: dict) -> dict:
        changed = arrays[name].copy()
        changed[place] = value
        return arrays | {name: changed}

    return change


def longer(name: str):
    return lambda arrays: arrays | {name: np.concatenate([arrays[name], arrays[name][-1:]])}


def given(**values: np.ndarray):
    return lambda arrays: arrays | values


WRONG = [
    (Trees, TREES, put("roots", (0, 0), -1), "begins outside the nodes"),
    (Trees, TREES, put("roots", (1, 0), 6), "begins outside the nodes"),
    (Trees, TREES, put("left", 3, 3), "leads nowhere or back"),
    (Trees, TREES, put("left", 3, 6), "leads nowhere or back"),
    (Trees, TREES, put("right", 3, 3), "leads nowhere or back"),
    (Trees, TREES, put("right", 3, 6), "leads nowhere or back"),
    (Trees, TREES, put("feature", 3, -1), "a number beyond the dim"),
    (Trees, TREES, put("feature", 3, 2), "a number beyond the dim"),
    (Trees, TREES, put("threshold", 1, np.nan), "a threshold is not a number"),
    *((Trees, TREES, longer(name), "unequal arrays") for name in ("feature", "left", "right", "threshold", "value")),
    (Trees, TREES, longer("baseline"), "do not fit the classes"),
    (Trees, TREES, given(baseline=np.zeros(0)), "'baseline' is missing or empty"),
    (Trees, TREES, given(roots=np.array([0, 3])), "'roots' is missing or empty"),
    (Trees, TREES, put("value", 5, np.inf), "'value' holds NaN or infinity"),
    (Trees, PROJECTED, longer("mean"), "components do not fit the dim"),
    (Trees, PROJECTED, given(components=np.eye(3)), "components do not fit the dim"),
    (Trees, PROJECTED, given(n_features=np.array([3])), "components do not fit the dim"),
    (Trees, PROJECTED, given(components=np.eye(2)[:1]), "a number beyond the dim"),
    (Linear, LINEAR, longer("biases"), "weights do not fit the classes"),
    (Linear, LINEAR, lambda arrays: {name: one[:1] for name, one in arrays.items()}, "weights do not fit the classes"),
    (Linear, LINEAR, given(biases=np.zeros(2, np.float32)), "'biases' is not float64"),
    (SupportVectorPairs, PAIRS, longer("biases"), "pairs do not fit the classes"),
    (SupportVectorPairs, PAIRS, given(counts=np.array([3]), biases=np.zeros(1)), "pairs do not fit the classes"),
    (SupportVectorPairs, PAIRS, put("counts", 1, 2), "support vectors miscounted"),
    (SupportVectorPairs, PAIRS, given(counts=np.array([-1, 2, 2])), "support vectors miscounted"),
    (SupportVectorPairs, PAIRS, longer("duals"), "coefficients do not fit"),
    (SupportVectorPairs, PAIRS, given(duals=np.zeros((2, 4))), "coefficients do not fit"),
    (SupportVectorPairs, PAIRS, put("gamma_sigmoid_temperature", 2, 0.0), "no temperature above 0"),
    (SupportVectorPairs, PAIRS, longer("gamma_sigmoid_temperature"), "no temperature above 0"),
    (Nearest, NEAREST, longer("codes"), "neighbours without labels"),
    (Nearest, NEAREST, longer("sizes"), "neighbours without labels"),
    (Nearest, NEAREST, longer("near"), "neighbours without labels"),
    (Nearest, NEAREST, put("sizes", 0, 0), "sizes out of range"),
    (Nearest, NEAREST, put("sizes", 0, 4), "sizes out of range"),
    (Nearest, NEAREST, put("sizes", 1, 1), "sizes out of range"),
    (Nearest, NEAREST, put("near", 0, 0.0), "sizes out of range"),
    (Nearest, NEAREST, put("codes", 0, -1), "a label beyond the classes"),
    (Nearest, NEAREST, put("codes", 0, 2), "a label beyond the classes"),
    (Nearest, NEAREST, given(codes=np.array([0, 1, 1], np.int32)), "'codes' is not int64"),
]


@pytest.mark.parametrize(("kind", "arrays", "change", "message"), WRONG)
def test_arrays_that_do_not_fit_are_refused(kind, arrays, change, message):
    with pytest.raises(ValueError, match=message):
        kind.load(change(arrays))


@pytest.mark.parametrize(
    ("kind", "arrays", "change"),
    [
        (Trees, TREES, put("roots", (1, 0), 5)),
        (Trees, TREES, put("threshold", 0, -np.inf)),
        (SupportVectorPairs, PAIRS, given(counts=np.array([0, 2, 1]))),
        (Nearest, NEAREST, put("sizes", 0, 3)),
    ],
)
def test_arrays_at_their_edges_are_read(kind, arrays, change):
    np.testing.assert_allclose(kind.load(change(arrays)).predict_proba(ASKED).sum(axis=1), 1.0)


def test_probabilities_of_any_logits():
    logits = np.array([[1e4, 0.0], [-1e4, 3.0], [0.0, 0.0]])
    np.testing.assert_allclose(probabilities_of(logits), softmax(logits, axis=1))
    np.testing.assert_allclose(probabilities_of(logits[:, :1]), [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]], atol=1e-300)
    np.testing.assert_allclose(probabilities_of(logits[:, :1], one_column=False), np.ones((3, 1)))


def test_an_array_that_is_not_there_or_of_other_axes_is_named():
    for wrong in ({}, {"a": np.zeros(0)}, {"a": np.zeros((1, 1))}):
        for read in (floats_of, integers_of):
            with pytest.raises(ValueError, match="'a' is missing or empty"):
                read(wrong, "a", 1)
    assert np.isnan(floats_of({"a": np.array([np.nan])}, "a", 1, finite=False)).all()
    with pytest.raises(ValueError, match="'a' holds NaN"):
        floats_of({"a": np.array([np.nan, 1.0])}, "a", 1)


def test_labels_that_do_not_exclude_each_other_are_heads_of_their_own():
    members = [Linear.load(LINEAR), Trees.load(TREES), Nearest.load(NEAREST)]
    found = OneAgainstRest(members)
    assert (found.n_classes, found.n_features) == (3, 2)
    wanted = np.stack([one.predict_proba(ASKED)[:, 1] for one in members], axis=1)
    np.testing.assert_array_equal(found.predict_proba(ASKED), wanted)
    arrays = found.arrays()
    own = (LINEAR, TREES, NEAREST)
    assert set(arrays) == {"kinds", *(f"{number}.{name}" for number, one in enumerate(own) for name in one)}
    again = OneAgainstRest.load(arrays)
    assert [one.kind for one in again.members] == ["linear", "trees", "nearest"]
    np.testing.assert_array_equal(again.predict_proba(ASKED), wanted)


def kinds(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kinds": None}, "'kinds' is missing or is not a text"),
        ({"kinds": kinds("linear").astype(np.int64)}, "'kinds' is missing or is not a text"),
        ({"kinds": kinds("linear")[None]}, "'kinds' is missing or is not a text"),
        ({"kinds": kinds("linear\ncode")}, "unknown kind"),
        ({"kinds": kinds("one-against-rest\nlinear")}, "unknown kind"),
        ({"kinds": kinds("linear\nlinear\nlinear")}, "'weights' is missing or empty"),
        ({"1.weights": np.eye(3), "1.biases": np.zeros(3)}, "the heads of the labels do not fit together"),
        ({"1.weights": np.ones((2, 3))}, "the heads of the labels do not fit together"),
    ],
)
def test_labels_that_do_not_fit_together_are_refused(changed, said):
    arrays = OneAgainstRest([Linear.load(LINEAR)] * 2).arrays() | changed
    with pytest.raises(ValueError, match=said):
        OneAgainstRest.load({name: one for name, one in arrays.items() if one is not None})
