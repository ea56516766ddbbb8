"""Word and character error rates of transcripts, with and without annotation tokens, whole or by a timeline of speech.

The recogniser is the user's: any callable from a waveform to a text. The rate is that of jiwer (extra: asr), over a
corpus: (substitutions + deletions + insertions) / words of the references, never the mean of sentence rates.

Source: Kumar, Vyas and Garg, "From Image Classification to Audio Classification", transcripts with and without tags.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from jaxtyping import Float

from mmasc.errors import MmascError
from mmasc.windows.timeline import Event

Recogniser = Callable[[Float[np.ndarray, " time"], int], str]

# Tokens that say what was heard next to the words: <unk>, [laughter], {breath}; a bracket that never closes is a word
_ANNOTATION = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\{[^{}]*\}")
# Letters of any script, digits, and apostrophes inside words ("don't"); the rest separates words
_NOT_A_WORD = re.compile(r"[^\w']|_|(?<!\w)'|'(?!\w)")


@dataclass(frozen=True)
class WordErrors:
    """Errors of a corpus against its references.

    Attributes:
        rate: (substitutions + deletions + insertions) / words; above 1 where more was inserted than there was.
        substitutions, deletions, insertions, hits: Words, over all pairs.
        words: Number of words of the references.
        pairs: Pairs of reference and hypothesis.
    """

    rate: float
    substitutions: int
    deletions: int
    insertions: int
    hits: int
    words: int
    pairs: int


@dataclass(frozen=True)
class PairErrors:
    """Errors of one hypothesis against its reference, in words or characters."""

    substitutions: int
    deletions: int
    insertions: int
    hits: int


def without_annotations(text: str) -> str:
    """A transcript without its tokens <...>, [...] and {...}, blanks joined."""
    while (shorter := _ANNOTATION.sub(" ", text)) != text:
        text = shorter
    return " ".join(text.split())


def normalised(text: str) -> str:
    """A transcript in lower case without punctuation; annotation tokens stay, each as one word.

    Typographic apostrophes become plain ones; apostrophes inside words stay.
    """
    plain = text.replace("\u2019", "'").lower()
    parts, last = [], 0
    for token in _ANNOTATION.finditer(plain):
        parts += [_NOT_A_WORD.sub(" ", plain[last : token.start()]), "".join(token.group().split())]
        last = token.end()
    return " ".join(" ".join([*parts, _NOT_A_WORD.sub(" ", plain[last:])]).split())


def word_errors(
    references: str | Sequence[str],
    hypotheses: str | Sequence[str],
    annotations: bool = True,
    normalise: bool = True,
) -> WordErrors:
    """Word errors of hypotheses against references, over the corpus.

    Args:
        references: What was said, a text for each recording.
        hypotheses: What was recognised, in the same order.
        annotations: Count annotation tokens of both sides as words; False removes them first.
        normalise: Compare in lower case and without punctuation, see `normalised`.
    Raises:
        ValueError: If there are no pairs, their numbers differ, or the references hold no word.
        MmascError: If the extra asr is not installed.
    """
    spoken = [references] if isinstance(references, str) else list(references)
    recognised = [hypotheses] if isinstance(hypotheses, str) else list(hypotheses)
    if not spoken or len(spoken) != len(recognised):
        raise ValueError(f"every reference needs one hypothesis, got {len(spoken)} and {len(recognised)}")
    if not annotations:
        spoken, recognised = [[without_annotations(text) for text in side] for side in (spoken, recognised)]
    if normalise:
        spoken, recognised = [[normalised(text) for text in side] for side in (spoken, recognised)]
    if not any(text.split() for text in spoken):
        raise ValueError("the references hold no word: the rate is a share of their words")
    return _count(spoken, recognised)


def pair_errors(
    references: Sequence[str],
    hypotheses: Sequence[str],
    unit: str = "word",
    annotations: bool = True,
    normalise: bool = True,
) -> list[PairErrors]:
    """Errors of every hypothesis against its reference.

    Args:
        references: What was said, a text for each recording; where it is empty all that was recognised is inserted.
        hypotheses: What was recognised, in the same order.
        unit: "word" or "character"; the blank between two words is a character.
        annotations, normalise: See `word_errors`.
    Raises:
        ValueError: If the numbers of texts differ, or the unit is neither.
        MmascError: If the extra asr is not installed.
    """
    if unit not in ("word", "character"):
        raise ValueError(f"unit must be 'word' or 'character', got {unit!r}")
    jiwer = _jiwer()
    process = jiwer.process_words if unit == "word" else jiwer.process_characters
    found = []
    for pair in zip(references, hypotheses, strict=True):
        said, heard = (_prepared(text, annotations, normalise) for text in pair)
        if said:
            one = process(said, heard)
            found.append(PairErrors(one.substitutions, one.deletions, one.insertions, one.hits))
        else:
            found.append(PairErrors(0, 0, len(heard.split() if unit == "word" else heard), 0))
    return found


def _prepared(text: str, annotations: bool, normalise: bool) -> str:
    text = text if annotations else without_annotations(text)
    return normalised(text) if normalise else " ".join(text.split())


def _jiwer() -> Any:
    try:
        import jiwer
    except ImportError as error:
        raise MmascError("word error rates need one more package: pip install 'mmasc[asr]'") from error
    return jiwer


def _count(spoken: list[str], recognised: list[str]) -> WordErrors:
    jiwer = _jiwer()
    # Where nothing was said jiwer counts no pair; every word heard there was inserted
    silent = sum(len(text.split()) for reference, text in zip(spoken, recognised, strict=True) if not reference.split())
    pairs = [(reference, text) for reference, text in zip(spoken, recognised, strict=True) if reference.split()]
    found = jiwer.process_words([reference for reference, _ in pairs], [text for _, text in pairs])
    words = found.hits + found.substitutions + found.deletions
    insertions = found.insertions + silent
    rate = (found.substitutions + found.deletions + insertions) / words
    return WordErrors(rate, found.substitutions, found.deletions, insertions, found.hits, words, len(spoken))


def word_error_rate(
    references: str | Sequence[str], hypotheses: str | Sequence[str], annotations: bool = True, normalise: bool = True
) -> float:
    """The rate of `word_errors` alone."""
    return word_errors(references, hypotheses, annotations, normalise).rate


def speech_waveform(
    waveform: Float[np.ndarray, " time"],
    sample_rate: int,
    events: Iterable[Event],
    labels: Iterable[str] = ("speech",),
    margin_seconds: float = 0.1,
) -> Float[np.ndarray, " speech"]:
    """The parts of a recording that a timeline gives one of the labels, joined; empty where there are none.

    Args:
        waveform: Mono samples in [-1, 1].
        sample_rate: Sample rate in Hz.
        events: A timeline, as `mmasc classify --timeline` has it.
        labels: Those of speech; upper and lower case are alike.
        margin_seconds: Kept before and after every event, so that no word loses its first sound; events that then
            touch are one, and no sample comes twice.
    Raises:
        ValueError: If rate or margin is out of range.
    """
    if sample_rate <= 0 or margin_seconds < 0:
        raise ValueError(
            f"sample_rate must be positive and margin_seconds 0 or more, got {sample_rate}, {margin_seconds}"
        )
    wanted = {label.lower() for label in labels}
    kept = np.zeros(len(waveform), bool)
    for event in events:
        if event.label.lower() in wanted:
            start = max(0, round((event.start - margin_seconds) * sample_rate))
            kept[start : max(start, round((event.end + margin_seconds) * sample_rate))] = True
    return waveform[kept]


def recognise(
    recogniser: Recogniser,
    waveform: Float[np.ndarray, " time"],
    sample_rate: int,
    recogniser_rate: int = 16_000,
    events: Iterable[Event] | None = None,
    labels: Iterable[str] = ("speech",),
    margin_seconds: float = 0.1,
) -> str:
    """What a recogniser hears in a recording, or only in those parts of it that a timeline calls speech.

    Args:
        recogniser: Function from mono float32 samples in [-1, 1] and their rate to a text.
        waveform: Mono samples.
        sample_rate: Sample rate of the samples, in Hz.
        recogniser_rate: What the recogniser was trained for, in Hz; samples are brought to it.
        events: A timeline; None hears everything. Without an event of speech nothing is recognised: an empty text.
        labels, margin_seconds: See `speech_waveform`.
    """
    if events is not None:
        waveform = speech_waveform(waveform, sample_rate, events, labels, margin_seconds)
    if not len(waveform):
        return ""
    if sample_rate != recogniser_rate:
        waveform = soxr.resample(waveform, sample_rate, recogniser_rate, quality="HQ")
    return recogniser(np.ascontiguousarray(waveform, np.float32), recogniser_rate)
