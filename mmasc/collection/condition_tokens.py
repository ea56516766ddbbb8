"""The words and signs of a condition in SQL; comments, open quotes and semicolons are refused with their place."""

import re
from dataclasses import dataclass
from typing import NoReturn

_MAX_CHARACTERS = 1_000_000  # of a whole condition; a list of ten thousand names fits
_MAX_TEXT = 100_000  # characters of one text

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<comment>--|/\*)
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`)
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?!\w))
    |(?P<word>[^\W\d]\w*)
    |(?P<sign><=|>=|<>|!=|==|\|\||::|!~\*|!~|~\*|[-+*/%=<>(),.~])""",
    re.VERBOSE,
)


class ConditionError(ValueError):
    """What is wrong with a condition; the message names the place."""


@dataclass(frozen=True)
class Token:
    kind: str  # "text", "quoted", "number", "word", "sign" or "end"
    value: str  # words in lower case, the inside of quotes
    at: int  # character in the condition, from 1
    raw: str


def tokens_of(text: str) -> list[Token]:
    """The tokens of a condition, the last one of kind "end".

    Raises:
        ConditionError: If a part of it is not a token of a condition.
    """
    if not text.strip():
        raise ConditionError("it is empty")
    if len(text) > _MAX_CHARACTERS:
        raise ConditionError(f"it has {len(text):,} characters, more than {_MAX_CHARACTERS:,}")
    tokens, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        at = place + 1
        if match is None:
            _refuse_sign(text[place], at)
        place, kind, raw = match.end(), str(match.lastgroup), match.group()
        if kind == "comment":
            raise ConditionError(f"a comment ({raw}) at character {at}; a condition has no comments")
        if kind in ("text", "quoted"):
            inside = raw[1:-1].replace(raw[0] * 2, raw[0])
            if len(inside) > _MAX_TEXT:
                raise ConditionError(f"a text of more than {_MAX_TEXT:,} characters at character {at}")
            tokens.append(Token(kind, inside, at, raw))
        elif kind != "space":
            tokens.append(Token(kind, raw.lower() if kind == "word" else raw, at, raw))
    return [*tokens, Token("end", "", len(text) + 1, "")]


def _refuse_sign(sign: str, at: int) -> NoReturn:
    if sign in "'\"`":
        raise ConditionError(f"the quote {sign} at character {at} is not closed")
    if sign == ";":
        raise ConditionError(f"a semicolon at character {at}; there must be one condition and nothing behind it")
    raise ConditionError(f"unexpected {sign!r} at character {at}")
