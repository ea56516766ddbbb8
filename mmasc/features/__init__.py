"""Waveforms → features: torch modules with presets named after their users, float32 always.

`load_front_end(name)` gives one by name; nothing is computed or loaded before.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmasc.features.base import FrontEnd, FrontEndSpec
    from mmasc.features.log_mel import LogMel, hz_to_mel, mel_matrix, mel_to_hz
    from mmasc.features.log_mel_config import CLAP, CLAP_FUSED, MINI, PANNS, VGGISH, LogMelConfig, MelScale
    from mmasc.features.registry import FRONT_ENDS, load_front_end

__all__ = [
    "CLAP",
    "CLAP_FUSED",
    "FRONT_ENDS",
    "MINI",
    "PANNS",
    "VGGISH",
    "FrontEnd",
    "FrontEndSpec",
    "LogMel",
    "LogMelConfig",
    "MelScale",
    "hz_to_mel",
    "load_front_end",
    "mel_matrix",
    "mel_to_hz",
]

# Loaded on first use: what lies in this folder can be imported without torch
_LATE = {
    "CLAP": "mmasc.features.log_mel_config",
    "CLAP_FUSED": "mmasc.features.log_mel_config",
    "FRONT_ENDS": "mmasc.features.registry",
    "MINI": "mmasc.features.log_mel_config",
    "PANNS": "mmasc.features.log_mel_config",
    "VGGISH": "mmasc.features.log_mel_config",
    "FrontEnd": "mmasc.features.base",
    "FrontEndSpec": "mmasc.features.base",
    "LogMel": "mmasc.features.log_mel",
    "LogMelConfig": "mmasc.features.log_mel_config",
    "MelScale": "mmasc.features.log_mel_config",
    "hz_to_mel": "mmasc.features.log_mel",
    "load_front_end": "mmasc.features.registry",
    "mel_matrix": "mmasc.features.log_mel",
    "mel_to_hz": "mmasc.features.log_mel",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
