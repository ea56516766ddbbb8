"""The zero-shot classifier: cosines by hand, laws of its probabilities, thresholds, scikit-learn's contract."""

import copy
import itertools

import numpy as np
import pytest
from scipy.special import expit, logsumexp, softmax
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from mmasc.errors import MmascError
from mmasc.heads.shifted import TunedZeroShot
from mmasc.heads.zeroshot import NONE, ZeroShotClassifier, one_kind
from mmasc.prompts.prompts import Prompts

AXES = np.eye(3)
LABELS = ["north", "east", "up"]


def random_problem(seed, n_class=6, n_item=40, dim=5):
    generator = np.random.default_rng(seed)
    prompts, vectors = generator.normal(size=(n_class, dim)), generator.normal(size=(n_item, dim))
    return prompts, [f"label {column}" for column in range(n_class)], vectors


def test_text_vectors_are_unit_means_of_unit_prompts(standin):
    prompts = Prompts("p", "", ("{}", "{} b"), {"x": ("aaa", "c"), "y": ("d",)})
    fitted = ZeroShotClassifier(standin).fit(prompts)
    # letters a b c d counted by hand, plus the stand-in's 0.1
    counts = np.array([[3, 0, 0, 0], [3, 1, 0, 0], [0, 0, 1, 0], [0, 1, 1, 0]]) + 0.1
    units = counts / np.linalg.norm(counts, axis=1, keepdims=True)
    expected = units.mean(axis=0) / np.linalg.norm(units.mean(axis=0))
    np.testing.assert_allclose(fitted.class_vectors_[0], expected, rtol=1e-6)
    assert list(fitted.classes_) == ["x", "y"]
    assert fitted.n_features_in_ == 4


def test_prompts_can_be_a_mapping_a_name_or_vectors_with_labels(standin, monkeypatch):
    by_mapping = ZeroShotClassifier(standin).fit({"x": ["aaa", "c"], "y": "d"})
    vectors = standin.embed_text(["aaa", "c", "d"])
    for same in (
        ZeroShotClassifier().fit(vectors, ["x", "x", "y"]),
        ZeroShotClassifier().fit_vectors(vectors, np.array(["x", "x", "y"])),
    ):
        np.testing.assert_array_equal(same.class_vectors_, by_mapping.class_vectors_)
    monkeypatch.setattr("mmasc.encoders.registry.load_encoder", lambda name: {"standin": standin}[name])
    by_name = ZeroShotClassifier("standin").fit("tau2020-simple")
    assert list(by_name.classes_)[:2] == ["airport", "bus"]


def test_length_of_vectors_does_not_matter_and_cosines_are_cosines():
    prompts, labels, vectors = random_problem(0)
    fitted = ZeroShotClassifier(temperature=0.1).fit(prompts, labels)
    lengths = np.random.default_rng(1).uniform(0.01, 100, size=(len(vectors), 1))
    expected = [[v @ p / np.sqrt(v @ v) / np.sqrt(p @ p) for p in prompts] for v in vectors]
    np.testing.assert_allclose(fitted.decision_function(vectors), expected, atol=1e-12)
    np.testing.assert_allclose(fitted.decision_function(vectors * lengths), expected, atol=1e-12)
    np.testing.assert_array_equal(fitted.decision_function(np.zeros((1, 5))), np.zeros((1, 6)))
    assert np.abs(fitted.decision_function(prompts)).max() <= 1.0


def test_classes_keep_the_order_of_prompts_and_repeated_labels_are_averaged():
    fitted = ZeroShotClassifier().fit(np.array([[2.0, 0], [0, 1], [0, 9]]), ["z", "a", "z"])
    assert list(fitted.classes_) == ["z", "a"]
    np.testing.assert_allclose(fitted.class_vectors_, [[np.sqrt(0.5), np.sqrt(0.5)], [0, 1]])


@pytest.mark.parametrize("temperature", [0.01, 0.1, 2.0])
def test_probabilities_are_the_softmax_of_scaled_cosines(temperature):
    prompts, labels, vectors = random_problem(2)
    fitted = ZeroShotClassifier(temperature=temperature).fit(prompts, labels)
    expected = softmax(fitted.decision_function(vectors) / temperature, axis=1)
    np.testing.assert_allclose(fitted.predict_proba(vectors), expected, atol=1e-12)


