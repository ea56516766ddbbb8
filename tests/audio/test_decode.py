"""Files that cannot be read fail in one line and leave nothing open."""

import math
import os
import struct
import subprocess
import sys

import pytest

from mmasc.audio import load_audio, open_audio, stream_audio
from mmasc.audio.container import has_pyav
from mmasc.audio.layout import Header
from mmasc.errors import MmascError
from tests.helpers.recordings import NATIVE, RATE, cut, sound, wav_header, write, write_av

SAMPLES = bytes(range(256)) * 4
BAD_FILES = {
    "nothing": (b"", r"is empty \(0 bytes\); copy or record it again"),
    "text": (b"This is no sound.\n" * 50, "no sound that can be read"),
    "header": (wav_header(declared=0), r"holds no sound \(0 samples\)"),
    "header, samples cut off": (wav_header(declared=1000), r"holds no sound \(0 samples\)"),
    "half a header": (wav_header()[:30], "no sound that can be read"),
    "rate of 1": (wav_header(rate=1, data=SAMPLES), "declares 1 Hz and 1 channels, sound has 1000 to 768000 Hz"),
    "rate of 0": (wav_header(rate=0, data=SAMPLES), "no sound that can be read|declares 0 Hz"),
    "rate of 999": (wav_header(rate=999, data=SAMPLES), "declares 999 Hz"),
    "rate too high": (wav_header(rate=800_000, data=SAMPLES), "declares 800000 Hz"),
    "no channels": (wav_header(channels=0, data=SAMPLES), "no sound that can be read|0 channels"),
    "not a number": (
        wav_header(bits=32, code=3, data=struct.pack("<3f", 0.5, math.nan, 0.5)),
        "samples that are not s",
    ),
    "infinite": (
        wav_header(bits=32, code=3, data=struct.pack("<3f", 0.5, -math.inf, 0.5)),
        "samples that are not sound",
    ),
    "absurd": (wav_header(bits=32, code=3, data=struct.pack("<3f", 0.5, 1e30, 0.5)), "samples that are not sound"),
    "double": (wav_header(bits=64, code=3, data=struct.pack("<3d", 0.5, 1e300, 0.5)), "samples that are not sound"),
    "zeros": (bytes(5_000), "no sound that can be read"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(500), "no sound that can be read"),
    "flac mark": (b"fLaC" + bytes(100), "no sound that can be read"),
    "ogg mark": (b"OggS" + bytes(100), "no sound that can be read"),
    "mp4 mark": (b"\0\0\0\x18ftypmp42" + bytes(100), "no sound that can be read"),
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("pyav", [True, False])
def test_bad_files_fail_in_one_line(tmp_path, capfd, request, name, pyav):
    content, message = BAD_FILES[name]
    if not pyav:
        request.getfixturevalue("no_pyav")
        message = message if name != "mp4 mark" else "needs PyAV"
    path = tmp_path / "bad file.wav"
    path.write_bytes(content)
    opened = []

    def read_all():
        opened.append(stream_audio(path, 16_000))
        list(opened[0])

    with pytest.raises(MmascError, match=message) as caught:
        read_all()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    for blocks in opened:
        assert blocks.status.state == "failed"
        assert blocks.status.reason == str(caught.value)
    with pytest.raises(MmascError, match=message):
        load_audio(path)
    assert capfd.readouterr() == ("", "")


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(MmascError, match="is a folder; name a file"):
        open_audio(tmp_path)
    with pytest.raises(MmascError, match=r"none\.wav: cannot be read \(No such file or directory\); check the name"):
        open_audio(tmp_path / "none.wav")
    with pytest.raises(MmascError, match="cannot be read"):
        open_audio("nul\0.wav")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_refused_and_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(MmascError, match="is not an ordinary file"):
        open_audio(tmp_path / "pipe.wav")


@pytest.mark.parametrize("name", ["a.m4a", "clip.dat"])
def test_missing_pyav_is_said(tmp_path, no_pyav, name):
    path = tmp_path / name
    path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500) if name == "a.m4a" else bytes(500))
    with pytest.raises(MmascError, match=r"needs PyAV: pip install 'mmasc\[video\]'"):
        open_audio(path)


