"""Seeded damage to files: what disks, cables, editors, programs of others and people with bad intentions do to them."""

import json
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

_NASTY_NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
_NASTY_TOKENS = (
    "NaN", "-1", "1e999", "9" * 400, "0x7fffffff", "null", "true", "~", "[]", "{}", '""', "'", '"', "\x00", "\x1b[2J",
    "../../etc/passwd", "/dev/zero", "\u202e", "é" * 300, "a" * 200_000, "[" * 100_000, '{"a":' * 20_000, "(" * 5_000,
    "*", "&a", "!!python/object/apply:os.system", "0" * 20, "2026-02-30", "\n", ";", ",", "\t", ":", "- ", "\ufeff",
)  # fmt: skip
_BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
_NASTY_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**63, 10**30, 1e308, -0.5, float("nan"), float("inf"), "", "x" * 90_000, "../..", "\x00",
    [], {}, [[]], {"a": None}, [1, "a", None], "tests.conftest:StandIn", [0] * 5_000, "é\ud800",
)  # fmt: skip


def mutate(content: bytes, kind: str, chance: np.random.Generator) -> bytes:
    """A damaged copy.

    Args:
        content: Of a file that is right.
        kind: "bytes", "text", "json", "lines" (JSON lines) or "safetensors": what other damage makes sense next to that
            of bytes.
        chance: Decides everything.
    """
    ways = _WAYS.get(kind, ())
    for _ in range(int(chance.integers(1, 4))):
        own = ways and chance.random() < 0.75
        choices = ways if own else _BYTES
        content = choices[int(chance.integers(len(choices)))](content, chance)
    return content


def _place(content: bytes, chance: np.random.Generator) -> int:
    """Headers are hit as often as all the rest."""
    reach = min(len(content), 512) if chance.random() < 0.5 else len(content)
    return int(chance.integers(max(1, reach)))


def _span(content: bytes, chance: np.random.Generator) -> tuple[int, int]:
    first = _place(content, chance)
    return first, first + int(chance.geometric(1 / 200))


