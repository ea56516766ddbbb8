"""Frozen dataclasses as JSON, and back with every key and type checked."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin

from mmasc.errors import MmascError

Config = TypeVar("Config")


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


def usable_config(kind: type[Config], values: Mapping[str, Any], where: str) -> Config:
    """As `config_from_dict`; values that no such dataclass can have are one line, too.

    Raises:
        MmascError: If keys, types or values are not those of this version.
    """
    try:
        config = config_from_dict(kind, values, where)
        _check_types(config)
    except (TypeError, ValueError, AttributeError) as error:
        first = " ".join(str(error).split())[:150]
        raise MmascError(f"{where} holds no configuration that can be used ({first}); start a new run") from error
    return config


def _check_types(config: Any) -> None:
    for one in fields(config):
        value, wanted = getattr(config, one.name), one.type
        if get_origin(wanted) is tuple:
            fit = isinstance(value, tuple) and all(_fits(part, get_args(wanted)[0]) for part in value)
        else:
            fit = _fits(value, wanted)
        if not fit:
            raise TypeError(f"{one.name} is {value!r}")
        if is_dataclass(value):
            _check_types(value)


def _fits(value: Any, wanted: Any) -> bool:
    """Whether a value is of a plain type; of others nothing is said."""
    if not isinstance(wanted, type) or get_origin(wanted) is not None:
        return True
    if wanted is float and isinstance(value, int):
        value = float(value)
    return isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))
