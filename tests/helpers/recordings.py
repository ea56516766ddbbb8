"""Recordings of many kinds: written, read whole, cut off."""

import struct

import numpy as np
import pytest
import soundfile

from mmasc.audio import open_audio, stream_audio

RATE = 44_100


def sound(seconds=1.0, channels=2, rate=RATE, seed=0):
    """A rising tone under noise, float32 [time, channel]: no part of it is like another."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    tone = 0.4 * np.sin(2 * np.pi * (200 + 300 * time) * time)
    noise = 0.05 * generator.standard_normal((len(time), channels))
    return (tone[:, None] * np.linspace(1, 0.5, channels) + noise).astype(np.float32)


def write_av(path, codec, samples, rate=RATE, out_rate=None, video=False, audio=True, options=None, container=None):
    """Write [time, channel] samples (and a picture a tenth of a second) with PyAV."""
    av = pytest.importorskip("av")
    out_rate = out_rate or rate
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(str(path), "w", format=container, options=options or {}) as file:
        if video:
            pictures = file.add_stream("mpeg4", rate=10)
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        if audio:
            stream = file.add_stream(codec, rate=out_rate, layout=layout)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
            frame.rate, frame.pts = rate, 0
            form = stream.codec_context.format
            resampler = av.AudioResampler(form, layout, out_rate, stream.codec_context.frame_size or 1024)
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                file.mux(stream.encode(part))
            file.mux(stream.encode(None))
        if video:
            for _ in range(round(10 * len(samples) / rate)):
                picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 99, np.uint8), format="rgb24")
                file.mux(pictures.encode(picture))
            file.mux(pictures.encode(None))
    return path


def read(path, seconds=30.0):
    """(samples [channel, time], status) of a whole file."""
    with open_audio(path) as file:
        blocks = list(file.blocks(seconds))
        return np.concatenate(blocks, axis=1), file.status


def stream(path, *arguments, **more):
    """(samples [lane, time], stream) of a whole file."""
    with stream_audio(path, *arguments, **more) as blocks:
        return np.concatenate(list(blocks), axis=1), blocks


NATIVE = [
    ("wav", {"subtype": "PCM_U8"}),
    ("wav", {"subtype": "PCM_16"}),
    ("wav", {"subtype": "PCM_24"}),
    ("wav", {"subtype": "PCM_32"}),
    ("wav", {"subtype": "FLOAT"}),
    ("wav", {"subtype": "DOUBLE"}),
    ("wav", {"subtype": "ULAW"}),
    ("wav", {"format": "WAVEX", "subtype": "PCM_24"}),
    ("wav", {"endian": "BIG", "subtype": "PCM_16"}),
    ("flac", {"subtype": "PCM_24"}),
    ("aiff", {}),
    ("aifc", {"format": "AIFF", "subtype": "FLOAT"}),
    ("w64", {}),
    ("rf64", {"format": "RF64"}),
    ("caf", {}),
    ("caf", {"subtype": "ALAC_16"}),
    ("au", {}),
    ("ogg", {"format": "OGG"}),
    ("opus", {"format": "OGG", "subtype": "OPUS"}),
    ("mp3", {}),
]


NATIVE_NAMES = [f"{extension} {' '.join(more.values())}".strip() for extension, more in NATIVE]


def write(folder, extension, more, samples, rate=RATE):
    path = folder / f"sound.{extension}"
    soundfile.write(path, samples, 48_000 if extension == "opus" else rate, **more)
    return path


def cut(path, share=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: round(len(content) * share)])
    return path


def wav_header(channels=1, rate=8_000, bits=16, data=b"", declared=None, code=1):
    frame = channels * bits // 8
    size = len(data) if declared is None else declared
    form = struct.pack("<HHIIHH", code, channels, rate, rate * frame & 0xFFFFFFFF, frame & 0xFFFF, bits)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + size)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", size)
        + data
    )
