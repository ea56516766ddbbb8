"""What libraries print to stderr by themselves becomes one line; what mmasc says and what is a fault stay."""

import subprocess
import sys

import pytest

from mmasc.cli.chatter import summary


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


BEGIN = "import os, sys\nfrom mmasc.cli.chatter import kept_apart\n"


def test_many_lines_of_libraries_are_one():
    code = BEGIN + (
        "with kept_apart():\n"
        "    print('mmasc: own line', file=sys.stderr)\n"
        "    for number in range(20_000): os.write(2, b'[src/lib.c:%d] warning\\n' % number)\n"
        "print('behind', file=sys.stderr)\nos.write(2, b'all the way behind\\n')\n"
    )
    status, _, err = run(code)
    assert status == 0
    assert err.splitlines() == [
        "mmasc: own line",
        "remark: libraries wrote 20000 lines to stderr; the first: [src/lib.c:0] warning",
        "behind",
        "all the way behind",
    ]


def test_nothing_is_said_of_nothing():
    assert run(BEGIN + "with kept_apart():\n    print('x')\n") == (0, "x\n", "")


@pytest.mark.parametrize("end", ["sys.exit(3)", "raise SystemExit(3)"])
def test_the_exit_status_passes(end):
    status, _, err = run(BEGIN + f"with kept_apart():\n    os.write(2, b'one\\n')\n    {end}\n")
    assert (status, err) == (3, "remark: libraries wrote 1 line to stderr; the first: one\n")


def test_a_trace_is_no_chatter():
    status, _, err = run(BEGIN + "with kept_apart():\n    raise KeyError('bug')\n")
    assert status == 1
    assert "Traceback" in err
    assert "KeyError: 'bug'" in err
    fault = "x\nTraceback (most recent call last):\n  File\nValueError: of another process"
    assert summary(fault + "\n") == fault


def test_a_crash_is_seen():
    status, _, err = run(BEGIN + "import signal\nwith kept_apart():\n    os.kill(os.getpid(), signal.SIGABRT)\n")
    assert status < 0
    assert "Aborted" in err


def test_control_characters_do_not_reach_the_terminal():
    assert summary("\x1b[31mred\x07\n") == "remark: libraries wrote 1 line to stderr; the first:  [31mred "


def test_what_rust_says_to_its_programmers_is_left_out():
    panic = "thread 'x' (1) panicked at src/a.rs:1:2:\nwhy\nnote: run with `RUST_BACKTRACE=1`\n"
    log = "[2026-01-02T03:04:05Z WARN  lance::dataset] a version is not there\n"
    assert summary(panic + log + "\n" + panic) == ""
    assert summary(panic + "one\n" + log) == "remark: libraries wrote 1 line to stderr; the first: one"
