"""Zero-shot classifiers that take out what prompts attract by themselves, from sounds without labels.

`fit` makes the labels' vectors as in `zeroshot.py`; `calibrate` then hears unlabelled sounds. Everything else
(probabilities, several labels, "none of these") is that of `ZeroShotClassifier`, on shifted cosines.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.utils.validation import check_is_fitted

from mmasc.heads.unlabelled_shifts import centring_shifts, prior_biases
from mmasc.heads.zeroshot import ZeroShotClassifier


class _ShiftedZeroShot(ZeroShotClassifier):
    """Cosines minus a shift for each label.

    Attributes:
        shifts_: What is subtracted from the labels' cosines `[class]`; sums to 0. There after `calibrate`.
    """

    def fit_vectors(self, prompt_vectors: Any, labels: Any) -> "_ShiftedZeroShot":
        """As `ZeroShotClassifier.fit_vectors`; shifts of other prompts are forgotten."""
        self.__dict__.pop("shifts_", None)
        super().fit_vectors(prompt_vectors, labels)
        return self

    def calibrate(self, vectors: Any) -> "_ShiftedZeroShot":
        """Learn the shifts from sounds without labels, at least 20.

        Args:
            vectors: Vectors of sounds that hold the labels in about the shares in which they will be asked for.
        Raises:
            MmascError: If there are too few, or they are of another dim than the prompts.
        """
        self.shifts_ = self._shifts(super().decision_function(vectors))
        return self

    def decision_function(self, vectors: Any) -> Float[np.ndarray, "item class"]:
        """Cosines of sounds and labels less the labels' shifts, columns in the order of `classes_`.

        Raises:
            NotFittedError: Before `calibrate`.
            MmascError, ValueError: As `ZeroShotClassifier.decision_function`.
        """
        check_is_fitted(self, "shifts_", msg="calibrate this %(name)s on unlabelled sounds before it is asked")
        return super().decision_function(vectors) - self.shifts_

    def _shifts(self, cosines: Float[np.ndarray, "item class"]) -> Float[np.ndarray, " class"]:
        raise NotImplementedError


class CentredZeroShot(_ShiftedZeroShot):
    """Zero-shot classification after each label's mean cosine over unlabelled sounds is taken out.

    See `mmasc.heads.unlabelled_shifts.centring_shifts`; parameters as in `ZeroShotClassifier`. A `minimum_cosine` is
    compared with the shifted cosine.
    """

    def _shifts(self, cosines: Float[np.ndarray, "item class"]) -> Float[np.ndarray, " class"]:
        return centring_shifts(cosines)


class PriorMatchedZeroShot(_ShiftedZeroShot):
    """Zero-shot classification whose mean probabilities over unlabelled sounds are a prior.

    See `mmasc.heads.unlabelled_shifts.prior_biases`; the biases are kept as shifts of cosines.

    Args:
        encoder, temperature, multi_label, threshold, minimum_cosine: As in `ZeroShotClassifier`.
        prior: Label to share, all labels, sums to 1; default: all alike.
    """

    def __init__(
        self,
        encoder: Any = None,
        temperature: float | None = None,
        multi_label: bool = False,
        threshold: float | Mapping[Any, float] | None = None,
        minimum_cosine: float | None = None,
        prior: Mapping[Any, float] | None = None,
    ) -> None:
        super().__init__(encoder, temperature, multi_label, threshold, minimum_cosine)
        self.prior = prior

    def _shifts(self, cosines: Float[np.ndarray, "item class"]) -> Float[np.ndarray, " class"]:
        prior = None
        if self.prior is not None:
            if set(self.prior) != set(self.classes_.tolist()):
                raise ValueError(f"the prior must name the labels {self.classes_.tolist()}, got {list(self.prior)}")
            prior = np.array([self.prior[label] for label in self.classes_.tolist()], np.float64)
        scale = self._scale()
        return -prior_biases(cosines * scale, prior) / scale


class TunedZeroShot(_ShiftedZeroShot):
    """Zero-shot classification with shifts that are known already.

    Args:
        encoder, temperature, multi_label, threshold, minimum_cosine: As in `ZeroShotClassifier`.
        shifts: Label to what is subtracted from its cosines, all labels; default: nothing.
    """

    def __init__(
        self,
        encoder: Any = None,
        temperature: float | None = None,
        multi_label: bool = False,
        threshold: float | Mapping[Any, float] | None = None,
        minimum_cosine: float | None = None,
        shifts: Mapping[Any, float] | None = None,
    ) -> None:
        super().__init__(encoder, temperature, multi_label, threshold, minimum_cosine)
        self.shifts = shifts

    def fit_vectors(self, prompt_vectors: Any, labels: Any) -> "TunedZeroShot":
        """As `ZeroShotClassifier.fit_vectors`.

        Raises:
            ValueError: Also if the shifts do not name the labels.
        """
        super().fit_vectors(prompt_vectors, labels)
        names = self.classes_.tolist()
        shifts = dict.fromkeys(names, 0.0) if self.shifts is None else self.shifts
        if set(shifts) != set(names):
            raise ValueError(f"the shifts must name the labels {names}, got {list(shifts)}")
        self.shifts_ = np.array([shifts[name] for name in names], np.float64)
        return self

    def calibrate(self, vectors: Any) -> "TunedZeroShot":
        """Its shifts are given, so there is nothing to learn.

        Raises:
            ValueError: Always.
        """
        raise ValueError("the shifts of a TunedZeroShot are given; use CentredZeroShot to learn them")
