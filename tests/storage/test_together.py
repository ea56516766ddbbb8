"""Files that belong together: all are whole before one takes its name, and a fault leaves the old ones."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmasc.errors import MmascError
from mmasc.storage.files import require_empty
from mmasc.storage.together import write_together


def test_arrays_and_tables_come_back(tmp_path):
    array, table = np.arange(6, dtype=np.float32).reshape(2, 3), pa.table({"a": [1, 2]})
    files = {tmp_path / "deep" / "x.npy": array, tmp_path / "t.parquet": table}
    assert write_together(files) == list(files)
    np.testing.assert_array_equal(np.load(tmp_path / "deep" / "x.npy"), array)
    assert pq.read_table(tmp_path / "t.parquet").equals(table)


def test_a_fault_in_the_last_leaves_the_first_as_it_was(tmp_path):
    (tmp_path / "x.npy").write_text("before")
    with pytest.raises(ValueError, match="allow_pickle"):
        write_together({tmp_path / "x.npy": np.zeros(2), tmp_path / "y.npy": np.array([object()])})
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]
    assert (tmp_path / "x.npy").read_text() == "before"


def test_a_place_that_is_taken_is_named(tmp_path):
    require_empty(tmp_path, "a table")
    require_empty(tmp_path / "new", "a table")
    (tmp_path / "x").write_text("")
    for taken in (tmp_path, tmp_path / "x"):
        with pytest.raises(
            MmascError, match=rf"{taken.name} holds other things; name a new or empty folder for a table"
        ):
            require_empty(taken, "a table")
