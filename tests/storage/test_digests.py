"""The digest that names a space: the same for tensors and arrays, another for anything that shapes a vector."""

import hashlib
import json

import numpy as np
import pytest
import torch

from mmasc.storage.digests import state_digest

POLICY, CONSTANTS = {"rate": 8_000}, {"mean": -4.5}


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8"])
def test_tensors_and_arrays_are_one(dtype):
    numbers = np.arange(12).reshape(3, 4).astype(dtype)
    of_arrays = state_digest(POLICY, {"b": numbers.T, "a": numbers}, CONSTANTS)
    assert of_arrays == state_digest(
        POLICY, {"a": torch.from_numpy(numbers), "b": torch.from_numpy(numbers).T}, CONSTANTS
    )


def test_it_is_sha256_of_what_it_names():
    numbers = np.arange(6, dtype=np.float32).reshape(2, 3)
    said = json.dumps([POLICY, CONSTANTS], sort_keys=True).encode() + b"w torch.float32 (2, 3)" + numbers.tobytes()
    assert state_digest(POLICY, {"w": numbers}, CONSTANTS) == hashlib.sha256(said).hexdigest()[:32]


def test_whatever_shapes_a_vector_shapes_the_name():
    numbers = np.arange(6, dtype=np.float32)
    states = [
        {"w": numbers},
        {"w": numbers + 1},
        {"v": numbers},
        {"w": numbers.reshape(2, 3)},
        {"w": numbers.astype(np.float16)},
        {"w": numbers.view(np.int32)},
    ]
    names = [state_digest(POLICY, state, CONSTANTS) for state in states]
    names += [state_digest({"rate": 1}, states[0], CONSTANTS), state_digest(POLICY, states[0], {"mean": 0})]
    assert len(set(names)) == len(names)
