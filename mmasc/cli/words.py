"""The prompts of a command: those that were named, or the words that the encoder was trained with."""

from typing import TYPE_CHECKING

from mmasc.cli.output import remark
from mmasc.printing import counted

if TYPE_CHECKING:
    from mmasc.prompts.prompts import Prompts


def prompts_or_words(given: str | None, encoder: str) -> "Prompts":
    """Prompts to label with.

    Args:
        given: What `--prompts` names, or None.
        encoder: What `--encoder` names.
    Raises:
        MmascError: If the file is broken, or the encoder has no words of its own.
    """
    from mmasc.encoders.default_prompts import words_of
    from mmasc.prompts.prompts import load_prompts

    if given is not None:
        return load_prompts(given)
    return words_of(encoder)


def tell_words(words: "Prompts", encoder: str, quiet: bool = False) -> None:
    """Say on stderr which prompts are used where none were named; once nothing can be refused any more."""
    n = counted(len(words.labels), "label")
    remark(f"prompts: {words.name}, {n} (the words of {encoder}; --prompts for others)", quiet)
