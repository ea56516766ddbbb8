"""Small changes of Python source, found by its syntax tree: each is what a slip of the hand could have written.

Comparisons, arithmetic, and / or, not, constants, slices, `min` and `max`, orders and names of arguments, calls,
branches, returned values, `continue` and `break`. Texts, annotations, decorators and what stands in `raise` or
`assert` stay; so does `strict` of `zip`, which asserts that lengths agree, and the order of arguments that have none.
"""

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARED = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_COMPUTED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_SWAPPED = {"min": "max", "any": "all", "argmin": "argmax", "minimum": "maximum", "floor": "ceil"}
_SWAPPED |= {other: one for one, other in _SWAPPED.items()}
# What has no first and second argument
_WITHOUT_SIDES = {"min", "max", "minimum", "maximum", "union1d", "intersect1d", "array_equal"}


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Attributes:
        path: Of the file, as it was given.
        line: Where the change begins, from 1.
        text: That line, without its indent.
        start: Byte at which the change begins.
        end: Byte behind its end.
        before: What stands there.
        after: What comes in its place.
    """

    path: str
    line: int
    text: str
    start: int
    end: int
    before: str
    after: str

    @property
    def change(self) -> str:
        """In one line."""
        return f"{' '.join(self.before.split())} -> {' '.join(self.after.split())}"

    @property
    def name(self) -> str:
        """What no other mutant of the same source has."""
        return f"{self.path}:{self.line}:{self.start}: {self.change}"

    def applied(self, source: bytes) -> bytes:
        """The source with this change."""
        return source[: self.start] + self.after.encode() + source[self.end :]


def mutants_of(path: str, source: bytes) -> list[Mutant]:
    """All changes of a source, in their order; not all of them compile."""
    lines = source.splitlines(keepends=True)
    begins = [0]
    for line in lines:
        begins.append(begins[-1] + len(line))
    found: dict[tuple[int, int, str], Mutant] = {}
    for node, new in _changes(ast.parse(source)):
        start, end = (begins[row - 1] + column for row, column in _span(node))
        before = source[start:end].decode()
        after = new if isinstance(new, str) else ast.unparse(ast.fix_missing_locations(new))
        if isinstance(node, ast.expr) and isinstance(new, ast.BoolOp | ast.Compare | ast.BinOp | ast.UnaryOp):
            after = f"({after})"
        mutant = Mutant(path, node.lineno, lines[node.lineno - 1].decode().strip(), start, end, before, after)
        found[start, end, after] = mutant
    return [found[key] for key in sorted(found)]


def _span(node: ast.AST) -> tuple[tuple[int, int], tuple[int, int]]:
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def compiles(source: bytes) -> bool:
    """Whether Python takes a source."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source, "mutant", "exec")
        except SyntaxError:
            return False
    return True


def _changes(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST | str]]:
    """Nodes and what could stand in their places."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    yield from _of_expression(node)
    yield from _of_statement(node)
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _asserts(node, child):
                yield from _changes(child)


def _of_expression(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST | str]]:
    match node:
        case ast.Compare():
            for place, one in enumerate(node.ops):
                for other in _COMPARED[type(one)]:
                    ops = [other() if number == place else old for number, old in enumerate(node.ops)]
                    yield node, ast.Compare(node.left, ops, node.comparators)
        case ast.BinOp() if type(node.op) in _COMPUTED:
            yield node, ast.BinOp(node.left, _COMPUTED[type(node.op)](), node.right)
        case ast.BoolOp():
            yield node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield node, f"({ast.unparse(node.operand)})"
        case ast.Constant(value=bool()):
            yield node, str(not node.value)
        case ast.Constant(value=int()):
            yield node, f"({node.value + 1})"
            yield node, f"({node.value - 1})"
        case ast.Constant(value=float()):
            yield node, f"({node.value + 1!r})"
        case ast.IfExp():
            yield node, f"({ast.unparse(ast.IfExp(node.test, node.orelse, node.body))})"
        case ast.Slice():
            for place in ("lower", "upper"):
                if (edge := getattr(node, place)) is not None:
                    yield edge, f"({ast.unparse(edge)}) + 1"
        case ast.Call():
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[tuple[ast.AST, ast.AST | str]]:
    name = _name(node)
    if name in _SWAPPED:
        other = ast.Name(_SWAPPED[name])
        if isinstance(node.func, ast.Attribute):
            other = ast.Attribute(node.func.value, _SWAPPED[name])
        yield node, ast.Call(other, node.args, node.keywords)
    starred = any(isinstance(one, ast.Starred) for one in node.args[:2])
    if len(node.args) >= 2 and not starred and name not in _WITHOUT_SIDES:
        first, second, *rest = node.args
        yield node, ast.Call(node.func, [second, first, *rest], node.keywords)
    for keyword in node.keywords:
        if keyword.arg is not None and not _asserts(node, keyword):
            yield node, ast.Call(node.func, node.args, [one for one in node.keywords if one is not keyword])


def _name(call: ast.Call) -> str:
    """Of the function or method that is called."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _asserts(call: ast.AST, keyword: ast.AST) -> bool:
    return isinstance(call, ast.Call) and _name(call) == "zip" and getattr(keyword, "arg", None) == "strict"


def _of_statement(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST | str]]:
    match node:
        case ast.Expr(value=ast.Call()):
            yield node, "pass"
        case ast.AugAssign() if type(node.op) in _COMPUTED:
            yield node, ast.AugAssign(node.target, _COMPUTED[type(node.op)](), node.value)
            yield node, "pass"
        case ast.Return() if node.value is not None and not _is_none(node.value):
            yield node, "return None"
        case ast.Continue() | ast.Break():
            yield node, "pass"
        case ast.If():
            # What the branch would do is left out; a branch that only raises is a check that is gone
            yield node.test, "False"
            if node.orelse and not isinstance(node.orelse[0], ast.If):
                yield node.test, "True"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
