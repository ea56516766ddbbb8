"""Where a collection's Lance tables lie, how one version of one of them is opened, and which files it consists of."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import lance

from mmasc.collection.damage import reading, writing
from mmasc.collection.head import Head, is_identity
from mmasc.errors import MmascError
from mmasc.forking import check_may_open

# Lance counts manifests backwards, so that the newest comes first in a listing
_LAST_NUMBER = 2**64 - 1


class Tables:
    """The tables of the collection in `folder`.

    Attributes:
        folder: Folder of the collection.
        recordings: The table of recordings.
        spaces: The folder of all spaces.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recordings = folder / "recordings.lance"
        self.spaces = folder / "spaces"
        # They are asked for at every read, and putting paths together takes longer than one expects
        self._windows: dict[str, Path] = {}

    def space(self, identity: str) -> Path:
        """Where a space keeps its files.

        Raises:
            ValueError: If it cannot be an identity: "" or ".." would name a folder that holds more than the space.
        """
        if not is_identity(identity):
            raise ValueError(f"identity {identity[:40]!r} is not a plain name, as a space of {self.folder} needs")
        return self.spaces / identity

    def windows(self, identity: str) -> Path:
        """The table of a space's windows."""
        if identity not in self._windows:
            self._windows[identity] = self.space(identity) / "windows.lance"
        return self._windows[identity]

    def open(self, table: Path, version: int | None = None) -> lance.LanceDataset:
        """A version of a table, or the newest, which a writer that holds the lock asks for."""
        check_may_open()
        with reading(table, self.folder):
            return lance.dataset(str(table), version=version)

    def files_of(self, *heads: Head) -> set[Path]:
        """All files that the tables of these heads consist of."""
        return {path for table, version in self._uses(heads) for path in self.files(table, version)}

    def manifests_of(self, *heads: Head) -> set[Path]:
        """The manifests among these files, which name the others."""
        return {manifest(table, version) for table, version in self._uses(heads)}

    def files(self, table: Path, version: int) -> Iterator[Path]:
        """All files that a version of a table consists of: manifest, data and deletions."""
        yield manifest(table, version)
        dataset = self.open(table, version)
        with reading(table, self.folder):
            fragments = [(one.data_files(), one.deletion_file()) for one in dataset.get_fragments()]
        for data, deletion in fragments:
            yield from (table / "data" / one.path for one in data)
            if deletion is not None:
                yield table / deletion

    def take_back(self, table: Path, version: int | None) -> int | None:
        """Make `version` the newest again after a writer died; returns its number now. None: the table is new."""
        if version is None:
            if table.exists():
                with writing(table, self.folder):
                    shutil.rmtree(table)
            return None
        if versions(table)[-1:] == [version]:
            return version
        counted = self.open(table, version)
        try:
            newest = self.open(table).version
        except MmascError:
            # After a power cut the manifest of a commit that never counted may be there without its bytes
            self._drop_unreadable(table, [one for one in versions(table) if one > version])
            newest = self.open(table).version
        if newest == version:
            return version
        with writing(table, self.folder):
            counted.restore()
        return self.open(table).version

    def clean(self, table: Path, keep: set[int]) -> None:
        """Delete all versions but these and the newest, and files that none of them uses."""
        if not table.is_dir():
            return
        newest = self.open(table)
        # The newest is never deleted; named, it lets Lance look for leftovers where no old version is left
        old = [newest.version, *(one for one in versions(table) if one not in keep)]
        try:
            self._clean(table, newest, old)
        except MmascError:
            dropped = self._drop_unreadable(table, [one for one in old if one != newest.version])
            if not dropped:
                raise
            self._clean(table, newest, [one for one in old if one not in dropped])

    def _uses(self, heads: Iterable[Head]) -> set[tuple[Path, int]]:
        """Tables and versions that the heads name."""
        uses = [(self.recordings, head.recordings) for head in heads]
        uses += [(self.windows(one.identity), one.version) for head in heads for one in head.spaces.values()]
        return {(table, version) for table, version in uses if version is not None}

    def _clean(self, table: Path, dataset: lance.LanceDataset, old: list[int]) -> None:
        with writing(table, self.folder):
            # Writers work under the lock alone, so files that no version names are leftovers of a writer that died
            dataset.cleanup_old_versions(versions=old, delete_unverified=True, error_if_tagged_old_versions=False)

    def _drop_unreadable(self, table: Path, candidates: list[int]) -> list[int]:
        """Delete those manifests of versions nobody needs that cannot be opened."""
        dropped = []
        for version in candidates:
            try:
                self.open(table, version)
            except MmascError:
                with writing(table, self.folder):
                    manifest(table, version).unlink()
                dropped.append(version)
        return dropped


def versions(table: Path) -> list[int]:
    """Numbers of the versions that have a manifest, oldest first."""
    numbers = [int(path.stem) for path in (table / "_versions").glob("*.manifest") if path.stem.isdigit()]
    return sorted(_LAST_NUMBER - one if one > _LAST_NUMBER // 2 else one for one in numbers)


def manifest(table: Path, version: int) -> Path:
    """The manifest of a version, under the name that this or an older Lance gave it."""
    plain = table / "_versions" / f"{version}.manifest"
    return plain if plain.exists() else table / "_versions" / f"{_LAST_NUMBER - version:020d}.manifest"
