"""The digest that names a space: of weights, constants and policy."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def state_digest(policy: Mapping[str, Any], state: Mapping[str, Any], constants: Mapping[str, Any]) -> str:
    """32 hex digits of SHA-256; equal for tensors and for NumPy arrays of the same types, shapes and values.

    Args:
        policy: Rate, window and padding, JSON types only.
        state: Everything that shapes a vector, by name: torch tensors or NumPy arrays.
        constants: Preprocessing constants, JSON types only.
    """
    digest = hashlib.sha256(json.dumps([policy, constants], sort_keys=True).encode())
    for name in sorted(state):
        kind, shape, content = _described(state[name])
        digest.update(f"{name} {kind} {shape}".encode())
        digest.update(content)
    return digest.hexdigest()[:32]


def _described(numbers: Any) -> tuple[str, tuple[int, ...], bytes]:
    """Type as torch calls it, shape and bytes."""
    if isinstance(numbers, np.ndarray):
        return f"torch.{numbers.dtype.name}", numbers.shape, numbers.tobytes()
    import torch  # late: a caller that has a tensor has loaded it already

    tensor = numbers.detach().cpu().contiguous()
    return str(tensor.dtype), tuple(tensor.shape), tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
