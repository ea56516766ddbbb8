"""Progress as people see it: on a terminal of 80 columns, in a log, and not at all."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.cells import cell_len

from mmasc.cli import progress as progress_module
from mmasc.cli.progress import Shown, shown_progress
from mmasc.progress import HOURS, current, one_by_one
from tests.helpers.screen import Screen, on_terminal

# `mmasc` with the stand-in encoder and a line that is drawn at once and often; what happens at the 60th window is given
COMMAND = """
import sys
import click
from mmasc.cli import main, progress
from mmasc.encoders.registry import ENCODERS
from tests.conftest import STANDIN_SPEC, StandIn
ENCODERS["standin"] = STANDIN_SPEC
progress._PATIENCE_SECONDS, progress._REDRAW_SECONDS, progress._LINE_SECONDS = 0.0, 0.002, 0.01
audio, count = StandIn._audio, [0]
def heard(self, waveforms):
    count[0] += 1
    if count[0] == 60:
        exec(event)
    return audio(self, waveforms)
StandIn._audio = heard
event, sys.argv = sys.argv[1], ["mmasc", *sys.argv[2:]]
main()
"""
SPEAK = "click.echo('remark: heard', err=True); print('a row of results'); print('half', end=''); print(' and half')"


class Clock:
    """Seconds as the test says them."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def shown_at(clock: Clock) -> Shown:
    return Shown("working", clock)


@pytest.fixture
def nights(tmp_path) -> Path:
    """Two recordings of two minutes."""
    folder = tmp_path / "nights"
    folder.mkdir()
    for item, name in enumerate(("first night.wav", "second night.wav")):
        soundfile.write(folder / name, np.random.default_rng(item).uniform(-0.5, 0.5, 120 * 2_000), 2_000)
    return folder


def test_hours_speed_time_left_and_the_file_in_hand(clock):
    shown = shown_at(clock)
    with shown.phase("embedding", 20.0, HOURS):
        assert shown.text(79).startswith("embedding  [............]  0.00 of 20.00 h")
        shown.advance(5.0)
        shown.note("37 % of night_0412.wav")
        clock.now = 100.0
        assert shown.text(120) == (
            "embedding  [###.........]  5.00 of 20.00 h  180 x real time  5:00 left  37 % of night_0412.wav"
        )
        # Where room is short, the bar goes first
        assert shown.text(79) == "embedding  5.00 of 20.00 h  180 x real time  5:00 left  37 % of night_0412.wav"
        assert shown.text(70).endswith("left  37 % of night…")


def test_a_phase_without_a_count_has_its_name_and_time(clock):
    shown = shown_at(clock)
    clock.now = 3.0
    assert shown.text(79) == "working  0:03"
    with shown.phase("loading mini"):
        clock.now = 3_725.0
        assert shown.text(79) == "loading mini  1:02:02"
    assert shown.text(79) == "working  1:02:05"


def test_which_of_how_many_and_the_time_of_all(clock):
    shown = shown_at(clock)
    with shown.phase("seed", 2):
        shown.advance()
        with shown.phase("fold", 4):
            shown.advance()
            with shown.phase("epoch", 25):
                for _ in range(65):
                    shown.advance(0.1)
                clock.now = 100.0
                line = shown.text(120)
                assert line.startswith("seed 2 of 2, fold 2 of 4, epoch 7 of 25  [")
                done = (1 + (1 + 6.5 / 25) / 4) / 2
                left = round(100 * (1 - done) / done)
                assert line.endswith(f"{left // 60}:{left % 60:02d} left")
                for _ in range(185):
                    shown.advance(0.1)
                assert "epoch 25 of 25" in shown.text(120)
            # What has no end within what has one
            with shown.phase("loading mini"):
                assert shown.text(120).startswith("seed 2 of 2, fold 2 of 4, loading mini  [")


def test_a_phase_that_ends_late_takes_no_other_with_it(clock):
    shown = shown_at(clock)
    outer = shown.begin("outer", None, "")
    shown.begin("abandoned", None, "")
    shown.end(outer)
    following = shown.begin("following", None, "")
    shown.end(outer + 1)
    assert shown.text(79).startswith("following")
    shown.end(following)
    assert shown.text(79).startswith("working")


