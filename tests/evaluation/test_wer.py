"""Word error rates: laws, counts by hand, and speech chosen by a timeline."""

import numpy as np
import pytest

from mmasc.windows.timeline import Event

pytest.importorskip("jiwer", reason="the extra asr is not installed")
from mmasc.evaluation.wer import (
    normalised,
    recognise,
    speech_waveform,
    without_annotations,
    word_error_rate,
    word_errors,
)


def edit_distance(reference: str, hypothesis: str) -> int:
    """Fewest substitutions, deletions and insertions of words, by the textbook table."""
    spoken, heard = reference.split(), hypothesis.split()
    row = list(range(len(heard) + 1))
    for place, word in enumerate(spoken, 1):
        before, row[0] = row[0], place
        for column, other in enumerate(heard, 1):
            before, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, before + (word != other))
    return row[-1]


def test_identical_is_zero_empty_is_one_and_insertions_exceed_one():
    assert word_error_rate("the cat sat", "the cat sat") == 0
    assert word_error_rate("the cat sat", "") == 1
    found = word_errors("yes", "oh yes it is so")
    assert found.rate == 4
    assert (found.hits, found.insertions, found.substitutions, found.deletions, found.words) == (1, 4, 0, 0, 1)


def test_the_corpus_rate_is_not_the_mean_of_the_sentences():
    references, hypotheses = ["a b c d e f g h i", "z"], ["a b c d e f g h i", "y"]
    rates = [word_error_rate(one, other) for one, other in zip(references, hypotheses, strict=True)]
    assert np.mean(rates) == 0.5
    assert word_error_rate(references, hypotheses) == pytest.approx(0.1)


def test_random_corpora_agree_with_the_textbook_table():
    generator = np.random.default_rng(0)
    for _ in range(20):
        texts = [[" ".join(generator.choice(list("abc"), size)) for size in generator.integers(0, 9, 5)] for _ in "xy"]
        texts[0][0] = "a"
        found = word_errors(*texts)
        total = sum(edit_distance(one, other) for one, other in zip(*texts, strict=True))
        words = sum(len(text.split()) for text in texts[0])
        assert found.substitutions + found.deletions + found.insertions == total
        assert found.rate == total / words
        assert found.hits + found.substitutions + found.deletions == found.words == words


def test_tokens_count_as_words_or_not_at_all():
    reference, hypothesis = "well [laughter] i {breath} know <unk>", "well i know"
    assert word_errors(reference, hypothesis).deletions == 3
    assert word_errors(reference, hypothesis).words == 6
    assert word_error_rate(reference, hypothesis, annotations=False) == 0
    assert word_error_rate("i know", "i [noise] know", annotations=False) == 0


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("<s> ten of clubs </s>", "ten of clubs"),
        ("a [loud noise] b", "a b"),
        ("a<unk>b", "a b"),
        ("{a [b] c} d", "d"),
        ("3 < 4 and b > c", "3 c"),
        ("an open [ bracket", "an open [ bracket"),
        ("", ""),
    ],
)
def test_what_is_a_token(text, without):
    assert without_annotations(text) == without


def test_case_and_punctuation_are_no_errors_unless_asked():
    assert word_error_rate("Don\u2019t stop, Mister O'Neill!", "don't stop mister o'neill") == 0
    assert word_error_rate("Stop.", "stop", normalise=False) == 1
    assert normalised("Rock 'n' roll -- [Loud Noise] __x__") == "rock n roll [loudnoise] x"


@pytest.mark.parametrize(
    ("references", "hypotheses", "message"),
    [
        ([], [], "one hypothesis, got 0 and 0"),
        (["a"], ["a", "b"], "got 1 and 2"),
        (["", "..."], ["a", "b"], "hold no word"),
        (["<s> </s>"], ["a"], "hold no word"),
    ],
)
def test_no_words_no_rate(references, hypotheses, message):
    with pytest.raises(ValueError, match=message):
        word_error_rate(references, hypotheses, annotations=False)


def test_words_where_nothing_was_said_are_insertions():
    found = word_errors(["", "a b"], ["x y z", "a b"])
    assert (found.insertions, found.rate, found.pairs) == (3, 1.5, 2)


def test_speech_is_cut_out_by_the_timeline():
    waveform = np.arange(100, dtype=np.float32)
    events = [Event(1.0, 2.0, "Speech", 0.9), Event(3.0, 9.0, "music", 0.9), Event(1.5, 4.0, "speech", 0.5)]
    np.testing.assert_array_equal(speech_waveform(waveform, 10, events, margin_seconds=0), np.arange(10, 40))
    np.testing.assert_array_equal(speech_waveform(waveform, 10, events, margin_seconds=2), np.arange(0, 60))
    assert len(speech_waveform(waveform, 10, events, labels=["rain"])) == 0
    with pytest.raises(ValueError, match="margin_seconds 0 or more"):
        speech_waveform(waveform, 10, events, margin_seconds=-1)


def test_a_recogniser_is_any_callable_and_hears_its_own_rate():
    heard = []

    def recogniser(waveform, sample_rate):
        heard.append((len(waveform), sample_rate, waveform.dtype))
        return "words"

    waveform = np.zeros(8_000, np.float64)
    assert recognise(recogniser, waveform, 8_000) == "words"
    assert heard == [(16_000, 16_000, np.float32)]
    events = [Event(0.25, 0.5, "speech", 1.0)]
    assert recognise(recogniser, waveform, 8_000, 8_000, events, margin_seconds=0) == "words"
    assert heard[1] == (2_000, 8_000, np.float32)
    assert recognise(recogniser, waveform, 8_000, 8_000, events=[]) == ""
    assert len(heard) == 2
