"""JSON and names that others may have written or damaged: read with care, shown in short."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_SHOWN_NAMES = 30
_SHOWN_LETTERS = 60


def listed(names: Iterable[str]) -> str:
    """Names between commas, short enough for a message: the first of very many, the beginning of very long ones."""
    known = list(names)
    shown = [name if len(name) <= _SHOWN_LETTERS else f"{name[:_SHOWN_LETTERS]}…" for name in known[:_SHOWN_NAMES]]
    more = f" and {len(known) - _SHOWN_NAMES} more" if len(known) > _SHOWN_NAMES else ""
    return ", ".join(shown) + more


def parse_json(text: str | bytes) -> Any:
    """What JSON says.

    Raises:
        ValueError: If it is not JSON, or is nested deeper than Python's stack.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_reports(path: Path) -> list[dict[str, float]]:
    """Lines of a file of JSON lines as numbers by name; lines that a kill or a disk has damaged are left out.

    Raises:
        OSError: If the file cannot be read.
    """
    reports = []
    for line in path.read_bytes().splitlines():
        try:
            values = parse_json(line)
        except ValueError:
            continue
        if isinstance(values, dict):
            reports.append({name: value for name, value in values.items() if isinstance(value, int | float)})
    return reports
