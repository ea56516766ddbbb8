"""Words that an encoder does not know. Works without torch.

The text side of `mini` reads every word, if need be letter by letter, and gives a vector that means little where
nobody taught it the word. A word is known if it is a token of the table, or if the table learned it from its pieces:
then it stands in `weights/mini_words.txt`, or, as a word of the labels that `base` heard, in `weights/base_words.txt`.
Encoders that read pieces in their context (CLAP, AudioCLIP) have no such list: they say nothing.
"""

from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Protocol, runtime_checkable

import numpy as np

from mmasc.encoders.mini_text import TextTable, split_words
from mmasc.printing import counted

_NEAREST = 3
_MOST_LINES = 5
_SHORTEST = 3  # letters of a word that has neighbours
_LONG = 7  # letters; two may differ in words so long, after the first letter; one in shorter words
_LEAST_COSINE = 0.7  # pieces that are further from every word say nothing of what was meant


class KnownWords:
    """Words that a text table knows.

    Args:
        table: The table.
        learned: Words that it learned although they are not tokens, and those that it learned as tokens; the most
            frequent first. What is suggested is one of them; where there are none, one of the tokens.
    """

    def __init__(self, table: TextTable, learned: Sequence[str] = ()) -> None:
        self._table, self._learned = table, frozenset(learned)
        whole = (token for token in table.vocabulary if len(token) > _SHORTEST and token.isalpha())
        self._suggested = tuple(learned) or tuple(whole)

    def unknown(self, texts: Iterable[str]) -> list[str]:
        """Words of texts that are not known, as they are written, each once, in their order.

        Numbers and marks are not words.
        """
        found: dict[str, str] = {}
        for text in texts:
            for written in text.split():
                for word in split_words(written):
                    if any(letter.isalpha() for letter in word) and not self._knows(word):
                        found.setdefault(word, _as_written(written, word))
        return list(found.values())

    def nearest(self, word: str, n: int = _NEAREST) -> list[str]:
        """Known words that may be meant.

        What a short list says in other words ("ukulele": "small guitar strumming"), else those with nearly the same
        letters; where there are none, by vector.

        Args:
            word: A word that is not known.
            n: At most so many.
        """
        plain = "".join(split_words(word))
        other = said_otherwise().get(plain)
        if other is not None and not self.unknown([other]):
            return [other]
        near = []
        for one in self._suggested if len(plain) >= _SHORTEST else ():
            most = 2 if len(plain) >= _LONG and one[0] == plain[0] else 1
            distance = _edits(plain, one, most)
            if distance <= most:
                near.append((distance, one))
        if near:
            return [one for _, one in sorted(near, key=lambda item: item[0])[:n]]
        if not self._table.tokenizer(plain):
            return []
        cosines = self._vectors @ self._table([plain])[0]
        order = np.argsort(-cosines, kind="stable")[:n]
        return [self._suggested[place] for place in order if cosines[place] >= _LEAST_COSINE]

    def _knows(self, word: str) -> bool:
        return word in self._learned or word in self._table.tokenizer.numbers

    @cached_property
    def _vectors(self) -> np.ndarray:
        return self._table(self._suggested)


@runtime_checkable
class ReadsWords(Protocol):
    """An encoder that can be asked which words it knows."""

    spec: Any

    def unknown_words(self, texts: Any) -> list[str]:
        """Words of texts that it does not know."""

    def nearest_words(self, word: str) -> list[str]:
        """Known words that may be meant by one that it does not know."""


def remarks_on_words(encoder: ReadsWords, texts: Sequence[str]) -> list[str]:
    """A line for each word of texts that an encoder does not know, with the nearest that it knows.

    Args:
        encoder: Any encoder; those without a list of words say nothing.
        texts: What is asked of it.
    """
    lines = []
    for word in encoder.unknown_words(texts):
        near = encoder.nearest_words(word)
        known = f"; nearest known: {', '.join(near)}" if near else ", nor is one like it"
        lines.append(f'"{word}" is not a word that {encoder.spec.name} learned{known}')
    if len(lines) > _MOST_LINES:
        more = counted(len(lines) - _MOST_LINES, "more word is", "more words are")
        lines[_MOST_LINES:] = [f"{more} not known; mmasc prompts lint names every one"]
    return lines


@cache
def learned_words() -> tuple[str, ...]:
    """The words that the table in the package learned from captions and labels, the most frequent first."""
    return tuple((files("mmasc.encoders") / "weights" / "mini_words.txt").read_text("utf-8").split())


@cache
def said_otherwise() -> dict[str, str]:
    """Names of instruments, animals, machines and sounds that no table here learned, in words that it did.

    The names are words of AudioSet's classes and of frequent queries; the other words are ours.
    """
    lines = (files("mmasc.encoders") / "weights" / "said_otherwise.txt").read_text("utf-8").splitlines()
    pairs = (line.split(" = ") for line in lines)
    return {"".join(split_words(word)): other for word, other in pairs}


@cache
def words_of_labels() -> tuple[str, ...]:
    """The words of the labels that `base` was trained towards, as far as they are not among `learned_words`."""
    return tuple((files("mmasc.encoders") / "weights" / "base_words.txt").read_text("utf-8").split())


def _as_written(written: str, word: str) -> str:
    """The word as the user wrote it, without the marks around it; else as it was read."""
    bare = written.strip("\"'.,;:!?()[]")
    return bare if split_words(bare) == [word] else word


def _edits(one: str, other: str, most: int) -> int:
    """Letters to insert, delete, replace or swap with a neighbour; above `most` some number above it.

    Source: Damerau 1964; the restricted form, in which no letter is changed twice.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        last, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]