def _flip(content: bytes, chance: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(int(chance.integers(1, 17)) if changed else 0):
        changed[_place(content, chance)] ^= 1 << int(chance.integers(8))
    return bytes(changed)


def _cut(content: bytes, chance: np.random.Generator) -> bytes:
    return content[: _place(content, chance)]


def _remove(content: bytes, chance: np.random.Generator) -> bytes:
    first, last = _span(content, chance)
    return content[:first] + content[last:]


def _insert(content: bytes, chance: np.random.Generator) -> bytes:
    first, last = _span(content, chance)
    return content[:first] + chance.bytes(last - first) + content[first:]


def _double(content: bytes, chance: np.random.Generator) -> bytes:
    first, last = _span(content, chance)
    return content[:last] + content[first:last] * int(chance.integers(1, 20)) + content[last:]


def _swap(content: bytes, chance: np.random.Generator) -> bytes:
    (one, one_end), (two, two_end) = sorted([_span(content, chance), _span(content, chance)])
    one_end, two = min(one_end, two), max(two, one_end)
    return content[:one] + content[two:two_end] + content[one_end:two] + content[one:one_end] + content[two_end:]


def _blank(content: bytes, chance: np.random.Generator) -> bytes:
    first, last = _span(content, chance)
    return content[:first] + bytes([int(chance.choice([0, 0xFF]))]) * len(content[first:last]) + content[last:]


def _length(content: bytes, chance: np.random.Generator) -> bytes:
    """A number that something may take for a length."""
    form = str(chance.choice(["<H", ">H", "<I", ">I", "<Q", ">Q"]))
    size = struct.calcsize(form)
    number = int(_NASTY_NUMBERS[int(chance.integers(len(_NASTY_NUMBERS)))]) & ((1 << (8 * size)) - 1)
    first = _place(content, chance)
    return content[:first] + struct.pack(form, number) + content[first + size :]


def _nothing(content: bytes, chance: np.random.Generator) -> bytes:
    return b""


def _token(content: bytes, chance: np.random.Generator) -> bytes:
    """Another word in the place of one."""
    text = content.decode("utf-8", "surrogateescape")
    found = list(re.finditer(r"[\w.+-]+|\S", text))
    new = _NASTY_TOKENS[int(chance.integers(len(_NASTY_TOKENS)))]
    if not found:
        return new.encode("utf-8", "surrogatepass")
    one = found[int(chance.integers(len(found)))]
    return (text[: one.start()] + new + text[one.end() :]).encode("utf-8", "surrogateescape")


def _lines(content: bytes, chance: np.random.Generator) -> bytes:
    """Lines doubled, swapped, left out."""
    lines = content.splitlines(keepends=True) or [b""]
    one, two = (int(chance.integers(len(lines))) for _ in range(2))
    way = int(chance.integers(4))
    if way == 0:
        lines.insert(one, lines[two] * int(chance.integers(1, 50)))
    elif way == 1:
        lines[one], lines[two] = lines[two], lines[one]
    elif way == 2:
        del lines[one]
    else:
        lines[one] = lines[one].rstrip(b"\r\n")
    return b"".join(lines)


def _encode(content: bytes, chance: np.random.Generator) -> bytes:
    """Another encoding, other ends of lines."""
    text = content.decode("utf-8", "replace")
    way = int(chance.integers(5))
    if way < 3:
        return text.encode(("utf-16", "utf-32", "latin-1")[way], "replace")
    return text.replace("\n", "\r" if way == 3 else "\r\n").encode()


def _bomb(content: bytes, chance: np.random.Generator) -> bytes:
    """Aliases that unfold to a billion words."""
    return _BOMB.encode() + content if chance.random() < 0.5 else content + b"\n" + _BOMB.encode()


def _value(content: bytes, chance: np.random.Generator) -> bytes:
    """Another value, a key less or a key more, at any depth of JSON."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return _token(content, chance)
    places = list(_places(tree))
    if not places:
        return _token(content, chance)
    holder, key = places[int(chance.integers(len(places)))]
    way, new = chance.random(), _NASTY_VALUES[int(chance.integers(len(_NASTY_VALUES)))]
    if way < 0.15:
        del holder[key]
    elif way < 0.25 and isinstance(holder, dict):
        holder[f"{key}2"] = new
    elif way < 0.35:
        other, its = places[int(chance.integers(len(places)))]
        holder[key] = json.loads(json.dumps(other[its]))
    else:
        holder[key] = new
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def _places(tree: Any) -> Any:
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(pairs):
        yield tree, key
        yield from _places(value)


def _json_line(content: bytes, chance: np.random.Generator) -> bytes:
    lines = content.splitlines() or [b"{}"]
    one = int(chance.integers(len(lines)))
    lines[one] = _value(lines[one], chance)
    return b"\n".join(lines) + b"\n"


def _tensors(content: bytes, chance: np.random.Generator) -> bytes:
    """The header of safetensors: names, types, shapes, offsets, and the JSON in its metadata."""
    if len(content) < 8:
        return content
    (size,) = struct.unpack("<Q", content[:8])
    if size > len(content):
        return content
    header = content[8 : 8 + size]
    if chance.random() < 0.5:
        header = _value(header, chance)
    else:
        try:
            tree = json.loads(header)
            about = tree["__metadata__"]
            key = list(about)[int(chance.integers(len(about)))]
            about[key] = _value(about[key].encode(), chance).decode("utf-8", "replace")
            header = json.dumps(tree).encode()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            header = _value(header, chance)
    return struct.pack("<Q", len(header)) + header + content[8 + size :]


_Way = Callable[[bytes, np.random.Generator], bytes]
_BYTES: tuple[_Way, ...] = (
    _flip, _flip, _flip, _cut, _cut, _remove, _insert, _double, _swap, _blank, _length, _length, _length, _nothing,
)  # fmt: skip
_WAYS: dict[str, tuple[_Way, ...]] = {
    "text": (_token, _token, _token, _lines, _encode),
    "yaml": (_token, _token, _token, _lines, _encode, _bomb),
    "json": (_value, _value, _value, _value, _token, _encode),
    "lines": (_json_line, _json_line, _token, _lines),
    "safetensors": (_tensors,),
}