def test_scale_is_the_encoders_unless_a_temperature_is_given(standin):
    prompts, vectors = {"x": "a", "y": "b"}, np.array([[1.0, 0.2, 0, 0]])
    own = ZeroShotClassifier(standin).fit(prompts).predict_proba(vectors)
    same = ZeroShotClassifier(standin, temperature=1 / 10.0).fit(prompts).predict_proba(vectors)
    np.testing.assert_allclose(own, same)
    with pytest.raises(MmascError, match="this space has none; give a temperature"):
        ZeroShotClassifier().fit(AXES, LABELS).predict_proba(AXES)
    # the argmax needs no scale
    assert list(ZeroShotClassifier().fit(AXES, LABELS).predict(AXES)) == LABELS


@pytest.mark.parametrize("temperature", [0.02, 0.3])
def test_multi_label_is_bayes_rule_against_a_rival_drawn_at_random(temperature):
    prompts, labels, vectors = random_problem(3)
    fitted = ZeroShotClassifier(temperature=temperature, multi_label=True).fit(prompts, labels)
    logits = fitted.decision_function(vectors) / temperature
    for column in range(len(labels)):
        rivals = np.delete(logits, column, axis=1)
        odds = logits[:, column] - (logsumexp(rivals, axis=1) - np.log(rivals.shape[1]))
        np.testing.assert_allclose(fitted.predict_proba(vectors)[:, column], expit(odds), atol=1e-12)


def test_multi_label_laws():
    prompts, labels, vectors = random_problem(4, n_class=2)
    one, several = ZeroShotClassifier(temperature=0.2), ZeroShotClassifier(temperature=0.2, multi_label=True)
    # two labels: judging one against the other is what softmax does
    np.testing.assert_allclose(
        one.fit(prompts, labels).predict_proba(vectors), several.fit(prompts, labels).predict_proba(vectors)
    )
    # k of n labels that fit equally well, the others not at all: (n - 1) / (n + k - 2)
    several = ZeroShotClassifier(temperature=0.001, multi_label=True).fit(np.eye(5), list("abcde"))
    both = several.predict_proba(np.array([[1.0, 1, 0, 0, 0]]))
    np.testing.assert_allclose(both, [[4 / 5, 4 / 5, 0, 0, 0]], atol=1e-12)
    # held exactly where the softmax is at or above chance
    prompts, labels, vectors = random_problem(5)
    held = ZeroShotClassifier(temperature=0.3, multi_label=True).fit(prompts, labels).predict(vectors)
    chances = ZeroShotClassifier(temperature=0.3).fit(prompts, labels).predict_proba(vectors)
    np.testing.assert_array_equal(held, chances >= 1 / 6)
    assert held.sum(axis=1).min() > 0
    assert held.sum(axis=1).max() > 1
    with pytest.raises(MmascError, match="two or more"):
        ZeroShotClassifier(temperature=1.0, multi_label=True).fit(AXES[:1], ["x"]).predict(AXES)


def test_extreme_scales_neither_overflow_nor_lose_the_answer():
    prompts, labels, vectors = random_problem(6)
    for multi_label in (False, True):
        fitted = ZeroShotClassifier(temperature=1e-6, multi_label=multi_label).fit(prompts, labels)
        scores = fitted.predict_proba(vectors)
        assert np.isfinite(scores).all()
        np.testing.assert_array_equal(scores.argmax(axis=1), fitted.decision_function(vectors).argmax(axis=1))


def test_threshold_is_on_the_probability_and_minimum_cosine_on_the_cosine():
    # towards north, north and east alike, away from all of them
    vectors = np.array([[1.0, 0, 0], [1, 1, 0], [-1, -1, -0.9]])

    def predict(**options):
        return list(ZeroShotClassifier(temperature=0.05, **options).fit(AXES, LABELS).predict(vectors))

    # a best label exists for anything, and is sure of itself even where it points away
    assert predict() == ["north", "north", "up"]
    assert predict(threshold=0.4) == ["north", "north", "up"]
    assert predict(threshold=0.9) == ["north", NONE, NONE]
    assert predict(minimum_cosine=0.0) == ["north", "north", NONE]
    assert predict(minimum_cosine=0.8) == ["north", NONE, NONE]
    assert predict(threshold=1.0) == [NONE, NONE, NONE]
    several = ZeroShotClassifier(temperature=0.05, multi_label=True, minimum_cosine=0.5).fit(AXES, LABELS)
    np.testing.assert_array_equal(several.predict(vectors), [[1, 0, 0], [1, 1, 0], [0, 0, 0]])


def test_higher_thresholds_never_accept_more():
    prompts, labels, vectors = random_problem(7)
    for multi_label in (False, True):
        accepted = []
        for threshold in np.linspace(0, 1, 11):
            fitted = ZeroShotClassifier(temperature=0.2, multi_label=multi_label, threshold=float(threshold))
            fitted.fit(prompts, labels)
            accepted.append(fitted.accept(fitted.predict_proba(vectors), fitted.decision_function(vectors)))
        for lower, higher in itertools.pairwise(accepted):
            assert (lower | ~higher).all()
        assert accepted[0].sum() > accepted[-1].sum()


