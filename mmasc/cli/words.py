"""The prompts of a command: those that were named, or the words that the encoder was trained with."""

from typing import TYPE_CHECKING

from mmasc.cli.output import remark
from mmasc.printing import counted

if TYPE_CHECKING:
    from mmasc.prompts.prompts import Prompts


def prompts_or_words(given: str | None, encoder: str, quiet: bool = False) -> "Prompts":
    """Prompts to label with; says on stderr which ones are used where none were named.

    Args:
        given: What `--prompts` names, or None.
        encoder: What `--encoder` names.
        quiet: Whether nothing is said.
    Raises:
        MmascError: If the file is broken, or the encoder has no words of its own.
    """
    from mmasc.encoders.default_prompts import words_of
    from mmasc.prompts.prompts import load_prompts

    if given is not None:
        return load_prompts(given)
    words = words_of(encoder)
    remark(
        f"prompts: {words.name}, {counted(len(words.labels), 'label')} (the words of {encoder}; --prompts for others)",
        quiet,
    )
    return words
