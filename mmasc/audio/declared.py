"""What a header declares of its samples, held against what the file holds → a `Header`.

A header can say more than there is (a cut file) and less: more than 4 GiB do not fit into 32 bits, a recorder that
lost its power never wrote the last length, a writer to a pipe did not know it. So what lies behind the declared samples
is looked at: chunks, tags and zeros belong there, anything else is sound that the header does not know of.
"""

import math
from dataclasses import dataclass

from mmasc.audio.layout import ByteSource, Header, NextChunk, Samples, read_at

# No header of a sane file has more pieces; a hostile one ends here.
MOST_CHUNKS = 4096
# What is missing at the end of a file by sloppy counting, in seconds of sound: below, a file counts as whole.
_SLOPPY_SECONDS = 1e-3
# Less than this behind the samples is not sound that was lost, whatever it is
_REST_SECONDS, _REST_BYTES = 0.1, 4096
_RIFF_CHUNKS = frozenset(
    b"LIST list bext iXML _PMX id3\x20 ID3\x20 cue\x20 smpl inst JUNK junk PAD\x20 fact PEAK acid DISP afsp levl cart "
    b"axml chna plst note labl SAUR minf elm1 regn umid COMT MARK INST NAME AUTH (c)\x20 ANNO APPL MIDI SAXL".split(
        b" "
    )
)
_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN")


@dataclass(frozen=True)
class Form:
    """How samples are stored; kind as in `Samples`, "" if compressed or unknown; exact: the rate is not an average."""

    sample_rate: int = 0
    channels: int = 0
    kind: str = ""
    bytes_per_second: float = 0.0
    exact: bool = True


def judge(
    file: ByteSource, size: int, position: int, declared: int, form: Form, following: NextChunk, wraps: bool
) -> Header:
    """Header of samples that begin at `position`: what is declared, held against what is there."""
    rate = form.bytes_per_second if math.isfinite(form.bytes_per_second) else 0.0
    available = max(size - position, 0)
    rest = _strange(file, position + declared, size, following) if 0 <= declared < available else 0
    if rest <= max(_REST_SECONDS * rate, 1) or (not rate and rest <= _REST_BYTES):
        return _compare(declared, available, rate, form.exact)
    total, remark = available, ""
    if wraps:
        total = declared + (available - declared >> 32 << 32)
    if total == declared or _strange(file, position + total, size, following) > max(_REST_SECONDS * rate, 1):
        total = available
    if total == available and declared and not (wraps and available - declared >= 1 << 32):
        remark = f"its header declares {declared / max(rate, 1):.3f} s, all of {total / max(rate, 1):.3f} s was read"
    if not form.kind or not rate:
        unread = f"its header declares {declared} bytes of samples, behind them lie {rest} bytes that are not chunks"
        return Header(declared / rate if rate and form.exact else None, unread=unread)
    return Header(
        total / rate, samples=Samples(position, total, form.kind, form.channels, form.sample_rate), remark=remark
    )


def _compare(declared: int, available: int, bytes_per_second: float, exact: bool = True) -> Header:
    """Header of a format that declares the bytes of its samples; not exact: compressed, the rate is an average."""
    if not bytes_per_second > 0:
        return Header()
    cut = ""
    if declared - available > bytes_per_second * _SLOPPY_SECONDS:
        cut = f"its header declares {declared} bytes of samples, it holds {available}"
    return Header(declared / bytes_per_second if exact else None, cut)


def _strange(file: ByteSource, position: int, size: int, following: NextChunk) -> int:
    """Bytes from a position on that are neither chunks nor tags nor zeros."""
    for _ in range(MOST_CHUNKS):
        if position >= size:
            return 0
        # The byte that makes odd lengths even is missing in some files
        after = following(file, position)
        if after is None and (after := following(file, position + 1)) is None:
            break
        if after > size and read_at(file, position, 4) not in _RIFF_CHUNKS:
            break
        position = after
    if read_at(file, position, 16).startswith(_TAGS):
        return 0
    return 0 if _is_zero(file, position, size) else size - position


def _is_zero(file: ByteSource, position: int, size: int) -> bool:
    """Whether a stretch is zeros, at 64 places of 4 KiB where it is long: room that a recorder had reserved."""
    step = max((size - position) // 64, 4096)
    places = [*range(position, size, step), max(size - 4096, position)]
    return not any(any(read_at(file, place, min(4096, size - place))) for place in places)
