"""The store: recordings and windows as Lance tables, and the one small file that says which versions of them count.

A collection is a folder:

    collection.json            the head: format, root of the paths, and the version of every table that counts
    annotations/               labels of moments: a journal and what of it was folded into a table, see `journal.py`
    heads/N.json               copies of the last heads; a process that reads generation N holds a lock on it
    checksums                  of the tables' files, as they were written
    recordings.lance/          id, path under the root, size, mtime, duration, rate, channels, status, user columns
    spaces/IDENTITY/
        windows.lance/         recording, lane, start, end, vector
        probes.npy             text vectors that the index measures its recall with
        index-*/               FAISS files: derived, may be thrown away

Lance has no transaction over two tables, so the head is the commit: writers take the lock, change the tables, sync
them to disk and replace the head in one rename; readers open the versions that the head names. A writer that dies
before the rename changed nothing that counts; the next writer removes its leftovers. Old versions go only after the
rename, and only those that nobody reads.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmasc.collection.checksums import differing, keep_checksums
from mmasc.collection.damage import unharmed
from mmasc.collection.head import FORMAT, HEAD_NAME, Head, SpaceHead, parse_head, read_copies, read_head
from mmasc.collection.leases import Refusal, drop_unread, generations, sweep, take_lease, write_copy
from mmasc.collection.locks import locked, refuse_published
from mmasc.collection.new_folder import refuse_other_things
from mmasc.collection.probes import PROBES, write_probes
from mmasc.collection.schema import (
    RECORDING_COLUMNS,
    RECORDING_FIELDS,
    WINDOW_COLUMNS,
    as_matrix,
    vector_column,
    vector_type,
    windows_schema,
)
from mmasc.collection.silence import write_silence
from mmasc.collection.table_reader import TableReader
from mmasc.collection.transaction import Transaction
from mmasc.errors import MmascError
from mmasc.remote.addresses import absolute, refuse_to_write
from mmasc.storage.files import is_there, make_folders, sync_folder, write_atomically

__all__ = [
    "FORMAT",
    "HEAD_NAME",
    "PROBES",
    "RECORDING_COLUMNS",
    "RECORDING_FIELDS",
    "WINDOW_COLUMNS",
    "Head",
    "SpaceHead",
    "Store",
    "Transaction",
    "as_matrix",
    "vector_column",
    "vector_type",
    "windows_schema",
]


class Store(TableReader):
    """A collection's tables behind a narrow interface: read at the head, change in a transaction.

    Args:
        folder: Folder with a collection in it; `Store.create` makes one.
    Attributes:
        remarks: Remarks for users that change no answer, one line each.
    Raises:
        MmascError: If there is no collection, it is damaged, or a newer mmasc made it.
    """

    def __init__(self, folder: str | Path) -> None:
        refuse_published(Path(folder))
        super().__init__(Path(folder))
        self.remarks: list[str] = []
        self.head()

    @classmethod
    def create(cls, folder: str | Path, root: str | Path) -> "Store":
        """Make an empty collection whose paths are relative to `root`, or open the one that another process made."""
        refuse_to_write(folder)
        folder = Path(folder)
        if not is_there(folder / HEAD_NAME):
            if folder.is_file():
                raise MmascError(f"{folder} is a file; give a folder for the collection")
            refuse_other_things(folder)
            with unharmed(folder):
                make_folders(folder)
                with locked(folder):
                    if not is_there(folder / HEAD_NAME):
                        _write_head(folder, Head(root=absolute(root)))
        return cls(folder)

    @property
    def location(self) -> str:
        """Where it is, as users name it."""
        return str(self.folder)

    def head(self) -> Head:
        """The head as it is on disk now; while the object lives, the versions that it names stay on the disk."""
        while True:
            head = read_head(self.folder / HEAD_NAME)
            lease = take_lease(self.folder, head.generation)
            if not isinstance(lease, Refusal):
                return replace(head, lease=lease)
            if lease is Refusal.NO_LOCKS or read_head(self.folder / HEAD_NAME) == head:
                return head  # also where version 0.1.0 wrote it, or the copies of heads were lost in copying

    def remark(self, line: str) -> None:
        """Keep a line for the user, once."""
        if line not in self.remarks:
            self.remarks.append(line)

    def space_folder(self, identity: str) -> Path:
        """Where a space keeps its files."""
        return self.tables.space(identity)

    def damaged_files(self, head: Head) -> list[str]:
        """Paths under the collection of those files of the head's tables that are gone or not as they were written.

        Files that version 0.1.0 wrote have no checksum until the collection is compacted.
        """
        manifests = differing(self.folder, self.tables.manifests_of(head))
        # A damaged manifest cannot be trusted to name the other files
        return manifests or differing(self.folder, self.tables.files_of(head))

    # Changing

    def write_probes(self, identity: str, probes: np.ndarray) -> None:
        """Keep text vectors `[item dim]` of a space, which its index measures its recall with."""
        with unharmed(self.folder):
            write_probes(self.space_folder(identity), probes)

    def write_silence(self, identity: str, vector: np.ndarray) -> None:
        """Keep what the encoder of a space makes of digital silence, `[dim]`."""
        with unharmed(self.folder):
            write_silence(self.space_folder(identity), vector)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Change tables under the lock; all of it counts when the block ends, nothing of it when the block fails."""
        with unharmed(self.folder), locked(self.folder):
            change = Transaction(self, read_head(self.folder / HEAD_NAME))
            try:
                change.take_back_rests()
                yield change
                asked = change.compacted
                change.commit()
            finally:
                self.close()  # what it wrote and did not come to count may come again with other content
            if change.compacted and not asked:
                self._clean_if_possible()

    def replace_head(self, head: Head) -> Head:
        """Make a head count: first its copy, then itself, each on the disk before the next begins.

        Called under the lock by the transaction that has brought to the disk what the head names.
        """
        generation = max([head.generation, *generations(self.folder)]) + 1
        head = replace(head, generation=generation)
        write_copy(self.folder, generation, head.to_json())
        _write_head(self.folder, head)
        sweep(self.folder, generation)
        return head

    def clean(self) -> None:
        """Delete the versions that nobody reads and that the head does not name, and leftovers of writers that died."""
        with unharmed(self.folder), locked(self.folder):
            self._clean(spare_recent=False)

    def _clean_if_possible(self) -> None:
        """Clean after an automatic compaction: what was written counts, even if the leftovers cannot be deleted."""
        try:
            self._clean(spare_recent=True)
        except (MmascError, OSError) as error:
            self.remark(f"old versions in {self.folder} stay until the next compaction: {error}")

    def _clean(self, spare_recent: bool) -> None:
        head = read_head(self.folder / HEAD_NAME)
        kept = set(drop_unread(self.folder, head.generation, spare_recent))
        heads = [head, *(one for one in read_copies(self.folder) if one.generation in kept)]
        self.tables.clean(self.tables.recordings, {one.recordings for one in heads if one.recordings is not None})
        for space in head.spaces.values():
            versions = {one.version for each in heads for one in each.spaces.values() if one.identity == space.identity}
            self.tables.clean(self.tables.windows(space.identity), {one for one in versions if one is not None})
        files = self.tables.files_of(head)
        for one in heads[1:]:
            # The copy of a head that never counted, since its writer died, names versions that were taken back
            with contextlib.suppress(MmascError):
                files |= self.tables.files_of(one)
        keep_checksums(self.folder, files)


def _write_head(folder: Path, head: Head) -> None:
    """The moment at which a commit counts. A head that could not be read again would take the collection with it.

    Raises:
        MmascError: If it is such a head; the one that is there stays.
    """
    content = head.to_json().encode()
    parse_head(content, folder / HEAD_NAME, "nothing was written")
    write_atomically(folder / HEAD_NAME, content)
    sync_folder(folder)
