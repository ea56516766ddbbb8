"""Zero-shot classification: vectors of sounds against vectors of prompts, no training.

A label's vector is the mean of the unit vectors of its prompts, made a unit again; a sound's score is the cosine, and
its probability the softmax of scaled cosines (Radford et al. 2021, "Learning transferable visual models from natural
language supervision", section 3.1; prompt ensembles: section 3.1.4).
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _num_samples, check_is_fitted, validate_data

from mmasc.errors import MmascError
from mmasc.prompts.prompts import as_prompts
from mmasc.prompts.vectors import label_vectors
from mmasc.windows.units import unit_float64

NONE = "none of these"  # the answer where no label is good enough
MULTI_LABEL_THRESHOLD = 0.5  # where a label is as probable as not


class VectorsError(MmascError, ValueError):
    """Vectors that cannot be compared: a fault that users can fix, and a ValueError, as scikit-learn wants it."""


class ZeroShotClassifier(ClassifierMixin, BaseEstimator):
    """Labels for sounds from prompts alone; a scikit-learn classifier.

    `fit(prompts)` asks the encoder for text vectors; `fit(prompt_vectors, labels)` needs no encoder.

    Args:
        encoder: An `Encoder` whose space has text, its name for `load_encoder`, or None to fit with vectors. Clones
            of the classifier share it: it is frozen.
        temperature: What softmax divides cosines by; default: one over the encoder's `logit_scale`.
        multi_label: Judge every label by itself instead of one against the others, see `predict_proba`.
        threshold: Least probability, in [0, 1]. One label: below it the answer is "none of these"; default: no
            threshold. Several labels: a label holds from here on; default: 0.5. A mapping of all labels to numbers
            (`mmasc.heads.thresholds.fit_thresholds` makes one) gives each label its own.
        minimum_cosine: Least cosine, in [-1, 1], on top of `threshold`; default: none. Probabilities compare labels
            with each other, so a sound that fits none of them still has a best one; only the cosine knows that it
            fits badly. Cosines differ from space to space: look at those of your own sounds first.

    Attributes:
        classes_: Labels in the order of the prompts `[class]`.
        class_vectors_: Unit vectors of the labels `[class dim]`.
        n_features_in_: The dim of the space.
    """

    def __init__(
        self,
        encoder: Any = None,
        temperature: float | None = None,
        multi_label: bool = False,
        threshold: float | Mapping[Any, float] | None = None,
        minimum_cosine: float | None = None,
    ) -> None:
        self.encoder = encoder
        self.temperature = temperature
        self.multi_label = multi_label
        self.threshold = threshold
        self.minimum_cosine = minimum_cosine

    def fit(
        self,
        prompts: Any,
        y: Any = None,
    ) -> "ZeroShotClassifier":
        """Make the labels' vectors.

        Args:
            prompts: `Prompts`, a mapping of labels to phrases, a bundled name or the path of a prompt file; with `y`
                the vectors of prompts `[prompt dim]`.
            y: With vectors, the label of each prompt `[prompt]`: texts, integers or booleans, see `fit_vectors`.
        Raises:
            MmascError: If the space has no text, a prompt file is broken, a text is longer than the encoder reads, or a
                label's vector is zero.
            ValueError: If a parameter is out of range, there is no encoder for texts, or vectors come without labels.
        """
        if y is not None:
            return self.fit_vectors(prompts, y)
        if isinstance(prompts, np.ndarray):
            raise ValueError(
                "prompt vectors need their labels: fit(prompt_vectors, labels) requires y to be passed, but the target "
                "y is None"
            )
        if self.encoder is None:
            raise ValueError("prompts need an encoder: ZeroShotClassifier(encoder).fit(prompts)")
        if isinstance(self.encoder, str):
            from mmasc.encoders.registry import load_encoder

            self.encoder_ = load_encoder(self.encoder)
        else:
            self.encoder_ = self.encoder
        asked = as_prompts(prompts)
        texts = [(label, text) for label, expanded in asked.expand().items() for text in expanded]
        try:
            vectors = self.encoder_.embed_text([text for _, text in texts])
        except MmascError as error:  # a text too long, words that are not known: the file is what the user fixes
            raise MmascError(f"prompts {asked.path or asked.name}: {error}") from error
        return self.fit_vectors(vectors, [label for label, _ in texts])

    def fit_vectors(self, prompt_vectors: Any, labels: Any) -> "ZeroShotClassifier":
        """Make the labels' vectors from vectors of prompts; prompts of one label are averaged as units.

        Args:
            prompt_vectors: Vectors of any length except zero `[prompt dim]`.
            labels: One for each prompt `[prompt]`, all texts, all integers or all booleans; `classes_` has them in the
                order in which they first come, and answers are of their type.
        Raises:
            MmascError: If the vectors of a label are zero, cancel out, or are not finite (then a VectorsError).
            ValueError: If there are no prompts, numbers of prompts and labels differ, labels are not finite or of
                several types, or a parameter is out of range.
        """
        self._check_parameters()
        counts = _num_samples(prompt_vectors), _num_samples(labels)
        if counts[0] != counts[1]:
            raise ValueError(f"every prompt needs one label, got {counts[0]} vectors, {counts[1]} labels")
        vectors, labels = validate_data(
            self, prompt_vectors, one_kind(labels), dtype=np.float64, ensure_all_finite=False
        )
        with warnings.catch_warnings():
            # Nearly every prompt may have a label of its own here, which scikit-learn takes for a regression
            warnings.filterwarnings("ignore", message="The number of unique classes")
            check_classification_targets(labels)
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            raise VectorsError(
                f"the prompts of {str(labels[finite.argmin()])!r} have no direction in this space, their vectors hold "
                "NaN or infinity; use other words"
            )
        classes, class_vectors = label_vectors(vectors, labels)
        if isinstance(self.threshold, Mapping) and set(self.threshold) != set(classes.tolist()):
            raise ValueError(f"thresholds must name the labels {classes.tolist()}, got {list(self.threshold)}")
        self.classes_, self.class_vectors_ = classes, class_vectors
        return self

    def decision_function(self, vectors: Any) -> Float[np.ndarray, "item class"]:
        """Cosines of sounds and labels, columns in the order of `classes_`; a zero vector has cosine 0 to all.

        Args:
            vectors: Vectors of sounds `[item dim]`.
        Raises:
            VectorsError: If the vectors are of another dim than the prompts, or hold NaN or infinity; it is a
                MmascError and a ValueError.
        """
        check_is_fitted(self, "class_vectors_")
        shape: tuple[int, ...] = tuple(getattr(vectors, "shape", ()))
        if len(shape) == 2 and shape[1] != self.n_features_in_:
            raise VectorsError(
                f"the sounds' vectors have {shape[1]} numbers, the prompts' {self.n_features_in_}: they come from "
                f"different spaces; embed both with one encoder (X has {shape[1]} features, but "
                f"{type(self).__name__} is expecting {self.n_features_in_} features as input)"
            )
        vectors = validate_data(
            self, vectors, reset=False, dtype=[np.float64, np.float32], ensure_min_samples=0, ensure_all_finite=False
        )
        if not np.isfinite(vectors).all():
            raise VectorsError("vectors hold NaN or infinity")
        return np.clip(unit_float64(vectors) @ self.class_vectors_.T, -1.0, 1.0)

    def predict_proba(self, vectors: Any) -> Float[np.ndarray, "item class"]:
        """Probabilities of labels, columns in the order of `classes_`.

        One label: q = softmax(cosine / temperature), rows sum to 1. Several labels: the probability that the sound
        is from this label rather than from any one of the n - 1 others, both sides equally likely beforehand; by
        Bayes' rule with the same likelihoods exp(cosine / temperature) it is p = q / (q + (1 - q) / (n - 1)). So
        p = 0.5 where q is at chance, 1 / n; with two labels p = q; k labels that fit equally well, far better than
        the rest, have p = (n - 1) / (n + k - 2) each.

        Raises:
            MmascError: As `decision_function`; if there is neither an encoder's scale nor a temperature; if there is
                one label only and `multi_label`.
        """
        return self.probabilities_of(self.decision_function(vectors))

    def probabilities_of(self, cosines: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "item class"]:
        """As `predict_proba`, from cosines of `decision_function` (or shifted ones).

        Raises:
            MmascError: As `predict_proba`.
        """
        logits = cosines * self._scale()
        logits -= logits.max(axis=1, keepdims=True)
        weights = np.exp(logits)
        if not self.multi_label:
            return weights / weights.sum(axis=1, keepdims=True)
        rivals = cosines.shape[1] - 1
        if rivals == 0:
            raise MmascError("several labels need two or more to choose from; add one to compare with (background)")
        others = np.maximum(weights.sum(axis=1, keepdims=True) - weights, 0.0) / rivals
        return weights / (weights + others)

    def accept(
        self, probabilities: Float[np.ndarray, "item class"], cosines: Float[np.ndarray, "item class"]
    ) -> Bool[np.ndarray, "item class"]:
        """Which labels hold: the best of each row (every one in multi-label mode) if it passes both thresholds.

        Args:
            probabilities: Probabilities from `predict_proba`, or means of such.
            cosines: Cosines from `decision_function`, or means of such.
        """
        accepted = np.ones(probabilities.shape, bool)
        if not self.multi_label:
            accepted = np.arange(probabilities.shape[1]) == probabilities.argmax(axis=1, keepdims=True)
        threshold: Any = self.threshold
        if threshold is None and self.multi_label:
            threshold = MULTI_LABEL_THRESHOLD
        if isinstance(threshold, Mapping):
            threshold = np.array([threshold[label] for label in self.classes_.tolist()], np.float64)
        if threshold is not None:
            accepted &= probabilities >= threshold
        if self.minimum_cosine is not None:
            accepted &= cosines >= self.minimum_cosine
        return accepted

    def predict(self, vectors: Any) -> np.ndarray:
        """The best label of each sound `[item]`, or "none of these" where it does not pass the thresholds.

        Labels are of the type that they were given in; where "none of these" is possible, numbers come as objects.
        With `multi_label` instead 0 or 1 for every label `[item class]`, as scikit-learn has it.
        """
        cosines = self.decision_function(vectors)
        needs_probabilities = self.multi_label or self.threshold is not None
        accepted = self.accept(self.predict_proba(vectors) if needs_probabilities else cosines, cosines)
        if self.multi_label:
            return accepted.astype(np.int64)
        best = np.where(accepted.any(axis=1), cosines.argmax(axis=1), len(self.classes_))
        if self.classes_.dtype.kind == "U":
            return np.append(self.classes_, NONE)[best]
        if self.threshold is None and self.minimum_cosine is None:
            return self.classes_[best]
        return np.append(self.classes_.astype(object), NONE)[best]

    def top_k(self, vectors: Any, k: int) -> list[list[tuple[Any, float]]]:
        """The `k` most probable labels of each sound with their probabilities, best first; fewer if there are fewer.

        Raises:
            ValueError: If `k` is below 1.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        scores = self.predict_proba(vectors)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        labels = self.classes_.tolist()
        return [
            [(labels[column], float(row[column])) for column in columns]
            for row, columns in zip(scores, order, strict=True)
        ]

    def __sklearn_clone__(self) -> "ZeroShotClassifier":
        """A clone shares the encoder: copying a frozen network gains nothing."""
        return type(self)(**self.get_params(deep=False))

    def _scale(self) -> float:
        scale = getattr(getattr(self, "encoder_", None), "logit_scale", None)
        if self.temperature is not None:
            return 1.0 / self.temperature
        if scale is None:
            raise MmascError("probabilities need a scale and this space has none; give a temperature, for example 0.05")
        return float(scale)

    def _check_parameters(self) -> None:
        if self.temperature is not None and not 0 < self.temperature < np.inf:
            raise ValueError(f"temperature must be above 0, got {self.temperature}")
        own = self.threshold if isinstance(self.threshold, Mapping) else {"": self.threshold}
        if any(number is not None and not 0 <= number <= 1 for number in own.values()):
            raise ValueError(f"threshold is a probability in [0, 1], got {self.threshold}")
        if self.minimum_cosine is not None and not -1 <= self.minimum_cosine <= 1:
            raise ValueError(f"minimum_cosine must be in [-1, 1], got {self.minimum_cosine}")


def one_kind(labels: Any) -> np.ndarray:
    """Labels `[item]` as an array of the type that they were given in.

    Raises:
        ValueError: If texts stand next to something else: 1 and "1" are two labels, and would become one.
    """
    listed = labels if isinstance(labels, list | tuple) else np.asarray(labels)
    if isinstance(listed, np.ndarray) and listed.dtype != object:
        return listed
    flat = list(listed) if isinstance(listed, list | tuple) else listed.ravel().tolist()
    texts = [one for one in flat if isinstance(one, str)]
    others = [one for one in flat if not isinstance(one, str)]
    if texts and others:
        raise ValueError(f"labels must be all texts or all numbers, got {others[0]!r} and {texts[0]!r}")
    return np.asarray(listed)