def test_top_k_is_sorted_and_agrees_with_the_probabilities():
    prompts, labels, vectors = random_problem(8)
    fitted = ZeroShotClassifier(temperature=0.1).fit(prompts, labels)
    best = fitted.top_k(vectors, 3)
    assert [row[0][0] for row in best] == list(fitted.predict(vectors))
    for row, scores in zip(best, fitted.predict_proba(vectors), strict=True):
        assert [score for _, score in row] == sorted(scores, reverse=True)[:3]
        assert all(scores[labels.index(label)] == score for label, score in row)
    assert len(fitted.top_k(vectors, 99)[0]) == 6
    with pytest.raises(ValueError, match="at least 1"):
        fitted.top_k(vectors, 0)


def test_one_by_one_is_the_same_as_all_at_once():
    prompts, labels, vectors = random_problem(9)
    fitted = ZeroShotClassifier(temperature=0.1).fit(prompts, labels)
    alone = np.concatenate([fitted.predict_proba(vector[None]) for vector in vectors])
    np.testing.assert_allclose(alone, fitted.predict_proba(vectors), rtol=1e-12)
    assert fitted.predict(vectors[:0]).shape == (0,)


def test_vectors_of_another_space_and_broken_ones_are_refused():
    fitted = ZeroShotClassifier(temperature=0.1).fit(AXES, LABELS)
    with pytest.raises(MmascError, match=r"have 4 numbers, the prompts' 3: .* different spaces; embed both with one"):
        fitted.predict(np.ones((2, 4)))
    with pytest.raises(ValueError, match="NaN or infinity"):
        fitted.predict(np.array([[1.0, np.nan, 0]]))


@pytest.mark.parametrize(
    ("rows", "fault"),
    [([[0.0, 0], [1, 0]], "'x' have no direction"), ([[1.0, 0], [np.nan, 0]], "'y' have no direction")],
)
def test_prompts_without_direction_are_refused(rows, fault):
    with pytest.raises(MmascError, match=fault):
        ZeroShotClassifier().fit(np.array(rows), ["x", "y"])


def test_prompts_that_cancel_out_are_refused():
    with pytest.raises(MmascError, match="'x' have no direction"):
        ZeroShotClassifier().fit(np.array([[1.0, 2], [-1, -2]]), ["x", "x"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"threshold": 1.5}, r"threshold is a probability in \[0, 1\], got 1.5"),
        ({"minimum_cosine": -2.0}, r"minimum_cosine must be in \[-1, 1\]"),
    ],
)
def test_parameters_out_of_range_are_argument_errors(options, message):
    with pytest.raises(ValueError, match=message):
        ZeroShotClassifier(**options).fit(AXES, LABELS)


def test_fit_asks_for_what_is_missing():
    with pytest.raises(ValueError, match="need an encoder"):
        ZeroShotClassifier().fit({"x": "a"})
    with pytest.raises(ValueError, match="need their labels"):
        ZeroShotClassifier().fit(AXES)
    with pytest.raises(ValueError, match="got 3 vectors, 2 labels"):
        ZeroShotClassifier().fit(AXES, ["x", "y"])


def test_a_text_that_the_encoder_refuses_is_told_with_its_prompt_file(standin, tmp_path, monkeypatch):
    def refuse(texts):
        raise MmascError(f"the text {texts[0]!r} has 90 tokens, CLIP reads 77: shorten it")

    monkeypatch.setattr(standin, "embed_text", refuse)
    (tmp_path / "long.yaml").write_text("labels: {a: [very long], b: [c]}\n")
    with pytest.raises(MmascError, match=r"prompts .*/long\.yaml: the text 'very long' has 90 tokens.*shorten it$"):
        ZeroShotClassifier(standin).fit(tmp_path / "long.yaml")
    with pytest.raises(MmascError, match="prompts labels: the text 'x' has 90 tokens"):
        ZeroShotClassifier(standin).fit({"a": "x"})


def test_it_is_a_scikit_learn_classifier(standin, monkeypatch):
    def refuse(*_):
        raise AssertionError("the encoder was copied")

    monkeypatch.setattr(type(standin), "__deepcopy__", refuse, raising=False)
    with pytest.raises(AssertionError):
        copy.deepcopy(standin)
    original = ZeroShotClassifier(standin, temperature=0.3, threshold=0.2).fit({"x": "a", "y": "b"})
    twin = clone(original)
    assert twin.get_params() == original.get_params()
    assert twin.encoder is standin
    assert not hasattr(twin, "classes_")
    assert clone(twin.set_params(temperature=0.7)).temperature == 0.7
    vectors = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0.9, 0, 0, 0]])
    assert original.score(vectors, ["x", "y", "y"]) == pytest.approx(2 / 3)
    doubled = make_pipeline(FunctionTransformer(lambda values: 2 * values), original)
    assert list(doubled.predict(vectors)) == ["x", "y", "x"]
    assert "ZeroShotClassifier(" in repr(original)


