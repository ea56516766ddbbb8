"""Names, numbers and hits as text for the terminal."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmasc.demo.result import Labelled


def best(one: Labelled) -> float:
    """Cosine of the label that a sound was given."""
    return one.cosines[one.label]


def listed(hits: Sequence[dict[str, Any]]) -> str:
    """Hits with their scores."""
    return ", ".join(f"{hit['name']} {hit['score']:.2f}" for hit in hits)


def short(name: str, width: int = 28) -> str:
    """A name in a column; of a long one the end is kept."""
    return name.ljust(width) if len(name) <= width else "…" + name[len(name) - width + 1 :]


def printable(name: str) -> str:
    """A name without signs that a terminal obeys."""
    return "".join(letter if letter.isprintable() else "�" for letter in name)


def quoted(value: str | Path) -> str:
    """A word as a shell takes it."""
    return shlex.quote(str(value))
