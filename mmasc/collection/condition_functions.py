"""Functions that a condition may call: columns of texts, numbers and times → columns, with Arrow."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mmasc.collection.condition_tokens import ConditionError


def remainder(left: Any, right: Any) -> pa.Array:
    quotient = pc.divide_checked(left, right)
    if pa.types.is_floating(quotient.type):
        quotient = pc.trunc(quotient)
    return pc.subtract_checked(left, pc.multiply_checked(quotient, right))


def _substring(text: Any, start: int, count: int | None = None) -> pa.Array:
    if start < 1 or (count is not None and count < 0):
        raise ConditionError(f"substr counts characters from 1, got {start}{'' if count is None else f', {count}'}")
    return pc.utf8_slice_codeunits(text, start - 1, None if count is None else start - 1 + count)


def _left(text: Any, count: int) -> pa.Array:
    return pc.utf8_slice_codeunits(text, 0, max(count, 0))


def _right(text: Any, count: int) -> pa.Array:
    return pc.utf8_slice_codeunits(text, -count, None) if count > 0 else pc.utf8_slice_codeunits(text, 0, 0)


def _round(number: Any, digits: int = 0) -> pa.Array:
    return pc.round(number, ndigits=digits, round_mode="half_towards_infinity")


def _part(name: str, time: Any) -> pa.Array:
    if name.lower() not in _TIME_PARTS:
        raise ConditionError(f"date_part knows {', '.join(_TIME_PARTS)}, not {name[:40]!r}")
    return _TIME_PARTS[name.lower()](time)


def _formatted(time: Any, form: str) -> pa.Array:
    if len(form) > 100:
        raise ConditionError("a format of a time has at most 100 characters")
    return pc.strftime(time, format=form)


_TIME_PARTS: dict[str, Callable] = {
    "year": pc.year, "month": pc.month, "day": pc.day, "hour": pc.hour, "minute": pc.minute, "second": pc.second,
    "dow": lambda time: pc.day_of_week(time, week_start=7), "doy": pc.day_of_year, "week": pc.iso_week,
    "quarter": pc.quarter,
    # 1 is Monday, 7 is Sunday
    "weekday": lambda time: pc.day_of_week(time, count_from_zero=False, week_start=1),
}  # fmt: skip

# Kinds of the operands (see `checked`) and what works them out
FUNCTIONS: dict[str, tuple[str, Callable]] = {
    "lower": ("t", pc.utf8_lower),
    "upper": ("t", pc.utf8_upper),
    "length": ("t", pc.utf8_length),
    "char_length": ("t", pc.utf8_length),
    "trim": ("t", pc.utf8_trim_whitespace),
    "btrim": ("t", pc.utf8_trim_whitespace),
    "ltrim": ("t", pc.utf8_ltrim_whitespace),
    "rtrim": ("t", pc.utf8_rtrim_whitespace),
    "substr": ("tN?N", _substring),
    "substring": ("tN?N", _substring),
    "left": ("tN", _left),
    "right": ("tN", _right),
    "contains": ("tT", pc.match_substring),
    "starts_with": ("tT", pc.starts_with),
    "ends_with": ("tT", pc.ends_with),
    "strpos": ("tT", lambda text, part: pc.add(pc.find_substring(text, part), 1)),
    "instr": ("tT", lambda text, part: pc.add(pc.find_substring(text, part), 1)),
    "||": ("tt", lambda left, right: pc.binary_join_element_wise(left, right, "")),
    "concat": ("t?" + "t" * 99, lambda *texts: pc.binary_join_element_wise(*texts, "", null_handling="skip")),
    "abs": ("n", pc.abs_checked),
    "round": ("n?N", _round),
    "floor": ("n", pc.floor),
    "ceil": ("n", pc.ceil),
    "trunc": ("n", pc.trunc),
    "sign": ("n", pc.sign),
    "sqrt": ("n", pc.sqrt),
    "ln": ("n", pc.ln),
    "log10": ("n", pc.log10),
    "power": ("nn", lambda base, exponent: pc.power_checked(base.cast(pa.float64()), exponent)),
    "mod": ("nn", remainder),
    "date_part": ("Td", _part),
    "to_char": ("dT", _formatted),
    "strftime": ("Td", lambda form, time: _formatted(time, form)),
    "to_timestamp": ("d", lambda time: time),
    "date": ("d", lambda time: pc.floor_temporal(time, unit="day")),
    **{name: ("d", compute) for name, compute in _TIME_PARTS.items() if name not in ("dow", "doy")},
}
