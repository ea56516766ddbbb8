"""Copies of remote recordings on this machine: fetched once for all who read them at a time, deleted after.

This is the one home of "open this recording": `held` gives a path of this machine for any recording, and `RangeReader`
the few bytes that a header takes. At most as many copies are there as are being read, two ahead, and a few read last.
"""

import atexit
import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from mmasc.remote.fetch import fetch
from mmasc.remote.limits import limits
from mmasc.remote.paths import RemotePath, as_path
from mmasc.remote.seen import Seen
from mmasc.remote.sightings import last_seen, look, server_of

Item = TypeVar("Item")
AHEAD = 2
# Copies that nobody reads are kept for the next who asks: bytes and number, at most
_SPARE_BYTES, _SPARE_FILES = 1 << 30, 8
# A copy that is older is used only if the server says that it is still the object
_FRESH_NS = 60 * 10**9
_BLOCK = 1 << 16
# A folder may not have its lock yet
_YOUNG_SECONDS = 60.0
_PREFIX, _LOCK = "mmasc-remote-", ".lock"


@dataclass
class _Copy:
    """A copy, or one on its way.

    Attributes:
        path: Where it is or will be.
        ready: Done when it is there, or has failed.
        users: How many read it.
        ahead: How many of these have not come yet: it was fetched ahead for them.
        checked_ns: When it was last known to be the object.
    """

    path: Path
    ready: "Future[Seen]" = field(default_factory=Future)
    users: int = 0
    ahead: int = 0
    checked_ns: int = field(default_factory=time.time_ns)


class Copies:
    """Copies of this process, in a temporary folder of their own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._copies: dict[str, _Copy] = {}  # the one that was read last comes last
        self._folder: Path | None = None
        self._held: FileLock
        self._count = 0
        self._process = os.getpid()
        self._pool: ThreadPoolExecutor | None = None

    @contextlib.contextmanager
    def hold(self, address: str) -> Iterator[Path]:
        """The copy of an object, which stays until the block ends.

        Raises:
            MmascError: If it cannot be fetched.
        """
        path = self.take(address)
        try:
            yield path
        finally:
            self.give_back(address)

    def take(self, address: str) -> Path:
        """The copy of an object; `give_back` says that it is no longer read.

        Raises:
            MmascError: If it cannot be fetched.
        """
        self._drop_changed(address)
        copy, mine = self._entry(address, ahead=False)
        if mine:
            self._fetch(address, copy)
        try:
            copy.ready.result()
        except BaseException:
            self._give_back(address, copy)
            raise
        return copy.path

    def give_back(self, address: str) -> None:
        """Say that a copy is read by one less; what nobody reads may be deleted."""
        copy = self._copies.get(address)
        if copy is not None:
            self._give_back(address, copy)

    def fetch_ahead(self, address: str) -> None:
        """Begin to fetch what `take` will soon ask for; `take` reports errors."""
        copy, mine = self._entry(address, ahead=True)
        if mine:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(AHEAD, "mmasc-fetch")
            self._pool.submit(self._fetch, address, copy)

    def drop_ahead(self, address: str) -> None:
        """Nobody will ask for what was fetched ahead."""
        with self._lock:
            copy = self._copies.get(address)
            if copy is None or not copy.ahead:
                return
            copy.ahead -= 1
        self._give_back(address, copy)

    def at_hand(self, address: str) -> bool:
        """Whether a copy is there and still counts."""
        with self._lock:
            copy = self._copies.get(address)
            return copy is not None and copy.ready.done() and time.time_ns() - copy.checked_ns < _FRESH_NS

    def close(self) -> None:
        """Delete all copies."""
        if self._process != os.getpid():  # a child of a fork: they are its parent's
            return
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        with self._lock:
            self._copies.clear()
            folder, self._folder = self._folder, None
        if folder is not None:
            self._held.release()
            shutil.rmtree(folder, ignore_errors=True)

    def _entry(self, address: str, ahead: bool) -> tuple[_Copy, bool]:
        """The copy of an object with one reader more, and whether the caller has to fetch it."""
        with self._lock:
            copy = self._copies.get(address)
            if copy is not None and not ahead and copy.ahead:
                copy.ahead -= 1  # the reader that it was fetched for
                return copy, False
            mine = copy is None
            if copy is None:
                self._count += 1
                ending = os.path.splitext(address.rpartition("/")[2].partition("?")[0])[1][:16]
                copy = self._copies[address] = _Copy(self._home() / f"{self._count}{ending}")
            copy.users += 1
            copy.ahead += ahead
            return copy, mine

    def _give_back(self, address: str, copy: _Copy) -> None:
        with self._lock:
            copy.users -= 1
            if self._copies.get(address) is copy:
                del self._copies[address]
                # One that failed is tried again by the next who asks
                if copy.users or not copy.ready.done() or copy.ready.exception() is None:
                    self._copies[address] = copy
            self._delete_spare()

    def _fetch(self, address: str, copy: _Copy) -> None:
        try:
            copy.ready.set_result(fetch(address, copy.path, given_up=lambda: copy.users <= 0))
            copy.checked_ns = time.time_ns()
        except BaseException as error:  # raised where it is taken
            copy.ready.set_exception(error)
            with self._lock:
                if not copy.users and self._copies.get(address) is copy:
                    del self._copies[address]

    def _drop_changed(self, address: str) -> None:
        """Forget a copy that nobody reads if it was seen since, or the server says now, that the object is another."""
        with self._lock:
            copy = self._copies.get(address)
            if copy is None or copy.users or not copy.ready.done():
                return
        seen = last_seen(address)
        if seen is None or seen.looked_ns <= copy.checked_ns:
            if time.time_ns() - copy.checked_ns < _FRESH_NS:
                return
            try:
                seen = look(address)
            except OSError:
                seen = None  # fetching says why
        with self._lock:
            if seen is not None and seen.is_stamped and seen == copy.ready.result():
                copy.checked_ns = time.time_ns()
            elif not copy.users and self._copies.get(address) is copy:
                del self._copies[address]
                copy.path.unlink(missing_ok=True)

    def _delete_spare(self) -> None:
        spare = [(name, one) for name, one in self._copies.items() if not one.users and one.ready.done()]
        sizes = [one.path.stat().st_size if one.path.exists() else 0 for _, one in spare]
        while spare and (len(spare) > _SPARE_FILES or sum(sizes) > _SPARE_BYTES):
            (name, copy), _ = spare.pop(0), sizes.pop(0)
            del self._copies[name]
            copy.path.unlink(missing_ok=True)

    def _home(self) -> Path:
        if self._folder is None:
            parent = limits().folder or Path(tempfile.gettempdir())
            _sweep(parent)
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            self._held = FileLock(self._folder / _LOCK)
            self._held.acquire()
        return self._folder


_OF_PROCESS: list[Copies] = []
_MAKING = threading.Lock()


def copies() -> Copies:
    """The copies of this process."""
    with _MAKING:
        if not _OF_PROCESS or _OF_PROCESS[-1]._process != os.getpid():
            _OF_PROCESS[:] = [Copies()]
            atexit.register(_OF_PROCESS[-1].close)
        return _OF_PROCESS[-1]


@contextlib.contextmanager
def held(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Where a recording can be opened on this machine: a file itself, or a copy that stays until the block ends.

    Raises:
        MmascError: If it lies on a server and cannot be fetched.
    """
    place = as_path(path)
    if not isinstance(place, RemotePath):
        yield place
        return
    with copies().hold(str(place)) as copy:
        yield copy