def test_failing_files_leave_nothing_open(tmp_path):
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("open files are counted in /proc")
    path = tmp_path / "bad.wav"
    before = len(os.listdir("/proc/self/fd"))
    for content, _ in BAD_FILES.values():
        path.write_bytes(content)
        with pytest.raises(MmascError):
            load_audio(path)
    good = write(tmp_path, "flac", {}, sound())
    list(stream_audio(good, RATE))
    list(stream_audio(cut(good), RATE))
    assert len(os.listdir("/proc/self/fd")) == before


FUZZ = """
import sys, warnings
warnings.simplefilter("error")
from pathlib import Path
import numpy as np
from mmasc.audio import stream_audio
from mmasc.errors import MmascError
generator = np.random.default_rng(int(sys.argv[1]))
path = Path(sys.argv[2]) / "damaged"
states = {"ok": 0, "truncated": 0, "failed": 0}
for name in sys.argv[3:]:
    whole = Path(name).read_bytes()
    for _ in range(10):
        damaged = bytearray(whole)
        place = int(generator.integers(len(whole)))
        kind = generator.integers(5)
        if kind == 0:
            del damaged[place:]
        elif kind == 1:
            for place in generator.integers(len(whole), size=generator.integers(1, 20)):
                damaged[place] ^= 1 << generator.integers(8)
        elif kind == 2:
            for place in generator.integers(200, size=generator.integers(1, 8)):
                damaged[place] = generator.integers(256)
        elif kind == 3:
            damaged[place : place + 500] = bytes(500)
        else:
            damaged[place % 300 : place % 300 + 4] = b"\\xff\\xff\\xff\\xff"
        path.write_bytes(damaged)
        try:
            with stream_audio(path, 16_000) as stream:
                for block in stream:
                    assert np.isfinite(block).all()
                state = stream.status.state
                assert (state == "ok") == (stream.status.reason == "")
        except MmascError as error:
            assert str(path) in str(error)
            state = "failed"
        states[state] += 1
print(states["ok"], states["truncated"], states["failed"])
"""


def test_damage_of_any_kind_is_ok_truncated_or_failed(tmp_path):
    """In a process of its own: a decoder that crashes or hangs must not take the tests with it."""
    names = []
    for number, (extension, more) in enumerate(NATIVE):
        folder = tmp_path / str(number)
        folder.mkdir()
        names.append(write(folder, extension, more, sound(0.3)))
    if has_pyav():
        names.append(write_av(tmp_path / "a.m4a", "aac", sound(0.3)))
        names.append(write_av(tmp_path / "a.webm", "libopus", sound(0.3), out_rate=48_000))
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, "1", str(tmp_path), *map(str, names)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    counts = [int(count) for count in done.stdout.split()]
    assert sum(counts) == 10 * len(names)
    assert min(counts) > 0


@pytest.mark.parametrize(("more", "state"), [(0.0, "ok"), (0.2, "ok"), (0.3, "truncated"), (1.0, "truncated")])
def test_frames_that_were_counted_and_not_decoded_are_missed(tmp_path, monkeypatch, more, state):
    """A quarter of a second is what encoders may add; more is sound that the decoder passed over without a word."""
    path = write(tmp_path, "wav", {}, sound(2.0))
    monkeypatch.setattr("mmasc.audio.decode.read_header", lambda *_: Header(holds=2.0 + more))
    with open_audio(path) as file:
        assert sum(block.shape[1] for block in file.blocks()) == 2 * RATE
        assert file.status.state == state
        assert (f"of {2 + more:.3f} s" in file.status.reason) == (state == "truncated")
