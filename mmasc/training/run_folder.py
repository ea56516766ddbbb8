"""Files of a training run that survive being killed at any moment: written under another name, synced, renamed.

A checkpoint is one safetensors file, so its parts cannot be of different steps. Nothing here unpickles.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmasc.errors import MmascError
from mmasc.storage.configs import config_to_json
from mmasc.storage.files import make_folders, write_atomically
from mmasc.storage.texts import parse_json, read_reports


def read_config(folder: Path) -> dict[str, Any]:
    """What a run's config.json says.

    Raises:
        MmascError: If it is missing or damaged.
    """
    path = folder / "config.json"
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MmascError(f"{folder} is not a run of mmasc train: it holds no config.json") from error
    except (OSError, ValueError) as error:
        raise MmascError(f"{path} is damaged ({error}); choose another folder for the run") from error
    if not isinstance(values, dict):
        raise MmascError(f"{path} holds no configuration; choose another folder for the run")
    return values


def claim_run(folder: Path, config: Any) -> bool:
    """Make a folder the home of a run of this configuration.

    Returns:
        Whether the run was begun before.
    Raises:
        MmascError: If the folder holds a run of another configuration (the first difference is named) or other files.
    """
    path = folder / "config.json"
    mine = json.loads(config_to_json(config))
    if path.exists():
        try:
            theirs = parse_json(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise MmascError(f"{path} is damaged ({error}); choose another folder for the run") from error
        # Fields that came later: a run begun before them is this one where they are at their defaults
        later = {field.name: field for field in fields(config) if isinstance(theirs, dict) and field.name not in theirs}
        for name, field in later.items():
            if field.default is not MISSING or field.default_factory is not MISSING:
                default = field.default if field.default_factory is MISSING else field.default_factory()
                theirs[name] = json.loads(json.dumps(default, default=asdict))
        if theirs != mine:
            raise MmascError(
                f"{folder} holds a run of another configuration ({_difference(theirs, mine)}); "
                "choose another folder or give the same options"
            )
        return True
    if folder.exists() and any(not item.name.startswith(".") for item in folder.iterdir()):
        raise MmascError(f"{folder} holds files but no run; choose a new or empty folder")
    make_folders(folder)
    write_atomically(path, config_to_json(config).encode())
    return False


def _difference(theirs: Any, mine: Any, name: str = "") -> str:
    if isinstance(theirs, dict) and isinstance(mine, dict):
        for key in sorted(set(theirs) | set(mine)):
            if theirs.get(key) != mine.get(key):
                return _difference(theirs.get(key), mine.get(key), f"{name}.{key}".lstrip("."))
    return f"{name} is {theirs!r} there, {mine!r} here"


class Metrics:
    """A file of JSON lines, one a report, each with its `step`.

    Args:
        path: The file; made when the first line is written.
        step: Lines of later steps are dropped: they were written after the checkpoint that the run continues from.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        if path.exists():
            kept = [line for line in read_reports(path) if type(line.get("step")) is int and line["step"] <= step]
            write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept).encode())

    def write(self, **values: float | int) -> None:
        """Append a line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as named tensors."""
    return {
        f"{number}/{name}": torch.as_tensor(value)
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def unpack_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put state that `pack_optimizer` packed back into an optimiser of the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition("/")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
