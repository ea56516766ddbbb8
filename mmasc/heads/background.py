"""A zero-shot classifier that knows what each label's cosine usually is where nothing is asked for.

Every sound has a best label, wind and rain too. From sounds that mostly hold none of the labels, without labels of
their own, it learns the usual cosine of each label and how far it wavers about that; the best label is said only where
its cosine stands out from what is usual.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from sklearn.utils.validation import check_is_fitted

from mmasc.errors import MmascError
from mmasc.heads.unlabelled_shifts import MINIMUM_UNLABELLED
from mmasc.heads.zeroshot import NONE, ZeroShotClassifier
from mmasc.printing import counted

STANDS_OUT = 3.0  # deviations: what wavers normally is above in 1 of 741 cases
_TO_DEVIATION = 1.4826  # median absolute deviation → standard deviation, of normal values
_LEAST_SPREAD = 1e-3  # of cosines; background of one sound alone would make everything stand out


def standing_out(
    cosines: Float[np.ndarray, "item class"], background: Float[np.ndarray, "other class"]
) -> Float[np.ndarray, "item class"]:
    """How many deviations cosines lie above what is usual in a background.

    Usual is the median, a deviation the median absolute deviation (as a standard deviation of normal values), so that a
    few sounds of the labels in the background do no harm.

    Args:
        cosines: Cosines of sounds and labels.
        background: Cosines of sounds that mostly hold none of the labels.
    """
    usual, spread = usual_and_spread(background)
    return (cosines - usual) / spread


def logits_of(probabilities: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Logits of probabilities, those of 0 and 1 too."""
    inside = np.clip(probabilities, 1e-9, 1 - 1e-9)
    return np.log(inside) - np.log1p(-inside)


class BackgroundZeroShot(ZeroShotClassifier):
    """Zero-shot classification in which labels must stand out from a background.

    Probabilities and cosines are those of `ZeroShotClassifier`.

    Args:
        encoder, temperature, multi_label, threshold, minimum_cosine: As in `ZeroShotClassifier`.
        stands_out: How many deviations above the usual (see `standing_out`) a label's cosine must lie.

    Attributes:
        usual_, spread_: Of the cosines of each label `[class]`. There after `calibrate`.
    """

    def __init__(
        self,
        encoder: Any = None,
        temperature: float | None = None,
        multi_label: bool = False,
        threshold: float | Mapping[Any, float] | None = None,
        minimum_cosine: float | None = None,
        stands_out: float = STANDS_OUT,
    ) -> None:
        super().__init__(encoder, temperature, multi_label, threshold, minimum_cosine)
        self.stands_out = stands_out

    def fit_vectors(self, prompt_vectors: Any, labels: Any) -> "BackgroundZeroShot":
        """As `ZeroShotClassifier.fit_vectors`; the background of other prompts is forgotten."""
        for name in ("usual_", "spread_"):
            self.__dict__.pop(name, None)
        super().fit_vectors(prompt_vectors, labels)
        return self

    def calibrate(self, vectors: Any) -> "BackgroundZeroShot":
        """Learn what is usual, from 20 sounds or more that mostly hold none of the labels.

        Args:
            vectors: Their vectors `[item dim]`.
        Raises:
            MmascError: If there are too few, or they are of another dim than the prompts.
        """
        cosines = self.decision_function(vectors)
        if len(cosines) < MINIMUM_UNLABELLED:
            raise MmascError(
                f"{counted(len(cosines), 'window')} of background {'is' if len(cosines) == 1 else 'are'} too few; "
                f"take recordings with {MINIMUM_UNLABELLED} or more"
            )
        self.usual_, self.spread_ = usual_and_spread(cosines)
        return self

    def accept(
        self, probabilities: Float[np.ndarray, "item class"], cosines: Float[np.ndarray, "item class"]
    ) -> Bool[np.ndarray, "item class"]:
        """As `ZeroShotClassifier.accept`, and only labels that stand out.

        Raises:
            NotFittedError: Before `calibrate`.
        """
        check_is_fitted(self, "usual_", msg="calibrate this %(name)s on background before it is asked")
        return super().accept(probabilities, cosines) & (cosines - self.usual_ >= self.stands_out * self.spread_)

    def predict(self, vectors: Any) -> np.ndarray:
        """As `ZeroShotClassifier.predict`; "none of these" where the best label does not stand out."""
        cosines = self.decision_function(vectors)
        accepted = self.accept(self.probabilities_of(cosines), cosines)
        if self.multi_label:
            return accepted.astype(np.int64)
        best = np.where(accepted.any(axis=1), cosines.argmax(axis=1), len(self.classes_))
        names = self.classes_ if self.classes_.dtype.kind == "U" else self.classes_.astype(object)
        return np.append(names, NONE)[best]


def usual_and_spread(
    cosines: Float[np.ndarray, "item class"],
) -> tuple[Float[np.ndarray, " class"], Float[np.ndarray, " class"]]:
    """Median and deviation of the cosines of each label, see `standing_out`."""
    usual = np.median(cosines, axis=0)
    spread = np.median(np.abs(cosines - usual), axis=0) * _TO_DEVIATION
    return usual, np.maximum(spread, _LEAST_SPREAD)
