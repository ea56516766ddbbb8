"""A scikit-learn transformer from sounds to vectors: `make_pipeline(SoundVectors("base"), LogisticRegression())`."""

from typing import Any

import numpy as np
from jaxtyping import Float32
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from mmasc.encoders.base import Encoder
from mmasc.encoders.spec import DEFAULT_ENCODER
from mmasc.integrations.items import loaded, require_same
from mmasc.integrations.pickles import HoldsEncoder
from mmasc.integrations.sounds import listed_sounds, sound_vectors


class SoundVectors(HoldsEncoder, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Sounds to vectors by a frozen encoder; nothing is learnt from the sounds.

    Args:
        encoder: A name as `load_encoder` takes it, or a loaded encoder, which clones share.
        sample_rate: Rate in Hz of sounds that are arrays of samples; not needed for paths and `(samples, rate)`.
        device: Where an encoder that is named runs.
    Attributes:
        identity_: Identity of the encoder: copies in other processes load the same one, or say that they cannot.
    """

    def __init__(
        self, encoder: str | Encoder = DEFAULT_ENCODER, sample_rate: int | None = None, device: str = "cpu"
    ) -> None:
        self.encoder, self.sample_rate, self.device = encoder, sample_rate, device

    def fit(self, X: Any, y: Any = None) -> "SoundVectors":  # noqa: N803
        """Load the encoder; the sounds are not looked at."""
        self._loaded = loaded(self.encoder, self.device, hears=True)
        self.identity_, self._n_features_out = self._loaded.identity, self._loaded.spec.dim
        return self

    def transform(self, X: Any) -> Float32[np.ndarray, "sound dim"]:  # noqa: N803
        """One vector for each sound, see `mmasc.integrations.sounds`.

        Args:
            X: A list, array, series or single column of sounds; or samples at `sample_rate`, `[sound time]`.
        Raises:
            MmascError: If a sound cannot be read, or the encoder is another one than that of `fit`.
        """
        check_is_fitted(self, "identity_")
        if not hasattr(self, "_loaded"):
            self._loaded = loaded(self.encoder, self.device, self.identity_)
        require_same(self._loaded, self.identity_, "the transformer was fitted; fit it again")
        return sound_vectors(self._loaded, listed_sounds(X), self.sample_rate)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.transformer_tags.preserves_dtype = True, ["float32"]
        return tags
