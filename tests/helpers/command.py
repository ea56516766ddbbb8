"""The command line, run in this process as the console script runs it."""

import sys

import pytest

from mmasc.cli import main


def run(*arguments: str, capsys) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of one command, run as the console script runs it."""
    old = sys.argv
    sys.argv = ["mmasc", *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as stopped:
            main()
    finally:
        sys.argv = old
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err
