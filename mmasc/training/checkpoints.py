"""Files of a training run that survive being killed at any moment: written beside, synced, renamed.

A checkpoint is one safetensors file, so its parts cannot be of different steps. Nothing here unpickles.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mmasc.errors import MmascError
from mmasc.storage.files import write_atomically
from mmasc.storage.texts import parse_json, read_reports

Config = TypeVar("Config")


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Save tensors and a JSON-able record about them (in the file's metadata, under "config"), atomically."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(plain, {"config": json.dumps(about, sort_keys=True)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors of a file that `save_tensors` wrote, on the CPU, and the record about them.

    Raises:
        MmascError: If the file is missing, damaged or holds no such record.
    """
    try:
        with safe_open(str(path), "pt") as stored:
            about = parse_json((stored.metadata() or {})["config"])
            if not isinstance(about, dict):
                raise KeyError("config")
            return {name: stored.get_tensor(name) for name in stored.keys()}, about  # noqa: SIM118 (not a dict)
    except FileNotFoundError as error:
        raise MmascError(f"{path} is not there; name a run folder of `mmasc train align` or its weights") from error
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise MmascError(f"{path} cannot be read as weights of mmasc ({error!r}); train or copy them again") from error


def config_to_json(config: Any) -> str:
    """A frozen dataclass (and those inside it) as JSON text."""
    return json.dumps(asdict(config), indent=1, sort_keys=True) + "\n"


def config_from_dict(kind: type[Config], values: Mapping[str, Any], where: str) -> Config:
    """A dataclass from what JSON kept of it; unknown keys are refused, and missing ones that have no default.

    Args:
        kind: The dataclass.
        values: Its fields by name; lists become tuples, and mappings the dataclass of the field's default. Fields that
            came later are at their defaults, which mean what was done before there were any.
        where: What to name in the message.
    Raises:
        MmascError: If the keys are not those of this version.
    """
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    needed = {name for name, field in known.items() if field.default is MISSING and field.default_factory is MISSING}
    if not needed <= set(values) <= set(known):
        odd = ", ".join(sorted((needed - set(values)) | (set(values) - set(known))))
        raise MmascError(f"{where} was written by another version of mmasc: it differs in {odd}; start a new run")
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        field_type = known[name].type
        if isinstance(value, list):
            value = tuple(value)
        elif isinstance(value, Mapping) and isinstance(field_type, type):
            value = config_from_dict(field_type, value, where)
        arguments[name] = value
    return kind(**arguments)


def read_config(folder: Path) -> dict[str, Any]:
    """What a run's config.json says.

    Raises:
        MmascError: If it is missing or damaged.
    """
    path = folder / "config.json"
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MmascError(f"{folder} is no run of mmasc train: it holds no config.json") from error
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
    folder.mkdir(parents=True, exist_ok=True)
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
        step: Lines of later steps are dropped: they were written after the checkpoint that the run goes on from.
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
