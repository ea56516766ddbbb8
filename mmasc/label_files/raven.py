"""Selection tables of Raven: tabs between values, a header, a line for each view of a selection.

Source: the header that BirdNET-Analyzer writes. That a time in its file is File Offset, and its length End Time less
Begin Time, is how other readers of tables over several files take it; no table saved by Raven itself was at hand.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath

from mmasc.errors import show_path
from mmasc.label_files.columns import columns_of
from mmasc.label_files.rows import (
    DEFAULTS,
    BadRowError,
    LabelFile,
    LabelRow,
    Problem,
    number,
    recording_named_by,
    row_from,
)
from mmasc.label_files.texts import cell, seconds_text
from mmasc.storage.tables import Row, read_leniently

_COLUMNS = (
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Begin File",
    "Begin Path",
    "Annotation",
    "Score",
)
_MORE = {name.capitalize(): name for name in ("verdict", "by", "at", "note", "clock", "identity", "question")}
_OFFSET = "File Offset (s)"


def looks_like_raven(line: str) -> bool:
    """Whether a line is the header of a selection table."""
    names = {name.strip().lower() for name in line.split("\t")}
    return "begin time (s)" in names and "\t" in line


def read_raven(path: Path, label_column: str | None = None) -> LabelFile:
    """Rows of a selection table; a selection that is shown in several views counts once.

    Where a table covers several files, times are counted from the beginning of the file that it names (File Offset).

    Raises:
        MmascError: If the file cannot be read, or has no column of labels.
    """
    table, faults = read_leniently(path, delimiter="\t", quotes=False)
    columns = columns_of((name for name in table.columns if name != _OFFSET), label_column, show_path(path))
    same = {name.lower(): name for name in table.columns}
    columns |= {
        "start": same.get("begin time (s)", columns.get("start", "")),
        "end": same.get("end time (s)", columns.get("end", "")),
    }
    decimal_comma = not any("." in row.get(columns[name], "") for row in table.rows for name in ("start", "end"))
    found = LabelFile([], [Problem(line, fault) for line, fault in faults], [], str(path), "raven")
    own = recording_named_by(path)
    views: dict[tuple[object, ...], dict[str, int]] = {}  # a selection → its views → place of its row
    for row in table.rows:
        try:
            values = {name: row.get(column, "") for name, column in columns.items()}
            values["path"] = _recording(row, same, values.get("path", ""))
            _move_to_file(values, row.get(same.get(_OFFSET.lower(), ""), ""), decimal_comma)
            if not values["start"]:
                raise BadRowError("no start")
            label = row_from(values, own, decimal_comma)
        except BadRowError as fault:
            found.problems.append(Problem(row.line, str(fault)))
            continue
        _keep(found, label, row, same, views)
    found.problems.sort(key=lambda problem: problem.line)
    return found


def raven_text(rows: Iterable[LabelRow], decimals: int | None = None) -> str:
    """A selection table of one recording or of several.

    Begin Path is the path as it is in the row; characters that do not fit into a line are replaced by blanks. A label
    without channel is written to channel 1, a label without frequencies to the waveform. Verdict, By, At, Note, Clock,
    Identity and Question are columns where a row says something there.

    Args:
        rows: With finite ends.
        decimals: Decimals of seconds (scores then have 4, frequencies 1); default: six, or as many as are exact.
    Raises:
        MmascError: If a label has no end.
    """
    rows = list(rows)
    more = [name for name, key in _MORE.items() if any(getattr(row, key) != DEFAULTS[key] for row in rows)]
    lines = ["\t".join([*_COLUMNS, *more])]
    for place, row in enumerate(rows, 1):
        banded = row.low_hz is not None or row.high_hz is not None
        fields = [
            str(place),
            "Spectrogram 1" if banded else "Waveform 1",
            str(row.channel or 1),
            seconds_text(row.start, decimals),
            seconds_text(row.end, decimals),
            _amount(row.low_hz, 1, decimals),
            _amount(row.high_hz, 1, decimals),
            cell(_name(row.path)),
            cell(row.path),
            cell(row.label),
            _amount(row.score, 4, decimals),
            *(cell(getattr(row, _MORE[name])) for name in more),
        ]
        lines.append("\t".join(fields))
    return "\n".join(lines) + "\n"


def _recording(row: Row, same: Mapping[str, str], other: str) -> str:
    """Path of the recording: Begin Path where it names a file (not only its folder), else Begin File."""
    place, file = (row.get(same.get(name, ""), "") for name in ("begin path", "begin file"))
    if place and file and _name(place) != file:
        # Some programs write the folder alone
        return file if re.search(r"\.[A-Za-z0-9]{2,5}$", place) else f"{place.rstrip('/')}/{file}"
    return place or file or other


def _name(path: str) -> str:
    """Name of a file in a path of any machine."""
    windows = re.match(r"[A-Za-z]:\\|\\\\", path)
    return PureWindowsPath(path).name if windows else PurePosixPath(path).name


def _move_to_file(values: dict[str, str], offset: str, decimal_comma: bool) -> None:
    """Count times from the beginning of the recording instead of the first file of the table, in decimals: exactly."""
    if not offset or number(offset, "File Offset", decimal_comma) is None:
        return
    if offset == values["start"]:
        return
    try:
        texts = [offset, values["start"], values["end"]]
        place, start, end = (Decimal(text.replace(",", ".", 1) if decimal_comma else text) for text in texts)
        values["start"], values["end"] = (offset, str(place + (end - start)))
        if decimal_comma:
            values["start"], values["end"] = (values[name].replace(",", ".") for name in ("start", "end"))
    except ArithmeticError:
        return  # what is not a number is said where the row is made


def _keep(
    found: LabelFile,
    label: LabelRow,
    row: Row,
    same: Mapping[str, str],
    views: dict[tuple[object, ...], dict[str, int]],
) -> None:
    """Add a selection, unless it is there from another view; the spectrogram's row is kept, which has frequencies."""
    selection, view = (row.get(same.get(name, ""), "") for name in ("selection", "view"))
    seen = views.setdefault((selection, label.path, label.start, label.end, label.label), {})
    if selection and view and seen and view not in seen:
        place = next(iter(seen.values()))
        seen[view] = place
        if view.lower().startswith("spectrogram"):
            found.rows[place] = label
        return
    seen[view] = len(found.rows)
    found.rows.append(label)
    found.lines.append(row.line)


def _amount(value: float | None, digits: int, decimals: int | None) -> str:
    if value is None:
        return ""
    if decimals is not None:
        return f"{value:.{digits}f}"
    text = f"{value:.{digits}f}"
    return text if float(text) == value else repr(float(value))
