"""Waveforms in memory → vectors, by the name of an encoder."""

from typing import Any

from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import FileVectors
from mmasc.encoders.registry import load_encoder
from mmasc.encoders.spec import DEFAULT_ENCODER


def embed_audio(
    waveform: Any,
    sample_rate: Any,
    encoder: str | Encoder = DEFAULT_ENCODER,
    hop_seconds: float | None = None,
    channels: str = "mix",
    device: str = "cpu",
) -> FileVectors:
    """Vectors of the windows of a waveform: resampled, cut and filled as the file with these samples would be.

    Args:
        waveform: One recording, `[time]` or `[channel time]`; numpy, torch or lists. `[time channel]` is taken where
            there are more than 64 rows and at most 32 columns. Floats in [-1, 1] (more is kept, as in float files), or
            int8, uint8, int16, int32, whose range becomes [-1, 1].
        sample_rate: Sample rate of the waveform, in Hz; any from 1,000 to 768,000.
        encoder: Name for `load_encoder`, loaded with every call; or a loaded encoder, for more than one waveform.
        hop_seconds: Seconds from one window's start to the next; default: the window, no overlap.
        channels: "mix", "left", "right", "each" or "mid-side".
        device: Where an encoder that is named runs.
    Returns:
        `vectors`, float32 `[item dim]`, of windows with `starts` and `ends` in seconds `[item]`; `vector`, the
        recording's own `[dim]`; and what else `embed_file` says of a file.
    Raises:
        ValueError: If the shape, type or rate of the waveform is wrong.
        MmascError: If there is no sample, NaN or infinity among them, the hop is longer than the window, or the encoder
            is not known.
    """
    loaded = encoder if isinstance(encoder, Encoder) else load_encoder(encoder, device)
    return loaded.embed_audio(waveform, sample_rate, hop_seconds, channels)
