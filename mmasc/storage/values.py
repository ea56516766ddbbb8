"""Values of a text column → their type and their values; words that mean "missing" are recognised."""

import re
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from mmasc.errors import MmascError

# What R, pandas, spreadsheets and databases write where nothing is known. "None" and "none" are not among them: people
# use them as labels ("none of the species"), and no program writes them for a missing value but Python's own print.
MISSING = frozenset(
    ["NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "#N/A N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null"]
    + ["1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"]
)
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_INFINITY = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?(0|[1-9][0-9]*),[0-9]+([eE][+-]?[0-9]+)?")


def is_missing(value: Any) -> bool:
    """Whether a value says nothing: None, NaN, blank text or one of `MISSING`."""
    return value is None or value != value or not str(value).strip() or str(value).strip() in MISSING


def plain_value(value: Any, what: str) -> Any:
    """A value of NumPy, pandas or Python as a number, text, truth value or time; None where nothing is known.

    Whole numbers beyond 64 bits are names, not numbers.

    Args:
        value: Such a value, or NaN, NaT, NA or None.
        what: The column that it is for, for the message.
    Raises:
        MmascError: If it holds several values or bytes, or is a text that UTF-8 cannot hold.
    """
    if isinstance(value, np.generic) and value.dtype.kind not in "mM":  # items of these may be bare numbers
        value = value.item()
    if isinstance(value, bytes | Iterable) and not isinstance(value, str):
        kind = type(value).__name__
        raise MmascError(f"column {what!r}: a value must be one number, text, truth value or time, got {kind}")
    if value is None or type(value).__name__ == "NAType" or value != value:
        return None
    if isinstance(value, Decimal | Fraction):
        return float(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise MmascError(f"column {what!r}: {value[:40]!r} cannot be stored as UTF-8; fix the value") from None
    return value


def type_of(values: Iterable[str], decimal_comma: bool = False) -> type:
    """Type of a column of text: int, float or str; str where no value says anything.

    "007", "1_000" and whole numbers beyond 64 bits are names, not numbers.

    Args:
        values: "" for missing ones.
        decimal_comma: Whether "1,5" is a number, as in tables with semicolons, unless others have a point.
    """
    known = [value for value in values if value]
    if decimal_comma and any(_DECIMAL_COMMA.fullmatch(value) for value in known):
        alike = all(_DECIMAL_COMMA.fullmatch(value) or _INTEGER.fullmatch(value) for value in known)
        return float if alike else str
    found = {_narrowest(value) for value in known}
    if not found or not found <= {int, float}:
        return str
    return float if float in found else int


def convert(value: str, kind: type) -> Any:
    """A value of a column of the given type; None for a missing one."""
    if not value:
        return None
    return float(value.replace(",", ".")) if kind is float else kind(value)


def _narrowest(value: str) -> type:
    if _INTEGER.fullmatch(value):
        return int if abs(int(value)) < 2**63 else str
    if _INFINITY.fullmatch(value):
        return float
    if _NUMBER.fullmatch(value) and abs(float(value)) != float("inf"):
        return float
    return str
