"""What servers said of objects when they were listed, looked at or fetched last; shared by the whole process.

A listing says it of very many objects in one answer, so that each is not asked for again.
"""

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType

from mmasc.errors import MmascError
from mmasc.remote import stores, web
from mmasc.remote.addresses import OBJECT_STORES, checked, common_root, is_address, without_secrets
from mmasc.remote.limits import tried
from mmasc.remote.seen import Seen

_SEEN: dict[str, Seen] = {}
# So many objects under one prefix are listed rather than asked for one by one
_LISTED = 16


def server_of(address: str) -> ModuleType:
    """The module that talks to the server of an address."""
    return stores if address.partition("://")[0] in OBJECT_STORES else web


def find_objects(address: str, wanted: Callable[[str], bool]) -> list[str]:
    """The objects that an address means: itself, or in an object store all under it, sorted.

    Args:
        address: An object, or a prefix in an object store.
        wanted: Whether an object under a prefix is meant.
    Raises:
        MmascError: If it is not taken, the server does not answer, or nothing is there.
    """
    address = checked(address)
    try:
        if server_of(address) is web:
            look(address)
            return [address]
        found = tried(lambda: stores.listed(address))
    except OSError as error:
        raise MmascError(str(error)) from error
    if not found:
        raise MmascError(f"{without_secrets(address)}: no object lies there or under it; check the address")
    _SEEN.update(found)
    named = [one for one in found if one == address or wanted(one)]
    return [checked(one) for one in sorted(named, key=lambda one: one.split("/"))]


def look(address: str) -> Seen:
    """What the server says of an object now.

    Raises:
        OSError: If it does not answer or has no such object.
    """
    try:
        seen = tried(lambda: server_of(address).look(address))
    except FileNotFoundError:
        _SEEN.pop(address, None)
        raise
    _SEEN[address] = seen
    return seen


def remember(address: str, seen: Seen) -> None:
    """Keep what a server said about an object that it gave, if a change could be recognised by it."""
    if seen.is_stamped:
        _SEEN[address] = seen


def last_seen(address: str) -> Seen | None:
    """What a server last said about an object; None if nothing is known."""
    return _SEEN.get(address)


def stat_of(address: str) -> os.stat_result:
    """Size and stamps of an object as it was seen last; looks where it has not been seen.

    Raises:
        OSError: If the server does not answer or has no such object.
    """
    return (_SEEN.get(address) or look(address)).stat()


def unstamped(paths: Iterable[str | os.PathLike[str]]) -> int:
    """How many of some objects come from servers that say nothing by which a change could be told."""
    seen = (_SEEN.get(os.fspath(path)) for path in paths if is_address(path))
    return sum(one is not None and not one.is_stamped for one in seen)


def gone(places: Sequence[str], sure: bool = False) -> list[bool]:
    """Which files and objects do not exist any more; what may not be looked at is there, and a folder is not a file.

    Args:
        places: Absolute paths and addresses. Many objects under one prefix are listed, others are asked for.
        sure: Raise where a server does not answer, rather than take its objects to be there.
    Raises:
        MmascError: As `sure` says.
    """
    buckets: dict[str, list[str]] = {}
    for place in places:
        if is_address(place) and place.partition("://")[0] in OBJECT_STORES:
            buckets.setdefault("/".join(place.split("/")[:3]), []).append(place)
    there: dict[str, bool] = {}
    for some in [some for some in buckets.values() if len(some) >= _LISTED]:
        there.update(_listed(some, sure))
    return [not there[place] if place in there else _is_gone(place, sure) for place in places]


def _listed(places: Sequence[str], sure: bool) -> dict[str, bool]:
    """Whether objects of one bucket are there, from one listing."""
    prefix = f"{common_root(list(places))}/"
    try:
        found = tried(lambda: stores.listed(prefix))
    except FileNotFoundError:
        found = {}
    except OSError as error:
        if sure:
            raise MmascError(str(error)) from error
        return dict.fromkeys(places, True)
    _SEEN.update({place: found[place] for place in places if place in found})
    return {place: place in found for place in places}


def _is_gone(place: str, sure: bool) -> bool:
    try:
        if not is_address(place):
            return stat.S_ISDIR(os.stat(place).st_mode)
        look(place)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        if sure and is_address(place):
            raise MmascError(str(error)) from error
    return False
