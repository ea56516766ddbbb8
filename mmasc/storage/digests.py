"""The digest that names a space: of weights, constants and policy."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def state_digest(policy: Mapping[str, Any], state: Mapping[str, Tensor], constants: Mapping[str, Any]) -> str:
    """32 hex digits of SHA-256.

    Args:
        policy: Rate, window and padding, JSON types only.
        state: Everything that shapes a vector, by name.
        constants: Preprocessing constants, JSON types only.
    """
    digest = hashlib.sha256(json.dumps([policy, constants], sort_keys=True).encode())
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:32]
