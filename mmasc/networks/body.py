"""What all supervised networks have in common: features in, logits and the layer before last out."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Body(nn.Module):
    """A network from features `[batch channel frame band]` (or waveforms `[batch channel time]`) to logits.

    Parameters carry the official names where official weights exist. A subclass takes `n_classes` as its first
    argument, and writes `embedding`, or `feature_map` and `from_map`, of which `embedding` is made then.

    Attributes:
        head: Name of the last linear layer, whose rows are the classes.
        minimum_frames: Fewest frames (or samples) that the network can take.
        n_tags: Tags that it reads in addition to the features; 0 for most.
        vocabulary: What those tags mean, in order, where somebody said it.
        augment: What a network with a first batch norm over its bands (`bn0`) lets pass over the normalised features;
            a module that does nothing in evaluation mode, or None. It holds no weights.
    """

    head: ClassVar[str]
    minimum_frames: int = 1
    n_tags: int = 0
    vocabulary: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.augment: nn.Module | None = None

    @property
    def n_classes(self) -> int:
        """Logits that come out."""
        return self._last.out_features

    @property
    def dim(self) -> int:
        """Numbers of the layer before last."""
        return self._last.in_features

    @property
    def n_filters(self) -> int:
        """Filters of the last map; most networks pool it to as many numbers."""
        return self.dim

    @property
    def _last(self) -> nn.Linear:
        last = self.get_submodule(self.head)
        assert isinstance(last, nn.Linear)
        return last

    def augmented(
        self, features: Float[Tensor, "batch channel frame band"]
    ) -> Float[Tensor, "batch channel frame band"]:
        """Normalised features after `augment`: every body with a `bn0` calls it right after."""
        return features if self.augment is None else self.augment(features)

    def embedding(self, features: Float[Tensor, "batch *feature"]) -> Float[Tensor, "batch dim"]:
        """The layer before last; for networks with a map of filters what `from_map` makes of it."""
        return self.from_map(self.feature_map(features))

    def feature_map(self, features: Float[Tensor, "batch *feature"]) -> Float[Tensor, "batch filter *place"]:
        """The last map of filters before pooling, where the network has one."""
        raise NotImplementedError(f"{type(self).__name__} gives no map of filters")

    def from_map(self, map: Float[Tensor, "batch filter *place"]) -> Float[Tensor, "batch dim"]:
        """The layer before last from the last map of filters."""
        raise NotImplementedError(f"{type(self).__name__} takes no map of filters")

    def classify(self, embedding: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch class"]:
        """Logits from the layer before last."""
        return self.get_submodule(self.head)(embedding)

    def forward(self, features: Float[Tensor, "batch *feature"]) -> Float[Tensor, "batch class"]:
        """Logits: no sigmoid, no softmax."""
        return self.classify(self.embedding(features))

    @classmethod
    def own_state(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What of a released state dict belongs to this network; released files may hold a front end as well."""
        return dict(state)

    @classmethod
    def arguments_from(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Arguments that a state dict decides: `n_classes`, and what else its shapes say."""
        return {"n_classes": len(state[f"{cls.head}.weight"])}


def checked_dropout(share: float) -> float:
    """The share of numbers that dropout sets to 0.

    Raises:
        ValueError: If it is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise ValueError(f"dropout must be in [0, 1), got {share}")
    return share


def log_odds_of_mean(logits: Float[Tensor, "batch patch class"]) -> Float[Tensor, "batch class"]:
    """log(mean(p)) - log(mean(1 - p)) over patches, exact where probabilities round to 0 or 1."""
    return F.logsigmoid(logits).logsumexp(1) - F.logsigmoid(-logits).logsumexp(1)
