"""Names, values and conditions → how they are written in SQL and on a command line."""

import re
import shlex

from mmasc.collection.conditions import BINDS, STATEMENTS
from mmasc.printing import printable

# Words that a condition reads as something else than a column
_WORDS = {*BINDS, *STATEMENTS, "true", "false", "null", "case", "when", "then", "else", "end", "cast", "extract"}


def quoted_name(column: str) -> str:
    """A column as a condition names it: in double quotes where it is not a plain word."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column) and column.lower() not in _WORDS:
        return column
    return '"' + column.replace('"', '""') + '"'


def quoted_value(value: str) -> str:
    """A text as a condition holds it, in single quotes."""
    return "'" + value.replace("'", "''") + "'"


def where_option(condition: str) -> str:
    """`--where` with a condition, in one line that a shell takes when it is pasted."""
    plain = not set(condition) & set('"$`\\!')
    return printable(f'--where "{condition}"' if plain else f"--where {shlex.quote(condition)}")
