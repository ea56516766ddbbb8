"""Whether a vector is like those that a head learned from: the distance to the nearest class, with a threshold.

A head must choose among its classes, and is often sure of sounds that it knows nothing of. The distance is that of
Mahalanobis to the nearest class mean, under one covariance of all classes; the threshold lets 99 of 100 vectors of new
recordings of these classes pass, measured on those that folds left out.

Papers: Lee et al. 2018, "A simple unified framework for detecting out-of-distribution samples", equations (1) and (2);
Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices" (the shrinkage);
Moghaddam and Pentland 1997, "Probabilistic visual learning for object representation", equation (7) (few directions
and one variance for all others).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from mmasc.windows.units import unit_as_normalizer

PASSING = 0.99  # share of new recordings of the classes that is not marked
LEAST = 20  # left-out vectors from which a threshold is learnt
_DIRECTIONS = 64
_PREFIX = "familiarity."
# A class of one vector, or copies of it, has no spread of its own; unit vectors differ by rounding at least
_LEAST_VARIANCE = 1e-9
_LEAST_THRESHOLD = 1.0  # within one standard deviation nothing is strange; copies have distances of rounding alone


@dataclass(frozen=True)
class Familiarity:
    """What a head learned from, as far as distances need it.

    Attributes:
        means: Means of the classes' unit vectors, `[class dim]`.
        directions: Directions in which vectors of one class differ most, orthonormal, `[dim direction]`.
        variances: Variance along each, `[direction]`.
        rest: Variance in each of the other directions.
        threshold: Squared distance above which a vector is unlike all classes.
    """

    means: Float[np.ndarray, "class dim"]
    directions: Float[np.ndarray, "dim direction"]
    variances: Float[np.ndarray, " direction"]
    rest: float
    threshold: float = np.inf

    def distances(self, vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, " item"]:
        """Squared distances of vectors, of any length, to the nearest class; about the dim for those of the classes."""
        unit = unit_as_normalizer(vectors)
        nearest = np.full(len(unit), np.inf)
        for mean in self.means:
            away = unit - mean
            along = away @ self.directions
            others = np.maximum((away**2).sum(axis=1) - (along**2).sum(axis=1), 0)
            nearest = np.minimum(nearest, (along**2 / self.variances).sum(axis=1) + others / self.rest)
        return nearest

    def unlike(self, vectors: Float[np.ndarray, "item dim"]) -> Bool[np.ndarray, " item"]:
        """Which vectors are unlike all classes."""
        marked: np.ndarray = self.distances(vectors) > self.threshold
        return marked

    def arrays(self) -> dict[str, np.ndarray]:
        """For a file."""
        numbers = np.array([self.rest, self.threshold])
        own = {"means": self.means, "directions": self.directions, "variances": self.variances, "numbers": numbers}
        return {f"{_PREFIX}{name}": np.ascontiguousarray(array, np.float32) for name, array in own.items()}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], dim: int) -> "Familiarity | None":
        """From arrays of a file; None where it holds none.

        Args:
            arrays: All arrays of the file.
            dim: Numbers in a vector of the head.
        Raises:
            ValueError: If one is missing, or they do not fit together.
        """
        own = {name.removeprefix(_PREFIX): array for name, array in arrays.items() if name.startswith(_PREFIX)}
        if not own:
            return None
        if set(own) != {"means", "directions", "variances", "numbers"}:
            raise ValueError("what it learned from is incomplete")
        numbers = {name: np.asarray(array, np.float64) for name, array in own.items()}
        means, directions, variances = numbers["means"], numbers["directions"], numbers["variances"]
        shapes = means.ndim == directions.ndim == 2 and variances.ndim == 1 and numbers["numbers"].shape == (2,)
        if not shapes or means.shape[1] != dim or directions.shape != (dim, len(variances)) or not len(means):
            raise ValueError("what it learned from does not fit its dim")
        rest, threshold = (float(one) for one in numbers["numbers"])
        finite = all(np.isfinite(array).all() for array in (means, directions, variances)) and np.isfinite(rest)
        if not finite or not (variances > 0).all() or not rest > 0 or np.isnan(threshold):
            raise ValueError("what it learned from holds numbers out of range")
        return cls(means, directions, variances, rest, threshold)


def fit_familiarity(
    vectors: Float[np.ndarray, "item dim"],
    codes: Int[np.ndarray, " item"],
    folds: Iterable[tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]],
) -> Familiarity | None:
    """Learn from vectors of several classes what is like them.

    Args:
        vectors: Vectors of any length.
        codes: The class of each.
        folds: Positions that are learnt from and left out, each vector left out once at most.
    Returns:
        None where folds leave out fewer than 20 vectors: too few for a threshold.
    """
    left_out = [_spread(vectors[train], codes[train]).distances(vectors[test]) for train, test in folds]
    distances = np.sort(np.concatenate([np.zeros(0), *left_out]))
    if len(distances) < LEAST:
        return None
    # Of n left-out vectors and a new one the new one is as likely to be at any place: split conformal prediction. With
    # fewer than 99 the farthest one is the threshold, which lets fewer than 99 of 100 pass.
    place = min(int(np.ceil(PASSING * (len(distances) + 1))), len(distances)) - 1
    found = _spread(vectors, codes)
    threshold = max(float(distances[place]), _LEAST_THRESHOLD)
    return Familiarity(found.means, found.directions, found.variances, found.rest, threshold)


def _spread(vectors: np.ndarray, codes: np.ndarray) -> Familiarity:
    """Means and covariance, shrunk towards equal variances."""
    from sklearn.covariance import ledoit_wolf_shrinkage

    unit = unit_as_normalizer(vectors)
    classes, numbers = np.unique(codes, return_inverse=True)
    means = np.stack([unit[numbers == place].mean(axis=0) for place in range(len(classes))])
    away = unit - means[numbers]
    n_items, dim = away.shape
    shrinkage = float(ledoit_wolf_shrinkage(away, assume_centered=True))
    _, singular, rows = np.linalg.svd(away, full_matrices=False)
    n_directions = min(_DIRECTIONS, len(singular), max(dim - 1, 1))
    own = singular**2 / n_items
    average = own.sum() / dim
    variances = np.maximum((1 - shrinkage) * own[:n_directions] + shrinkage * average, _LEAST_VARIANCE)
    others = max(dim - n_directions, 1)
    rest = max((1 - shrinkage) * own[n_directions:].sum() / others + shrinkage * average, _LEAST_VARIANCE)
    return Familiarity(means, rows[:n_directions].T, variances, float(rest))
