"""Tensors with a record about them in one safetensors file; what `torch.save` wrote, without running any of it.

NumPy reads the first without torch.
"""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from mmasc.errors import MmascError
from mmasc.storage.files import write_atomically
from mmasc.storage.texts import parse_json

if TYPE_CHECKING:
    from torch import Tensor


def save_tensors(path: Path, tensors: "Mapping[str, Tensor]", about: Mapping[str, Any]) -> None:
    """Save tensors and a JSON-able record about them (in the file's metadata, under "config"), atomically."""
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(plain, {"config": json.dumps(about, sort_keys=True)}))


def to_bytes(arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> bytes:
    """Arrays and a JSON-able record about them as `save_tensors` writes them."""
    from safetensors.numpy import save

    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save(plain, {"config": json.dumps(about, sort_keys=True)})


def record_of(content: bytes) -> dict[str, Any]:
    """The record in what `to_bytes` gave.

    Raises:
        ValueError: If there is none.
    """
    header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
    about = parse_json(header["__metadata__"]["config"])
    if not isinstance(about, dict):
        raise ValueError("its record is not an object")
    return about


def load_tensors(path: Path) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """Tensors of a file that `save_tensors` wrote, on the CPU, and the record about them.

    Raises:
        MmascError: If the file is missing, damaged or holds no such record.
    """
    return _load(path, "pt")


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """As `load_tensors`, as NumPy arrays (which have no bfloat16) and without torch."""
    return _load(path, "np")


def _load(path: Path, framework: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        with safe_open(str(path), framework) as stored:
            about = parse_json((stored.metadata() or {})["config"])
            if not isinstance(about, dict):
                raise KeyError("config")
            return {name: stored.get_tensor(name) for name in stored.keys()}, about  # noqa: SIM118 (not a dict)
    except FileNotFoundError as error:
        raise MmascError(f"{path} does not exist; name a run folder of `mmasc train align` or its weights") from error
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise MmascError(f"{path} cannot be read as weights of mmasc ({error!r}); train or copy them again") from error


def read_pickled(path: Path, mapped: bool = False) -> Any:
    """What `torch.save` wrote: tensors and plain values, on the CPU; a file that holds anything else is refused.

    Args:
        path: Path of the file.
        mapped: Leave tensors on the disk until they are used; only in files of the zip format.
    Raises:
        ValueError: If it is damaged or holds anything else; its cause tells which.
        OSError: If it cannot be opened.
    """
    import torch

    with open(path, "rb"):
        pass  # what is missing is told by the system
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about old ways of writing
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # on damaged files the reader of pickles raises errors of any kind
        # What is missing from a memo or a stack is named by a number alone
        reason = "" if isinstance(error, LookupError) else " ".join(str(error).split())
        reason = reason or "it is damaged"
        raise ValueError(reason[:200]) from error


def best_weights(folder: Path) -> Path | None:
    """The weights that a run is used by: best.safetensors where it validated, else last.safetensors; None without."""
    found = (folder / name for name in ("best.safetensors", "last.safetensors"))
    return next((path for path in found if path.is_file()), None)
