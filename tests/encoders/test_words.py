"""Words that an encoder never learned are said, with what may have been meant; other encoders say nothing."""

import itertools

import numpy as np
import pytest

from mmasc.encoders.mini_text import TextTable
from mmasc.encoders.registry import load_text_encoder
from mmasc.encoders.words import KnownWords, _edits, learned_words, remarks_on_words, said_otherwise
from mmasc.prompts.lint import lint
from mmasc.prompts.prompts import bundled_prompts, load_prompts

LETTERS = list("abcdefghijklmnopqrstuvwxyz")


@pytest.fixture(scope="module")
def table():
    vocabulary = [*LETTERS, *(f"##{letter}" for letter in LETTERS), "rain", "thunder", "dog", "!", "7"]
    generator = np.random.default_rng(0)
    numbers = generator.integers(-127, 128, (len(vocabulary), 8), np.int8)
    return TextTable(vocabulary, numbers, np.full(len(vocabulary), 0.01, np.float32))


@pytest.fixture(scope="module")
def mini():
    return load_text_encoder("mini")


def test_words_are_known_as_tokens_or_because_they_were_learned(table):
    known = KnownWords(table, ["rain", "whoosh"])
    asked = ["Rain, whoosh! 77", "RÀIN thunder", "Zzzz rain-zzzz", "«Qwzx» (zzzz)"]
    assert known.unknown(asked) == ["Zzzz", "qwzx"]  # as written, without the marks around; each once
    assert KnownWords(table).unknown(asked[:1]) == ["whoosh"]
    assert known.unknown([]) == []


def test_spelling_is_asked_first(table):
    known = KnownWords(table, ["thunder", "bird", "brids", "rain", "helicopter"])
    assert known.nearest("thunderr") == ["thunder"]
    assert known.nearest("thudner") == ["thunder"]
    assert known.nearest("brid") == ["bird", "brids"]
    assert _edits("hellikoptre", "helicopter", 2) > 2
    assert known.nearest("helicoptre", 1) == ["helicopter"]


@pytest.mark.parametrize("name", ["mini", "base"])
def test_what_is_said_otherwise_is_not_known_itself_and_its_words_are(name):
    encoder = load_text_encoder(name)
    words = said_otherwise()
    assert encoder.unknown_words(list(words)) == list(words)
    assert encoder.unknown_words(list(words.values())) == []
    assert encoder.nearest_words("Ukulele") == ["small guitar strumming"]


def test_other_words_are_not_said_where_a_table_does_not_know_them_either(table):
    assert KnownWords(table, ["rain"]).nearest("ukulele") != ["small guitar strumming"]


def test_then_the_vector_and_nothing_where_none_is_near(table):
    known = KnownWords(table, ["ab", "rain", "dog"])
    assert known.nearest("abab") == ["ab"]  # made of the same letters, so nearly the same mean
    far = [word for word in ("qqq", "zzz", "xxx") if not known.nearest(word)]
    assert far  # vectors drawn at random are not all near
    for word in far:
        cosines = table(["ab", "rain", "dog"]) @ table([word])[0]
        assert cosines.max() < 0.7


def test_edits_are_those_of_a_search_over_all_single_edits():
    def neighbours(word):
        yield from (word[:i] + word[i + 1 :] for i in range(len(word)))
        yield from (word[:i] + letter + word[j:] for i in range(len(word) + 1) for letter in "ab" for j in (i, i + 1))
        yield from (word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1))

    words = ["".join(letters) for n in range(1, 5) for letters in itertools.product("ab", repeat=n)]
    for one in words:
        once = set(neighbours(one))
        for other in words:
            wanted = 0 if one == other else 1 if other in once else 2
            assert min(_edits(one, other, 1), 2) == wanted, (one, other)


def test_mini_knows_the_words_of_its_captions_and_labels(mini):
    assert mini.unknown_words("a whoosh, crickets chirping and a chainsaw") == []
    assert mini.unknown_words(["qwzx blorf", "Regen", "zzzz"]) == ["qwzx", "blorf", "Regen", "zzzz"]
    assert mini.nearest_words("thunderr")[0] == "thunder"
    assert len(learned_words()) == len(set(learned_words()))
    for name in bundled_prompts():
        texts = [text for expanded in load_prompts(name).expand().values() for text in expanded]
        encoder = load_text_encoder("base") if name.startswith("base") else mini
        assert encoder.unknown_words(texts) == (["toothbrush"] if name == "esc50" else [])


def test_a_remark_for_each_word_and_no_flood(mini):
    first, second = remarks_on_words(mini, ["thunderr", "zzzz rain"])
    assert first == '"thunderr" is not a word that mini learned; nearest known: thunder, thunders'
    assert second == '"zzzz" is not a word that mini learned, nor is one like it'
    many = remarks_on_words(mini, [" ".join(letter * 5 for letter in "bcdfghjk")])
    assert len(many) == 6
    assert many[-1].startswith("3 more words are not known")


def test_encoders_without_such_a_list_say_nothing(standin):
    assert standin.unknown_words(["qwzx"]) == []
    assert standin.nearest_words("qwzx") == []
    assert remarks_on_words(standin, ["qwzx"]) == []
    assert load_text_encoder("mini").supports("text")


def test_lint_names_them_with_the_nearest(mini):
    found = lint({"storm": "thunderr and rain", "bird": "a bird"}, mini)
    (finding,) = [one for one in found if "thunderr" in one.message]
    assert finding.level == "warning"
    assert finding.message == (
        "mini does not know 'thunderr' in 'thunderr and rain' (nearest known: thunder, thunders); use other words"
    )
