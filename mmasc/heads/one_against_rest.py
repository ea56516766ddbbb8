"""Heads of several labels: for every label a head of two classes, the label against everything else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from mmasc.heads.predictor import Arrays, Predictor
from mmasc.heads.predictors import PREDICTORS

_MOST_LABELS = 10_000


@dataclass(frozen=True)
class OneAgainstRest(Predictor):
    """Probabilities of labels that do not exclude each other.

    Attributes:
        members: For every label a predictor of two classes, of which the second is the label.
    """

    kind: ClassVar[str] = "one-against-rest"

    members: Sequence[Predictor]

    @property
    def n_features(self) -> int:  # type: ignore[override]
        return self.members[0].n_features

    @property
    def n_classes(self) -> int:  # type: ignore[override]
        return len(self.members)

    def predict_proba(self, vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item class"]:
        """Probability of each label by itself; rows sum to anything."""
        return np.stack([one.predict_proba(vectors)[:, 1] for one in self.members], axis=1)

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays of every member under its number; kinds as bytes."""
        kinds = "\n".join(one.kind for one in self.members)
        arrays = {"kinds": np.frombuffer(kinds.encode(), np.uint8).copy()}
        for number, one in enumerate(self.members):
            arrays |= {f"{number}.{name}": array for name, array in one.arrays().items()}
        return arrays

    @classmethod
    def load(cls, arrays: Arrays) -> "OneAgainstRest":
        """From arrays of a file.

        Raises:
            ValueError: If one is missing, or they do not fit together.
        """
        if "kinds" not in arrays or arrays["kinds"].dtype != np.uint8 or arrays["kinds"].ndim != 1:
            raise ValueError("'kinds' is missing or is not a text")
        kinds = arrays["kinds"].tobytes().decode("ascii", "replace").split("\n")
        if len(kinds) > _MOST_LABELS or any(kind not in PREDICTORS for kind in kinds):
            raise ValueError("a label has a head of an unknown kind")
        parts: list[dict[str, np.ndarray]] = [{} for _ in kinds]
        for name, array in arrays.items():
            number, _, own = name.partition(".")
            if own and number.isascii() and number.isdigit() and int(number) < len(parts):
                parts[int(number)][own] = array
        members = [PREDICTORS[kind].load(part) for kind, part in zip(kinds, parts, strict=True)]
        if any((one.n_classes, one.n_features) != (2, members[0].n_features) for one in members):
            raise ValueError("the heads of the labels do not fit together")
        return cls(members)
