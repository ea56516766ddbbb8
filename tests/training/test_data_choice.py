"""Which data a run is made with: read once, by one record, wherever a run, a test or a sweep needs it."""

import numpy as np
import pytest
import soundfile

from mmasc.datasets import read_dataset
from mmasc.errors import MmascError
from mmasc.training.supervised.data import DataChoice, digest_of


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rows = ["file,label,city"]
    for number in range(12):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, 800)
        soundfile.write(folder / f"{number}.wav", noise, 8_000)
        rows.append(f"{number}.wav,{'ab'[number % 2]},{'lyon' if number < 8 else 'oslo'}")
    path = folder / "table.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


COLUMNS = {"path_column": "file", "label_column": "label"}


def test_a_choice_reads_what_its_parts_say(table):
    """Step by step by hand, and at once by the record."""
    plain = DataChoice("csv", table, COLUMNS).read()
    assert digest_of(plain) == digest_of(read_dataset("csv", table, **COLUMNS))
    chosen = DataChoice("csv", table, COLUMNS, hold_out="city=oslo", per_class=5).read()
    by_hand = read_dataset("csv", table, **COLUMNS).pruned(5).holding_out("city", ["oslo"])
    with pytest.raises(MmascError, match="has folds of its own"):
        DataChoice("csv", table, COLUMNS, make_folds=2).read()
    assert digest_of(chosen) == digest_of(by_hand) != digest_of(plain)


def test_a_choice_among_options_passes_over_the_others(table):
    options = {"epochs": 3, "make_folds": 2, "dataset_options": COLUMNS, "hold_out": "city=oslo"}
    found = DataChoice.among("csv", table, options)
    assert found == DataChoice("csv", table, COLUMNS, make_folds=2, hold_out="city=oslo")
    assert DataChoice.among("csv", table, {"dataset_options": None}) == DataChoice("csv", table)


def test_what_to_hold_out_is_column_and_values(table):
    with pytest.raises(MmascError, match="are given as COLUMN=VALUE,VALUE, got 'oslo'"):
        DataChoice("csv", table, COLUMNS, hold_out="oslo").read()
