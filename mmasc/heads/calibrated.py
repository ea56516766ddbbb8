"""Zero-shot classifiers that take out what prompts attract by themselves, from sounds without labels.

`fit` makes the labels' vectors as in `zeroshot.py`; `calibrate` then hears unlabelled sounds. Everything else
(probabilities, several labels, "none of these") is that of `ZeroShotClassifier`, on shifted cosines.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.utils.validation import check_is_fitted

from mmasc.audio import find_audio
from mmasc.collection import Collection
from mmasc.collection.store import HEAD_NAME
from mmasc.encoders.base import Encoder
from mmasc.encoders.files import embed_files
from mmasc.errors import MmascError
from mmasc.heads.calibration import centring_shifts, prior_biases
from mmasc.heads.recordings import recording_vectors
from mmasc.heads.zeroshot import ZeroShotClassifier


class _ShiftedZeroShot(ZeroShotClassifier):
    """Cosines less a shift for each label.

    Attributes:
        shifts_: What is subtracted from the labels' cosines `[class]`; sums to 0. There after `calibrate`.
    """

    def fit_vectors(
        self, prompt_vectors: Float[np.ndarray, "prompt dim"], labels: Sequence[str] | np.ndarray
    ) -> "_ShiftedZeroShot":
        """As `ZeroShotClassifier.fit_vectors`; shifts of other prompts are forgotten."""
        self.__dict__.pop("shifts_", None)
        super().fit_vectors(prompt_vectors, labels)
        return self

    def calibrate(self, vectors: Float[np.ndarray, "item dim"]) -> "_ShiftedZeroShot":
        """Learn the shifts from sounds without labels, at least 20.

        Args:
            vectors: Of sounds that hold the labels in about the shares in which they will be asked for.
        Raises:
            MmascError: If there are too few, or they are of another dim than the prompts.
        """
        self.shifts_ = self._shifts(super().decision_function(vectors))
        return self

    def decision_function(self, vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item class"]:
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

    See `mmasc.heads.calibration.centring_shifts`; parameters as in `ZeroShotClassifier`. A `minimum_cosine` is compared
    with the shifted cosine.
    """

    def _shifts(self, cosines: Float[np.ndarray, "item class"]) -> Float[np.ndarray, " class"]:
        return centring_shifts(cosines)


class PriorMatchedZeroShot(_ShiftedZeroShot):
    """Zero-shot classification whose mean probabilities over unlabelled sounds are a prior.

    See `mmasc.heads.calibration.prior_biases`; the biases are kept as shifts of cosines.

    Args:
        encoder, temperature, multi_label, threshold, minimum_cosine: As in `ZeroShotClassifier`.
        prior: Label to share, all labels, sums to 1; default: all alike.
    """

    def __init__(
        self,
        encoder: Any = None,
        temperature: float | None = None,
        multi_label: bool = False,
        threshold: float | Mapping[str, float] | None = None,
        minimum_cosine: float | None = None,
        prior: Mapping[str, float] | None = None,
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


def unlabelled_vectors(
    source: str | Path | Collection | Sequence[str | Path],
    encoder: Encoder,
    hop_seconds: float | None = None,
    channels: str = "mix",
) -> Float[np.ndarray, "item dim"]:
    """Vectors of recordings to calibrate on; what they are called is not asked.

    Args:
        source: A collection (folder or opened) with a space of this encoder, or recordings as `find_audio` takes them.
        encoder: Loaded.
        hop_seconds, channels: For recordings that are embedded here.
    Raises:
        MmascError: If the collection has no space of this encoder, no recording is found, or one cannot be read.
    """
    if isinstance(source, str | Path) and (Path(source) / HEAD_NAME).is_file():
        source = Collection(source)
    if isinstance(source, Collection):
        spaces = source.head.spaces
        same = [name for name, space in spaces.items() if space.identity == encoder.identity]
        if not same:
            has = ", ".join(f"{name} ({space.encoder})" for name, space in spaces.items()) or "none"
            raise MmascError(
                f"{source.store.folder} has no space of {encoder.spec.name} {encoder.identity}; it has: {has}; "
                f"name another encoder, or add one with: mmasc embed PATH --into ... --encoder {encoder.spec.name}"
            )
        return recording_vectors(source.space(same[0]))[1]
    vectors = []
    for file in embed_files(find_audio(source), encoder, hop_seconds, channels):
        if file.status.state == "failed":
            raise MmascError(file.status.reason)
        if file.heard.any():
            vectors.append(file.vector)
    return np.asarray(vectors, np.float64)
