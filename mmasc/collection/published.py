"""A published collection, read where it lies: tables by Lance from the object store, small files into a cache folder.

The cache is a folder of this machine for each address, `MMASC_HOME`/published/DIGEST, with the files that a collection
has on a disk, without its tables. It may be deleted at any time.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lance
import numpy as np
from filelock import FileLock

from mmasc.collection.damage import reading_published
from mmasc.collection.head import HEAD_NAME, Head, parse_head
from mmasc.collection.journal import FOLDER
from mmasc.collection.locks import PUBLISHED
from mmasc.collection.publication import FILES, PublishedFile, address_of, is_file_name, published_files, read_whole
from mmasc.collection.store import Store
from mmasc.collection.tables import Tables
from mmasc.collection.transaction import Transaction
from mmasc.errors import MmascError
from mmasc.forking import check_may_open
from mmasc.remote import stores
from mmasc.remote.addresses import OBJECT_STORES, is_address
from mmasc.remote.fetch import fetch
from mmasc.remote.limits import tried
from mmasc.remote.paths import RemotePath
from mmasc.storage.contents import digest_of
from mmasc.storage.files import is_there, make_folders, write_atomically
from mmasc.storage.texts import parse_json
from mmasc.weights.store import home

_FETCHED = ".fetched.json"


def open_store(folder: str | Path) -> Store:
    """The collection in a folder, or the published one at an address."""
    return PublishedStore(os.fspath(folder)) if is_address(folder) else Store(folder)


def holds_collection(folder: str | Path) -> bool:
    """Whether a folder holds a collection, or one was published at an address."""
    if not is_address(folder):
        return is_there(Path(folder) / HEAD_NAME)
    place = RemotePath(folder)
    return place.scheme in OBJECT_STORES and (place / HEAD_NAME).is_file()


class PublishedStore(Store):
    """A published collection behind the interface of a store; nothing in it can be changed.

    Args:
        address: s3://bucket/name or gs://bucket/name.
    Attributes:
        address: The same.
        folder: The cache folder: head, annotations, indexes.
    Raises:
        MmascError: If no collection was published there, or the store does not answer.
    """

    def __init__(self, address: str) -> None:
        self.address = address_of(str(RemotePath(address)))
        self.folder = home() / "published" / hashlib.blake2b(self.address.encode(), digest_size=16).hexdigest()
        self.tables = _PublishedTables(RemotePath(self.address))
        self.remarks: list[str] = []
        self._opened: dict[Path, tuple[int, lance.LanceDataset]] = {}
        self._files: dict[str, PublishedFile] = {}
        check_may_open()
        self.head()

    @property
    def location(self) -> str:
        """Its address."""
        return self.address

    def head(self) -> Head:
        """The head as it is published now."""
        place = f"{self.address}/{HEAD_NAME}"
        try:
            content = read_whole(place)
        except FileNotFoundError as error:
            raise MmascError(
                f"{self.address} holds no published collection; publish one with: mmasc collection publish COLLECTION "
                f"{self.address}"
            ) from error
        except OSError as error:
            raise MmascError(str(error)) from error
        head = parse_head(content, RemotePath(place), "publish the collection again")
        files = published_files(content, self.address)
        with self._cached():
            write_atomically(self.folder / PUBLISHED, f"{self.address}\n".encode())
            write_atomically(self.folder / HEAD_NAME, content)
            self._files = files
            self._bring(FOLDER)
        return head

    def space_folder(self, identity: str) -> Path:
        """The cache folder of a space, with its index and what else belongs to it."""
        with self._cached():
            self._bring(f"spaces/{identity}")
        return self.folder / "spaces" / identity

    def damaged_files(self, head: Head) -> list[str]:
        """Names of those files of the tables that are missing."""
        there = tried(lambda: stores.listed(f"{self.address}/"))
        lost = [str(path) for path in self.tables.files_of(head) if str(path) not in there]
        return sorted(one.removeprefix(f"{self.address}/") for one in lost)

    def write_probes(self, identity: str, probes: np.ndarray) -> None:
        """Refused."""
        raise self._read_only()

    def write_silence(self, identity: str, vector: np.ndarray) -> None:
        """Refused."""
        raise self._read_only()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Refused."""
        raise self._read_only()
        yield

    def replace_head(self, head: Head) -> Head:
        """Refused."""
        raise self._read_only()

    def clean(self) -> None:
        """Refused."""
        raise self._read_only()

    def _read_only(self) -> MmascError:
        return MmascError(
            f"{self.address} is published, and is only read: change the collection where it was made, and publish it "
            f"again with: mmasc collection publish COLLECTION {self.address}"
        )

    @contextlib.contextmanager
    def _cached(self) -> Iterator[None]:
        """The cache folder, while no other process brings files to it."""
        try:
            make_folders(self.folder)
            with FileLock(self.folder / ".cache.lock"):
                yield
        except OSError as error:
            raise MmascError(
                f"{self.address}: cannot be kept in {self.folder} ({error.strerror or error}); name a folder that can "
                "be written to with MMASC_HOME"
            ) from error

    def _bring(self, below: str) -> None:
        """Bring the files of a folder to the cache, except those that were brought before; call it in `_cached`."""
        record = self.folder / below / _FETCHED
        brought = _brought(record, below)
        wanted = {name: one for name, one in self._files.items() if name.startswith(f"{below}/")}
        if {name: one.digest for name, one in wanted.items()} == brought:
            return
        # Headers name the files that lie in folders next to them
        for name in sorted(wanted, key=lambda name: (-name.count("/"), name)):
            if wanted[name].digest != brought.get(name):
                self._fetch(name, wanted[name])
        for name in brought.keys() - wanted.keys():
            (self.folder / name).unlink(missing_ok=True)
        self._drop_empty(self.folder / below)
        make_folders(record.parent)
        write_atomically(record, json.dumps({name: one.digest for name, one in wanted.items()}).encode())

    def _fetch(self, name: str, file: PublishedFile) -> None:
        target = self.folder / name
        make_folders(target.parent)
        beside = target.with_name(f".{target.name}.part")
        fetch(f"{self.address}/{FILES}/{file.digest}", beside, max(file.size, 1))
        if digest_of(beside).hex() != file.digest:
            beside.unlink()
            raise MmascError(f"{self.address}/{FILES}/{file.digest} is damaged; publish the collection again")
        os.replace(beside, target)

    def _drop_empty(self, folder: Path) -> None:
        for one in folder.glob("*"):
            if one.is_dir() and not any(one.iterdir()):
                shutil.rmtree(one)


