"""An annotation: the label that a person, or a model, gave to a stretch of time in a recording."""

import math
import re
import secrets
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.errors import MmascError
from mmasc.inputs import as_texts
from mmasc.printing import printable

VERDICTS = ("present", "absent", "unsure")
UNNAMED = "unnamed"
_ID = re.compile(r"[0-9a-f]{32}")
_IDS = 1 << 63  # ids of recordings are below
_SHOWN = 60
_NUMBERS = ("start", "end", "score", "low_hz", "high_hz")


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """A label on a stretch of time in a recording.

    It refers to a time in a recording, not to windows, so it stays valid with another encoder, hop or new vectors.

    Attributes:
        id: 128 random bits as 32 hexadecimal digits; "" until it is added. The same id is the same annotation, also in
            another collection.
        recording: Id of the recording in the collection.
        start, end: Seconds from the start of the recording; 0 and its duration for the whole recording.
        label: What it is about: text without control characters.
        verdict: "present", "absent" (looked for and not there) or "unsure".
        by: Annotator: a person, or the name of a head or a prompt file.
        identity: Tells a head or a prompt file from others of its name; None for a person.
        score: What a head or a prompt file gave; None for a person.
        at: Time of labelling, ISO 8601 in UTC ("2024-05-01T04:13:20Z"); "" until it is added.
        question: Text of the query that led to it; "" for none.
        note: Free text, also of several lines.
        low_hz, high_hz: Lowest and highest frequency in Hz; None if not given.
        channel: Channel of the recording, from 1; None if not given.
    Raises:
        MmascError: If times are not finite with 0 <= start <= end, the label is empty or has control characters, the
            verdict is not one of the three, frequencies are below 0 or in the wrong order, the channel is below 1, or
            another value is of the wrong kind.
    """

    id: str = ""
    recording: int
    start: float
    end: float
    label: str
    verdict: str = "present"
    by: str = UNNAMED
    identity: str | None = None
    score: float | None = None
    at: str = ""
    question: str = ""
    note: str = ""
    low_hz: float | None = None
    high_hz: float | None = None
    channel: int | None = None

    def __post_init__(self) -> None:
        if self.id and not (isinstance(self.id, str) and _ID.fullmatch(self.id)):
            raise MmascError(f"annotation: the id {_shown(self.id)} is not 32 hexadecimal digits; leave it empty")
        if type(self.recording) is not int or not 0 <= self.recording < _IDS:
            object.__setattr__(self, "recording", _whole(self.recording))
        for name in _NUMBERS:
            value = getattr(self, name)
            given = value is not None or name in ("start", "end")
            if given and (type(value) is not float or not math.isfinite(value)):
                object.__setattr__(self, name, _number(value, name))
        if not 0 <= self.start <= self.end:
            raise MmascError(f"annotation: start and end must be 0 <= start <= end, got {self.start} and {self.end}")
        check_label(self.label)
        if self.verdict not in VERDICTS:
            raise MmascError(
                f"annotation: the verdict must be one of {', '.join(VERDICTS)}, got {_shown(self.verdict)}"
            )
        _check_texts(self)
        _check_place(self)

    @property
    def annotator(self) -> tuple[str, str | None]:
        """The annotator; two versions of one head are two annotators."""
        return self.by, self.identity


# Those that JSON lines and tables hold, in this order
FIELDS = tuple(item.name for item in fields(Annotation))


def check_label(label: Any) -> None:
    """Refuse what cannot be a label.

    Raises:
        MmascError: If it is not a text, is empty, has control characters or bytes that are not UTF-8.
    """
    if not isinstance(label, str) or not label.strip():
        raise MmascError(f"annotation: a label must be a text that is not empty, got {_shown(label)}")
    _refuse_bytes("label", label)
    if not _is_clean(label, ""):
        raise MmascError(f"annotation: the label {_shown(label)} has control characters; write it without them")


def check_question(label: Any, recording: Any, by: Any, verdict: Any) -> None:
    """Refuse what no annotation could fit; None asks for nothing.

    Raises:
        MmascError: If there is no such verdict.
        ValueError: If label or annotator are not texts, or the recording is neither an id nor a path.
    """
    if not isinstance(recording, int | np.integer | str | Path | None):
        raise ValueError(f"recording must be an id or a path, got {type(recording).__name__}")
    for name, text in {"label": label, "by": by}.items():
        if not isinstance(text, str | None):
            raise ValueError(f"{name} must be a text, got {type(text).__name__}")
    if verdict is not None and verdict not in VERDICTS:
        raise MmascError(f"the verdict must be one of {', '.join(VERDICTS)}, got {verdict!r}")


def each_id(ids: Any) -> tuple[str, ...]:
    """Ids of annotations, each once; a text is one id, never its letters.

    Raises:
        ValueError: If one is not a text.
    """
    return tuple(dict.fromkeys(as_texts(ids, "an id")))


def new_id() -> str:
    """128 random bits as hexadecimal digits."""
    return secrets.token_hex(16)


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_texts(one: Annotation) -> None:
    for name, keep in (("by", ""), ("at", ""), ("question", "\n\t"), ("note", "\n\t"), ("identity", "")):
        text = getattr(one, name)
        if name == "identity" and text is None:
            continue
        if isinstance(text, str):
            _refuse_bytes(name, text)
        if not isinstance(text, str) or not _is_clean(text, keep):
            raise MmascError(f"annotation: {name} must be a text without control characters, got {_shown(text)}")


def _check_place(one: Annotation) -> None:
    low, high, channel = one.low_hz, one.high_hz, one.channel
    if (low is not None and low < 0) or (high is not None and high < (low or 0.0)):
        raise MmascError(f"annotation: low_hz and high_hz must be 0 <= low_hz <= high_hz, got {low} and {high}")
    if channel is not None and (type(channel) is not int or not 1 <= channel < _IDS):
        raise MmascError(f"annotation: the channel must be a whole number from 1 on, got {_shown(channel)}")


def _refuse_bytes(name: str, text: str) -> None:
    """Refuse what Python makes of bytes that it could not decode: of a terminal, or of a locale that is not UTF-8."""
    if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        shown = printable(text)
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
        raise MmascError(
            f"annotation: the {name} '{shown}' has bytes that are not text in UTF-8; where it was typed, use a "
            "terminal and a locale of UTF-8 (LC_ALL=C.UTF-8, PYTHONUTF8=1)"
        )


@lru_cache(maxsize=4_096)
def _is_clean(text: str, keep: str) -> bool:
    """Whether a text has no control characters but those to keep. Few texts stand in very many annotations."""
    return printable(text, keep) == text


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 0 <= int(value) < _IDS:
        raise MmascError(f"annotation: the recording must be the id of one, a whole number, got {_shown(value)}")
    return int(value)


def _number(value: Any, name: str) -> float:
    try:
        number = float(value) if hasattr(value, "__float__") and not isinstance(value, bool) else math.nan
    except OverflowError:  # a whole number of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise MmascError(f"annotation: {name} must be a finite number, got {_shown(value)}")
    return number


def _shown(value: Any) -> str:
    text = printable(repr(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
