"""README.md is run: every command of its console blocks, in order, its prompt file, its Python, its links."""

import contextlib
import io
import re
import shlex
import sys
from pathlib import Path

import pytest

from mmasc.cli import COMMANDS, main

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)

# What a command must say beside ending well: (its beginning, what stands in its output)
FACTS = [
    ("mmasc demo", "mmasc-demo/index.html"),
    ('mmasc search sounds.mmasc "waves', "sea_waves.wav"),
    ("mmasc search sounds.mmasc mmasc-demo/questions/rain", "rain.wav"),
    ("mmasc classify mmasc-demo/sounds/clock_tick.wav", "clock_tick"),
    ("mmasc prompts lint", "0 errors"),
    ("mmasc classify mmasc-demo/sounds/rain.wav", '"label": "wet"'),
    ("mmasc collection info", "mini"),
    ("mmasc models list", "mini"),
    ("mmasc doctor", "faiss,ok"),
    ("mmasc head fit", "accuracy 1.000"),
    ("mmasc head apply", "takes/wind/wind_1.wav  wind"),
    ("mmasc prompts sweep", "28 recordings, 4 labels"),
    ("mmasc prompts calibrate", "→ outdoors.json"),
    ("mmasc report", "study/index.html"),
    ("mmasc train mini-cnn", "runs/takes/fold-2"),
    ("mmasc evaluate", "2 runs, 2 folds"),
]


def commands():
    """Commands of the console blocks with the output that the README shows."""
    return [pair for kind, block in BLOCKS if kind == "console" for pair in commands_of(block)]


def commands_of(block):
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
    assert not parts[0].strip(), "a console block begins with a command"
    return [part.partition("\n")[::2] for part in parts[1:]]


def run(command):
    """Exit status, stdout and stderr of a command line, run as the console script runs it."""
    words = shlex.split(command)
    assert words[0] == "mmasc", command
    out, err, old = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = words
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as stopped:
            main()
    finally:
        sys.argv = old
    return int(stopped.value.code or 0), out.getvalue(), err.getvalue()


def test_every_command_of_the_readme_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind, block in BLOCKS:
        if kind == "yaml":
            (tmp_path / re.match(r"# (\S+)\n", block)[1]).write_text(block, "utf-8")
    assert len(commands()) >= 12
    outputs, printed = {}, io.StringIO()
    for kind, block in BLOCKS:  # in the order of the page: what one makes, another uses
        if kind == "python":
            with contextlib.redirect_stdout(printed):
                exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
        for command, shown in commands_of(block) if kind == "console" else []:
            status, out, err = run(command)
            assert status == 0, f"{command}\n{err}"
            assert shown.strip(), f"the README shows no output of: {command}"
            outputs[command] = out + err
    for beginning, fact in FACTS:
        matching = [output for command, output in outputs.items() if command.startswith(beginning)]
        assert matching, f"no command of the README begins with {beginning}"
        assert all(fact in output for output in matching), f"{beginning}: {fact!r} is not in\n{matching}"
    first_hit = next(output for command, output in outputs.items() if "waves at" in command).splitlines()[1]
    assert "sea_waves.wav" in first_hit
    plain, calibrated = (output for command, output in outputs.items() if "rain_7.wav" in command)
    assert [line.split()[1] for line in plain.splitlines()[1:]] == ["wind", "wind"]
    assert [line.split()[1] for line in calibrated.splitlines()[1:]] == ["rain", "rain"]
    timeline = next(output for command, output in outputs.items() if "--timeline" in command)
    heard = re.findall(r"^ +\d+:\d\d\.\d +\d+:\d\d\.\d +(\w+)", timeline, re.MULTILINE)
    assert heard == ["clock_tick", "church_bells", "thunder", "crickets"]
    lines = printed.getvalue().splitlines()
    assert lines[0].endswith("clock_tick.wav")
    assert "storm" in lines
    assert lines[-1] == "torch.Size([1, 160000]) 32000"


def test_the_numbers_of_the_encoder_stand_in_its_card():
    """Figures are never made up: each one of the README's section is in the card that comes with the weights."""
    card = (README.parent / "mmasc/encoders/weights/mini_card.md").read_text("utf-8")
    section = TEXT.partition("## The bundled encoder")[2].partition("\n## ")[0]
    numbers = re.findall(r"(?<![\w.-])(?:\d*\.\d+|\d{3,})(?![\w.])", section)
    assert len(numbers) >= 12
    for number in numbers:
        assert re.search(rf"(?<![\d]){re.escape(number)}(?!\d)", card), number


def test_links_lead_somewhere():
    anchors = {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings()}
    targets = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(targets) > 5
    for target in targets:
        if target.startswith("#"):
            assert target[1:] in anchors, target
        else:
            assert (README.parent / target).exists(), target


def test_the_commands_that_the_readme_names_exist():
    names = re.findall(r"`mmasc (\w+)", TEXT) + [command.split()[1] for command, _ in commands()]
    assert len(set(names)) > 5
    for name in names:
        assert name in COMMANDS, name


def test_make_rules_that_the_readme_names_exist():
    makefile = (README.parent / "Makefile").read_text("utf-8")
    rules = re.findall(r"make (\w+)\b(?= |\n)", "\n".join(block for kind, block in BLOCKS if kind == "sh"))
    assert rules
    for rule in rules:
        assert re.search(rf"^{rule}:", makefile, re.MULTILINE), rule


def headings():
    return re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
