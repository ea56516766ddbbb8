"""A condition in SQL, as after WHERE, read whole into a tree or refused with the place at which it cannot be read.

One reader for every `--where`: nothing behind the condition is passed over, double quotes (and backticks) always name a
column, single quotes always hold a text, and neither length nor depth can exhaust the process. What a tree means is in
`condition_values`.
"""

import math
from collections.abc import Callable, Collection, Sequence
from difflib import get_close_matches

from mmasc.collection.condition_tokens import ConditionError, Token, tokens_of
from mmasc.collection.condition_tree import MAX_DEPTH, Call, Column, Literal, Node

_MAX_ARGUMENTS = 100  # of a function
STATEMENTS = {"select", "with", "values", "insert", "update", "delete", "drop", "create", "alter", "exists"}
# How tightly operators between two values bind; comparisons do not chain
_OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT = range(1, 7)
BINDS = {"or": _OR, "and": _AND, "+": _SUM, "-": _SUM, "||": _SUM, "*": _PRODUCT, "/": _PRODUCT, "%": _PRODUCT}
BINDS |= dict.fromkeys(["=", "==", "<>", "!=", "<", "<=", ">", ">=", "~", "~*", "!~", "!~*"], _COMPARISON)
BINDS |= dict.fromkeys(["is", "not", "between", "in", "like", "ilike"], _COMPARISON)
_SAME = {"==": "=", "!=": "<>"}
_TYPES = {
    **dict.fromkeys(["text", "string", "varchar", "char"], "text"),
    **dict.fromkeys(["int", "integer", "bigint", "smallint", "long"], "integer"),
    **dict.fromkeys(["double", "float", "real", "numeric", "decimal"], "number"),
    **dict.fromkeys(["boolean", "bool"], "boolean"),
    **dict.fromkeys(["timestamp", "datetime", "date"], "timestamp"),
}


def read_condition(text: str, columns: Collection[str], functions: Collection[str]) -> Node:
    """The tree of a condition.

    Args:
        text: SQL as after WHERE.
        columns: Names that may be used.
        functions: Functions that may be called, in lower case.
    Raises:
        ConditionError: If any part of it cannot be read; the message names the place and the reason.
    """
    try:
        return _Reader(tokens_of(text), columns, functions).whole()
    except RecursionError:  # the caller stands deep in calls itself
        raise ConditionError("nested too deep") from None


