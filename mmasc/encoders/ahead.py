"""Work on many items in threads that stay a bounded number of items ahead; the order stays."""

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, Full, Queue
from typing import Any, TypeVar

Item = TypeVar("Item")
Part = TypeVar("Part")

_PARTS_AHEAD = 3  # of one item, waiting
_ITEMS_AHEAD = 16  # worked on or waiting
_END: Any = object()


def parts_ahead(items: Iterable[Item], parts_of: Callable[[Item], Iterator[Part]], threads: int) -> Iterator[Part]:
    """The parts of all items, in order.

    Args:
        items: Taken one by one, in the threads.
        parts_of: The parts of an item.
        threads: How many threads; 0 makes them in the caller's thread.
    """
    if not threads:
        for one in items:
            yield from parts_of(one)
        return
    source, order = iter(items), Queue[Any]()
    lock, stop, ahead = threading.Lock(), threading.Event(), threading.Semaphore(_ITEMS_AHEAD)

    def put(queue: Queue, part: object) -> None:
        while not stop.is_set():
            try:
                return queue.put(part, timeout=0.2)
            except Full:
                continue
        return None

    def work() -> None:
        while not stop.is_set():
            if not ahead.acquire(timeout=0.2):
                continue
            with lock:
                try:
                    item = next(source, _END)
                except BaseException as error:  # what the caller's iterator raises belongs to the caller
                    failure: Queue = Queue()
                    failure.put(error)
                    order.put(failure)
                    return
                if item is _END:
                    order.put(None)
                    return
                parts: Queue = Queue(_PARTS_AHEAD)
                order.put(parts)
            try:
                for part in parts_of(item):
                    put(parts, part)
                put(parts, None)
            except BaseException as error:  # handed over to the caller's thread, which raises it
                put(parts, error)
                return

    workers = [threading.Thread(target=work, name=f"mmasc-ahead-{one}", daemon=True) for one in range(threads)]
    for worker in workers:
        worker.start()
    try:
        finished = 0
        while finished < threads:
            parts = _get(order)
            if parts is None:
                finished += 1
                continue
            while (part := _get(parts)) is not None:
                if isinstance(part, BaseException):
                    raise part
                yield part
            ahead.release()
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def _get(queue: Queue) -> Any:
    """Wait for an item, yet let Ctrl-C through on every platform."""
    while True:
        try:
            return queue.get(timeout=0.5)
        except Empty:
            continue
