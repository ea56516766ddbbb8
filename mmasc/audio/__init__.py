"""Audio in: files are found, decoded, brought to one channel policy and one rate; float32 waveforms come out.

Samples lie in [-1, 1] for integer files; float files may go beyond and are kept as they are. The rate is never
assumed: what is read comes with its rate, and `resample` takes both rates.
"""

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
