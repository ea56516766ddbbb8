"""Audio in: files are found, decoded, brought to one channel policy and one rate; float32 waveforms come out.

Samples lie in [-1, 1] for integer files; float files may go beyond and are kept as they are. The rate is never
assumed: what is read comes with its rate, and `resample` takes both rates.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmasc.audio.channels import CHANNELS, apply_channels
    from mmasc.audio.decode import AudioFile, AudioStatus, open_audio
    from mmasc.audio.find import AUDIO_EXTENSIONS, VIDEO_EXTENSIONS, find_audio
    from mmasc.audio.stream import AudioInfo, AudioStream, load_audio, resample, stream_audio

__all__ = [
    "AUDIO_EXTENSIONS",
    "CHANNELS",
    "VIDEO_EXTENSIONS",
    "AudioFile",
    "AudioInfo",
    "AudioStatus",
    "AudioStream",
    "apply_channels",
    "find_audio",
    "load_audio",
    "open_audio",
    "resample",
    "stream_audio",
]

# Loaded on first use: what lies in this folder can be imported without torch
_LATE = {
    "AUDIO_EXTENSIONS": "mmasc.audio.find",
    "CHANNELS": "mmasc.audio.channels",
    "VIDEO_EXTENSIONS": "mmasc.audio.find",
    "AudioFile": "mmasc.audio.decode",
    "AudioInfo": "mmasc.audio.stream",
    "AudioStatus": "mmasc.audio.decode",
    "AudioStream": "mmasc.audio.stream",
    "apply_channels": "mmasc.audio.channels",
    "find_audio": "mmasc.audio.find",
    "load_audio": "mmasc.audio.stream",
    "open_audio": "mmasc.audio.decode",
    "resample": "mmasc.audio.stream",
    "stream_audio": "mmasc.audio.stream",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
