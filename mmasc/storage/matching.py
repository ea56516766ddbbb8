"""Which file does a row of a table mean? Names are compared by whole folders, never guessed.

Recorders at several places write files of the same names, and tables come from other machines: a row is given to a file
only where nothing in its path says otherwise, and to none where two files would do.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmasc.errors import MmascError, show_path
from mmasc.printing import counted
from mmasc.remote.addresses import normal, place_of
from mmasc.storage.tables import Row

_NAMED = 3
_Parts = tuple[str, ...]


class FileMatcher:
    """Files that rows may name.

    A name is looked up, first match first:

    1. as a path: whole, or from one of the bases; `/` and `\\` are alike;
    2. as the end of a path, by whole folders: `siteA/x.wav` is `2023/siteA/x.wav`, never `siteB/x.wav`;
    3. with more folders in front than are here: `D:\\old\\siteA\\x.wav` is `siteA/x.wav` under the first base. All of
       the path under the base must agree, and at least one folder;
    4. as 2. and 3., with capitals and small letters alike, accents however they are encoded, and without the blanks
       around names, which tables lose;
    5. where `find` is told endings: as 1. to 4., without the ending, or with another one of them.

    Args:
        files: All that there are, absolute: a name is clear only against all of them.
        bases: Folders that names may be relative to, absolute, the most likely first.
    """

    def __init__(self, files: Iterable[str | Path], bases: Sequence[str | Path]) -> None:
        self._files = dict.fromkeys(normal(file) for file in files)
        self._bases = [normal(base) for base in bases]
        self._by_parts = {_file_parts(file): file for file in self._files}
        self._by_name: dict[str, list[_Parts]] = defaultdict(list)
        self._by_folded_name: dict[str, list[_Parts]] = defaultdict(list)
        for parts in self._by_parts:
            self._by_name[parts[-1]].append(parts)
            self._by_folded_name[_folded(parts[-1])].append(parts)
        self._by_stem: dict[str, dict[_Parts, list[_Parts]]] = {}
        self._endings: Sequence[str] = ()

    def find(self, name: str, endings: Sequence[str] = ()) -> list[str]:
        """Files that a name may mean: one where it is clear, none where none is there, else several.

        Args:
            name: A path of any machine.
            endings: Endings (".wav") that the name may lack or have in place of the file's; default: none.
        """
        return self._find(name) or (self._find_stem(name, endings) if endings else [])

    def _find(self, name: str) -> list[str]:
        for base in self._bases:
            if (path := place_of(base, name)) in self._files:
                return [path]
        wanted = _name_parts(name)
        if not wanted:
            return []
        starts: list[_Parts] = [(), *map(_file_parts, self._bases)]
        for start in starts:
            if start + wanted in self._by_parts:
                return [self._by_parts[start + wanted]]
        found = self._at_the_end(wanted, self._by_name.get(wanted[-1], []))
        if not found:
            folded = _folded(wanted[-1])
            alike = self._by_folded_name.get(folded, [])
            found = self._at_the_end(tuple(map(_folded, wanted)), alike, fold=True)
        return [self._by_parts[parts] for parts in found]

    def _find_stem(self, name: str, endings: Sequence[str]) -> list[str]:
        wanted = tuple(map(_folded, _name_parts(name)))
        if not wanted:
            return []
        if endings != self._endings:
            self._endings, self._by_stem = endings, defaultdict(lambda: defaultdict(list))
            for parts in self._by_parts:
                stem = _stem(_folded(parts[-1]), endings)
                self._by_stem[stem][(*map(_folded, parts[:-1]), stem)].append(parts)
        wanted = (*wanted[:-1], _stem(wanted[-1], endings))
        alike = self._by_stem.get(wanted[-1], {})
        starts: list[_Parts] = [(), *(tuple(map(_folded, _file_parts(base))) for base in self._bases)]
        found = next(([start + wanted] for start in starts if start + wanted in alike), [])
        found = found or self._at_the_end(wanted, list(alike), folded_files=True)
        return [self._by_parts[parts] for stemmed in found for parts in alike[stemmed]]

    def _at_the_end(
        self, wanted: _Parts, candidates: Sequence[_Parts], fold: bool = False, folded_files: bool = False
    ) -> list[_Parts]:
        shared = {parts: _shared(wanted, tuple(map(_folded, parts)) if fold else parts) for parts in candidates}
        whole = [parts for parts, count in shared.items() if count == len(wanted)]
        if whole:
            return whole
        base = _file_parts(self._bases[0]) if self._bases else ()
        if folded_files:
            base = tuple(map(_folded, base))
        under = {parts: len(parts) - len(base) if parts[: len(base)] == base else len(parts) for parts in candidates}
        fitting = {parts: count for parts, count in shared.items() if count >= max(2, under[parts])}
        return [parts for parts, count in fitting.items() if count == max(fitting.values())]


@dataclass
class Matched:
    """Rows of a table with the files that they mean.

    Attributes:
        rows: Rows by file, in the order of the table.
        unclear: Rows that could mean several files, with these.
        strange: Rows that mean no file here.
    """

    rows: dict[str, list[Row]] = field(default_factory=dict)
    unclear: list[tuple[Row, list[str]]] = field(default_factory=list)
    strange: list[Row] = field(default_factory=list)

    def remarks(self, table: str | Path, column: str) -> list[str]:
        """A line for rows whose names are not clear."""
        if not self.unclear:
            return []
        row, files = self.unclear[0]
        shown = ", ".join(show_path(file) for file in files[:_NAMED]) + (", ..." if len(files) > _NAMED else "")
        return [
            f"{show_path(table)}: {counted(len(self.unclear), 'row')} could mean several files and "
            f"{'was' if len(self.unclear) == 1 else 'were'} given to none, the first "
            f"in line {row.line}: {show_path(row[column])} is {shown}; write the folder too"
        ]


def match_rows(rows: Iterable[Row], column: str, matcher: FileMatcher) -> Matched:
    """The file that each row means by its column of names."""
    matched = Matched()
    for row in rows:
        files = matcher.find(row[column])
        if len(files) == 1:
            matched.rows.setdefault(files[0], []).append(row)
        elif files:
            matched.unclear.append((row, files))
        else:
            matched.strange.append(row)
    return matched


def one_statement(table: str | Path, file: str | Path, rows: Sequence[Row], columns: Sequence[str]) -> dict[str, str]:
    """What the rows of one file say together: a value of each column, "" where none says anything.

    Raises:
        MmascError: If two rows say different things; both lines are named.
    """
    said: dict[str, str] = {}
    for name in columns:
        speaking = [row for row in rows if row[name]]
        said[name] = speaking[0][name] if speaking else ""
        other = next((row for row in speaking if row[name] != said[name]), None)
        if other is not None:
            raise MmascError(
                f"{show_path(table)}: lines {speaking[0].line} and {other.line} are two rows for {show_path(file)} "
                f"that say different things ({name}: {said[name]} and {other[name]}); keep one row for each file"
            )
    return said


def _file_parts(path: str) -> _Parts:
    """Folders and name of a path of this machine."""
    parts = Path(path).parts
    return parts[1:] if Path(path).anchor else parts


def _name_parts(name: str) -> _Parts:
    """Folders and name of a path of any machine, without its drive."""
    parts: list[str] = []
    for part in re.sub(r"^[A-Za-z]:", "", name.strip().replace("\\", "/")).split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return tuple(parts)


def _stem(name: str, endings: Sequence[str]) -> str:
    """A folded name without its ending, if it is one of these."""
    return next((name[: -len(ending)] for ending in endings if name.endswith(ending) and name != ending), name)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()


def _shared(one: _Parts, other: _Parts) -> int:
    """How many folders, from the name backwards, two paths have alike."""
    count = 0
    while count < min(len(one), len(other)) and one[-1 - count] == other[-1 - count]:
        count += 1
    return count
