"""Networks that know what sounds: the probabilities of a tagger join the code, or weigh the filters, or both.

Features and tags `[batch tag]` in, logits out, over any trunk that shows its last map of filters (raw waveform, CNN6,
SP4SC ...). The three ways of joining:

- "code": the output layer reads the code and the tags side by side.
- "merge" without layers: a linear layer takes both back to the width of the code.
- "merge" with n layers: the tags pass n layers of 128 first.

The attention takes n layers and one more to as many numbers as there are filters, cuts them in groups (heads), and
takes a softmax in each; all frames are multiplied with it before pooling. Every group sums to 1, so the map shrinks by
heads / filters; as in the paper nothing makes up for it.

Paper: Jung et al. 2020, "Acoustic Scene Classification using Audio Tagging", section 3, equations 1 to 3. Width 128,
batch norm and a slope of 0.3 in the layers are our reading: the paper does not say.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.errors import MmascError
from mmasc.networks.body import Body
from mmasc.networks.registry import NETWORKS, network_class

# Numbers that the layers on tags give: as many as the raw-waveform network has filters
WIDTH = 128
SLOPE = 0.3
JOINS = ("none", "code", "merge")
_OWN = ("tag.", "join.", "merge.", "out.")


def tag_layers(n_tags: int, widths: Sequence[int]) -> nn.Sequential:
    """Layers on tags: linear, batch norm, leaky ReLU; none where there are no widths."""
    return nn.Sequential(
        *(
            nn.Sequential(nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.LeakyReLU(SLOPE))
            for n_in, n_out in zip((n_tags, *widths), widths, strict=False)
        )
    )


def head_softmax(scores: Float[Tensor, "batch filter"], heads: int) -> Float[Tensor, "batch filter"]:
    """Softmax within each of `heads` groups of neighbouring filters: every group sums to 1."""
    return scores.unflatten(1, (heads, -1)).softmax(2).flatten(1)


class TaggedNetwork(Body):
    """A trunk that reads tags as well.

    Args:
        n_classes: Logits.
        trunk: Name of a network (`mmasc.networks.registry.NETWORKS`) that shows its last map of filters.
        trunk_arguments: Its arguments where they differ from the registry's.
        n_tags: Length of the vectors of tags.
        vocabulary: What the tags mean, in order; empty where nobody says it.
        heads: Groups of filters for the attention; 0 for none.
        attention_layers: Layers on tags before the one that gives the attention.
        join: "none", "code" or "merge"; see the head of this module.
        join_layers: Layers on tags before joining.
        shared: Whether what the attention's layers give is what is joined as well.
    Raises:
        ValueError: If heads do not divide the filters, or the arguments contradict each other.
    """

    head = "out"

    def __init__(
        self,
        n_classes: int,
        trunk: str = "rawwave",
        trunk_arguments: Mapping[str, Any] | None = None,
        n_tags: int = 80,
        vocabulary: Sequence[str] = (),
        heads: int = 4,
        attention_layers: int = 3,
        join: str = "merge",
        join_layers: int = 0,
        shared: bool = True,
    ) -> None:
        super().__init__()
        _check(n_tags, vocabulary, heads, attention_layers, join, join_layers, shared)
        self.trunk, filters = _trunk(trunk, n_classes, trunk_arguments or {})
        last = self.trunk.get_submodule(self.trunk.head)
        assert isinstance(last, nn.Linear)
        code = last.in_features
        # The output is this network's own: its rows may be longer than the trunk's
        self.trunk.set_submodule(self.trunk.head, nn.Identity())
        self.minimum_frames, self.n_tags, self.vocabulary = self.trunk.minimum_frames, n_tags, tuple(vocabulary)
        self.heads, self.joining, self.shared = heads, join, shared
        if heads:
            if filters % heads:
                raise ValueError(f"heads must divide the {filters} filters of {trunk}, got {heads}")
            self.tag = tag_layers(n_tags, (WIDTH,) * attention_layers + (filters,))
        if join == "merge" and not shared:
            self.join = tag_layers(n_tags, (WIDTH,) * join_layers)
        joined = filters if shared else WIDTH if join_layers else n_tags
        if join == "merge":
            self.merge = nn.Linear(code + joined, code)
        self.out = nn.Linear(code + n_tags if join == "code" else code, n_classes, bias=last.bias is not None)

    def attention(self, tags: Float[Tensor, "batch tag"]) -> Float[Tensor, "batch filter"]:
        """Weights of the filters; within each head they sum to 1.

        Raises:
            ValueError: If this network has no attention.
        """
        if not self.heads:
            raise ValueError("this network has no attention: heads is 0")
        return head_softmax(self.tag(tags), self.heads)

    def embedding(
        self, features: Float[Tensor, "batch *feature"], tags: Float[Tensor, "batch tag"] | None = None
    ) -> Float[Tensor, "batch dim"]:
        """The code, joined with the tags.

        Raises:
            MmascError: If there are no tags, or another number of them.
        """
        tags = self._checked(tags)
        self.trunk.augment = self.augment
        map = self.trunk.feature_map(features)
        transformed = self.tag(tags) if self.heads else tags
        if self.heads:
            weights = head_softmax(transformed, self.heads)
            map = map * weights.reshape(*weights.shape, *(1,) * (map.ndim - 2))
        code = self.trunk.from_map(map)
        if self.joining == "none":
            return code
        if self.joining == "code":
            return torch.cat([code, tags], 1)
        return self.merge(torch.cat([code, transformed if self.shared else self.join(tags)], 1))

    def classify(self, embedding: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch class"]:
        """Logits, after what the trunk does before its own (dropout in training)."""
        return self.out(self.trunk.classify(embedding))

    def forward(
        self, features: Float[Tensor, "batch *feature"], tags: Float[Tensor, "batch tag"] | None = None
    ) -> Float[Tensor, "batch class"]:
        """Logits of features and tags.

        Raises:
            MmascError: If there are no tags, or another number of them.
        """
        return self.classify(self.embedding(features, tags))

    def _checked(self, tags: Float[Tensor, "batch tag"] | None) -> Float[Tensor, "batch tag"]:
        if tags is None:
            raise MmascError(f"this network reads {self.n_tags} tags in addition to the sound: give tags=")
        if tags.shape[1] != self.n_tags:
            raise MmascError(
                f"this network reads {self.n_tags} tags, got {tags.shape[1]}: take the tagger that it was trained with"
            )
        return tags

    @classmethod
    def own_state(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Names of this class; a flat state dict, with the names of trunk and tags on one level, is taken as well."""
        if any(name.startswith("trunk.") for name in state):
            return dict(state)
        named = {
            name.replace("fc2.", "out.", 1) if name.startswith("fc2.") else name: one for name, one in state.items()
        }
        return {name if name.startswith(_OWN) else f"trunk.{name}": one for name, one in named.items()}

    @classmethod
    def arguments_from(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Classes, and tags where a layer reads nothing else."""
        found: dict[str, Any] = {"n_classes": len(state["out.weight"])}
        for name in ("tag.0.0.weight", "join.0.0.weight"):
            if name in state:
                found["n_tags"] = state[name].shape[1]
        return found


def tag_vector(body: Body, tags: Any) -> Float[Tensor, " tag"]:
    """Tags as a network reads them.

    Args:
        body: Body that reads them.
        tags: Numbers in the order of the network's vocabulary, or a mapping from its words to numbers.
    Raises:
        MmascError: If the network reads no tags, or others: what differs is named.
        ValueError: If a number is not finite.
    """
    n_tags, vocabulary = body.n_tags, body.vocabulary
    if not n_tags:
        raise MmascError("this network reads no tags: leave tags out, or take one whose name ends in -tags")
    if isinstance(tags, Mapping):
        if not vocabulary:
            raise MmascError(
                f"the names of the {n_tags} tags of this network are unknown: give them as numbers, in order"
            )
        missing = [word for word in vocabulary if word not in tags]
        strange = [str(word) for word in tags if word not in vocabulary]
        if missing or strange:
            raise MmascError(
                f"tags of another vocabulary: {len(missing)} of {n_tags} are missing ({', '.join(missing[:3])}), "
                f"{len(strange)} are unknown ({', '.join(strange[:3])}); take the tagger that it was trained with"
            )
        tags = [tags[word] for word in vocabulary]
    given = tags.detach().cpu() if isinstance(tags, Tensor) else torch.from_numpy(np.array(tags, np.float32))
    values = given.float()
    if values.shape != (n_tags,):
        raise MmascError(
            f"this network reads {n_tags} tags, got {list(values.shape)}: take the tagger that it was trained with"
        )
    if not values.isfinite().all():
        raise ValueError("tags hold NaN or infinite numbers")
    return values


def _trunk(name: str, n_classes: int, arguments: Mapping[str, Any]) -> tuple[Body, int]:
    """A network by name and the filters of its last map."""
    if name not in NETWORKS or "trunk_arguments" in NETWORKS[name].arguments:
        raise ValueError(f"trunk must be a network without tags, got {name!r}")
    spec = NETWORKS[name]
    cls: Any = network_class(spec)
    if cls.feature_map is Body.feature_map:
        raise ValueError(f"trunk must show its last map of filters, which {name} does not")
    body: Body = cls(n_classes, **{**spec.arguments, **arguments})
    return body, body.n_filters


def _check(
    n_tags: int, vocabulary: Sequence[str], heads: int, layers: int, join: str, join_layers: int, shared: bool
) -> None:
    if join not in JOINS:
        raise ValueError(f"join must be one of {sorted(JOINS)}, got {join!r}")
    if n_tags < 1 or min(heads, layers, join_layers) < 0:
        raise ValueError(
            f"n_tags must be at least 1, heads and layers at least 0, got {n_tags}, {heads}, {layers}, {join_layers}"
        )
    if vocabulary and len(vocabulary) != n_tags:
        raise ValueError(f"vocabulary must name {n_tags} tags, got {len(vocabulary)}")
    if shared and (not heads or join != "merge" or join_layers):
        raise ValueError("shared layers need heads, join 'merge' and no layers of its own for joining")
    if join_layers and join != "merge":
        raise ValueError(f"join_layers need join 'merge', got {join!r}")
    if layers and not heads:
        raise ValueError("attention_layers need heads")
