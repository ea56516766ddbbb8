"""What others chose (file names, labels, metadata, prompts) reaches a terminal without control signs, and other
programs as it is."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from mmasc.audio import AudioStatus
from mmasc.cli.classify_formats import audacity_labels, raven_table
from mmasc.cli.output import left_out, print_rows
from mmasc.label_files.texts import fits_a_line
from mmasc.labelling.classify import Classification
from mmasc.printing import counted, plain, printable, printable_json
from mmasc.windows.timeline import Event

EVIL = "a\x1b]0;PWNED\x07\x9b2J\u202eb\nc\td"
WORSE = "\x1b\x9b\u202e\u2066\x07\x7f\u2028"


@given(st.text())
def test_what_is_printed_is_one_line_without_control_signs(text):
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 or sign in WORSE for sign in shown)
    shown.encode()  # no lone surrogates


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_other_texts_stay(text):
    assert printable(text) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_stays_json_of_the_same_value(text):
    line = printable_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert json.loads(line) == {text: [text]}
    assert not any(sign in WORSE for sign in line)


def test_bytes_of_names_are_shown():
    assert printable(os.fsdecode(b"a\xffb.wav")) == "a\\xffb.wav"
    assert printable(EVIL, keep="\n\t") == "a\\x1b]0;PWNED\\x07\\x9b2J\\u202eb\nc\td"


def events(label: str) -> Classification:
    status = AudioStatus("ok", "", 1.0, 1.0)
    return Classification(
        "/r/site 1  north\u00a0x.wav", label, 0.5, {}, {}, (label,), status, 1.0, 8_000, [Event(0.0, 1.0, label, 0.5)]
    )


def test_selection_tables_name_the_file_as_it_is():
    header, row = (line.split("\t") for line in raven_table(events("rain")).splitlines())
    at = dict(zip(header, row, strict=True))
    assert (at["Begin Path"], at["Begin File"]) == ("/r/site 1  north\u00a0x.wav", "site 1  north\u00a0x.wav")


def test_labels_with_tabs_and_line_ends_make_no_more_fields():
    assert len(audacity_labels(events("a\tb\nc")).splitlines()) == 1
    assert audacity_labels(events("a\tb\nc")).rstrip("\n").split("\t")[2] == "a b c"
    assert {len(line.split("\t")) for line in raven_table(events("a\tb\r\nc")).splitlines()} == {11}
    assert fits_a_line("two  spaces")
    assert not fits_a_line("a\tb")


@pytest.fixture(scope="module")
def evil(tmp_path_factory) -> Path:
    """A folder with a collection of two sounds whose names and labels hold escape sequences."""
    folder = tmp_path_factory.mktemp("evil")
    (folder / "s" / EVIL).mkdir(parents=True)
    for seed, name in enumerate([EVIL + ".wav", os.fsdecode(b"raw\xc3\x9b.wav")]):
        samples = np.random.default_rng(seed).uniform(-0.5, 0.5, 8_000)
        soundfile.write(str(folder / "plain.wav"), samples, 8_000)
        (folder / "plain.wav").rename(folder / "s" / EVIL / name)
    (folder / "bad\x1b[2J.wav").write_bytes(b"no sound")
    (folder / "p.yaml").write_text('labels:\n  "rain\\e[2J": ["rain"]\n  wind: ["wind"]\n', encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "mmasc", "embed", "s", "--into", "c", "--encoder", "classic", "--folders", EVIL + "k"],
        cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return folder


# One process runs some commands, one after another: starting one takes longer than most of what they do
COMMANDS = """
import json, os, sys
from mmasc.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["mmasc", *words]
    try:
        main()
    except SystemExit:
        pass
    sys.stdout.flush()
    os.write(1, b"=END=")
