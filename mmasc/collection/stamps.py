"""Stamps of files, by which unchanged files are recognised: size, times, and a digest of all bytes.

Size and the time of the last write say it where they differ; where they agree, the time of the last change of any kind
(ctime, which programs cannot set) says whether the digest must be looked at. Collections of version 0.1.0 have neither
digest nor ctime: null means unknown.
"""

import os
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

DIGEST, CTIME = "mmasc_digest", "mmasc_ctime_ns"
# What was written into columns of clocks by mmasc itself, as JSON: anything else in them is the users' own
CLOCK_NOTE = "mmasc_clock"
# Types that no column of the users' own can have, so that one of the same name is told from these
STAMP_FIELDS = [pa.field(DIGEST, pa.binary()), pa.field(CTIME, pa.uint64()), pa.field(CLOCK_NOTE, pa.binary())]
STAMP_NAMES = (DIGEST, CTIME, CLOCK_NOTE)
# What their columns hold, in ns since 1970: file systems have years beyond 2262, and damaged ones any
_TIMES, _CHANGES = (-(1 << 63), (1 << 63) - 1), (0, (1 << 64) - 1)


@dataclass(frozen=True)
class Stamp:
    """A file at a moment.

    Attributes:
        size: Size in bytes.
        mtime_ns: When its content was last written, as far as programs say.
        ctime_ns: When anything of it was last changed, as the file system says; None where unknown.
        digest: BLAKE2b of its bytes; None where unknown.
    """

    size: int
    mtime_ns: int
    ctime_ns: int | None = None
    digest: bytes | None = None

    @classmethod
    def of(cls, stat: os.stat_result, digest: bytes | None = None) -> "Stamp":
        """The stamp of a file now; times that the columns cannot hold become the nearest that they can."""
        mtime, ctime = _within(stat.st_mtime_ns, _TIMES), _within(stat.st_ctime_ns, _CHANGES)
        return cls(stat.st_size, mtime, ctime, digest)

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> "Stamp":
        """The stamp of a stored recording."""
        return cls(row["size"], row["mtime_ns"], row[CTIME], row[DIGEST])

    @property
    def columns(self) -> dict[str, Any]:
        """The stamp as columns of a recording."""
        return {"size": self.size, "mtime_ns": self.mtime_ns, CTIME: self.ctime_ns, DIGEST: self.digest}

    @property
    def unseen(self) -> bool:
        """Whether nobody here has seen the file: the recording came with vectors that were made elsewhere."""
        return self.size < 0

    def untouched(self, now: "Stamp") -> bool:
        """Whether nothing was done to the file since: size and times agree as far as they are known."""
        times = self.mtime_ns == now.mtime_ns and (self.ctime_ns is None or self.ctime_ns == now.ctime_ns)
        return self.size == now.size and times

    def same_content(self, other: "Stamp") -> bool | None:
        """Whether two files hold the same bytes; None where it is not known."""
        if self.unseen or other.unseen:
            return None
        if self.size != other.size:
            return False
        if self.digest is None or other.digest is None:
            return None
        return self.digest == other.digest

    def alike(self, other: "Stamp") -> bool:
        """Whether two files hold the same bytes, as far as one can tell: without digests by the time of writing."""
        same = self.same_content(other)
        return self.mtime_ns == other.mtime_ns if same is None else same


UNSEEN = Stamp(-1, 0)


def _within(number: int, bounds: tuple[int, int]) -> int:
    return min(max(number, bounds[0]), bounds[1])


def own_name(name: str) -> str:
    """What a column of the users' own is called whose name a column of ours has."""
    return f"meta_{name}"


def foreign_stamps(schema: pa.Schema) -> list[str]:
    """Columns that are called like ours and are the users' own."""
    return [
        item.name for item in STAMP_FIELDS if item.name in schema.names and schema.field(item.name).type != item.type
    ]


def with_stamps(table: pa.Table) -> pa.Table:
    """A table of recordings of any age with the columns of stamps, null where they were not stored."""
    foreign = foreign_stamps(table.schema)
    table = table.rename_columns([own_name(name) if name in foreign else name for name in table.column_names])
    for item in STAMP_FIELDS:
        if item.name not in table.column_names:
            table = table.append_column(item, pa.nulls(len(table), item.type))
    return table
