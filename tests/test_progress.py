"""How functions tell of their progress: to who listens, and to nobody else."""

import threading

import pytest

from mmasc.progress import SILENT, counting, current, listening, one_by_one, with_progress
from tests.helpers.listener import Listener


def test_nobody_listens_unless_asked_to():
    assert current() is SILENT
    heard, elsewhere = Listener(), []
    with listening(heard):
        assert current() is heard
        thread = threading.Thread(target=lambda: elsewhere.append(current()))
        thread.start()
        thread.join()
        with pytest.raises(ValueError, match="x"), listening(SILENT):
            raise ValueError("x")
        assert current() is heard
    assert (current(), elsewhere) == (SILENT, [SILENT])


def test_a_phase_ends_also_when_it_fails():
    heard = Listener()
    with listening(heard), pytest.raises(ValueError, match="x"), current().phase("a", 2, "files"):
        raise ValueError("x")
    assert heard.said == [("begin", "a", 2, "files"), ("end", "a")]


def test_items_one_by_one():
    heard = Listener()
    with listening(heard):
        assert list(one_by_one("fold", "ab")) == ["a", "b"]
        assert list(one_by_one("seed", [7])) == [7]
        assert list(with_progress("file", iter("x"), None, "files")) == ["x"]
    assert heard.said == [
        ("begin", "fold", 2, ""), ("advance", 1.0), ("advance", 1.0), ("end", "fold"),
        ("begin", "file", None, "files"), ("advance", 1.0), ("end", "file"),
    ]  # fmt: skip


def test_counts_become_phases():
    heard = Listener()
    with listening(heard), counting("decoding", "films") as tell:
        tell(2, 4)
        tell(4, 4, "b.mkv")
        tell(1, 9)
    assert heard.said == [
        ("begin", "decoding", 4, "films"), ("advance", 2), ("advance", 2), ("note", "b.mkv"), ("end", "decoding"),
        ("begin", "decoding", 9, "films"), ("advance", 1), ("end", "decoding"),
    ]  # fmt: skip
