"""A collection into an object store, for others to read; again, only what is new is sent.

Tables at the versions of the head, then what belongs to them, then the head: killed at any moment, readers see what was
published before.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mmasc.collection.head import HEAD_NAME, Head
from mmasc.collection.journal import FOLDED, FOLDER, JOURNAL
from mmasc.collection.publication import FILES, PublishedFile, address_of, head_text, read_whole
from mmasc.collection.published import PublishedStore
from mmasc.collection.store import Store
from mmasc.errors import MmascError, show_path
from mmasc.printing import counted
from mmasc.progress import current
from mmasc.remote import stores
from mmasc.remote.limits import tried
from mmasc.remote.seen import Seen
from mmasc.storage.contents import digest_of
from mmasc.storage.texts import parse_json

_AT_ONCE = 4  # files on their way
_TRIES = 5  # while other processes replace an index
_OURS = ("recordings.lance", "spaces", FILES, HEAD_NAME)


@dataclass(frozen=True)
class PublishReport:
    """What was sent.

    Attributes:
        address: Where the collection lies now.
        files: Files that it consists of there.
        sent: How many of them were sent just now.
        bytes: Bytes of these.
    """

    address: str
    files: int
    sent: int
    bytes: int


def publish(store: Store, address: str) -> PublishReport:
    """Copy a collection to an object store; what is there already is not sent again.

    Args:
        store: The collection.
        address: s3://bucket/name or gs://bucket/name: an empty prefix, or one to which this collection was published.
    Returns:
        What was sent.
    Raises:
        MmascError: If something else lies there, a newer state of the collection does, or the store refuses it.
    """
    address = address_of(address)
    head = store.head()  # while it lives, its versions stay on the disk
    try:
        return _publish(store, head, address)
    except OSError as error:
        raise MmascError(f"not published ({error}); what was published before is unharmed") from error


def _publish(store: Store, head: Head, address: str) -> PublishReport:
    there = tried(lambda: stores.listed(f"{address}/"))
    _refuse_other_things(address, there)
    before = _refuse_other_head(address, head, there)
    tables = {f"{address}/{path.relative_to(store.folder).as_posix()}": path for path in store.tables.files_of(head)}
    for target, path in tables.items():
        if target in there:
            _refuse_other_content(target, path, there[target])
    # Names of data are random: one that is there says that it is this collection
    if before is not None and not any(one in there and path.suffix == ".lance" for one, path in tables.items()):
        _refuse_other_recordings(store, head, address)
    files, contents = _other_files(store, head)
    wanted: dict[str, Path | bytes] = {f"{address}/{FILES}/{one.digest}": contents[name] for name, one in files.items()}
    new = {target: content for target, content in {**tables, **wanted}.items() if target not in there}
    sent = _send(new)
    text = head_text(head, files)
    if text != before:
        tried(lambda: stores.write(f"{address}/{HEAD_NAME}", text))
        sent += len(text)
    return PublishReport(address, len(tables) + len(set(wanted)) + 1, len(new) + (text != before), sent)


def _send(new: dict[str, Path | bytes]) -> int:
    """Write objects, some at a time; returns their bytes."""
    sizes = {
        one: len(content) if isinstance(content, bytes) else content.stat().st_size for one, content in new.items()
    }

    def send(target: str) -> int:
        tried(lambda: stores.write(target, new[target]))
        return sizes[target]

    progress = current()
    # Manifests name the other files
    order = sorted(new, key=lambda one: one.endswith(".manifest"))
    with progress.phase("publishing", sum(sizes.values()) / 1e6, "MB"), ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for size in pool.map(send, order):
                progress.advance(size / 1e6)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return sum(sizes.values())


def _other_files(store: Store, head: Head) -> tuple[dict[str, PublishedFile], dict[str, Path | bytes]]:
    """What belongs to the tables, by name under the collection: by its content, and where that is."""
    for left in range(_TRIES - 1, -1, -1):
        files: dict[str, PublishedFile] = {}
        contents: dict[str, Path | bytes] = {}
        try:
            for name, content in _annotations(store.folder):
                files[name] = PublishedFile(hashlib.blake2b(content, digest_size=16).hexdigest(), len(content))
                contents[name] = content
            for space in head.spaces.values():
                for path in _files_of_space(store.space_folder(space.identity)):
                    name = path.relative_to(store.folder).as_posix()
                    files[name], contents[name] = _measured(path)
            return files, contents
        except FileNotFoundError as error:
            if not left:
                raise MmascError(
                    f"{show_path(store.folder)} is being changed all the time ({error}); try later"
                ) from error
    raise AssertionError("the last try returns or raises")


def _annotations(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The journal first, as readers do: what is folded meanwhile is in the table then."""
    for name in (JOURNAL, FOLDED):
        path = folder / FOLDER / name
        if path.exists():
            yield f"{FOLDER}/{name}", path.read_bytes()


def _files_of_space(folder: Path) -> list[Path]:
    """Files of a space next to its table: the index, and what it is measured with."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(
        path
        for path in found
        if not any(part.startswith(".") or part.endswith(".lance") for part in path.relative_to(folder).parts)
    )


def _measured(path: Path) -> tuple[PublishedFile, Path | bytes]:
    """A file by its content. Small ones may be replaced at any moment: their bytes are taken now."""
    if path.stat().st_size < 1 << 20:
        content = path.read_bytes()
        return PublishedFile(hashlib.blake2b(content, digest_size=16).hexdigest(), len(content)), content
    return PublishedFile(digest_of(path).hex(), path.stat().st_size), path


def _refuse_other_things(address: str, there: dict[str, Seen]) -> None:
    strange = [one for one in there if one.removeprefix(f"{address}/").partition("/")[0] not in _OURS]
    if strange:
        raise MmascError(f"{address} holds other things ({show_path(strange[0])}); give an empty prefix")


def _refuse_other_head(address: str, head: Head, there: dict[str, Seen]) -> bytes | None:
    """The head that is there."""
    place = f"{address}/{HEAD_NAME}"
    if place not in there:
        return None
    content = read_whole(place)
    try:
        newer = int(parse_json(content).get("generation", 0)) > head.generation
    except (ValueError, AttributeError, TypeError, OverflowError) as error:
        raise MmascError(f"{place} is not a head of a collection ({error}); give an empty prefix") from error
    if newer:
        raise MmascError(f"{address} holds another collection, or a newer state of this one; give an empty prefix")
    return content


def _refuse_other_content(target: str, path: Path, seen: Seen) -> None:
    """Tables keep their bytes, so another file of this name is of another collection."""
    same = seen.size == path.stat().st_size
    if same and path.suffix == ".manifest":  # their names are numbers; all others are random
        same = read_whole(target) == path.read_bytes()
    if not same:
        raise MmascError(
            f"{target} is of another collection, or of this one before its space was made again; give an empty prefix"
        )


def _refuse_other_recordings(store: Store, head: Head, address: str) -> None:
    """Compacted, two collections may have no file name in common; recordings keep their ids."""
    published = PublishedStore(address)
    theirs = set(published.recordings(published.head(), ["id"]).column("id").to_pylist())
    ours = set(store.recordings(head, ["id"]).column("id").to_pylist())
    if theirs and ours and theirs.isdisjoint(ours):
        raise MmascError(
            f"{address} holds another collection ({counted(len(theirs), 'recording')}, none of them of "
            f"{show_path(store.folder)}); give an empty prefix"
        )
