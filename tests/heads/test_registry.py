"""The list of heads."""

import subprocess
import sys

import pytest

from mmasc.errors import MmascError
from mmasc.heads.registry import HEADS, make_head


def test_unknown_heads_are_answered_with_those_there_are():
    with pytest.raises(MmascError, match="unknown head 'forest'; there are: boosting, boosting-paper"):
        make_head("forest")


def test_the_list_of_heads_loads_nothing_heavy():
    code = (
        "import sys, mmasc.heads.registry, mmasc.cli.head\n"
        "assert not {'torch', 'sklearn', 'scipy', 'lance', 'faiss'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_boosted_trees_do_not_learn_from_one_recording_of_each_label():
    assert {name for name, spec in HEADS.items() if not spec.learns_from_one} == {
        "boosting", "boosting-paper", "boosting-pca",
    }  # fmt: skip
