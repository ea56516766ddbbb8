"""Compares what a header declares of its samples with what the file contains → a `Header`.

A header can say more than there is (a cut file) and less: more than 4 GiB do not fit into 32 bits, a recorder that
lost its power never wrote the last length, a writer to a pipe did not know it. So what lies behind the declared samples
is looked at: chunks, tags and zeros belong there, anything else is sound that the header does not know of.
"""

import math
from dataclasses import dataclass, replace

from mmasc.audio.layout import ByteSource, ChunkAt, Header, Samples, read_at

# No header of a sane file has more pieces; a hostile one ends here.
MOST_CHUNKS = 4096
# What is missing at the end of a file by sloppy counting, in seconds of sound: below, a file counts as whole.
_SLOPPY_SECONDS = 1e-3
# Fewer bytes than this after the samples are never taken for lost sound
_REST_SECONDS, _REST_BYTES = 0.1, 4096
_RIFF_CHUNKS = frozenset(
    b"LIST list bext iXML _PMX id3\x20 ID3\x20 cue\x20 smpl inst JUNK junk PAD\x20 fact PEAK acid DISP afsp levl cart "
    b"axml chna plst note labl SAUR minf elm1 regn umid COMT MARK INST NAME AUTH (c)\x20 ANNO APPL MIDI SAXL".split(
        b" "
    )
)
# The chunks of RIFF, W64, CAF and AIFF that hold samples, by the first four letters of their names
_SAMPLES = (b"data", b"SSND")
CHUNKS = _RIFF_CHUNKS | {*_SAMPLES, b"fmt ", b"ds64", b"COMM", b"FVER"}
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
    file: ByteSource,
    size: int,
    position: int,
    declared: int,
    form: Form,
    chunk_at: ChunkAt,
    wraps: bool,
    in_front: int = 0,
) -> Header:
    """Header of samples that begin at `position`: what is declared, held against what is there.

    Args:
        file: Open for reading, unbuffered.
        size: Bytes in the file.
        position: First byte of the samples.
        declared: Bytes of samples, as the header has it.
        form: How they are stored.
        chunk_at: What may stand behind them.
        wraps: Whether the length has 32 bits, of which more are lost.
        in_front: Bytes that stand in front of the samples within their chunk.
    """
    header = _measured(file, size, position, declared, form, chunk_at, wraps)
    if header.unread or header.samples is not None:  # behind a length that is wrong stand no chunks
        return header
    more = _more_samples(file, size, position + declared, chunk_at, in_front)
    if not more:
        return header
    count = 1 + sum(length > 0 for _, length in more)
    if not form.kind or not form.bytes_per_second > 0:
        return replace(header, unread=f"its samples lie in {count} chunks") if count > 1 else header
    return replace(
        header,
        seconds=(declared + sum(length for _, length in more)) / form.bytes_per_second,
        samples=Samples(position, declared, form.kind, form.channels, form.sample_rate, tuple(more)),
        remark=f"its samples lie in {count} chunks, all of them were read" if count > 1 else "",
    )


def _more_samples(
    file: ByteSource, size: int, position: int, chunk_at: ChunkAt, in_front: int
) -> list[tuple[int, int]]:
    """First byte and bytes of each chunk of samples behind the first; decoders read one, and not always the first."""
    found = []
    for _ in range(MOST_CHUNKS):
        # The byte that makes odd lengths even is missing in some files
        name, chunk = read_at(file, position, 4), chunk_at(file, position)
        if chunk is None:
            name, chunk = read_at(file, position + 1, 4), chunk_at(file, position + 1)
        if chunk is None:
            break
        length = min(chunk.length, size - chunk.begin) - in_front
        if name in _SAMPLES:
            found.append((chunk.begin + in_front, max(length, 0)))
        position = chunk.end
    return found


def _measured(
    file: ByteSource, size: int, position: int, declared: int, form: Form, chunk_at: ChunkAt, wraps: bool
) -> Header:
    rate = form.bytes_per_second if math.isfinite(form.bytes_per_second) else 0.0
    available = max(size - position, 0)
    rest = _strange(file, position + declared, size, chunk_at) if 0 <= declared < available else 0
    if rest <= max(_REST_SECONDS * rate, 1) or (not rate and rest <= _REST_BYTES):
        return _compare(declared, available, rate, form.exact)
    total, remark = available, ""
    if wraps:
        total = declared + (available - declared >> 32 << 32)
    if total == declared or _strange(file, position + total, size, chunk_at) > max(_REST_SECONDS * rate, 1):
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


def _strange(file: ByteSource, position: int, size: int, chunk_at: ChunkAt) -> int:
    """Bytes from a position on that are neither chunks nor tags nor zeros."""
    for _ in range(MOST_CHUNKS):
        if position >= size:
            return 0
        # The byte that makes odd lengths even is missing in some files
        chunk = chunk_at(file, position)
        if chunk is None and (chunk := chunk_at(file, position + 1)) is None:
            break
        if chunk.end > size and read_at(file, position, 4) not in _RIFF_CHUNKS:
            break
        position = chunk.end
    if read_at(file, position, 16).startswith(_TAGS):
        return 0
    return 0 if _is_zero(file, position, size) else size - position


def _is_zero(file: ByteSource, position: int, size: int) -> bool:
    """Whether a stretch is zeros, at 64 places of 4 KiB where it is long: room that a recorder had reserved."""
    step = max((size - position) // 64, 4096)
    places = [*range(position, size, step), max(size - 4096, position)]
    return not any(any(read_at(file, place, min(4096, size - place))) for place in places)
