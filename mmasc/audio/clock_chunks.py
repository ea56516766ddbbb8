"""What recorders write into WAV files besides the sound: when it began, where, at which temperature, by which recorder.

Four kinds are read: GUANO (chunk guan, guano-md.org, version 1.0), wamd (Wildlife Acoustics), the comment of AudioMoths
(LIST INFO ICMT) and bext (EBU Tech 3285). The bytes are other people's: sizes are bounded, damage says nothing.
"""

import math
import os
import re
import struct
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path

from mmasc.audio.clock_parts import RecorderFacts, Wall, offset_of, wall_of, wall_of_iso
from mmasc.audio.layout import ByteSource, open_header, read_at
from mmasc.printing import printable

_MOST_CHUNKS, _MOST_ITEMS = 4096, 4096
# Bytes that are looked at; a wamd chunk may hold a voice note and a schedule behind what is read
_READ = {b"guan": 1 << 16, b"wamd": 1 << 20, b"LIST": 1 << 16, b"bext": 1 << 10, b"fmt ": 16}
_LONGEST_TEXT = 100
# Programs that write the time of the export, not that of the recording
_EDITORS = re.compile(
    r"reaper|pro ?tools|audition|audacity|wavelab|nuendo|cubase|izotope|\brx\b|logic|ableton|sound ?forge|samplitude|"
    r"sequoia|resolve|premiere|lavf|ffmpeg|sox|ocenaudio|twistedwave|studio one|bitwig|sadie|pyramix",
    re.IGNORECASE,
)
_SAME_TIME_SECONDS = 2.0
_AUDIOMOTH = re.compile(
    r"Recorded at (\d\d):(\d\d):(\d\d)(?:\.(\d{3}))? (\d\d)/(\d\d)/(\d{4})(?: \(UTC([+-]\d{1,2}(?::\d{2})?)?\))?"
)
_AUDIOMOTH_SERIAL = re.compile(r"\bby (?:AudioMoth|HydroMoth) ([0-9A-F]{16})\b")
_AUDIOMOTH_GAIN = re.compile(r"\bat (low|low-medium|medium|medium-high|high) gain\b|\bat gain setting (\d)\b")
_CELSIUS = re.compile(r"temperature was (-?\d{1,3}(?:\.\d+)?)C\b")


@dataclass(frozen=True)
class Noted(RecorderFacts):
    """What one chunk says.

    Attributes:
        source: "guano", "wamd", "audiomoth" or "bext".
    """

    source: str

    @property
    def says_nothing(self) -> bool:
        return all(getattr(self, item.name) is None for item in fields(self) if item.name != "source")


def chunks_of_file(path: Path) -> list[Noted]:
    """What the chunks of a WAV file say, those first that recorders write for this alone; [] for any other file.

    Raises:
        OSError: If the file cannot be read.
    """
    with open_header(path) as file:
        return _noted(_chunks(file, file.seek(0, os.SEEK_END)))


def _chunks(file: ByteSource, size: int) -> dict[bytes, list[bytes]]:
    """The chunks that are read, cut to what is looked at."""
    start = read_at(file, 0, 12)
    found: dict[bytes, list[bytes]] = {}
    if start[:4] not in (b"RIFF", b"RF64", b"BW64") or start[8:12] != b"WAVE":
        return found
    position, long_size = 12, 0
    for _ in range(_MOST_CHUNKS):
        head = read_at(file, position, 8)
        if len(head) < 8:
            break
        name, length = struct.unpack("<4sI", head)
        if name == b"ds64":
            body = read_at(file, position + 8, 16)
            long_size = struct.unpack("<8xQ", body)[0] if len(body) == 16 else 0
        elif name in _READ:
            found.setdefault(name, []).append(read_at(file, position + 8, min(length, _READ[name], size)))
        elif name == b"data" and length == 0xFFFFFFFF and long_size:
            length = long_size
        elif not all(0x20 <= sign < 0x7F for sign in name):
            break
        following = position + 8 + length
        # The byte that makes odd lengths even is missing in some files
        odd = length & 1 and not _is_name(read_at(file, following, 4))
        position = following + int(odd)
        if position >= size:
            break
    return found


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(0x20 <= sign < 0x7F for sign in name)


def _noted(chunks: dict[bytes, list[bytes]]) -> list[Noted]:
    rate = struct.unpack("<4xI", chunks[b"fmt "][0][:8])[0] if len(chunks.get(b"fmt ", [b""])[0]) >= 8 else 0
    found = [_guano(body) for body in chunks.get(b"guan", [])]
    found += [_wamd(body) for body in chunks.get(b"wamd", [])]
    found += [_audiomoth(body) for body in chunks.get(b"LIST", [])]
    found += [_bext(body, rate) for body in chunks.get(b"bext", [])]
    return [one for one in found if one is not None and not one.says_nothing]


def _guano(body: bytes) -> Noted | None:
    said: dict[str, str] = {}
    for line in body.decode("utf-8", "replace").split("\n"):
        name, colon, value = line.partition(":")
        if colon and value.strip():
            said.setdefault(name.strip(), value.strip())
    if not said:
        return None
    latitude, longitude = _position(re.split(r"[\s,]+", said.get("Loc Position", "")))
    makers = [said[name] for name in ("Make", "Model") if name in said]
    gain = next((value for name, value in said.items() if name.rpartition("|")[2].lower() == "gain"), None)
    site = next((value for name, value in said.items() if name.rpartition("|")[2] in ("Prefix", "Site")), None)
    return Noted(
        "guano",
        wall=wall_of_iso(said.get("Timestamp", "")),
        site=_text(site),
        recorder=_text(_maker(makers)),
        serial=_text(said.get("Serial")),
        temperature=_number(said.get("Temperature Ext"), -90, 90, _number(said.get("Temperature Int"), -90, 90)),
        gain=_text(gain),
        latitude=latitude,
        longitude=longitude,
    )


