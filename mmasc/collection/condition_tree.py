"""The tree of a condition: literals, columns, and calls of operators and functions."""

from dataclasses import dataclass, field

from mmasc.collection.condition_tokens import ConditionError

MAX_DEPTH = 50  # of parentheses, calls and operators inside each other


@dataclass(frozen=True)
class Literal:
    """A number, text, truth value or NULL (None) that stands in the condition."""

    value: str | float | int | bool | None
    at: int
    height: int = 1


@dataclass(frozen=True)
class Column:
    """A column by its name in the table."""

    name: str
    at: int
    height: int = 1


@dataclass(frozen=True)
class Call:
    """An operator or a function with its operands; `and` and `or` have two or more."""

    name: str
    arguments: "tuple[Node, ...]"
    at: int
    height: int = field(init=False)

    def __post_init__(self) -> None:
        height = 1 + max((one.height for one in self.arguments), default=0)
        if height > MAX_DEPTH:
            raise ConditionError(f"nested deeper than {MAX_DEPTH} at character {self.at}")
        object.__setattr__(self, "height", height)


Node = Literal | Column | Call


def columns_of(node: Node) -> set[str]:
    """Names of the columns that a tree uses."""
    found, waiting = set(), [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Column):
            found.add(one.name)
        elif isinstance(one, Call):
            waiting += one.arguments
    return found
