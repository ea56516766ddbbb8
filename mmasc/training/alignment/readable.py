"""Sounds of a table one by one: those that can be read, and remarks on the others."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from mmasc.errors import MmascError

Read = TypeVar("Read")


def read_each(
    paths: Sequence[Path],
    read: Callable[[Path], Read],
    strict: bool,
    progress: Callable[[int, int], None] | None = None,
    remark: Callable[[str], None] | None = None,
    threads: int = 1,
) -> dict[int, Read]:
    """What `read` gives for each file, by its place; files that cannot be read are left out, and that is said.

    Args:
        paths: Sounds.
        read: Raises `MmascError` where a file cannot be used.
        strict: A file that cannot be read is an error; otherwise it is left out.
        progress: Called with the number done and the total.
        remark: Called with the message about a file that was left out.
        threads: How many files are read at once; what comes of them, and its order, is the same.
    Raises:
        MmascError: If one cannot be read and `strict`, or none can.
    """
    found: dict[int, Read] = {}
    with closing(_in_turn(paths, read, threads)) as results:
        for number, result in enumerate(results):
            try:
                found[number] = result()
            except MmascError as error:
                if strict:
                    raise
                if remark is not None:
                    remark(f"left out: {error}")
            if progress is not None:
                progress(number + 1, len(paths))
    if not found:
        raise MmascError(f"none of the {len(paths)} sounds can be read; the first is {paths[0]}")
    return found


def _in_turn(
    paths: Sequence[Path], read: Callable[[Path], Read], threads: int
) -> Generator[Callable[[], Read], None, None]:
    """What gives each file, in order; a few are read ahead."""
    if threads < 2 or len(paths) < 2:
        yield from (partial(read, path) for path in paths)
        return
    left = iter(paths)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="mmasc-read")
    try:
        ahead = deque(pool.submit(read, path) for path in islice(left, 2 * threads))
        while ahead:
            yield ahead.popleft().result
            ahead.extend(pool.submit(read, path) for path in islice(left, 1))
    finally:
        pool.shutdown(cancel_futures=True)
