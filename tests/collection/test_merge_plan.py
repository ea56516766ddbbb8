"""A merge in pieces of any size is the merge of two dictionaries."""

import numpy as np
import pytest

from mmasc.collection import path_digests
from mmasc.collection.merge import merge
from mmasc.collection.store import Store
from tests.helpers.made import made, recordings

OURS, THEIRS = list(range(24)), list(range(12, 40))


def rows(store: Store) -> dict[str, dict]:
    return {row["path"]: row for row in store.recordings().to_pylist()}


def windows(store: Store) -> dict[str, list]:
    """Windows and vectors by path, sorted."""
    path_of = {row["id"]: path for path, row in rows(store).items()}
    found: dict[str, list] = {}
    for row in store.dataset(store.head().spaces["one"]).to_table().to_pylist():
        found.setdefault(path_of[row["recording"]], []).append((row["lane"], row["start"], row["end"], row["vector"]))
    return {path: sorted(some) for path, some in found.items()}


@pytest.mark.parametrize("at_once", [1, 5, 1_000])
def test_merging_in_pieces_is_merging_dictionaries(tmp_path, monkeypatch, at_once):
    if at_once == 5:  # equal digests: the paths themselves decide
        monkeypatch.setattr(path_digests, "digests_of", lambda paths: np.zeros(len(paths), np.int64))
    ours = made(tmp_path / "a", OURS, gone=(1, 13), site=[f"s{one % 3}" if one % 2 else None for one in OURS])
    theirs = made(tmp_path / "b", THEIRS, gone=(14, 30), site=["x"] * len(THEIRS), depth=[one / 2 for one in THEIRS])
    with theirs.transaction() as change:  # another content under our path, and one without windows there
        change.update_recordings(recordings([15]).set_column(2, "size", [[7]]))
        change.remove_windows("one", [1_000 - 35])
    mine, other = rows(ours), rows(theirs)
    windows_before, windows_other = windows(ours), windows(theirs)
    result = merge(ours, theirs, at_once)
    both = [path for path in other if path in mine and path != "f0/r15.wav"]
    new = [path for path in other if path not in mine]
    lacking = [path for path in both if mine[path]["site"] is None]
    assert result == {
        "recordings": len(new),
        "windows": sum(len(windows_other.get(path, [])) for path in new),
        "already_there": len(both) + 1,
        "other_content": 1,
        "values": len(lacking) + len(both),
        "values_that_differ": len(both) - len(lacking),
        "annotations": 0,
        "annotations_that_differ": 0,
    }
    merged = rows(ours)
    assert merged.keys() == mine.keys() | other.keys()
    for path, row in merged.items():
        known, given = mine.get(path), other.get(path)
        kept = known or given
        assert {name: row[name] for name in ("size", "duration", "status")} == {
            name: kept[name] for name in ("size", "duration", "status")
        }
        assert row["id"] == known["id"] if known else row["id"] not in {one["id"] for one in mine.values()}
        told = given if path in both or path in new else {}
        site = (known or {}).get("site")
        assert row["site"] == (told.get("site") if site is None else site)
        assert row["depth"] == told.get("depth")
    assert windows(ours) == windows_before | {path: windows_other[path] for path in new if path in windows_other}
    again = merge(ours, theirs, at_once)
    assert (again["recordings"], again["windows"], again["values"]) == (0, 0, 0)
    assert rows(ours) == merged
