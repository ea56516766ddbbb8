"""Rows to be written: a table, or a stream of pieces that are never in memory together."""

import contextlib
from collections.abc import Iterable, Iterator
from itertools import chain

import pyarrow as pa


class Pieces:
    """Rows for one write, which may be asked for once.

    Args:
        rows: A table, or tables of one schema; the first that has rows is made at once.
    Attributes:
        schema: Their schema; None where there are no rows.
        rows: How many have been handed over so far.
    """

    def __init__(self, rows: pa.Table | Iterable[pa.Table]) -> None:
        tables = iter([rows] if isinstance(rows, pa.Table) else rows)
        first = next((table for table in tables if len(table)), None)
        self.schema = None if first is None else first.schema
        self.rows = 0
        self._table = rows if isinstance(rows, pa.Table) else None
        self._tables: Iterator[pa.Table] = iter(()) if first is None else chain([first], tables)
        self._fault: BaseException | None = None

    def reader(self) -> pa.Table | pa.RecordBatchReader:
        """The rows as Lance takes them."""
        if self._table is not None:
            self.rows = len(self._table)
            return self._table
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    @contextlib.contextmanager
    def own_faults(self) -> Iterator[None]:
        """Around the write: what went wrong while a piece was made is raised as it was, not as a fault of the table."""
        try:
            yield
        except BaseException:
            if self._fault is not None:
                raise self._fault from None
            raise
        if self._fault is not None:
            raise self._fault

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for table in self._tables:
                for batch in table.to_batches():
                    self.rows += batch.num_rows
                    yield batch
        except BaseException as error:
            self._fault = error
            raise
