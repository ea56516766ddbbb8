"""Published collections: an object store that is a folder, and what was brought of it before.

Each format is one command: of several in a row each would refuse the same damage in a line of its own.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from formats_collections import label
from one_format import Format, Read
from storms import mmasc as command

from mmasc.collection import Collection, published
from mmasc.collection.publish import publish
from mmasc.collection.store import Store
from mmasc.remote import limits, stores
from mmasc.remote.seen import Seen

_BUCKET = "s3://bucket/sample"


def _stored(sample: Path) -> None:
    """`mmasc.remote.stores` and Lance read and write a folder in the place of a bucket."""

    def place(address: str) -> Path:
        return sample / address.removeprefix(_BUCKET).strip("/")

    def look(address: str) -> Seen:
        stat = place(address).stat()
        return Seen(stat.st_size, str(stat.st_mtime_ns))

    def listed(address: str) -> dict[str, Seen]:
        found = [file for file in place(address).rglob("*") if file.is_file()]
        addresses = [f"{_BUCKET}/{file.relative_to(sample).as_posix()}" for file in found]
        return {address: look(address) for address in addresses}

    def read(address: str, begin: int = 0, tag: str | None = None) -> tuple[Seen, int, Iterator[bytes]]:
        content = place(address).read_bytes()[begin:]
        # A generator, as it is closed by those who read
        return look(address), begin, (one for one in (content,))

    def write(address: str, content: bytes | Path) -> None:
        place(address).parent.mkdir(parents=True, exist_ok=True)
        place(address).write_bytes(content if isinstance(content, bytes) else content.read_bytes())

    stores.look, stores.read, stores.write, stores.listed = look, read, write, listed
    stores.read_range = lambda address, begin, count: place(address).read_bytes()[begin : begin + count]
    limits.WAIT_SECONDS[:] = [0.01] * len(limits.WAIT_SECONDS)
    opened = published.lance.dataset

    def dataset(address: str, version: int | None = None, **_: Any) -> Any:
        return opened(str(place(address)) if address.startswith(_BUCKET) else address, version=version)

    published.lance = type(
        "Lance", (), {"dataset": staticmethod(dataset), "LanceDataset": published.lance.LanceDataset}
    )


def _published(shared: Path, folder: Path) -> Path:
    path = Path(shutil.copytree(shared / "c", folder / "c"))
    label(path)
    _stored(folder / "sample")
    (folder / "sample").mkdir()
    publish(Store(path), _BUCKET)
    shutil.rmtree(path)
    return folder / "sample"


def _use(bucket: Path, home: Path, *words: Any) -> None:
    os.environ["MMASC_HOME"] = str(home)
    _stored(bucket)
    command(*words)


def _check(shared: Path, path: Path) -> None:
    os.environ["MMASC_HOME"] = str(path.parent / "home")
    _stored(path)
    Collection.open(_BUCKET).check()  # the command ends with 1 where it finds something, which is no refusal


def _asked(*words: Any) -> Read:
    return lambda shared, path: _use(path, path.parent / "home", *words)


_SEARCH = ("search", _BUCKET, "low hum", "--format", "json")


def _brought(shared: Path, folder: Path) -> Path:
    """A bucket, and the files that a search brought from it to this machine."""
    _published(shared, folder / "sample")
    os.rename(folder / "sample" / "sample", folder / "sample" / "bucket")
    _search_again(shared, folder / "sample")
    return folder / "sample"


def _search_again(shared: Path, path: Path) -> None:
    _use(path / "bucket", path / "home", *_SEARCH)


def _publish_again(shared: Path, path: Path) -> None:
    """On top of what is there."""
    _stored(path)
    command("collection", "publish", shared / "c", _BUCKET)


_LABELS = ("label", "list", _BUCKET, "--format", "json")
_PARTS = ("files/*", "**/*.lance/**/*")
FORMATS = [
    Format("published-head", _published, _asked(*_SEARCH), parts=("collection.json",)),
    Format("published", _published, _asked(*_SEARCH), parts=_PARTS),
    Format("published-labels", _published, _asked(*_LABELS), parts=_PARTS),
    Format("published-check", _published, _check, parts=_PARTS),
    Format("published-again", _published, _publish_again, parts=("collection.json", *_PARTS)),
    Format("published-brought", _brought, _search_again, parts=("home/published/**/*",)),
]