def _wamd(body: bytes) -> Noted | None:
    """Items of a number (16 bits), a length (32 bits) and a text."""
    said: dict[int, str] = {}
    position = 0
    for _ in range(_MOST_ITEMS):
        head = body[position : position + 6]
        if len(head) < 6:
            break
        kind, length = struct.unpack("<HI", head)
        position += 6
        if kind in (0x01, 0x02, 0x04, 0x05, 0x06, 0x14, 0x15) and length <= 1024:
            said.setdefault(kind, body[position : position + length].decode("utf-8", "replace").strip("\0 \r\n"))
        position += length
    if not said:
        return None
    latitude, longitude = _position([one.strip() for one in (said.get(0x14) or said.get(0x06, "")).split(",")][1:])
    time = re.sub(r"([+-]\d{2})(\d{2})$", r"\1:\2", said.get(0x05, ""))
    celsius = re.match(r"-?\d{1,3}(\.\d+)?", said.get(0x15, ""))
    model = said.get(0x01)
    return Noted(
        "wamd",
        wall=wall_of_iso(time),
        # Echo Meters keep the name of the telephone there
        site=None if (model or "").startswith("Echo Meter") else _text(said.get(0x04)),
        recorder=_text(_maker(["Wildlife Acoustics", model])) if model else None,
        serial=_text(said.get(0x02)),
        temperature=_number(celsius[0], -90, 90) if celsius else None,
        gain=None,
        latitude=latitude,
        longitude=longitude,
    )


def _audiomoth(body: bytes) -> Noted | None:
    if body[:4] != b"INFO":
        return None
    position = 4
    for _ in range(_MOST_ITEMS):
        head = body[position : position + 8]
        if len(head) < 8:
            return None
        name, length = struct.unpack("<4sI", head)
        if name == b"ICMT":
            comment = body[position + 8 : position + 8 + min(length, 4096)].decode("latin-1").partition("\0")[0]
            return _comment(comment)
        position += 8 + length + (length & 1)
    return None


def _comment(comment: str) -> Noted | None:
    found = _AUDIOMOTH.match(comment)
    if found is None:
        return None
    hour, minute, second, milli, day, month, year = (int(found[place] or 0) for place in range(1, 8))
    # The first versions kept UTC and did not say so
    offset = offset_of(found[8]) if found[8] else timedelta()
    serial, gain, celsius = (one.search(comment) for one in (_AUDIOMOTH_SERIAL, _AUDIOMOTH_GAIN, _CELSIUS))
    return Noted(
        "audiomoth",
        wall=wall_of([year, month, day, hour, minute, second], milli * 1000, offset),
        site=None,
        recorder="HydroMoth" if "HydroMoth" in comment else "AudioMoth",
        serial=serial[1] if serial else None,
        temperature=_number(celsius[1], -90, 90) if celsius else None,
        gain=(gain[1] or gain[2]) if gain else None,
    )


def _bext(body: bytes, rate: int) -> Noted | None:
    """Originator at 256, its reference at 288, date at 320, time at 330, samples since midnight at 338."""
    if len(body) < 346:
        return None
    originator = body[256:288].decode("latin-1").partition("\0")[0].strip()
    if _EDITORS.search(originator) or _EDITORS.search(body[:256].decode("latin-1").partition("\0")[0][:40]):
        return None
    written = body[320:338].decode("latin-1")
    found = re.match(r"(\d{4})[-_:. /](\d\d)[-_:. /](\d\d)(\d\d)[-_:. ](\d\d)[-_:. ](\d\d)", written)
    wall = wall_of([int(part) for part in found.groups()]) if found else None
    if wall is not None and rate:
        seconds = int.from_bytes(body[338:346], "little") / rate
        midnight = wall.time.replace(hour=0, minute=0, second=0)
        # A time code runs freely on many recorders: it only says the fraction of the second
        if abs(seconds - (wall.time - midnight).total_seconds()) < _SAME_TIME_SECONDS and seconds < 86_400:
            wall = Wall(midnight + timedelta(seconds=seconds))
    return Noted("bext", wall=wall, recorder=_text(originator)) if wall is not None else None


def _position(parts: list[str]) -> tuple[float | None, float | None]:
    """Latitude and longitude of "47.1 8.2" or "41.7, N, 121.5, W"; (None, None) where there is none."""
    numbers: list[float] = []
    for part in parts[:6]:
        if part in ("S", "W") and numbers:
            numbers[-1] = -abs(numbers[-1])
        elif part not in ("N", "E", "") and len(numbers) < 2:
            value = _number(part, -180, 180)
            if value is None:
                return None, None
            numbers.append(value)
    if len(numbers) < 2 or abs(numbers[0]) > 90 or numbers[:2] == [0.0, 0.0]:
        return None, None
    return numbers[0], numbers[1]


def _number(text: str | None, low: float, high: float, otherwise: float | None = None) -> float | None:
    try:
        value = float(text[:40]) if text else math.nan
    except ValueError:
        return otherwise
    return value if low <= value <= high else otherwise


def _text(text: str | None) -> str | None:
    """Fit to be stored: on one line, short; None for nothing."""
    kept = printable(text).strip()[:_LONGEST_TEXT].strip() if text else ""
    return kept or None


def _maker(names: list[str]) -> str | None:
    """Make and model, the make once."""
    if len(names) == 2 and names[1].lower().startswith(names[0].lower()):
        return names[1]
    return " ".join(names) or None
