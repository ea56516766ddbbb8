"""Audio in: files are found, decoded, brought to one channel policy and one rate; float32 waveforms come out.

Samples lie in [-1, 1] for integer files; float files may go beyond and are kept as they are. The rate is never
assumed: what is read comes with its rate, and `resample` takes both rates.

- which files: find.py; inputs that are not files: forms.py, memory.py, arrays.py
- reading: stream.py (`load_audio`, `stream_audio`, `resample`), decode.py (one file, with its status), channels.py;
  decoders: native.py (libsndfile), container.py (PyAV), pcm.py (files with a wrong header), chained.py (several
  recordings in one file; joining.py brings them to one rate)
- length from headers, without decoding: headers.py starts; one file per container: chunks.py (WAV, RF64, W64, AIFF,
  CAF, AU; layout.py, declared.py and parts.py help), flac.py, mpeg.py (MP3), ogg.py,
  boxes.py (MP4)
- time and place of a recording: clock.py starts; clock_patterns.py, clock_names.py, clock_chunks.py, clock_parts.py
- cutting.py cuts spans out; quality.py finds silence; similarity.py and comparable_files.py compare waveforms
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
