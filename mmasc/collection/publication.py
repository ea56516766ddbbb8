"""What a published collection is: the layout in an object store, and its head as untrusted JSON.

    ADDRESS/
        recordings.lance/, spaces/IDENTITY/windows.lance/     files of the tables, under the names that they have
        files/DIGEST                                          what else belongs to it, named by its content
        collection.json                                       the head, and which of `files` it means

No object is ever written again with other content, but the head, and that comes last: a reader sees the collection
as it was before or as it is after, never half of it. What no head names any more stays, for those who read it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mmasc.collection.head import HEAD_NAME, Head
from mmasc.errors import MmascError, show_path
from mmasc.remote import stores
from mmasc.remote.addresses import OBJECT_STORES, checked, without_secrets
from mmasc.remote.limits import tried
from mmasc.storage.texts import parse_json

FILES = "files"
_MOST_BYTES = 1 << 28  # of a head
# The only names that a head may give to files on a reader's disk
_NAME = re.compile(r"(annotations|spaces/[0-9A-Za-z_-]{1,128})(/[0-9A-Za-z_][0-9A-Za-z_.-]{0,120}){1,3}")
_DIGEST = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class PublishedFile:
    """A file by its content: BLAKE2b (16 bytes) in hexadecimal digits, and bytes."""

    digest: str
    size: int


def address_of(address: str) -> str:
    """The address of a published collection, as it is used.

    Raises:
        MmascError: If collections are not published there.
    """
    whole = address.rstrip("/")
    scheme, _, rest = whole.partition("://")
    if scheme not in OBJECT_STORES or "/" not in rest:
        where = show_path(without_secrets(whole))
        raise MmascError(f"{where}: collections are published and read as s3://bucket/name or gs://bucket/name")
    return checked(whole)


def head_text(head: Head, files: Mapping[str, PublishedFile]) -> bytes:
    """The head of a published collection as it is written."""
    named = {name: asdict(files[name]) for name in sorted(files)}
    return json.dumps({**json.loads(head.to_json()), FILES: named}, indent=1).encode()


def published_files(content: bytes, address: str) -> dict[str, PublishedFile]:
    """The files that a head means, by their name on a reader's disk.

    Raises:
        MmascError: If it is not the head of a published collection.
    """
    try:
        raw: Any = parse_json(content)
        if FILES not in raw:
            raise MmascError(
                f"{address}/{HEAD_NAME}: this collection was copied there, not published; publish it with: "
                f"mmasc collection publish COLLECTION {address}"
            )
        return {name: _checked(name, one) for name, one in raw[FILES].items()}
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise MmascError(f"{address}/{HEAD_NAME} is damaged ({error}); publish the collection again") from error


def is_file_name(name: str) -> bool:
    """Whether a file of a published collection may be called so, which is written and deleted on a reader's disk."""
    return _NAME.fullmatch(name) is not None and ".lance" not in name


def _checked(name: str, raw: Mapping[str, Any]) -> PublishedFile:
    file = PublishedFile(raw["digest"], raw["size"])
    if not is_file_name(name):
        raise ValueError(f"{name[:60]!r} is not the name of a file of a collection")
    if type(file.size) is not int or file.size < 0 or not _DIGEST.fullmatch(file.digest):
        raise ValueError(f"its entry for {name} is invalid")
    return file


def read_whole(address: str) -> bytes:
    """All bytes of a small object.

    Raises:
        OSError: If the store does not give them.
    """
    return tried(lambda: stores.read_range(address, 0, _MOST_BYTES))
