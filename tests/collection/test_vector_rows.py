"""Rows of vectors as they are handed over: what is taken, and the line about each row that cannot be."""

from pathlib import Path

import numpy as np
import pytest

from mmasc.collection import vector_rows
from mmasc.collection.vector_rows import VectorRows, checked_probes, refuse_row
from mmasc.errors import MmascError

VECTORS = np.arange(1.0, 9.0).reshape(4, 2)
NAMES = ["a.wav", "b.wav", "a.wav", "c.wav"]
STARTS, ENDS = [0, 0, 1, 0], [1, 1, 2, 0.5]


def checked(**changed) -> VectorRows:
    given = {"vectors": VECTORS, "recordings": NAMES, "starts": STARTS, "ends": ENDS} | changed
    return VectorRows.checked(*given.values())


def test_rows_name_each_recording_once():
    for names in (NAMES, [Path(one) for one in NAMES], np.array(NAMES), tuple(NAMES)):
        rows = checked(recordings=names)
        assert rows.paths == ["a.wav", "b.wav", "c.wav"]
        assert rows.of.tolist() == [0, 1, 0, 2]
    assert (rows.vectors.dtype, rows.starts.dtype, rows.ends.dtype) == (np.float32, np.float64, np.float64)
    np.testing.assert_array_equal(rows.vectors, VECTORS)
    assert (rows.starts.tolist(), rows.ends.tolist()) == (STARTS, ENDS)
    for one in ("a.wav", Path("a.wav")):
        rows = checked(recordings=one)
        assert (rows.paths, rows.of.tolist()) == (["a.wav"], [0] * 4)
    assert checked(vectors=VECTORS.astype(np.int16)).vectors.dtype == np.float32
    nothing = checked(vectors=np.zeros((0, 2)), recordings=[], starts=[], ends=[])
    assert (len(nothing.of), nothing.paths, nothing.vectors.shape) == (0, [], (0, 2))


def with_row(row: int, value: float) -> np.ndarray:
    changed = VECTORS.copy()
    changed[row] = value
    return changed


@pytest.mark.parametrize("at_once", [1, 65_536])
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"vectors": with_row(2, np.nan)}, r"vectors\[2\] holds NaN or infinity$"),
        ({"vectors": with_row(3, 1e300)}, r"vectors\[3\] holds NaN or infinity$"),
        ({"vectors": with_row(1, 0)}, r"vectors\[1\] is zero and has no direction$"),
        ({"vectors": np.zeros((4, 2))}, r"vectors\[0\] is zero and has no direction \(and 3 more rows\)$"),
        ({"starts": [0, 1, 1, 0]}, r"starts\[1\] is 1 s, its end 1 s: not after it$"),
        ({"starts": [0, 2, 2, 0]}, r"starts\[1\] is 2 s, its end 1 s: not after it \(and 1 more row\)$"),
        ({"starts": [0, 0, -1, 0]}, r"starts\[2\]"),
        ({"ends": [1, np.inf, 2, 1]}, r"ends\[1\]"),
        ({"starts": [np.nan, 0, 1, 0]}, r"starts\[0\]"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(changed, said, at_once, monkeypatch):
    monkeypatch.setattr(vector_rows, "_AT_ONCE", at_once)
    with pytest.raises(MmascError, match=said):
        checked(**changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"vectors": VECTORS[0]}, r"vectors must be numbers \[row, dim\], got float64 \[2\]"),
        ({"vectors": np.zeros((4, 0))}, r"vectors must be numbers \[row, dim\], got float64 \[4, 0\]"),
        ({"vectors": np.ones((4, 2), bool)}, r"vectors must be numbers \[row, dim\], got bool"),
        ({"recordings": NAMES[:3]}, "one path, or one per row: 4 rows, 3 recordings"),
        ({"recordings": None}, "one path, or one per row: 4 rows, 0 recordings"),
        ({"recordings": ["a", "", "b", "c"]}, r"recordings\[1\] must be a path, got str ''"),
        ({"recordings": ["a", "b", 3, "c"]}, r"recordings\[2\] must be a path, got int '3'"),
        ({"starts": STARTS[:3]}, "starts"),
        ({"ends": [*ENDS, 1]}, "ends"),
    ],
)
def test_shapes_and_types_that_do_not_fit_are_refused(changed, said):
    with pytest.raises(ValueError, match=said):
        checked(**changed)


def test_lengths_of_recordings():
    rows = checked()
    assert rows.durations(None) == {}
    assert rows.durations([5, 6, 5, 7.5]) == {"a.wav": 5.0, "b.wav": 6.0, "c.wav": 7.5}
    assert rows.durations({Path("x.wav"): np.float32(2.5)}) == {"x.wav": 2.5}
    with pytest.raises(MmascError, match=r"durations\[2\] is not that of other rows of a.wav$"):
        rows.durations([5, 6, 5.5, 7])
    for wrong in (0, -1.0, np.inf, np.nan, True, "5", None):
        with pytest.raises(MmascError, match=r"durations: a.wav must last more than 0 seconds, got"):
            rows.durations({"b.wav": 1e-9, "a.wav": wrong})


def test_probes_are_as_wide_as_the_vectors():
    assert checked_probes(None, 2) is None
    assert checked_probes(VECTORS, 2).shape == (4, 2)
    with pytest.raises(ValueError, match="probes must have 3 numbers as the vectors have, got 2"):
        checked_probes(VECTORS, 3)


def test_the_first_of_several_rows_is_shown():
    refuse_row(np.zeros(3, bool), str)
    for bad, said in (([0, 1, 0], "1"), ([0, 1, 1], r"1 \(and 1 more row\)"), ([1, 1, 1], r"0 \(and 2 more rows\)")):
        with pytest.raises(MmascError, match=f"^{said}$"):
            refuse_row(np.array(bad, bool), str)
