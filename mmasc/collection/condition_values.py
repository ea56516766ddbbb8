"""Evaluation of a condition: which rows of a table pass, computed column by column with Arrow.

NULL is SQL's: a comparison with NULL is unknown, AND and OR follow three-valued logic, and a row passes only where the
condition is true. Types never change silently: a text is not compared with a number. Rows are worked on some at a
time, so that no condition needs more memory than `_BYTES_AT_ONCE` and a few copies.
"""

import math
import time
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmasc.collection.condition_functions import FUNCTIONS, remainder
from mmasc.collection.condition_tokens import ConditionError
from mmasc.collection.condition_tree import Call, Column, Literal, Node
from mmasc.collection.condition_types import alike, as_array, as_truth, cast, checked, kind_of, shown

_ROWS_AT_ONCE = 65_536
_BYTES_AT_ONCE = 1 << 27
# Calls whose texts may be as long as all their operands together
_JOINING = {"||", "concat", "coalesce", "ifnull", "nvl", "case", "greatest", "least", "replace"}


def passing_rows(condition: Node, table: pa.Table, rows: int, until: float = math.inf) -> np.ndarray:
    """Which rows of a table pass, bool `[row]`.

    Args:
        condition: As `read_condition` gives it.
        table: The columns that it uses; none where it uses none.
        rows: How many rows there are.
        until: When it must be done, in seconds of `time.monotonic`.
    Raises:
        ConditionError: If the types of two operands differ, a value cannot be worked out (division by zero, ...), or it
            takes too long.
    """
    at_once = _rows_at_once(condition, table, rows)
    parts = []
    for first in range(0, max(rows, 1), at_once):
        some = min(at_once, rows - first)
        columns = {name: _whole(table.column(name).slice(first, some)) for name in table.column_names}
        truth = as_truth(_value(condition, columns, some, until), condition, some)
        parts.append(pc.fill_null(truth, False).to_numpy(zero_copy_only=False))
    return np.concatenate(parts)


