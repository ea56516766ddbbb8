"""Examples: each stands in the index, and what they import and name is there."""

import ast
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from mmasc.networks.taught_config import TaughtConfig
from mmasc.networks.taught_network import TaughtNetwork

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "examples").rglob("*.py"))


def test_every_script_has_its_line_in_the_index():
    index = (ROOT / "examples" / "index.md").read_text(encoding="utf-8")
    for part in index.split("\n## ")[1:]:
        folder = part.partition("`")[2].partition("/")[0]
        there = {path.name for path in (ROOT / "examples" / folder).glob("*.py")}
        assert there
        assert {name for name in part.split("`") if name.endswith(".py")} == there
    assert {path.parent.name for path in SCRIPTS} == {
        part.partition("`")[2].partition("/")[0] for part in index.split("\n## ")[1:]
    }


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT / "examples").as_posix())
def test_what_a_script_imports_is_there(path):
    """Names of mmasc and of the tests' helpers, wherever in the script they are imported."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("mmasc", "tests"):
            module = import_module(node.module)
            for one in node.names:
                assert hasattr(module, one.name) or import_module(f"{node.module}.{one.name}"), one.name
        elif isinstance(node, ast.Import):
            for one in node.names:
                if one.name.split(".")[0] == "mmasc":
                    import_module(one.name)


def test_the_mutation_run_names_modules_and_tests_that_are_there(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "examples" / "prove"), *sys.path])
    mutate = import_module("mutate")
    monkeypatch.delitem(sys.modules, "mutate")
    for path, tests in mutate.TESTS.items():
        assert (ROOT / path).exists(), path
        for test in tests:
            assert mutate.test_file(test).exists(), test
    core = {"windows", "collection", "storage", "heads", "prompts", "weights"}
    modules = {
        path.relative_to(ROOT).as_posix()
        for name in core
        for path in (ROOT / "mmasc" / name).glob("*.py")
        if path.name != "__init__.py"
    }
    left_out = {"mmasc/collection/report.py"}
    assert modules - set(mutate.TESTS) == left_out


def test_a_widened_network_answers_as_the_narrow_one_does(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "examples" / "make_base"), *sys.path])
    widen = import_module("widen")
    monkeypatch.delitem(sys.modules, "widen")
    shape = {"n_mels": 32, "n_features": 16, "dim": 8, "taught_dim": 8}
    narrow, wide = (TaughtNetwork(TaughtConfig(channels=one, **shape)).eval() for one in ((2, 3, 4, 5), (3, 7, 8, 10)))
    # Not as it begins: norms that change nothing would hide what is copied wrongly
    generator = torch.Generator().manual_seed(0)
    for name, one in narrow.state_dict().items():
        if one.is_floating_point():
            one.copy_(torch.rand(one.shape, generator=generator) + (0.5 if name.endswith("var") else -0.3))
    tensors = {f"network.{name}": one.numpy() for name, one in narrow.state_dict().items()}
    made = widen.widen(tensors, (3, 7, 8, 10), seed=1)
    wide.load_state_dict({name.removeprefix("network."): torch.from_numpy(one) for name, one in made.items()})
    power = torch.rand((3, 32, 40), generator=generator)
    with torch.inference_mode():
        for one, other in zip(narrow(power), wide(power), strict=True):
            np.testing.assert_allclose(other.numpy(), one.numpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="already"):
        widen.widen(made, (2, 3, 4, 5))
