"""A label in a recording, as all formats of label files hold it, and what a reader found in a file."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmasc.errors import show_path
from mmasc.storage.values import is_missing

VERDICTS = ("present", "absent", "unsure")
# What people write for them in tables that they fill in by hand
_VERDICT_WORDS = {
    **dict.fromkeys(("present", "yes", "y", "1", "true"), "present"),
    **dict.fromkeys(("absent", "no", "n", "0", "false"), "absent"),
    **dict.fromkeys(("unsure", "?", "maybe", "unknown"), "unsure"),
}
NOT_UTF8 = "not UTF-8; save the file as UTF-8 (in a spreadsheet: 'CSV UTF-8')"
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_CLOCK = re.compile(r"(?:([0-9]+):)?([0-9]+):([0-9]+(?:\.[0-9]*)?)")
_MOST_SECONDS = 1e9
_INFINITY = re.compile(r"\+?inf(inity)?", re.IGNORECASE)


@dataclass(frozen=True)
class LabelRow:
    """A label from `start` to `end` in a recording.

    Attributes:
        path: Path of the recording, as the file writes it.
        start: In seconds from the beginning of the recording.
        end: In seconds, at least `start` (equal: a point in time); infinite: to the end of the recording.
        label: Without blanks around it; never empty.
        score: A finite number, or None if not given.
        verdict: "present", "absent" (the label was looked for and not found) or "unsure".
        low_hz: Lowest frequency, in Hz.
        high_hz: Highest frequency, in Hz.
        channel: Channel of the recording, from 1.
        by: Annotator: a person, or the name of a head or a prompt file.
        at: When it was labelled, as ISO 8601 text.
        note: A remark.
        clock: Time of day of the start, as text.
        identity: What tells the head or prompt file that labelled from others of its name.
        question: Text of the query that led to the label.
    """

    path: str
    start: float
    end: float
    label: str
    score: float | None = None
    verdict: str = "present"
    low_hz: float | None = None
    high_hz: float | None = None
    channel: int | None = None
    by: str = ""
    at: str = ""
    note: str = ""
    clock: str = ""
    identity: str = ""
    question: str = ""


_TEXTS = ("by", "at", "note", "clock", "identity", "question")
FIELDS = tuple(LabelRow.__dataclass_fields__)
DEFAULTS = {name: one.default for name, one in LabelRow.__dataclass_fields__.items()}


@dataclass(frozen=True)
class Problem:
    """A line of a label file that could not be used.

    Attributes:
        line: Number of the line, from 1.
        reason: What is wrong, in words.
        source: The file.
    """

    line: int
    reason: str
    source: str = ""

    def __str__(self) -> str:
        return (f"{show_path(self.source)}: " if self.source else "") + f"line {self.line}: {self.reason}"


@dataclass(frozen=True)
class LabelFile:
    """What a reader found.

    Attributes:
        rows: Labels in the order of the file.
        problems: Lines that could not be used, in the order of the file; they are in no row.
        lines: Number of the line of each row, from 1.
        path: The file (or the folder of files) that was read.
        format: Format of the file; "" for a folder.
        unjudged: Rows of a table of clips to judge (columns clip and verdict) without a verdict, which are left out.
    """

    rows: list[LabelRow]
    problems: list[Problem] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    path: str = ""
    format: str = ""
    unjudged: int = 0


class BadRowError(ValueError):
    """What is wrong with a row, in words that follow "line 3: "."""


def row_from(
    values: Mapping[str, Any], path: str = "", decimal_comma: bool = False, first_channel: int = 1
) -> LabelRow:
    """The row that values by field say.

    Args:
        values: Texts, numbers or None by field of `LabelRow`, and `duration` (seconds) that may stand for `end`;
            without start and end the label holds for the whole recording.
        path: The recording where the values name none.
        decimal_comma: Whether "1,5" is a number.
        first_channel: Number by which the values call the first channel: 0 or 1.
    Raises:
        BadRowError: If a number is none, the end lies before the start, or there is no label.
    """

    def read(name: str, infinite: bool = False) -> float | None:
        return number(values.get(name), name, decimal_comma, infinite)

    start, end = read("start"), read("end", infinite=True)
    if end is None and start is not None and (duration := read("duration")) is not None:
        end = start + duration
    if start is None and end is None:
        start, end = 0.0, math.inf
    if start is None or end is None:
        raise BadRowError("no start" if start is None else "no end")
    if start < 0:
        raise BadRowError(f"starts before the recording ({start:g} s)")
    if max(start, end if end < math.inf else 0.0) > _MOST_SECONDS:
        raise BadRowError("a time beyond all recordings (over 30 years)")
    if end < start:
        raise BadRowError(f"starts after it ends ({start:g} s, {end:g} s)")
    label = text_of(values.get("label"))
    if not label:
        raise BadRowError("no label")
    if not is_utf8(label):
        raise BadRowError(NOT_UTF8)
    written = text_of(values.get("verdict"))
    verdict = _VERDICT_WORDS.get(written.lower() or "present")
    if verdict is None:
        raise BadRowError(f"the verdict must be present, absent or unsure (or yes, no, 1, 0), not {written}")
    channel = read("channel")
    if channel is not None and (channel != int(channel) or channel < first_channel):
        raise BadRowError(f"the channel must be {first_channel} or more, not {channel:g}")
    named = text_of(values.get("path")) or path
    return LabelRow(
        path=named,
        start=start,
        end=end,
        label=label,
        score=read("score"),
        verdict=verdict,
        low_hz=read("low_hz"),
        high_hz=read("high_hz"),
        channel=None if channel is None else int(channel) + 1 - first_channel,
        **{name: text_of(values.get(name)) for name in _TEXTS},
    )


def number(value: Any, name: str, decimal_comma: bool = False, infinite: bool = False) -> float | None:
    """A finite number, also of a text such as 12.5, 1:02.5 or 1:00:02 (minutes, hours); None for an empty value.

    Raises:
        BadRowError: If it is something else.
    """
    if isinstance(value, bool):
        raise BadRowError(f"{_NAMES.get(name, name)} is not a number: {value}")
    if isinstance(value, int | float):
        text = repr(value) if isinstance(value, float) else str(value)
    elif value is None or isinstance(value, str):
        text = (value or "").strip()
    else:
        raise BadRowError(f"{_NAMES.get(name, name)} is not a number")
    if is_missing(text):
        return None
    if decimal_comma:
        text = text.replace(",", ".", 1)
    if infinite and _INFINITY.fullmatch(text):
        return math.inf
    if found := _CLOCK.fullmatch(text):
        hours, minutes, seconds = found.groups()
        amount = float(hours or 0) * 3600 + float(minutes) * 60 + float(seconds)
    elif _NUMBER.fullmatch(text):
        amount = float(text)
    else:
        amount = math.nan
    if not math.isfinite(amount):
        shown = text if len(text) <= 40 else text[:39] + "…"
        raise BadRowError(f"{_NAMES.get(name, name)} is not a number: {shown}")
    return amount


def is_utf8(text: str) -> bool:
    """Whether a text was read from bytes that are UTF-8; others stand in it as lone surrogates."""
    return not any("\udc80" <= sign <= "\udcff" for sign in text)


def text_of(value: Any) -> str:
    """A value as text without blanks around it; "" for None.

    Raises:
        BadRowError: If it is a list or an object.
    """
    if isinstance(value, list | dict):
        raise BadRowError("a text was expected, not a list or an object")
    return "" if value is None else str(value).strip()


def recording_named_by(file: str | Path) -> str:
    """The recording that a label file without names belongs to, by its own name: rain.wav.audacity.txt is rain.wav's.

    Programs add words of their own: `x.Table.1.selections.txt`, `x.BirdNET.results.csv`.
    """
    name = re.sub(r"\.(txt|csv|tsv|jsonl?|ndjson)$", "", Path(file).name, flags=re.IGNORECASE)
    words = r"(\.(table\.[0-9]+|selections?|selection\.table|birdnet|results|audacity|raven|labels))+$"
    return re.sub(words, "", name, flags=re.IGNORECASE) or name


_NAMES = {"low_hz": "the low frequency", "high_hz": "the high frequency"} | {
    name: f"the {name}" for name in ("start", "end", "duration", "score", "channel")
}
