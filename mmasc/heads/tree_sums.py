"""Fitted gradient boosting as arrays: sums of trees, whose branches all lead further down."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from mmasc.heads.predictor import (
    NUMBERS_AT_ONCE,
    Arrays,
    Predictor,
    array_of,
    floats_of,
    integers_of,
    probabilities_of,
    require,
)


@dataclass(frozen=True)
class Trees(Predictor):
    """Sums of trees, for both kinds of gradient boosting, after an optional projection.

    Attributes:
        baseline: Float64 `[column]`: where the sums begin; one column for two classes, else one for each class.
        roots: Int64 `[round column]`: the node where a tree begins.
        feature, threshold: `[node]`: a vector goes left where its number is not above the threshold.
        left, right: `[node]`: where it continues, always further down the arrays; -1 in leaves.
        value: `[node]`: what a leaf adds, learning rate included.
        rounded: Whether numbers are compared as float32.
        mean, components: Float64 `[dim]` and `[component dim]`: principal components that the trees see; or nothing.
    """

    kind: ClassVar[str] = "trees"

    baseline: Float[np.ndarray, " column"]
    roots: Int[np.ndarray, "round column"]
    feature: Int[np.ndarray, " node"]
    threshold: Float[np.ndarray, " node"]
    left: Int[np.ndarray, " node"]
    right: Int[np.ndarray, " node"]
    value: Float[np.ndarray, " node"]
    rounded: bool
    n_features: int
    mean: Float[np.ndarray, " dim"] | None = None
    components: Float[np.ndarray, "component dim"] | None = None

    @property
    def n_classes(self) -> int:  # type: ignore[override]
        return max(2, len(self.baseline))

    def predict_proba(self, vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item class"]:
        if self.mean is not None and self.components is not None:
            vectors = vectors @ self.components.T - self.mean[None] @ self.components.T
        numbers = vectors.astype(np.float32).astype(np.float64) if self.rounded else vectors
        at_once = max(1, NUMBERS_AT_ONCE // max(1, self.roots.size))
        parts = [self._sums(numbers[first : first + at_once]) for first in range(0, len(numbers), at_once)]
        return probabilities_of(np.concatenate(parts) if parts else np.zeros((0, len(self.baseline))))

    def _sums(self, numbers: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item column"]:
        """All trees walk down together, one level at a time; then leaves are added round by round."""
        nodes = np.broadcast_to(self.roots.reshape(1, -1), (len(numbers), self.roots.size)).copy()
        rows = np.arange(len(numbers))[:, None]
        while (inner := self.left[nodes] >= 0).any():
            go_left = numbers[rows, self.feature[nodes]] <= self.threshold[nodes]
            nodes = np.where(inner, np.where(go_left, self.left[nodes], self.right[nodes]), nodes)
        leaves = self.value[nodes].reshape(len(numbers), *self.roots.shape)
        sums = np.broadcast_to(self.baseline, (len(numbers), len(self.baseline))).copy()
        for number in range(len(self.roots)):
            sums += leaves[:, number]
        return sums

    def arrays(self) -> dict[str, np.ndarray]:
        names = ("baseline", "roots", "feature", "threshold", "left", "right", "value")
        arrays = {name: getattr(self, name) for name in names}
        arrays |= {"rounded": np.array([self.rounded]), "n_features": np.array([self.n_features])}
        if self.mean is not None and self.components is not None:
            arrays |= {"mean": self.mean, "components": self.components}
        return arrays

    @classmethod
    def load(cls, arrays: Arrays) -> "Trees":
        baseline, roots = floats_of(arrays, "baseline", 1), integers_of(arrays, "roots", 2)
        feature, left, right = (integers_of(arrays, name, 1) for name in ("feature", "left", "right"))
        threshold, value = floats_of(arrays, "threshold", 1, finite=False), floats_of(arrays, "value", 1)
        n_features, rounded = int(integers_of(arrays, "n_features", 1)[0]), bool(array_of(arrays, "rounded", 1)[0])
        mean, components = None, None
        seen = n_features
        if "components" in arrays:
            mean, components = floats_of(arrays, "mean", 1), floats_of(arrays, "components", 2)
            seen = len(components)
            require(mean.shape == (n_features,) == components.shape[1:], "components do not fit the dim")
        n_nodes = len(value)
        require({len(one) for one in (feature, left, right, threshold)} == {n_nodes}, "trees of unequal arrays")
        require(len(baseline) > 0 and roots.shape[1] == len(baseline), "trees do not fit the classes")
        require(bool(((roots >= 0) & (roots < n_nodes)).all()), "a tree begins outside the nodes")
        inner = left >= 0
        here = np.arange(n_nodes)
        down = (left > here) & (left < n_nodes) & (right > here) & (right < n_nodes)
        require(bool((down | ~inner).all()), "a branch leads nowhere or back")
        require(bool((((feature >= 0) & (feature < seen)) | ~inner).all()), "a branch asks for a number beyond the dim")
        require(not np.isnan(threshold).any(), "a threshold is not a number")
        feature = np.where(inner, feature, 0)  # leaves are looked up with all others, and ask for nothing
        return cls(baseline, roots, feature, threshold, left, right, value, rounded, n_features, mean, components)
