"""Which of several copies of a recording to keep, and why."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import soundfile

from mmasc.remote.addresses import is_address

# Codings that lose something, as soundfile names them; what it cannot open is told by its name
_LOSSY = ("MPEG", "VORBIS", "OPUS", "ULAW", "ALAW", "ADPCM", "GSM", "VOX", "NMS", "G721", "G723", "DWVW")
_LOSSY_NAMES = (".mp3", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac", ".wma", ".webm", ".mkv", ".mov", ".amr")
# Encoders pad: recordings are equally long up to this
_EQUAL_SECONDS, _EQUAL_SHARE = 0.15, 0.02
# When an object on a server was written is not kept: it is not the older one for it
_NOT_KNOWN = 1 << 62


@dataclass(frozen=True)
class Facts:
    """What is known of a file without listening: duration in seconds, rate in Hz, channels, whether its coding loses
    nothing, bytes, and when it was last written (ns)."""

    path: str
    duration: float
    sample_rate: int
    channels: int
    lossless: bool
    size: int
    written: int


def facts_of(path: str, row: Mapping[str, Any]) -> Facts:
    """Facts of a recording from its file and its row in the table of recordings."""
    return Facts(
        path,
        row["duration"],
        row["sample_rate"],
        row["channels"],
        is_lossless(path),
        row["size"],
        row["mtime_ns"] or _NOT_KNOWN,
    )


def is_lossless(path: str) -> bool:
    """Whether the coding of a file keeps every sample; by its name where soundfile cannot open it, or on a server."""
    by_name = os.path.splitext(path)[1].lower() not in _LOSSY_NAMES
    if is_address(path):  # all of it would be fetched
        return by_name
    try:
        subtype = soundfile.info(path).subtype
    except (soundfile.LibsndfileError, OSError):
        return by_name
    return not any(lossy in subtype for lossy in _LOSSY)


def best_first(facts: Mapping[int, Facts]) -> list[int]:
    """Rows in the order in which they should be kept.

    The longest first; among those equally long (up to what encoders pad) more channels, a higher rate, a lossless
    coding, an earlier time of writing, and the path decide. Shorter ones follow by length.
    """
    longest = max(one.duration for one in facts.values())

    def order(row: int) -> tuple:
        one = facts[row]
        shorter = 0.0 if equally_long(one.duration, longest) else longest - one.duration
        return shorter, -one.channels, -one.sample_rate, not one.lossless, one.written, one.path

    return sorted(facts, key=order)


def reason_to_keep(best: Facts, others: Sequence[Facts]) -> str:
    """Why the best of a group is kept: the first thing in which it is ahead of every other one."""
    rivals = [one for one in others if equally_long(one.duration, best.duration)]
    if not rivals:
        return "the longest"
    for reason, value in (
        ("the most channels", lambda one: one.channels),
        ("the highest sample rate", lambda one: one.sample_rate),
        ("lossless", lambda one: one.lossless),
        ("the oldest file", lambda one: -one.written),
    ):
        rivals = [one for one in rivals if value(one) == value(best)]
        if not rivals:
            return reason
    return "the first path"


def equally_long(duration: float, other: float) -> bool:
    """Whether two recordings are equally long, up to what encoders pad (0.15 s at most, a tenth of a short sound)."""
    longest = max(duration, other)
    return abs(duration - other) <= max(min(_EQUAL_SECONDS, 0.1 * longest), _EQUAL_SHARE * longest)
