"""Recordings as their own background: each by itself, those with few windows left as they are and counted."""

import numpy as np
import pytest

from mmasc.heads.background import standing_out
from mmasc.labelling.own_background import OwnBackground


@pytest.mark.parametrize("lengths", [[], [0], [20], [19], [20, 19, 0, 25, 1, 30], [1, 1]])
def test_each_recording_is_measured_by_itself(lengths):
    values = np.random.default_rng(0).normal(size=(sum(lengths), 2))
    own = OwnBackground(3.0)
    found = own.measure(values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    first = 0
    for length in lengths:
        part = slice(first, first + length)
        if length >= 20:
            np.testing.assert_allclose(found[part], standing_out(values[part], values[part]))
        else:
            assert (found[part] > 1_000).all()  # nothing has to stand out
        first += length
    few = sum(0 < length < 20 for length in lengths)
    assert own.short == few
    said = {0: None, 1: "1 recording has fewer than 20 windows"}.get(
        few, f"{few} recordings have fewer than 20 windows"
    )
    assert own.remarks == ([] if said is None else [f"{said} to be its own background: nothing had to stand out there"])


def test_recordings_of_several_calls_are_counted_together():
    own = OwnBackground(2.5)
    for _ in range(3):
        own.measure(np.zeros((1, 1)), np.array([0, 1]))
    assert (own.short, own.stands_out) == (3, 2.5)
    assert own.remarks[0].startswith("3 recordings have")
