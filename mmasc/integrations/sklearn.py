"""A scikit-learn transformer from sounds to vectors, for pipelines and grid searches.

make_pipeline(SoundVectors("base"), LogisticRegression()).fit(paths, labels)
"""

from typing import Any

import numpy as np
from jaxtyping import Float32
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from mmasc.encoders.base import Encoder
from mmasc.encoders.registry import build_encoder
from mmasc.encoders.spec import DEFAULT_ENCODER, Origin
from mmasc.errors import MmascError
from mmasc.integrations.items import loaded
from mmasc.integrations.sounds import sound_vectors


class SoundVectors(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
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
        self.encoder = encoder
        self.sample_rate = sample_rate
        self.device = device

    def fit(self, X: Any, y: Any = None) -> "SoundVectors":  # noqa: N803
        """Load the encoder; the sounds are not looked at."""
        self._loaded = loaded(self.encoder, self.device)
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
        if self._loaded.identity != self.identity_:
            raise MmascError(f"encoder {self.encoder} has changed since the transformer was fitted; fit it again")
        return sound_vectors(self._loaded, _as_list(X), self.sample_rate)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.transformer_tags.preserves_dtype = True, ["float32"]
        return tags

    def __sklearn_clone__(self) -> "SoundVectors":
        return type(self)(self.encoder, self.sample_rate, self.device)  # the encoder is frozen: clones share it

    def __getstate__(self) -> dict[str, Any]:
        # Pickles for other processes hold no network: it is built there from what it was built from here
        state = {key: value for key, value in super().__getstate__().items() if key != "_loaded"}
        origin = getattr(self.encoder, "origin", None)
        return state if origin is None else state | {"encoder": (origin, getattr(self.encoder, "backend", ""))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        built = state["encoder"]
        if isinstance(built, tuple):
            state = state | {"encoder": build_encoder(Origin(*built[0]), built[1])}
        super().__setstate__(state)


def _as_list(sounds: Any) -> list[Any]:
    if isinstance(sounds, str | bytes):
        raise ValueError("X must be a list of sounds, got one")
    if not hasattr(sounds, "__array__"):
        return list(sounds)
    array = np.asarray(sounds)
    return list(array[:, 0] if array.ndim == 2 and array.shape[1] == 1 and array.dtype.kind in "OUT" else array)