def with_copies_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, while the next two remote ones among them are fetched."""
    waiting: list[Item] = []
    source = iter(items)
    ended = False
    try:
        while True:
            while not ended and len(waiting) <= AHEAD:
                try:
                    item = next(source)
                except StopIteration:
                    ended = True
                    break
                if isinstance(item, RemotePath):
                    copies().fetch_ahead(str(item))
                elif not any(isinstance(one, RemotePath) for one in waiting):
                    # Files of this machine are asked for when they are wanted: what is done to them until then counts
                    waiting.append(item)
                    break
                waiting.append(item)
            if not waiting:
                return
            yield waiting.pop(0)
    finally:
        for item in waiting:
            if isinstance(item, RemotePath):
                copies().drop_ahead(str(item))


class RangeReader:
    """The bytes of a remote recording as an open file: a header takes a few of them, not a copy of all.

    Args:
        path: The recording.
    """

    def __init__(self, path: RemotePath) -> None:
        self._address = str(path)
        self.size = path.stat().st_size
        self._position = 0
        self._blocks: dict[int, bytes] = {}
        self._stack = contextlib.ExitStack()
        self._whole: Path | None = None
        if not self.size or copies().at_hand(self._address):
            self._use_copy()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def read(self, count: int = -1) -> bytes:
        """The next bytes; fewer at the end.

        Raises:
            OSError: If the server does not give them.
        """
        left = max(self.size - self._position, 0)
        count = left if count < 0 else min(count, left)
        data = self._read(self._position, count) if count else b""
        self._position += len(data)
        return data

    def close(self) -> None:
        """Give back what it took."""
        self._stack.close()

    def __enter__(self) -> "RangeReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, begin: int, count: int) -> bytes:
        if self._whole is None:
            first, last = begin // _BLOCK, (begin + count - 1) // _BLOCK
            blocks = [self._block(number) for number in range(first, last + 1)]
            if all(block is not None for block in blocks):
                whole = b"".join(block for block in blocks if block is not None)
                return whole[begin - first * _BLOCK :][:count]
            self._use_copy()
        assert self._whole is not None
        with open(self._whole, "rb") as file:
            file.seek(begin)
            return file.read(count)

    def _block(self, number: int) -> bytes | None:
        if number not in self._blocks:
            data = server_of(self._address).read_range(self._address, number * _BLOCK, _BLOCK)
            if data is None:  # a server without ranges
                return None
            self._blocks[number] = data
        return self._blocks[number]

    def _use_copy(self) -> None:
        self._whole = self._stack.enter_context(copies().hold(self._address))
        self.size = self._whole.stat().st_size


def _sweep(folder: Path) -> None:
    """Delete the folders of processes that were killed: nobody holds their locks."""
    for one in folder.glob(f"{_PREFIX}*"):
        try:
            if one.is_symlink() or time.time() - one.stat().st_mtime < _YOUNG_SECONDS:
                continue
            with FileLock(one / _LOCK, timeout=0):
                shutil.rmtree(one, ignore_errors=True)
        except (OSError, Timeout):
            continue  # in use, or another user's