@pytest.mark.parametrize(
    ("options", "is_right"),
    [
        ({"temperature": 1e-9}, True), ({"temperature": -1.0}, False), ({"temperature": np.inf}, False),
        ({"temperature": np.nan}, False), ({"threshold": 0}, True), ({"threshold": 1}, True),
        ({"threshold": -0.1}, False), ({"threshold": np.nan}, False), ({"minimum_cosine": -1}, True),
        ({"minimum_cosine": 1}, True), ({"minimum_cosine": 1.1}, False), ({"minimum_cosine": -1.1}, False),
        ({"threshold": dict.fromkeys(LABELS, 1.0)}, True),
        ({"threshold": {**dict.fromkeys(LABELS, 1.0), "up": 2}}, False),
    ],
)  # fmt: skip
def test_edges_of_parameters(options, is_right):
    classifier = ZeroShotClassifier(**options)
    if is_right:
        assert list(classifier.fit(AXES, LABELS).classes_) == LABELS
    else:
        with pytest.raises(ValueError, match="must be|is a probability"):
            classifier.fit(AXES, LABELS)


@pytest.mark.parametrize("labels", [[7, 3, 5], [True, False, True]])
def test_answers_are_of_the_type_of_the_labels(labels):
    plain = ZeroShotClassifier(temperature=0.05).fit(AXES, labels)
    vectors = np.array([[0.0, 1.0, 0.0], [-1.0, -1.0, -0.99]])
    assert plain.predict(AXES[1:2]).tolist() == [labels[1]]
    assert plain.predict(vectors).dtype == plain.classes_.dtype
    for options in ({"minimum_cosine": 0.5}, {"threshold": 0.999}):
        picky = ZeroShotClassifier(temperature=0.05, **options).fit(AXES, labels)
        found = picky.predict(vectors)
        assert (found.tolist()[0], found.tolist()[1:]) == (labels[1], [NONE])
        assert found.dtype == object
    assert plain.top_k(AXES[1:2], 1) == [[(labels[1], pytest.approx(plain.predict_proba(AXES[1:2]).max()))]]


def test_labels_of_one_kind():
    assert one_kind(["a", "b"]).tolist() == ["a", "b"]
    assert one_kind(np.array(["a", "b"], object)).tolist() == ["a", "b"]
    assert one_kind((1, 2)).tolist() == [1, 2]
    assert one_kind(np.array([1, 2])).dtype == np.int64
    for mixed in (["a", 1], [1, "a"], np.array([1, "a"], object)):
        with pytest.raises(ValueError, match="labels must be all texts or all numbers, got 1 and 'a'"):
            one_kind(mixed)


def test_given_shifts_are_subtracted_by_name():
    prompts, labels, vectors = random_problem(10)
    shifts = {label: 0.1 * place for place, label in enumerate(labels)}
    plain = ZeroShotClassifier(temperature=0.2, threshold=0.1, minimum_cosine=-0.5).fit(prompts, labels)
    options = {"temperature": 0.2, "threshold": 0.1, "minimum_cosine": -0.5}
    tuned = TunedZeroShot(**options, shifts=dict(reversed(shifts.items()))).fit(prompts, labels)
    wanted = plain.decision_function(vectors) - 0.1 * np.arange(6)
    np.testing.assert_allclose(tuned.decision_function(vectors), wanted, atol=1e-12)
    np.testing.assert_allclose(tuned.predict_proba(vectors), softmax(wanted / 0.2, axis=1), atol=1e-12)
    nothing = TunedZeroShot(**options).fit(prompts, labels)
    np.testing.assert_array_equal(nothing.predict_proba(vectors), plain.predict_proba(vectors))
    assert nothing.get_params() == {**plain.get_params(), "shifts": None}
    several = TunedZeroShot(temperature=0.2, multi_label=True, shifts=shifts).fit(prompts, labels)
    assert several.predict(vectors).shape == (40, 6)
    for wrong in ({}, {**shifts, "more": 0.0}):
        with pytest.raises(ValueError, match="the shifts must name the labels"):
            TunedZeroShot(shifts=wrong).fit(prompts, labels)
    with pytest.raises(ValueError, match="are given; use CentredZeroShot"):
        tuned.calibrate(vectors)
