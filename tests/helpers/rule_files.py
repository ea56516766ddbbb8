"""Files of weights by rule for the networks whose official answers are recorded in tests/parity."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.parity.rule_weights_b import array_input, rule_state

PARITY = Path(__file__).parents[1] / "parity"


@cache
def recorded_keys() -> dict[str, Any]:
    """What was recorded of the baselines: names and shapes of weights, counts, rules of inputs."""
    return json.loads((PARITY / "baselines_keys.json").read_text(encoding="utf-8"))


@cache
def answers() -> dict[str, np.ndarray]:
    """Recorded answers by name."""
    with np.load(PARITY / "baselines_expected.npz") as stored:
        return dict(stored)


def write_rule_file(path: Path, network: str, extra: dict[str, Tensor] | None = None) -> str:
    """Weights by rule under their official names, as safetensors."""
    state = {
        name: torch.from_numpy(np.ascontiguousarray(array)).reshape(array.shape)
        for name, array in rule_state(recorded_keys()["networks"][network]["keys"]).items()
    }
    save_file({**state, **(extra or {})}, str(path))
    return str(path)


def features_by_rule(name: str, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
    """An input of a network."""
    return torch.from_numpy(array_input(name, shape, scale))


def assert_near(got: Tensor | np.ndarray, wanted: np.ndarray, relative: float = 1e-5) -> None:
    """Equal within `relative` of the largest value, as the recorded answers are between float32 and float64."""
    got = np.asarray(got.detach() if isinstance(got, Tensor) else got, np.float64)
    assert got.shape == wanted.shape
    error = np.abs(got - wanted).max() / np.abs(wanted).max()
    assert error <= relative, f"off by {error:.2e} of the largest value"
