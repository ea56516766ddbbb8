"""A collection's whole life against a model of plain dictionaries: random commands, faults at any write.

The machine is worth what it finds: with a fix taken out of the code it must fail.
"""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from subprocess import PIPE

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from mmasc.collection.space_index import SpaceIndex
from mmasc.collection.transaction import Transaction
from mmasc.errors import MmascError
from tests.helpers.life.machine import Life

SCRIPT = Path(__file__).parents[2] / "examples" / "prove" / "life.py"
SETTINGS = settings(
    max_examples=12,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
    phases=[Phase.generate],  # the shortest life that fails takes minutes: examples/prove/life.py --shrink
    suppress_health_check=list(HealthCheck),
)
FAULTS = {"killed", "torn", "full", "once", "read-only"}
QUESTIONS = {"search", "old reader"}
OTHERS = {"merge", "move-root", "set metadata", "annotate", "erase"}
TestLife = Life.TestCase
TestLife.settings = SETTINGS


def test_two_hundred_lives_go_as_the_model_says():
    """In processes of their own: checking the types of every call would take as long as the lives themselves."""
    words = [sys.executable, str(SCRIPT), "-n", "100", "--steps", "15", "--seed"]
    running = [subprocess.Popen([*words, seed], stdout=PIPE, stderr=PIPE, text=True) for seed in "12"]
    met: Counter[str] = Counter()
    for one in running:
        out, err = one.communicate()
        assert one.returncode == 0, out + err[-8_000:]
        met.update({name: int(count) for count, name in (line.split(maxsplit=1) for line in out.splitlines()[:-1])})
    assert met["lives"] >= 200
    assert {"embed", "remove", "compact", "merge", "move-root", "set metadata", "read-only", "old readers"} <= set(met)
    assert {"annotate", "erase", "undo"} <= set(met)
    struck = {name: count for name, count in met.items() if name.startswith(("killed at", "torn at"))}
    assert sum(struck.values()) >= 100
    assert {"killed at replace", "killed at unlink", "killed at open", "killed at fsync"} <= set(struck)
    assert any("lance" in name for name in struck)


def run_until_it_fails(number: int, left_out: set[str]) -> None:
    """Lives without some commands, the same in every run, without looking for the shortest that fails."""

    @seed(number)
    class Some(Life):
        pass

    Some.left_out = frozenset(left_out)
    run_state_machine_as_test(Some, settings=settings(SETTINGS, derandomize=False, max_examples=100))


def test_old_versions_cleaned_before_the_head_names_the_new_ones_are_found(monkeypatch):
    compact = Transaction.compact

    def clean_too_early(self):
        compact(self)
        for table in self._tables_in_use():
            self.tables.clean(table, set())

    monkeypatch.setattr(Transaction, "compact", clean_too_early)
    with pytest.raises(MmascError, match="damaged"):
        run_until_it_fails(6, FAULTS - {"killed"} | QUESTIONS | OTHERS | {"remove"})


def test_an_index_that_lost_rows_taken_for_whole_is_found(monkeypatch):
    monkeypatch.setattr(SpaceIndex, "whole", property(lambda self: not len(self.rest)))
    with pytest.raises(IndexError):
        run_until_it_fails(1, FAULTS | QUESTIONS | OTHERS | {"compact"})


def test_versions_that_somebody_reads_taken_away_are_found(monkeypatch):
    monkeypatch.setattr("mmasc.collection.store.drop_unread", lambda *_: [])
    with pytest.raises(MmascError, match="damaged"):
        run_until_it_fails(1, FAULTS | {"search", "remove"} | OTHERS)