@pytest.mark.parametrize("name", ["x" * 300, "夜の録音" * 40, "a\r\nb\x1b[2J\t" * 20])
@pytest.mark.parametrize("width", [20, 40, 79])
def test_no_name_breaks_the_line(clock, name, width):
    shown = shown_at(clock)
    with shown.phase("embedding", 1_000.0, HOURS):
        shown.advance(1.0)
        shown.note(name)
        clock.now = 10.0
        line = shown.text(width)
    assert cell_len(line) <= width
    assert line.isprintable()


def test_on_a_terminal_other_lines_stand_above_and_nothing_is_left(nights, tmp_path):
    words = ("embed", nights, "--into", tmp_path / "c", "--encoder", "standin")
    status, seen = on_terminal(COMMAND, SPEAK, *words)
    assert status == 0
    bars = [lines[-1] for lines in seen if " of 0.07 h" in lines[-1]]
    assert len(set(bars)) > 5
    assert any(re.search(r"embedding  .*0\.0\d of 0\.07 h .* % of (first|second) night", line) for line in bars)
    # The hours go up, to the last of them
    hours = [float(found[1]) for line in bars if (found := re.search(r"([\d.]+) of 0\.07 h", line))]
    assert hours == sorted(hours)
    # Above the bar while it is there, and alone in the end
    assert any(
        lines[-4:-1] == ["remark: heard", "a row of results", "half and half"] and "embedding" in lines[-1]
        for lines in seen
    )
    assert seen[-1][:3] == ["remark: heard", "a row of results", "half and half"]
    assert seen[-1][3].startswith("2 added, 0 changed, 0 already there")
    assert not any(" % of " in line or "[#" in line for line in seen[-1])
    # One row at a time: no bar was broken over two
    assert all(sum("embedding  " in line for line in lines) <= 1 for lines in seen)


def test_after_ctrl_c_no_piece_of_the_bar_is_left(nights, tmp_path):
    event = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    status, seen = on_terminal(COMMAND, event, "embed", nights, "--into", tmp_path / "c", "--encoder", "standin")
    assert status != 0
    assert any("embedding  " in lines[-1] for lines in seen)
    assert not any("embedding  " in line or "[" in line for line in seen[-1])


def run_in_a_log(*words: object) -> subprocess.CompletedProcess:
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "pass", *map(str, words)], capture_output=True, text=True, cwd=root, check=True
    )


def test_in_a_log_there_is_a_line_now_and_then_and_one_at_the_end(nights, tmp_path):
    words = ("embed", nights, "--into", tmp_path / "c", "--encoder", "standin")
    said = run_in_a_log(*words)
    lines = said.stderr.splitlines()
    assert len(lines) >= 3
    assert any(re.match(r"embedding  .*0\.0\d of 0\.07 h", line) for line in lines)
    assert "\r" not in said.stderr
    assert "\x1b" not in said.stderr
    assert said.stdout.startswith("2 added")
    quiet = run_in_a_log("embed", nights, "--into", tmp_path / "d", "--encoder", "standin", "--quiet")
    assert quiet.stderr == ""


def test_short_work_says_nothing_in_a_log(capsys):
    with shown_progress("working"), current().phase("embedding", 1.0, HOURS):
        current().advance(1.0)
    assert capsys.readouterr().err == ""


def test_long_work_says_a_line_a_minute(capsys, monkeypatch):
    monkeypatch.setattr(progress_module, "_LINE_SECONDS", 0.001)
    with shown_progress("working"):
        for _ in one_by_one("fold", range(4)):
            while current().text(80) not in progress_module.sys.stderr.getvalue():  # type: ignore[attr-defined]
                pass
    lines = capsys.readouterr().err.splitlines()
    told = dict.fromkeys(line.split("  ")[0] for line in lines)
    # A line may fall before the first fold
    assert [name for name in told if name != "working"] == [f"fold {number} of 4" for number in range(1, 5)]
    with shown_progress("working", quiet=True):
        current().advance()
    assert capsys.readouterr().err == ""


def test_the_screen_of_these_tests_breaks_long_rows():
    screen = Screen(4)
    screen.feed("abcdef\rxy\n")
    assert screen.lines == ["abcd", "xy", ""]
