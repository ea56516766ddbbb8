"""Label tracks of Audacity: start, end and label between tabs, no header; frequencies after a backslash.

Source: the Audacity manual, "Importing and exporting labels"; Audacity's LabelImportExport.cpp takes the label
from the third value and looks at no further one.
Here a fourth one names the recording, where one file holds the labels of several.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from mmasc.errors import MmascError
from mmasc.label_files.rows import BadRowError, LabelFile, LabelRow, Problem, recording_named_by, row_from
from mmasc.label_files.texts import cell, seconds_text
from mmasc.storage.table_texts import text_of_file

_AMOUNT = re.compile(r"\s*[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?\s*")


def looks_like_audacity(line: str) -> bool:
    """Whether a line begins with a time and a tab."""
    return bool(_AMOUNT.fullmatch(line.split("\t")[0])) and "\t" in line


def read_audacity(path: Path) -> LabelFile:
    """Rows of a label track; labels without end are points.

    Raises:
        MmascError: If the file cannot be read.
    """
    found = LabelFile([], [], [], str(path), "audacity")
    own, begins = recording_named_by(path), 0
    values: dict[str, str] = {}

    def keep() -> None:
        if not values:
            return
        try:
            found.rows.append(row_from(values, own, decimal_comma=True))
            found.lines.append(begins)
        except BadRowError as fault:
            found.problems.append(Problem(begins, str(fault)))

    for number, line in enumerate(re.split(r"\r\n|\r|\n", text_of_file(path)), 1):
        fields = line.split("\t")
        if fields[0].strip() == "\\":
            low, high = [*fields[1:], "", ""][:2]
            values.update({} if not values else {"low_hz": _frequency(low), "high_hz": _frequency(high)})
            continue
        keep()
        values = {}
        if not line.strip():
            continue
        if len(fields) == 1 or not _AMOUNT.fullmatch(fields[1]):
            fields.insert(1, fields[0])  # a point without an end
        begins = number
        values = dict(zip(("start", "end", "label", "path"), fields, strict=False))
    keep()
    return found


def audacity_text(rows: Iterable[LabelRow], decimals: int | None = None, paths: bool = False) -> str:
    """A label track.

    Args:
        rows: With finite ends.
        decimals: Decimals of seconds; default: six, or as many as read back exactly.
        paths: Whether a fourth value of each line names the recording.
    Raises:
        MmascError: If a label has no end.
    """
    lines = []
    for row in rows:
        fields = [seconds_text(row.start, decimals), seconds_text(row.end, decimals), cell(row.label)]
        if paths and row.path:
            if cell(row.path) != row.path:
                raise MmascError(f"a label track cannot name {row.path!r}: it holds a tab or a line break; use csv")
            fields.append(row.path)
        lines.append("\t".join(fields))
        if row.low_hz is not None or row.high_hz is not None:
            # -1 is Audacity's sign for a missing bound
            bounds = (-1.0 if bound is None else bound for bound in (row.low_hz, row.high_hz))
            lines.append("\t".join(["\\", *(seconds_text(bound, decimals) for bound in bounds)]))
    return "".join(f"{line}\n" for line in lines)


def _frequency(text: str) -> str:
    return "" if text.strip().startswith("-") else text
