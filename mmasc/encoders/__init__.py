"""Windows of sound, texts and pictures → vectors of named spaces: `load_encoder(name)` gives an encoder."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmasc.encoders.registry import BACKENDS, ENCODERS, SPECS, load_encoder, network_spec, spec_of, window_of

__all__ = ["BACKENDS", "ENCODERS", "SPECS", "load_encoder", "network_spec", "spec_of", "window_of"]

# Loaded on first use: what lies in this folder can be imported without them
_LATE = {
    "BACKENDS": "mmasc.encoders.registry",
    "ENCODERS": "mmasc.encoders.registry",
    "SPECS": "mmasc.encoders.registry",
    "load_encoder": "mmasc.encoders.registry",
    "network_spec": "mmasc.encoders.registry",
    "spec_of": "mmasc.encoders.registry",
    "window_of": "mmasc.encoders.registry",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