def _rows_at_once(condition: Node, table: pa.Table, rows: int) -> int:
    width = max((table.column(name).nbytes // max(rows, 1) for name in table.column_names), default=0) + 1
    total, waiting = 1, [condition]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Call):
            waiting += node.arguments
            if node.name in _JOINING:
                total += sum(
                    len(one.value) if isinstance(one, Literal) and isinstance(one.value, str) else width
                    for one in node.arguments
                )
    return int(np.clip(_BYTES_AT_ONCE // total, 16, _ROWS_AT_ONCE))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _value(node: Node, columns: dict[str, pa.Array], rows: int, until: float) -> Any:
    """An Arrow array of `rows` values, or a scalar for all of them."""
    if isinstance(node, Literal):
        return pa.scalar(node.value)
    if isinstance(node, Column):
        return columns[node.name]
    values = [_value(one, columns, rows, until) for one in node.arguments]
    if time.monotonic() > until:
        raise ConditionError("it takes too long; ask for less, or for fewer things at once")
    name, _, kind = node.name.partition(" ")
    try:
        if name in ("cast", "try_cast"):
            return cast(as_array(values[0], rows), kind, node, strict=name == "cast")
        if node.name in _OPERATORS:
            return _OPERATORS[node.name](values, node, rows)
        wanted, compute = FUNCTIONS[node.name]
        return compute(*checked(values, wanted, node, rows))
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0].removeprefix("Invalid: ")
        raise ConditionError(f"{shown(node)} cannot be worked out ({reason})") from error


def _compare(compute: Callable) -> Callable:
    def compared(values: list[Any], node: Call, rows: int) -> pa.Array:
        left, right = alike(_without_points(values), node)
        if kind_of(left) == "null":
            return pa.nulls(rows, pa.bool_())
        return as_array(compute(left, right), rows)

    return compared


def _without_points(values: list[Any]) -> list[Any]:
    """Two operands, of which a single 5.0 next to whole numbers is 5: these are then compared to the last digit."""
    if not any(pa.types.is_integer(value.type) for value in values):
        return values
    return [_whole_number(value) if isinstance(value, pa.DoubleScalar) else value for value in values]


def _whole_number(value: pa.DoubleScalar) -> pa.Scalar:
    number = value.as_py()
    if number is None or not number.is_integer() or not -(2.0**63) <= number < 2.0**63:
        return value
    return pa.scalar(int(number))


def _joined(compute: Callable) -> Callable:
    def joined(values: list[Any], node: Call, rows: int) -> pa.Array:
        return reduce(compute, [as_truth(value, one, rows) for value, one in zip(values, node.arguments, strict=True)])

    return joined


def _calculate(compute: Callable) -> Callable:
    def calculated(values: list[Any], node: Call, rows: int) -> pa.Array:
        return compute(*alike(checked(values, "n" * len(values), node, rows), node))

    return calculated


def _between(values: list[Any], node: Call, rows: int) -> pa.Array:
    value, low, high = values
    above = _compare(pc.greater_equal)([value, low], Call(">=", node.arguments[:2], node.at), rows)
    below = _compare(pc.less_equal)([value, high], Call("<=", node.arguments[::2], node.at), rows)
    return pc.and_kleene(above, below)


def _in(values: list[Any], node: Call, rows: int) -> pa.Array:
    value, *items = values
    if all(isinstance(item, pa.Scalar) for item in items):
        value, *items = alike(values, node)
        if kind_of(value) == "null":
            return pa.nulls(rows, pa.bool_())
        known = pa.array([item.as_py() for item in items if item.is_valid], value.type)
        found = as_array(pc.is_in(value, value_set=known), rows)
        found = pc.if_else(as_array(pc.is_valid(value), rows), found, pa.scalar(None, pa.bool_()))
        if len(known) < len(items):
            found = pc.or_kleene(found, pa.scalar(None, pa.bool_()))  # not found next to a NULL is unknown
        return found
    same = [
        _compare(pc.equal)([value, item], Call("=", (node.arguments[0], one), node.at), rows)
        for item, one in zip(items, node.arguments[1:], strict=True)
    ]
    return reduce(pc.or_kleene, same)


def _pattern(compute: Callable) -> Callable:
    """LIKE and regular expressions; the pattern must be one text for all rows."""

    def matched(values: list[Any], node: Call, rows: int) -> pa.Array:
        pattern = values[1]
        if not isinstance(pattern, pa.Scalar):
            raise ConditionError(f"the pattern of {shown(node)} must be a text in single quotes")
        text, _ = checked(values, "tt", node, rows)
        return compute(text, pattern.as_py()) if pattern.is_valid else pa.nulls(rows, pa.bool_())

    return matched


def _is_distinct(values: list[Any], node: Call, rows: int) -> pa.Array:
    left, right = (as_array(value, rows) for value in alike(values, node))
    if kind_of(left) == "null":
        return pa.repeat(pa.scalar(False), rows)
    same = pc.fill_null(pc.equal(left, right), False)
    return pc.invert(pc.or_(same, pc.and_(pc.is_null(left), pc.is_null(right))))


def _is(wanted: bool) -> Callable:
    def tested(values: list[Any], node: Call, rows: int) -> pa.Array:
        truth = as_truth(values[0], node.arguments[0], rows)
        return pc.fill_null(pc.equal(truth, pa.scalar(wanted)), False)

    return tested


def _case(values: list[Any], node: Call, rows: int) -> pa.Array:
    pairs = zip(values[:-1:2], node.arguments[:-1:2], strict=True)
    conditions = [as_truth(value, one, rows) for value, one in pairs]
    chosen = alike([*values[1::2], values[-1]], Call("case", (*node.arguments[1::2], node.arguments[-1]), node.at))
    result = as_array(chosen[-1], rows)
    for condition, value in reversed(list(zip(conditions, chosen, strict=False))):
        result = pc.if_else(pc.fill_null(condition, False), value, result)
    return result


def _same_kind(compute: Callable) -> Callable:
    def made(values: list[Any], node: Call, rows: int) -> pa.Array:
        if not values:
            raise ConditionError(f"{shown(node)} needs values")
        return compute(*[as_array(value, rows) for value in alike(values, node)])

    return made


def _null_if(values: list[Any], node: Call, rows: int) -> pa.Array:
    if len(values) != 2:
        raise ConditionError(f"{shown(node)} takes 2 values")
    left, right = (as_array(value, rows) for value in alike(values, node))
    if kind_of(left) == "null":
        return left
    return pc.if_else(pc.fill_null(pc.equal(left, right), False), pa.scalar(None, left.type), left)


def _replaced(values: list[Any], node: Call, rows: int) -> pa.Array:
    """`replace(text, old, new)`; the new text must not be longer, else a few calls would make texts without bound."""
    if len(values) != 3 or not all(
        isinstance(one, Literal) and isinstance(one.value, str) for one in node.arguments[1:]
    ):
        raise ConditionError(f"{shown(node)} takes a text and two texts in single quotes")
    old, new = values[1].as_py(), values[2].as_py()
    if not old or len(new.encode()) > len(old.encode()):
        raise ConditionError(f"{shown(node)}: the new text must not be longer than the old one")
    text = checked(values[:1], "t", node, rows)[0]
    return pc.replace_substring(text, old, new)


_OPERATORS: dict[str, Callable] = {
    "and": _joined(pc.and_kleene),
    "or": _joined(pc.or_kleene),
    "not": lambda values, node, rows: pc.invert(as_truth(values[0], node.arguments[0], rows)),
    "=": _compare(pc.equal),
    "<>": _compare(pc.not_equal),
    "<": _compare(pc.less),
    "<=": _compare(pc.less_equal),
    ">": _compare(pc.greater),
    ">=": _compare(pc.greater_equal),
    "between": _between,
    "in": _in,
    "like": _pattern(lambda text, pattern: pc.match_like(text, pattern)),
    "ilike": _pattern(lambda text, pattern: pc.match_like(text, pattern, ignore_case=True)),
    "~": _pattern(lambda text, pattern: pc.match_substring_regex(text, pattern)),
    "~*": _pattern(lambda text, pattern: pc.match_substring_regex(text, pattern, ignore_case=True)),
    "regexp_like": _pattern(lambda text, pattern: pc.match_substring_regex(text, pattern)),
    "is null": lambda values, node, rows: as_array(pc.is_null(values[0]), rows),
    "is true": _is(True),
    "is false": _is(False),
    "is distinct": _is_distinct,
    "+": _calculate(pc.add_checked),
    "-": _calculate(pc.subtract_checked),
    "*": _calculate(pc.multiply_checked),
    "/": _calculate(pc.divide_checked),
    "%": _calculate(remainder),
    "negative": _calculate(pc.negate_checked),
    "positive": _calculate(lambda number: number),
    "case": _case,
    "coalesce": _same_kind(pc.coalesce),
    "ifnull": _same_kind(pc.coalesce),
    "nvl": _same_kind(pc.coalesce),
    "greatest": _same_kind(pc.max_element_wise),
    "least": _same_kind(pc.min_element_wise),
    "nullif": _null_if,
    "replace": _replaced,
}
CALLABLE = {*FUNCTIONS, *(name for name in _OPERATORS if name.replace("_", "").isalpha())} - {
    "||", "and", "or", "not", "in", "like", "ilike", "between", "case", "negative", "positive"
}  # fmt: skip
