"""What is left of a fitted head: named arrays and the few lines that turn unit vectors into probabilities.

A head is kept as numbers, not as a scikit-learn object, so that a file of it holds nothing that could run, and reads
back the same under every version of scikit-learn. `predictor_of` makes the arrays and proves on the training vectors
that they answer what scikit-learn answers.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from mmasc.heads.predictor import (
    NUMBERS_AT_ONCE,
    Arrays,
    Predictor,
    floats_of,
    integers_of,
    probabilities_of,
    require,
)
from mmasc.heads.tree_sums import Trees


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
        return probabilities_of(vectors @ self.weights.T + self.biases)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"weights": self.weights, "biases": self.biases}

    @classmethod
    def load(cls, arrays: Arrays) -> "Linear":
        weights, biases = floats_of(arrays, "weights", 2), floats_of(arrays, "biases", 1)
        require(len(weights) == len(biases) > 1, "weights do not fit the classes")
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
            return probabilities_of(decisions / self.temperature, one_column=False)
        votes = np.zeros((len(vectors), self.n_classes))
        confidences = np.zeros_like(votes)
        for pair, (first, second) in enumerate(_pairs_of(self.n_classes)):
            confidences[:, first] += pairs[:, pair]
            confidences[:, second] -= pairs[:, pair]
            votes[:, first] += pairs[:, pair] >= 0
            votes[:, second] += pairs[:, pair] < 0
        return probabilities_of((votes + confidences / (3 * (np.abs(confidences) + 1))) / self.temperature)

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
            floats_of(arrays, "vectors", 2),
            floats_of(arrays, "duals", 2),
            floats_of(arrays, "biases", 1),
        )
        counts, numbers = integers_of(arrays, "counts", 1), floats_of(arrays, "gamma_sigmoid_temperature", 1)
        n_classes = len(counts)
        require(n_classes > 1 and len(biases) == n_classes * (n_classes - 1) // 2, "pairs do not fit the classes")
        require(bool((counts >= 0).all()) and int(counts.sum()) == len(vectors), "support vectors miscounted")
        require(duals.shape == (n_classes - 1, len(vectors)), "coefficients do not fit the support vectors")
        require(len(numbers) == 3 and numbers[2] > 0, "no temperature above 0")
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
        at_once = max(1, NUMBERS_AT_ONCE // len(self.vectors))
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
        vectors, codes = floats_of(arrays, "vectors", 2), integers_of(arrays, "codes", 1)
        sizes, near = integers_of(arrays, "sizes", 1), floats_of(arrays, "near", 1)
        require(len(codes) == len(vectors) > 0 and len(sizes) == 2 and len(near) == 1, "neighbours without labels")
        require(1 <= sizes[0] <= len(vectors) and sizes[1] > 1 and near[0] > 0, "sizes out of range")
        require(bool(((codes >= 0) & (codes < sizes[1])).all()), "a label beyond the classes")
        return cls(vectors, codes, int(sizes[0]), float(near[0]), int(sizes[1]))


PREDICTORS: dict[str, type[Predictor]] = {one.kind: one for one in (Trees, Linear, SupportVectorPairs, Nearest)}


def _pairs_of(n_classes: int) -> list[tuple[int, int]]:
    return [(first, second) for first in range(n_classes) for second in range(first + 1, n_classes)]
