"""Error rates of files of transcripts: counts by the textbook table, pairing by name and by order, what is refused."""

import json

import pytest
from click.testing import CliRunner

from mmasc.cli import cli
from mmasc.errors import MmascError

pytest.importorskip("jiwer", reason="the extra asr is not installed")
from mmasc.evaluation.transcripts import compare_transcripts, read_transcripts
from mmasc.evaluation.wer import pair_errors, word_errors

SAID = {"a": "the cat sat on the mat", "b": "It's [laughter] raining!", "c": "yes"}
HEARD = {"a": "a cat sat on mat", "b": "its raining <unk> hard", "c": ""}


def distance(reference, hypothesis) -> int:
    """Fewest substitutions, deletions and insertions, by the textbook table."""
    row = list(range(len(hypothesis) + 1))
    for place, one in enumerate(reference, 1):
        before, row[0] = row[0], place
        for column, other in enumerate(hypothesis, 1):
            before, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, before + (one != other))
    return row[-1]


def test_rates_are_those_of_the_edit_distance():
    found = compare_transcripts(SAID, HEARD)
    rates = {(one.unit, one.annotations): one for one in found.rates}
    said = ["the cat sat on the mat", "it's raining", "yes"]
    heard = ["a cat sat on mat", "its raining hard", ""]
    for unit, cut in (("word", str.split), ("character", list)):
        one = rates[unit, False]
        errors = sum(distance(cut(x), cut(y)) for x, y in zip(said, heard, strict=True))
        total = sum(len(cut(x)) for x in said)
        assert one.substitutions + one.deletions + one.insertions == errors
        assert (one.total, one.rate) == (total, pytest.approx(errors / total))
        assert one.low <= one.rate <= one.high
    tokens = rates["word", True]
    assert (tokens.total, tokens.rate) == (
        10,
        pytest.approx(word_errors(list(SAID.values()), list(HEARD.values())).rate),
    )


def test_pairs_without_words_are_insertions_alone():
    (found,) = pair_errors(["[noise]"], ["one two"], annotations=False)
    assert (found.substitutions, found.deletions, found.insertions, found.hits) == (0, 0, 2, 0)
    (found,) = pair_errors([""], ["one two"], "character")
    assert found.insertions == 7
    with pytest.raises(ValueError, match="unit must be 'word' or 'character', got 'phone'"):
        pair_errors(["a"], ["a"], "phone")


def test_identical_texts_have_no_error_and_one_recording_no_interval():
    found = compare_transcripts({"a": "one two"}, {"a": "One, two."})
    assert [(one.rate, one.low, one.high) for one in found.rates] == [(0.0, None, None)] * 2
    exact = compare_transcripts({"a": "one two"}, {"a": "One, two."}, normalise=False)
    assert exact.rates[0].rate == 1.0


@pytest.fixture
def folder(tmp_path):
    """The same transcripts in every form that is read."""
    (tmp_path / "said.csv").write_text(
        "recording;text\n" + "".join(f'{name};"{text}"\n' for name, text in SAID.items())
    )
    (tmp_path / "heard.trn").write_text("".join(f"{text} ({name})\n" for name, text in reversed(HEARD.items())))
    (tmp_path / "said.txt").write_text("\n".join(SAID.values()) + "\n")
    (tmp_path / "heard.txt").write_text("\n".join(HEARD.values()) + "\n\n")
    (tmp_path / "texts").mkdir()
    for name, text in SAID.items():
        (tmp_path / "texts" / f"{name}.txt").write_text(f"{text}\n")
    return tmp_path


def test_every_form_gives_the_same_rates(folder):
    wanted = compare_transcripts(SAID, HEARD).rates
    assert compare_transcripts(folder / "said.csv", folder / "heard.trn").rates == wanted
    assert compare_transcripts(folder / "texts", folder / "heard.trn").rates == wanted
    (folder / "heard.txt").write_text("\n".join([*list(HEARD.values())[:2], "-", ""]))
    ordered = compare_transcripts(folder / "said.txt", folder / "heard.txt")
    assert ordered.recordings == 3
    assert not read_transcripts(folder / "said.txt").named
    assert [(one.unit, one.total) for one in ordered.rates] == [(one.unit, one.total) for one in wanted]


def test_missing_recordings_are_deletions_and_unknown_ones_count_nowhere():
    found = compare_transcripts(SAID, {"a": SAID["a"], "z": "other words"})
    assert (found.missing, found.unused, found.recordings) == (["b", "c"], ["z"], 3)
    word = found.rates[-2]
    assert (word.unit, word.deletions, word.insertions, word.hits) == ("word", 3, 0, 6)


@pytest.mark.parametrize(
    ("said", "heard", "line"),
    [
        ("hallo (a)\n", "hallo\n", "said names its recordings, heard does not"),
        ("one\ntwo\n", "one\n", "said has 2 lines, heard 1: without names"),
        ("one (a)\ntwo (a)\n", "one (a)\n", "said, line 2: a has a transcript already"),
        ("one (a)\n", "one (b)\n", "the two have no recording in common: a there, b here"),
        ("[noise] (a)\n", "one (a)\n", "the reference holds no word"),
        ("\n\n", "one\n", "said is empty"),
        (None, "one\n", "said does not exist; give a file or a folder"),
    ],
)
def test_what_does_not_fit_is_one_line(said, heard, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (("said", said), ("heard", heard)):
        if text is not None:
            (tmp_path / name).write_text(text)
    with pytest.raises(MmascError, match=line):
        compare_transcripts("said", "heard")


def test_a_table_needs_its_columns(tmp_path):
    (tmp_path / "t.csv").write_text("recording,words\na,b\n")
    with pytest.raises(MmascError, match=r"has no column 'text'; its columns are recording, words"):
        read_transcripts(tmp_path / "t.csv")
    with pytest.raises(MmascError, match=r"holds no .txt file"):
        read_transcripts(tmp_path)


def test_the_command(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "heard.trn").write_text(f"{HEARD['a']} (a)\n{HEARD['b']} (b)\n")
    shown = CliRunner().invoke(cli, ["evaluate", "transcripts", "said.csv", "heard.trn"])
    assert shown.exit_code == 0, shown.output
    assert "words, without tokens" in shown.stdout
    assert max(len(line) for line in shown.stdout.splitlines()) <= 100
    assert (
        "recordings without a transcript in heard.trn, so that each of their words is a deletion: 1 (c)" in shown.stderr
    )
    found = json.loads(
        CliRunner().invoke(cli, ["evaluate", "transcripts", "said.csv", "heard.trn", "--format", "json"]).stdout
    )
    assert found["missing"] == ["c"]
    assert [rate["unit"] for rate in found["rates"]] == ["word", "character"] * 2
    assert "REFERENCE GUESS" in CliRunner().invoke(cli, ["evaluate", "transcripts", "--help"]).stdout
    assert "transcripts REFERENCE GUESS" in " ".join(CliRunner().invoke(cli, ["evaluate", "--help"]).stdout.split())
    (folder / "transcripts").mkdir()
    wrong = CliRunner().invoke(cli, ["evaluate", "transcripts"])
    assert "holds no run of a network" in str(wrong.exception)
