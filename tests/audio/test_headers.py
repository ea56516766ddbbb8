"""Headers that lie take no memory."""

import tracemalloc

import numpy as np
import soundfile

from mmasc.audio import load_audio, stream_audio
from tests.helpers.recordings import read, sound, wav_header, write


def peak_memory(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_hours_declared_in_a_small_flac(tmp_path):
    path = write(tmp_path, "flac", {}, sound(0.5))
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F
    content[22:26] = b"\xff\xff\xff\xff"  # 2^36 - 1 frames
    path.write_bytes(content)
    status = []
    assert peak_memory(lambda: status.append(read(path, 1e9)[1])) < 150e6
    assert status[0].state == "truncated"
    assert status[0].declared_seconds > 1e6
    assert status[0].decoded_seconds == 0.5


def test_a_thousand_channels_take_no_memory(tmp_path):
    path = tmp_path / "wide.wav"
    path.write_bytes(wav_header(channels=1024, rate=768_000, data=bytes(2048 * 3), declared=0x40000000))
    status = []
    assert peak_memory(lambda: status.append(read(path)[1])) < 150e6
    assert status[0].state == "truncated"
    assert load_audio(path, 1_000)[0].shape == (1, 0)
    assert load_audio(path)[0].shape == (1, 3)


def test_memory_does_not_grow_with_the_recording(tmp_path):
    peaks = []
    for minutes in (1, 10):
        path = tmp_path / f"{minutes}.wav"
        soundfile.write(path, np.zeros(minutes * 60 * 8_000, np.int16), 8_000)
        peaks.append(peak_memory(lambda path=path: [None for _ in stream_audio(path, 16_000, block_seconds=5.0)]))
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 4e6
