"""Kinds of the operands of a condition: which belong together, what CAST makes of them, how texts are read as times."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mmasc.collection.condition_tokens import ConditionError
from mmasc.collection.condition_tree import Call, Column, Literal, Node

TIME = pa.timestamp("us")


def shown(node: Node) -> str:
    if isinstance(node, Literal):
        return repr(node.value) if node.value is not None else "NULL"
    name = node.name if isinstance(node, Column) else node.name.upper() if node.name.isalpha() else repr(node.name)
    return f"{name[:40]} at character {node.at}"


def kind_of(value: Any) -> str:
    kind = value.type
    if pa.types.is_null(kind):
        return "null"
    if pa.types.is_boolean(kind):
        return "truth"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    return str(kind)


def as_array(value: Any, rows: int) -> pa.Array:
    return pa.repeat(value, rows) if isinstance(value, pa.Scalar) else value


def as_truth(value: Any, node: Node, rows: int) -> pa.Array:
    if kind_of(value) == "null":
        return pa.nulls(rows, pa.bool_())
    if kind_of(value) != "truth":
        raise ConditionError(f"{shown(node)} is a {kind_of(value)}, not a condition")
    return as_array(value, rows)


def alike(values: list[Any], node: Call) -> list[Any]:
    """The same values in one type; NULL takes the type of the others, a text next to times is read as a time."""
    kinds = {kind_of(value) for value in values} - {"null"}
    if kinds == {"text", "time"}:
        values = [moments(value, strict=True, node=node) if kind_of(value) == "text" else value for value in values]
        kinds = {"time"}
    if len(kinds) > 1:
        said = " with ".join(
            f"{shown(one)} ({kind_of(value)})" for one, value in zip(node.arguments, values, strict=True)
        )
        raise ConditionError(f"{node.name.upper()} at character {node.at} cannot take {said[:200]}")
    types = [value.type for value in values if kind_of(value) != "null"]
    if not types:
        return values
    wanted = types[0]
    if kinds == {"number"} and any(pa.types.is_floating(one) for one in types):
        wanted = pa.float64()
    elif kinds == {"number"}:
        wanted = pa.int64()
    return [value if value.type == wanted else to_type(value, wanted) for value in values]


def to_type(value: Any, wanted: pa.DataType) -> Any:
    """An array or scalar in another type; whole numbers beyond 2^53 become the nearest number with a point."""
    rounds = pa.types.is_integer(value.type) and pa.types.is_floating(wanted)
    return value.cast(wanted, safe=not rounds)


def checked(values: list[Any], wanted: str, node: Call, rows: int) -> list[Any]:
    """The operands as arrays, of the kinds that are wanted: t text, n number, d time, N constant whole number, T
    constant text; behind "?" they may be left out."""
    needed = wanted.partition("?")[0]
    kinds = wanted.replace("?", "")
    if not len(needed) <= len(values) <= len(kinds):
        raise ConditionError(f"{shown(node)} takes {len(needed)} to {len(kinds)} values, got {len(values)}")
    names = {"t": "text", "n": "number", "d": "time"}
    result = []
    for value, kind in zip(values, kinds, strict=False):
        if kind in "NT":
            result.append(_constant(value, kind, node))
            continue
        if kind_of(value) == "null":
            value = value.cast({"t": pa.string(), "n": pa.float64(), "d": TIME}[kind])
        elif kind == "d" and kind_of(value) == "text":
            value = moments(value, True, node)
        elif kind_of(value) != names[kind]:
            raise ConditionError(f"{shown(node)} takes a {names[kind]}, not a {kind_of(value)}")
        result.append(as_array(value, rows))
    return result


def _constant(value: Any, kind: str, node: Call) -> Any:
    plain = value.as_py() if isinstance(value, pa.Scalar) else None
    if not isinstance(plain, int if kind == "N" else str) or isinstance(plain, bool):
        what = "a whole number" if kind == "N" else "a text in single quotes"
        raise ConditionError(f"{shown(node)} needs {what} here, the same for all rows")
    if isinstance(plain, int) and abs(plain) > 2**31 - 1:
        raise ConditionError(f"{shown(node)}: {plain} is too large")
    return plain


def cast(value: pa.Array, kind: str, node: Call, strict: bool) -> pa.Array:
    wanted = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}.get(kind, TIME)
    if kind_of(value) == "null":
        return value.cast(wanted)
    if wanted == TIME:
        if kind_of(value) not in ("text", "time"):
            raise ConditionError(f"{shown(node)}: a {kind_of(value)} is not a time")
        return moments(value, strict, node) if kind_of(value) == "text" else value.cast(TIME)
    if kind == "integer" and kind_of(value) == "number":
        value = pc.trunc(value) if pa.types.is_floating(value.type) else value
    if strict:
        return to_type(value, wanted)
    return pa.array([_tried(one, wanted) for one in value], wanted)


def _tried(value: pa.Scalar, wanted: pa.DataType) -> Any:
    try:
        return to_type(value, wanted).as_py()
    except pa.ArrowException:
        return None


def moments(value: Any, strict: bool, node: Call) -> Any:
    """Texts in ISO 8601 as times, those with an offset in UTC; each different text is read once."""
    array = value if isinstance(value, pa.Array) else pa.array([value.as_py()], pa.string())
    coded = pc.dictionary_encode(array)
    moments = [_moment(text, strict, node) for text in coded.dictionary.to_pylist()]
    result = pa.array(moments, TIME).take(coded.indices)
    return result if isinstance(value, pa.Array) else result[0]


def _moment(text: str, strict: bool, node: Call) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        if strict:
            raise ConditionError(
                f"{shown(node)}: {text[:40]!r} is not a time like 2024-05-31T06:30:00; TRY_CAST makes it NULL"
            ) from None
        return None
