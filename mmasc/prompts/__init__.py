"""Prompt files: phrases for labels, read strictly, checked, and as vectors."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmasc.prompts.prompts import Prompts, as_prompts, bundled_prompts, load_prompts

__all__ = ["Prompts", "as_prompts", "bundled_prompts", "load_prompts"]

# Loaded on first use: what lies in this folder can be imported without them
_LATE = {
    "Prompts": "mmasc.prompts.prompts",
    "as_prompts": "mmasc.prompts.prompts",
    "bundled_prompts": "mmasc.prompts.prompts",
    "load_prompts": "mmasc.prompts.prompts",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
