"""Clouds of vectors, heads with few trees, tables of labels, and a file of a head."""

from pathlib import Path

import numpy as np
import pytest

from mmasc.collection.head import SpaceHead
from mmasc.heads.conversion import predictor_of
from mmasc.heads.fitted import FittedHead, HeadStamp
from mmasc.heads.registry import make_head
from mmasc.labelling.recordings import LabelledRecordings
from mmasc.windows.units import unit_as_normalizer

SPACE = SpaceHead("identity0" * 3, "standin", 4, 1.0, 1.0, "mix")
NAMES = ("low", "middle", "high", "none")


def clouds(n_classes: int, dim: int, n_items: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around as many centres, near enough to be confused, and the numbers of their centres."""
    generator = np.random.default_rng(seed)
    codes = np.arange(n_items) % n_classes
    centres = np.random.default_rng(99).normal(size=(n_classes, dim))
    return unit_as_normalizer(centres[codes] + generator.normal(size=(n_items, dim))), codes


def small(name: str):
    """A head with few trees: what is tested does not depend on how many."""
    head = make_head(name)
    for step, parameter in (
        ("histgradientboostingclassifier", "max_iter"),
        ("gradientboostingclassifier", "n_estimators"),
    ):
        if step in head.named_steps:
            head.set_params(**{f"{step}__{parameter}": 4})
    return head


def labelled(codes: np.ndarray, groups=None, folds=None, vectors: np.ndarray | None = None) -> LabelledRecordings:
    vectors = np.ones((len(codes), 4)) / 2 if vectors is None else vectors
    classes = NAMES[: int(codes.max()) + 1]
    as_text = [None if values is None else np.array([str(value) for value in values]) for values in (groups, folds)]
    names = () if folds is None else tuple(str(value) for value in sorted(set(folds)))
    paths = [f"{item}.wav" for item in range(len(codes))]
    return LabelledRecordings(paths, vectors, codes, classes, *as_text, names, 0, 0, "standin", SPACE)


@pytest.fixture
def trees_file(tmp_path) -> Path:
    vectors, codes = clouds(3, 6, 100)
    stamp = HeadStamp("boosting", "label", NAMES[:3], "f" * 32, "standin", "c", 6, 1, 1, "mix", 100, "0.1", "0.0.1")
    FittedHead(stamp, predictor_of(small("boosting").fit(vectors, codes), vectors)).save(tmp_path / "t.head")
    return tmp_path / "t.head"