def _brought(record: Path, below: str) -> dict[str, Any]:
    """Digests of the files that were brought before, by name; what the record cannot say is brought again."""
    try:
        said = parse_json(record.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    named = said.items() if isinstance(said, dict) else ()
    # They are deleted where nobody wants them any more
    return {name: one for name, one in named if name.startswith(f"{below}/") and is_file_name(name)}


class _PublishedTables(Tables):
    """Tables in an object store."""

    def open(self, table: Path, version: int | None = None) -> lance.LanceDataset:
        """A version of a table."""
        check_may_open()
        with reading_published(table):
            return lance.dataset(str(table), version=version, storage_options=storage_options())


def storage_options() -> dict[str, str]:
    """Options for Lance, so that it reads like the other tools: from the environment only, stored nowhere."""
    named = {
        "aws_endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        "aws_region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
        "aws_access_key_id": ("AWS_ACCESS_KEY_ID",),
        "aws_secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
        "aws_session_token": ("AWS_SESSION_TOKEN",),
        "aws_skip_signature": (stores.UNSIGNED,),
        "google_application_credentials": ("GOOGLE_APPLICATION_CREDENTIALS",),
    }
    found = {
        option: next((os.environ[one] for one in names if os.environ.get(one)), "") for option, names in named.items()
    }
    options = {option: value for option, value in found.items() if value}
    if options.get("aws_endpoint", "").startswith("http://"):
        options["allow_http"] = "true"
    return options