class _Reader:
    """Precedence climbing over tokens: two calls for each level of depth."""

    def __init__(self, tokens: Sequence[Token], columns: Collection[str], functions: Collection[str]) -> None:
        self._tokens, self._columns, self._functions = tokens, columns, functions
        self._place = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._expression(_OR)
        if self._now.kind != "end":
            raise ConditionError(f"unexpected {self._now.raw!r} at character {self._now.at}, behind the condition")
        return node

    @property
    def _now(self) -> Token:
        return self._tokens[self._place]

    @property
    def _next(self) -> Token:
        return self._tokens[min(self._place + 1, len(self._tokens) - 1)]

    def _take(self, *values: str) -> Token | None:
        """The token that comes, if it is one of these words or signs, which is then behind us."""
        token = self._now
        if token.kind not in ("word", "sign") or token.value not in values:
            return None
        self._place += 1
        return token

    def _need(self, *values: str) -> Token:
        token = self._take(*values)
        if token is None:
            raise ConditionError(f"expected {' or '.join(one.upper() for one in values)} {self._here()}")
        return token

    def _here(self) -> str:
        if self._now.kind == "end":
            return "at the end"
        return f"at character {self._now.at}, found {self._now.raw[:40]!r}"

    def _expression(self, least: int) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ConditionError(f"nested deeper than {MAX_DEPTH} at character {self._now.at}")
        left = self._prefix(least)
        while self._now.kind in ("word", "sign") and (binds := BINDS.get(self._now.value, 0)) >= least:
            token = self._need(self._now.value)
            if binds == _COMPARISON:
                left = self._comparison(token, left)
                if self._now.kind in ("word", "sign") and BINDS.get(self._now.value) == _COMPARISON:
                    raise ConditionError(f"a second comparison {self._here()}; put parentheses around the first")
            elif token.value in ("and", "or"):
                parts = [left, self._expression(binds + 1)]
                while self._take(token.value):
                    parts.append(self._expression(binds + 1))
                left = Call(token.value, tuple(parts), token.at)
            else:
                left = Call(token.value, (left, self._expression(binds + 1)), token.at)
        self._depth -= 1
        return left

    def _prefix(self, least: int) -> Node:
        token = self._now
        if token.kind == "word" and token.value == "not" and least <= _NOT:
            self._place += 1
            return Call("not", (self._expression(_NOT),), token.at)
        if self._take("-", "+"):
            if token.value == "-" and self._now.kind == "number":
                number = self._number(negative=True)
                return self._cast_behind(number)
            return Call("negative" if token.value == "-" else "positive", (self._expression(_PRODUCT + 1),), token.at)
        return self._cast_behind(self._primary())

    def _cast_behind(self, node: Node) -> Node:
        while token := self._take("::"):
            node = Call(f"cast {self._type()}", (node,), token.at)
        return node

    def _comparison(self, token: Token, left: Node) -> Node:
        if token.value == "is":
            return self._is(token, left)
        negated = token.value == "not"
        if negated:
            token = self._need("between", "in", "like", "ilike")
        node = {"between": self._between, "in": self._in, "like": self._like, "ilike": self._like}.get(
            token.value, self._compare
        )(token, left)
        return Call("not", (node,), token.at) if negated else node

    def _compare(self, token: Token, left: Node) -> Node:
        right = self._expression(_SUM)
        if token.value.startswith("!~"):
            return Call("not", (Call(token.value[1:], (left, right), token.at),), token.at)
        return Call(_SAME.get(token.value, token.value), (left, right), token.at)

    def _is(self, token: Token, left: Node) -> Node:
        negated = self._take("not") is not None
        if self._take("distinct"):
            self._need("from")
            node: Node = Call("is distinct", (left, self._expression(_SUM)), token.at)
        else:
            node = Call(f"is {self._need('null', 'true', 'false').value}", (left,), token.at)
        return Call("not", (node,), token.at) if negated else node

    def _between(self, token: Token, left: Node) -> Node:
        low = self._expression(_SUM)
        self._need("and")
        high = self._expression(_SUM)
        return Call("between", (left, low, high), token.at)

    def _in(self, token: Token, left: Node) -> Node:
        self._need("(")
        return Call("in", (left, *self._list()), token.at)

    def _like(self, token: Token, left: Node) -> Node:
        pattern = self._expression(_SUM)
        if self._take("escape"):
            escape = self._now
            if escape.kind != "text" or escape.value != "\\":
                raise ConditionError(f"ESCAPE must be '\\' {self._here()}")
            self._place += 1
        return Call(token.value, (left, pattern), token.at)

    def _list(self) -> list[Node]:
        items = [self._expression(_OR)]
        while self._take(","):
            items.append(self._expression(_OR))
        self._need(")")
        return items

    def _primary(self) -> Node:
        token = self._now
        if token.kind == "number":
            return self._number()
        if token.kind == "text":
            self._place += 1
            return Literal(token.value, token.at)
        if self._take("("):
            node = self._expression(_OR)
            self._need(")")
            return node
        if token.kind == "quoted":
            self._place += 1
            return self._column(token.value, token, exact=True)
        if token.kind == "word":
            return self._word(token)
        raise ConditionError(f"expected a value {self._here()}")

    def _number(self, negative: bool = False) -> Literal:
        token = self._now
        self._place += 1
        digits = ("-" if negative else "") + token.value
        value: int | float = int(digits) if token.value.isdecimal() and len(digits) < 25 else float(digits)
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            value = float(value)
        if not math.isfinite(value):
            raise ConditionError(f"the number at character {token.at} is too large")
        return Literal(value, token.at)

    def _word(self, token: Token) -> Node:
        forms: dict[str, Callable[[Token], Node]] = {
            "cast": self._cast, "try_cast": self._cast, "extract": self._extract,
        }  # fmt: skip
        self._place += 1
        if self._now.kind == "sign" and self._now.value == "(" and token.value in {*forms, *self._functions}:
            self._place += 1
            return forms.get(token.value, self._call)(token)
        if token.raw not in self._columns:
            if token.value in ("true", "false", "null"):
                return Literal({"true": True, "false": False, "null": None}[token.value], token.at)
            if token.value == "case":
                return self._case(token)
            if token.value in STATEMENTS:
                raise ConditionError(f"a statement ({token.raw}) at character {token.at}; give a condition alone")
        if self._now.kind == "text" and token.value in ("date", "timestamp"):
            text = self._now
            self._place += 1
            return Call("cast timestamp", (Literal(text.value, text.at),), token.at)
        if self._now.kind == "sign" and self._now.value == "(":
            raise ConditionError(
                f"unknown function {token.raw} at character {token.at}{_meant(token.value, self._functions)}; "
                f"functions: {', '.join(sorted(self._functions))}"
            )
        return self._name(token)

    def _name(self, token: Token) -> Node:
        name = token.raw
        while self._now.value == "." and self._now.kind == "sign" and self._next.kind in ("word", "quoted"):
            self._place += 1  # names with dots need no quotes
            name += "." + (self._now.raw if self._now.kind == "word" else self._now.value)
            self._place += 1
        return self._column(name, token, exact=False)

    def _column(self, name: str, token: Token, exact: bool) -> Column:
        if name in self._columns:
            return Column(name, token.at)
        alike = [one for one in self._columns if one.casefold() == name.casefold()]
        if not exact and len(alike) == 1:
            return Column(alike[0], token.at)
        hint = " (a text stands in single quotes)" if token.kind == "quoted" else ""
        raise ConditionError(
            f"there is no column {name[:80]!r} (character {token.at}){hint}{_meant(name, self._columns)}"
        )

    def _call(self, token: Token) -> Call:
        if self._take(")"):
            return Call(token.value, (), token.at)
        arguments = self._list()
        if len(arguments) > _MAX_ARGUMENTS:
            raise ConditionError(f"{token.raw} at character {token.at} has more than {_MAX_ARGUMENTS} arguments")
        return Call(token.value, tuple(arguments), token.at)

    def _cast(self, token: Token) -> Call:
        node = self._expression(_OR)
        self._need("as")
        kind = self._type()
        self._need(")")
        return Call(f"{token.value} {kind}", (node,), token.at)

    def _type(self) -> str:
        token = self._need(*_TYPES)
        if token.value == "double":
            self._take("precision")
        return _TYPES[token.value]

    def _extract(self, token: Token) -> Call:
        part = self._need("year", "month", "day", "hour", "minute", "second")
        self._need("from")
        node = self._expression(_OR)
        self._need(")")
        return Call(part.value, (node,), token.at)

    def _case(self, token: Token) -> Call:
        """CASE WHEN condition THEN value ... ELSE value END, as condition, value, ..., value."""
        parts: list[Node] = []
        while self._take("when"):
            parts.append(self._expression(_OR))
            self._need("then")
            parts.append(self._expression(_OR))
        if not parts or len(parts) > 2 * _MAX_ARGUMENTS:
            raise ConditionError(f"CASE at character {token.at} needs 1 to {_MAX_ARGUMENTS} times WHEN ... THEN ...")
        parts.append(self._expression(_OR) if self._take("else") else Literal(None, token.at))
        self._need("end")
        return Call("case", tuple(parts), token.at)


def _meant(name: str, names: Collection[str]) -> str:
    close = get_close_matches(name, sorted(names), 1)
    return f"; did you mean {close[0]}?" if close else ""
