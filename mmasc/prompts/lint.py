"""Faults of prompts that can be seen without sounds: labels too similar to each other, words that are unknown."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmasc.errors import MmascError
from mmasc.prompts.prompts import Prompts, as_prompts, read_prompts
from mmasc.prompts.reader import PLACE, Finding

CLOSE_COSINE = 0.95  # label vectors closer than this are told apart by noise


def lint(
    prompts: Prompts | Mapping[str, str | Sequence[str]] | str | Path, encoder: Any | None = None
) -> list[Finding]:
    """Everything that is wrong or unwise in prompts, by line.

    Args:
        prompts: As for `as_prompts`. A broken file is not an exception here: its errors are findings.
        encoder: If given, also asked: which words it does not know (`unknown_words(text)`), which prompts are longer
            than it reads (`context_tokens`; a word counts as one token at least), which labels it can hardly tell
            apart (cosine of label vectors above 0.95).
    Raises:
        MmascError: If there is no such file, or the encoder's space has no text.
    """
    if isinstance(prompts, str | Path):
        _, read, errors = read_prompts(prompts)
        if read is None:
            return errors
        prompts = read
    checked = as_prompts(prompts)
    findings = [*_lint_texts(checked), *(_lint_with(checked, encoder) if encoder is not None else [])]
    return sorted(findings, key=lambda finding: finding.line or 0)


def _lint_texts(prompts: Prompts) -> Iterator[Finding]:
    if len(prompts.labels) == 1:
        yield Finding(None, "warning", "only one label: every sound gets it unless a least cosine is set")
    owner: dict[str, str] = {}
    texts = [("", template) for template in prompts.templates]
    texts += [(label, phrase) for label, phrases in prompts.labels.items() for phrase in phrases]
    for label, text in texts:
        line = prompts.lines.get((label, text))
        if "_" in text:
            yield Finding(line, "warning", f"{text!r} has underscores; write {text.replace('_', ' ')!r}")
        first = owner.setdefault(text.casefold(), label)
        if first != label:
            yield Finding(line, "warning", f"{text!r} stands under {first!r} and {label!r}; keep it under one")


def _lint_with(prompts: Prompts, encoder: Any) -> Iterator[Finding]:
    import numpy as np

    from mmasc.prompts.vectors import label_vectors

    name = encoder.spec.name
    encoder.embed_text(["sound"])  # a space without text is not a fault of the prompts: raised, not found
    context = getattr(encoder, "context_tokens", None)
    unknown_words = getattr(encoder, "unknown_words", None)
    readable = True
    for label, phrases in prompts.labels.items():
        for phrase in phrases:
            line = prompts.lines.get((label, phrase))
            texts = [template.replace(PLACE, phrase) for template in prompts.templates]
            words = max(len(text.split()) for text in texts)
            if context is not None and words > context:
                message = f"{phrase!r} becomes {words} words, {name} reads {context} tokens; shorten it"
                yield Finding(line, "error", message)
            unknown = list(unknown_words(phrase)) if unknown_words is not None else []
            if unknown:
                near = [one for word in unknown for one in getattr(encoder, "nearest_words", lambda _: [])(word)]
                known = f" (nearest known: {', '.join(dict.fromkeys(near))})" if near else ""
                named = ", ".join(map(repr, unknown))
                message = f"{name} does not know {named} in {phrase!r}{known}; use other words"
                yield Finding(line, "warning", message)
            try:
                encoder.embed_text(texts)
            except MmascError as error:
                readable = False
                yield Finding(line, "error", str(error))
    if not readable:
        return
    asked = [(label, text) for label, expanded in prompts.expand().items() for text in expanded]
    names, vectors = label_vectors(encoder.embed_text([text for _, text in asked]), [label for label, _ in asked])
    labels, cosines = names.tolist(), vectors @ vectors.T
    for first, second in np.argwhere(np.triu(cosines > CLOSE_COSINE, 1)):
        message = f"{labels[first]!r} and {labels[second]!r} are hard to tell apart for {name}: cosine "
        message += f"{cosines[first, second]:.3f} is above {CLOSE_COSINE}; describe them otherwise"
        yield Finding(prompts.lines.get((labels[second], "")), "warning", message)
