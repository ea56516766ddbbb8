"""What is left of a fitted head: named arrays and the few lines that turn unit vectors into probabilities.

A head is kept as numbers, not as a scikit-learn object, so that a file of it holds nothing that could run, and reads
back the same under every version of scikit-learn. `predictor_of` makes the arrays and proves on the training vectors
that they answer what scikit-learn answers. Every `load` checks its arrays as if they came from an enemy: what would
index out of bounds or walk in circles is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

Arrays = Mapping[str, np.ndarray]
_NUMBERS_AT_ONCE = 4_000_000  # of an intermediate array, about 32 MB


class Predictor:
    """Named arrays with `predict_proba`; a subclass says which.

    Attributes:
        kind: Name of the subclass in files.
        has_ties: Whether equal votes or distances can occur, which rounding then decides.
        n_features: Numbers in a vector.
        n_classes: Columns of the answer.
    """

    kind: ClassVar[str]
    has_ties: ClassVar[bool] = False
    n_features: int
    n_classes: int

    def predict_proba(self, vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item class"]:
        """Probabilities of unit vectors, float64."""
        raise NotImplementedError

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that `load` needs."""
        raise NotImplementedError

    @classmethod
    def load(cls, arrays: Arrays) -> "Predictor":
        """From arrays of a file.

        Raises:
            ValueError: If one is missing, or they do not fit together.
        """
        raise NotImplementedError


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
        at_once = max(1, _NUMBERS_AT_ONCE // max(1, self.roots.size))
        parts = [self._sums(numbers[first : first + at_once]) for first in range(0, len(numbers), at_once)]
        return _probabilities(np.concatenate(parts) if parts else np.zeros((0, len(self.baseline))))

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
        baseline, roots = _floats(arrays, "baseline", 1), _integers(arrays, "roots", 2)
        feature, left, right = (_integers(arrays, name, 1) for name in ("feature", "left", "right"))
        threshold, value = _floats(arrays, "threshold", 1, finite=False), _floats(arrays, "value", 1)
        n_features, rounded = int(_integers(arrays, "n_features", 1)[0]), bool(_array(arrays, "rounded", 1)[0])
        mean, components = None, None
        seen = n_features
        if "components" in arrays:
            mean, components = _floats(arrays, "mean", 1), _floats(arrays, "components", 2)
            seen = len(components)
            _require(mean.shape == (n_features,) == components.shape[1:], "components do not fit the dim")
        n_nodes = len(value)
        _require({len(one) for one in (feature, left, right, threshold)} == {n_nodes}, "trees of unequal arrays")
        _require(len(baseline) > 0 and roots.shape[1] == len(baseline), "trees do not fit the classes")
        _require(bool(((roots >= 0) & (roots < n_nodes)).all()), "a tree begins outside the nodes")
        inner = left >= 0
        here = np.arange(n_nodes)
        down = (left > here) & (left < n_nodes) & (right > here) & (right < n_nodes)
        _require(bool((down | ~inner).all()), "a branch leads nowhere or back")
        _require(
            bool((((feature >= 0) & (feature < seen)) | ~inner).all()), "a branch asks for a number beyond the dim"
        )
        _require(not np.isnan(threshold).any(), "a threshold is not a number")
        return cls(baseline, roots, feature, threshold, left, right, value, rounded, n_features, mean, components)


@dataclass(frozen=True)
class Linear(Predictor):
    """softmax(vectors · weightsᵀ + biases), for logistic regression; standardisation is folded in.

    Attributes:
        weights: Float64 `[class dim]`.
        biases: Float64 `[class]`.
    """

    kind: ClassVar[str] = "linear"

    weights: Float[np.ndarray, "class dim"]
    biases: Float[np.ndarray, " class"]

    @property
    def n_features(self) -> int:  # type: ignore[override]
        return self.weights.shape[1]

    @property
    def n_classes(self) -> int:  # type: ignore[override]
        return len(self.weights)

    def predict_proba(self, vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item class"]:
        return _probabilities(vectors @ self.weights.T + self.biases)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"weights": self.weights, "biases": self.biases}

    @classmethod
    def load(cls, arrays: Arrays) -> "Linear":
        weights, biases = _floats(arrays, "weights", 2), _floats(arrays, "biases", 1)
        _require(len(weights) == len(biases) > 1, "weights do not fit the classes")
        return cls(weights, biases)


@dataclass(frozen=True)
class SupportVectorPairs(Predictor):
    """One against one: a decision for each pair of classes, votes, confidences between votes, one temperature.

    Attributes:
        vectors: Support vectors `[item dim]`, sorted by class.
        duals: `[class-1 item]`, the coefficients as LIBSVM keeps them.
        counts: Int64 `[class]`: support vectors of each class.
        biases: `[pair]`, pairs in the order (0, 1), (0, 2), ..., (1, 2), ...
        gamma: Gamma of the kernel.
        sigmoid: Kernel tanh(gamma <x, y>) instead of exp(-gamma |x - y|²).
        temperature: What decision values are divided by.
    """

    kind: ClassVar[str] = "support-vectors"
    has_ties: ClassVar[bool] = True

    vectors: Float[np.ndarray, "item dim"]
    duals: Float[np.ndarray, "other item"]
    counts: Int[np.ndarray, " class"]
    biases: Float[np.ndarray, " pair"]
    gamma: float
    sigmoid: bool
    temperature: float

    @property
    def n_features(self) -> int:  # type: ignore[override]
        return self.vectors.shape[1]

    @property
    def n_classes(self) -> int:  # type: ignore[override]
        return len(self.counts)

    def predict_proba(self, vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item class"]:
        pairs = self._pairs(vectors)
        if self.n_classes == 2:
            decisions = np.concatenate([np.zeros_like(pairs), -pairs], axis=1)
            return _probabilities(decisions / self.temperature, one_column=False)
        votes = np.zeros((len(vectors), self.n_classes))
        confidences = np.zeros_like(votes)
        for pair, (first, second) in enumerate(_pairs_of(self.n_classes)):
            confidences[:, first] += pairs[:, pair]
            confidences[:, second] -= pairs[:, pair]
            votes[:, first] += pairs[:, pair] >= 0
            votes[:, second] += pairs[:, pair] < 0
        return _probabilities((votes + confidences / (3 * (np.abs(confidences) + 1))) / self.temperature)

    def _pairs(self, vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item pair"]:
        """Positive where the first class of the pair wins."""
        products = vectors @ self.vectors.T
        if self.sigmoid:
            kernel = np.tanh(self.gamma * products)
        else:
            squares = np.square(vectors).sum(axis=1)[:, None] + np.square(self.vectors).sum(axis=1)
            kernel = np.exp(-self.gamma * np.maximum(squares - 2 * products, 0.0))
        ends = np.cumsum(self.counts)
        of_class = [slice(end - count, end) for count, end in zip(self.counts, ends, strict=True)]
        pairs = np.empty((len(vectors), len(self.biases)))
        for pair, (first, second) in enumerate(_pairs_of(self.n_classes)):
            own = kernel[:, of_class[first]] @ self.duals[second - 1, of_class[first]]
            other = kernel[:, of_class[second]] @ self.duals[first, of_class[second]]
            pairs[:, pair] = own + other + self.biases[pair]
        return pairs

    def arrays(self) -> dict[str, np.ndarray]:
        numbers = np.array([self.gamma, float(self.sigmoid), self.temperature])
        arrays = {name: getattr(self, name) for name in ("vectors", "duals", "counts", "biases")}
        return arrays | {"gamma_sigmoid_temperature": numbers}

    @classmethod
    def load(cls, arrays: Arrays) -> "SupportVectorPairs":
        vectors, duals, biases = (
            _floats(arrays, "vectors", 2),
            _floats(arrays, "duals", 2),
            _floats(arrays, "biases", 1),
        )
        counts, numbers = _integers(arrays, "counts", 1), _floats(arrays, "gamma_sigmoid_temperature", 1)
        n_classes = len(counts)
        _require(n_classes > 1 and len(biases) == n_classes * (n_classes - 1) // 2, "pairs do not fit the classes")
        _require(bool((counts >= 0).all()) and int(counts.sum()) == len(vectors), "support vectors miscounted")
        _require(duals.shape == (n_classes - 1, len(vectors)), "coefficients do not fit the support vectors")
        _require(len(numbers) == 3 and numbers[2] > 0, "no temperature above 0")
        return cls(vectors, duals, counts, biases, float(numbers[0]), bool(numbers[1]), float(numbers[2]))


@dataclass(frozen=True)
class Nearest(Predictor):
    """Shares of the nearest vectors' weights 1 / (cosine distance + near).

    Attributes:
        vectors: Unit vectors that are known `[item dim]`.
        codes: Their classes, int64 `[item]`.
        n_neighbours: How many are asked.
        near: Distance below which neighbours count alike.
        n_classes: Classes.
    """

    kind: ClassVar[str] = "nearest"
    has_ties: ClassVar[bool] = True

    vectors: Float[np.ndarray, "item dim"]
    codes: Int[np.ndarray, " item"]
    n_neighbours: int
    near: float
    n_classes: int

    @property
    def n_features(self) -> int:  # type: ignore[override]
        return self.vectors.shape[1]

    def predict_proba(self, vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item class"]:
        at_once = max(1, _NUMBERS_AT_ONCE // len(self.vectors))
        parts = [self._shares(vectors[first : first + at_once]) for first in range(0, len(vectors), at_once)]
        return np.concatenate(parts) if parts else np.zeros((0, self.n_classes))

    def _shares(self, vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item class"]:
        distances = np.clip(1.0 - vectors @ self.vectors.T, 0.0, 2.0)
        rows = np.arange(len(vectors))[:, None]
        nearest = np.argpartition(distances, self.n_neighbours - 1, axis=1)[:, : self.n_neighbours]
        weights = 1.0 / (distances[rows, nearest] + self.near)
        shares = np.zeros((len(vectors), self.n_classes))
        np.add.at(shares, (np.broadcast_to(rows, nearest.shape), self.codes[nearest]), weights)
        return shares / shares.sum(axis=1, keepdims=True)

    def arrays(self) -> dict[str, np.ndarray]:
        sizes = np.array([self.n_neighbours, self.n_classes])
        return {"vectors": self.vectors, "codes": self.codes, "sizes": sizes, "near": np.array([self.near])}

    @classmethod
    def load(cls, arrays: Arrays) -> "Nearest":
        vectors, codes = _floats(arrays, "vectors", 2), _integers(arrays, "codes", 1)
        sizes, near = _integers(arrays, "sizes", 1), _floats(arrays, "near", 1)
        _require(len(codes) == len(vectors) > 0 and len(sizes) == 2 and len(near) == 1, "neighbours without labels")
        _require(1 <= sizes[0] <= len(vectors) and sizes[1] > 1 and near[0] > 0, "sizes out of range")
        _require(bool(((codes >= 0) & (codes < sizes[1])).all()), "a label beyond the classes")
        return cls(vectors, codes, int(sizes[0]), float(near[0]), int(sizes[1]))


PREDICTORS: dict[str, type[Predictor]] = {one.kind: one for one in (Trees, Linear, SupportVectorPairs, Nearest)}


def _pairs_of(n_classes: int) -> list[tuple[int, int]]:
    return [(first, second) for first in range(n_classes) for second in range(first + 1, n_classes)]


def _probabilities(
    logits: Float[np.ndarray, "item column"], one_column: bool = True
) -> Float[np.ndarray, "item class"]:
    """Softmax; a single column is the log odds of the second of two classes."""
    if one_column and logits.shape[1] == 1:
        second = 1.0 / (1.0 + np.exp(-np.clip(logits[:, 0], -700, 700)))
        return np.stack([1.0 - second, second], axis=1)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _array(arrays: Arrays, name: str, ndim: int) -> np.ndarray:
    _require(name in arrays and arrays[name].ndim == ndim and arrays[name].size > 0, f"{name!r} is missing or empty")
    return arrays[name]


def _floats(arrays: Arrays, name: str, ndim: int, finite: bool = True) -> np.ndarray:
    array = _array(arrays, name, ndim)
    _require(array.dtype == np.float64, f"{name!r} is not float64")
    _require(not finite or bool(np.isfinite(array).all()), f"{name!r} holds NaN or infinity")
    return array


def _integers(arrays: Arrays, name: str, ndim: int) -> np.ndarray:
    array = _array(arrays, name, ndim)
    _require(array.dtype == np.int64, f"{name!r} is not int64")
    return array


def _require(holds: bool | np.bool_, fault: str) -> None:
    if not holds:
        raise ValueError(fault)
