"""Waveforms → features: torch modules with presets named after their users, float32 always.

`load_front_end(name)` gives one by name; nothing is computed or loaded before.
"""

from mmasc.features.base import FrontEnd, FrontEndSpec
from mmasc.features.log_mel import (
    CLAP,
    CLAP_FUSED,
    MINI,
    PANNS,
    VGGISH,
    LogMel,
    LogMelConfig,
    MelScale,
    hz_to_mel,
    mel_matrix,
    mel_to_hz,
)
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
