"""Sounds read by several threads are what one after the other gives."""

import threading

import pytest

from mmasc.errors import MmascError
from mmasc.training.alignment.readable import read_each


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [1, 4, 23])
def test_order_faults_and_progress_do_not_depend_on_threads(tmp_path, threads, count):
    paths = [tmp_path / str(number) for number in range(count)]

    def read(path):
        if path.name in ("3", "11"):
            raise MmascError(f"{path.name} is broken")
        return path.name, threading.current_thread() is threading.main_thread()

    said, told = [], []
    found = read_each(paths, read, False, lambda *numbers: told.append(numbers), said.append, threads)
    broken = [number for number in (3, 11) if number < count]
    assert list(found) == [number for number in range(count) if number not in broken]
    assert [name for name, _ in found.values()] == [str(number) for number in found]
    assert all(here == (threads == 1 or count == 1) for _, here in found.values())
    assert said == [f"left out: {number} is broken" for number in broken]
    assert told == [(number + 1, count) for number in range(count)]
    if broken:
        with pytest.raises(MmascError, match="^3 is broken$"):
            read_each(paths, read, True, threads=threads)
