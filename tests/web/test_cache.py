import threading

import pytest

from mmasc.web.cache import RenderCache


def test_files_are_made_once_and_the_unused_go():
    cache, made = RenderCache(most_bytes=1_000), []

    def get(key, size=300):
        return cache.get(key, ".bin", lambda target: (made.append(key), target.write_bytes(b"x" * size)))

    first = get("a")
    get("b"), get("c"), get("a")
    assert made == ["a", "b", "c"]
    get("d")  # more than 1,000 bytes: b, which was not used for longest, goes
    assert first.exists()
    get("b")
    assert made == ["a", "b", "c", "d", "b"]
    assert sum(path.stat().st_size for path in cache.folder.iterdir()) <= 1_000
    get("large", 5_000)
    assert len(list(cache.folder.iterdir())) == 1
    folder = cache.folder
    cache.close()
    assert not folder.exists()


def test_what_fails_leaves_nothing_and_is_tried_again():
    cache = RenderCache()

    def fails(target):
        target.write_bytes(b"half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.get("a", ".bin", fails)
    assert list(cache.folder.iterdir()) == []
    assert cache.get("a", ".bin", lambda target: target.write_bytes(b"all")).read_bytes() == b"all"
    cache.close()


def test_many_at_once_make_a_file_once():
    cache, made, together = RenderCache(), [], threading.Barrier(8)

    def make(target):
        made.append(1)
        target.write_bytes(b"x")

    def ask():
        together.wait(10)
        cache.get("a", ".bin", make)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    [one.start() for one in threads]
    [one.join(10) for one in threads]
    assert made == [1]
    cache.close()