"""


def on_a_terminal(commands: list[tuple[str, ...]], cwd: Path) -> list[bytes]:
    """All that each command writes where stdout and stderr are a terminal."""
    import pty

    written = b""
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", COMMANDS, json.dumps(commands)],
        cwd=cwd,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    ):
        os.close(terminal)
        while True:
            try:
                block = os.read(controller, 65_536)
            except OSError:  # the other side is gone
                break
            if not block:
                break
            written += block
    os.close(controller)
    return written.split(b"=END=")[:-1]


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals")
def test_no_escape_sequence_of_a_name_reaches_a_terminal(evil):
    commands = [
        ("search", "c", "--audio", f"s/{EVIL}/{EVIL}.wav", "-k", "2"),
        ("search", "c", "--audio", f"s/{EVIL}/{EVIL}.wav", "--format", "csv"),
        ("search", "c", "--audio", f"s/{EVIL}/{EVIL}.wav", "--format", "jsonl"),
        ("search", "c", "--audio", "bad\x1b[2J.wav"),
        ("search", "c", "bad\x1b]0;PWNED\x07.wav"),
        ("search", "c", "rain", "--where", "x = '\x1b]0;PWNED\x07'"),
        ("collection", "info", "c"),
        ("collection", "info", "c", "--format", "json"),
        ("collection", "remove", "c", "nowhere\x1b]0;PWNED\x07"),
        ("classify", f"s/{EVIL}", "bad\x1b[2J.wav", "--prompts", "p.yaml"),
        ("classify", f"s/{EVIL}", "--prompts", "p.yaml", "--timeline"),
        ("classify", f"s/{EVIL}", "--prompts", "p.yaml", "--format", "csv"),
        ("classify", f"s/{EVIL}/{EVIL}.wav", "--prompts", "p.yaml", "--format", "raven"),
        ("classify", "s", "--prompts", "\x1b]0;PWNED\x07"),
        ("embed", "bad\x1b[2J.wav", "--into", "d", "--encoder", "classic"),
        ("embed", "s", "--into", "c", "--nonsense\x1b]0;PWNED\x07"),
        ("embed", "s", "--into", "c", "--channels", "\x1b]0;PWNED\x07"),
        ("\x1b]0;PWNED\x07",),
    ]
    all_written = on_a_terminal(commands, cwd=evil)
    assert len(all_written) == len(commands)
    for words, written in zip(commands, all_written, strict=True):
        assert len(written) > 10, words
        assert b"Traceback" not in written, words
        for sequence in (b"\x1b]", b"\x1b[2J", b"\x07", "\x9b".encode(), "\u202e".encode()):
            assert sequence not in written, words


def test_other_programs_get_names_as_they_are(evil):
    words = ["search", "c", "--audio", f"s/{EVIL}/{EVIL}.wav", "-k", "2"]
    commands = json.dumps([[*words, "--format", form] for form in ("csv", "jsonl", "json")])
    done = subprocess.run([sys.executable, "-c", COMMANDS, commands], cwd=evil, capture_output=True, check=True)
    table, lines, whole, _ = done.stdout.split(b"=END=")
    path = str(evil / "s" / EVIL / f"{EVIL}.wav")
    rows = list(csv.DictReader(io.StringIO(table.decode(), newline="")))
    assert rows[0]["path"] == path
    assert json.loads(lines.splitlines()[0])["path"] == path
    assert json.loads(whole)[0]["path"] == path


def test_errors_are_one_line_also_beside_a_pipe(evil):
    run = subprocess.run(
        [sys.executable, "-m", "mmasc", "search", "c", "--audio", f"lost{EVIL}.wav"],
        cwd=evil, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert len(run.stderr.splitlines()) == 1
    assert "\x1b" not in run.stderr


def test_one_thing_is_counted_as_one():
    assert [counted(number, "recording") for number in (0, 1, 2)] == ["0 recordings", "1 recording", "2 recordings"]
    assert [counted(number, "query", "queries") for number in (1, 3)] == ["1 query", "3 queries"]
    assert left_out(1, "without a label") == "1 recording without a label was left out"
    assert left_out(2, "without a label") == "2 recordings without a label were left out"


def test_numbers_that_json_has_no_words_for_are_null_and_stay_in_csv(capsys):
    odd = {
        "nan": float("nan"),
        "high": float("inf"),
        "low": np.float32("-inf"),
        "deep": [{"x": -float("inf")}],
        "n": 0.5,
    }
    assert plain(odd) == {"nan": None, "high": None, "low": None, "deep": [{"x": None}], "n": 0.5}
    for form in ("json", "jsonl"):
        print_rows([odd], form)
        json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    print_rows([{"nan": float("nan"), "high": float("inf"), "none": None}], "csv")
    assert capsys.readouterr().out == "nan,high,none\n,inf,\n"
