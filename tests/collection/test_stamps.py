"""Stamps of files: what says that a file is still the one that was embedded, and what its columns can hold."""

from types import SimpleNamespace

import pyarrow as pa
import pytest

from mmasc.collection.stamps import (
    CLOCK_NOTE,
    CTIME,
    DIGEST,
    STAMP_FIELDS,
    UNSEEN,
    Stamp,
    foreign_stamps,
    with_stamps,
)

KNOWN = Stamp(5, 100, 200, b"d")


@pytest.mark.parametrize(
    ("written", "changed", "kept"),
    [
        (7, 8, (7, 8)),
        (-7, -8, (-7, 0)),
        (1 << 63, 1 << 64, ((1 << 63) - 1, (1 << 64) - 1)),
        ((1 << 63) - 1, (1 << 64) - 1, ((1 << 63) - 1, (1 << 64) - 1)),
        (-(1 << 63), 0, (-(1 << 63), 0)),
        (-(1 << 63) - 1, -1, (-(1 << 63), 0)),
    ],
)
def test_times_that_columns_cannot_hold_are_the_nearest_that_they_can(written, changed, kept):
    found = Stamp.of(SimpleNamespace(st_size=3, st_mtime_ns=written, st_ctime_ns=changed), b"x")
    assert (found.size, found.mtime_ns, found.ctime_ns, found.digest) == (3, *kept, b"x")
    assert pa.array([found.mtime_ns], pa.int64()).to_pylist() == [kept[0]]
    assert pa.array([found.ctime_ns], pa.uint64()).to_pylist() == [kept[1]]
    assert Stamp.of_row({**found.columns, "path": "a"}) == found


def test_a_file_to_which_nothing_was_done():
    for other, same in (
        (KNOWN, True),
        (Stamp(5, 100, 200), True),
        (Stamp(6, 100, 200), False),
        (Stamp(5, 101, 200), False),
        (Stamp(5, 100, 201), False),
        (Stamp(5, 100, None), False),
    ):
        assert KNOWN.untouched(other) == same
    assert Stamp(5, 100).untouched(KNOWN)  # of version 0.1.0: its change is not known
    assert not Stamp(5, 101).untouched(KNOWN)


def test_the_same_bytes_as_far_as_one_can_tell():
    for other, same, alike in (
        (Stamp(5, 1, 2, b"d"), True, True),
        (Stamp(5, 100, 200, b"e"), False, False),
        (Stamp(6, 100, 200, b"d"), False, False),
        (Stamp(5, 100, 7), None, True),
        (Stamp(5, 101, 200), None, False),
        (UNSEEN, None, False),
    ):
        assert KNOWN.same_content(other) is other.same_content(KNOWN) is same
        assert KNOWN.alike(other) == other.alike(KNOWN) == alike
    assert UNSEEN.unseen
    assert not Stamp(0, 0).unseen
    assert Stamp(0, 0, 0, b"d").same_content(Stamp(0, 1, 1, b"d")) is True


def test_columns_of_the_users_own_keep_their_values_under_another_name():
    table = pa.table({"path": ["a"], DIGEST: ["mine"], CTIME: pa.array([3], pa.uint64())})
    assert foreign_stamps(table.schema) == [DIGEST]
    found = with_stamps(table)
    assert found.column_names == ["path", f"meta_{DIGEST}", CTIME, DIGEST, CLOCK_NOTE]
    assert found.to_pylist() == [{"path": "a", f"meta_{DIGEST}": "mine", CTIME: 3, DIGEST: None, CLOCK_NOTE: None}]
    assert [found.schema.field(item.name).type for item in STAMP_FIELDS] == [item.type for item in STAMP_FIELDS]
    assert with_stamps(found).equals(found)
