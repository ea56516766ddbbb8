"""Files are found, decoded the same whoever decodes them, and never said to be whole when they are not."""

import math
import os
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch

import mmasc.audio.decode
from mmasc.audio import CHANNELS, apply_channels, find_audio, load_audio, open_audio, resample, stream_audio
from mmasc.audio.container import ContainerDecoder, has_pyav
from mmasc.audio.layout import Header
from mmasc.audio.native import DecodeError
from mmasc.errors import MmascError

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


@pytest.fixture
def no_pyav(monkeypatch):
    monkeypatch.setattr(mmasc.audio.decode, "has_pyav", lambda: False)


@pytest.fixture
def only_pyav(monkeypatch):
    pytest.importorskip("av")

    def refuse(self, path, header):
        raise DecodeError("soundfile is not asked")

    monkeypatch.setattr(mmasc.audio.decode.NativeDecoder, "__init__", refuse)


# --- finding ---


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_folders_are_searched_in_order_without_hidden_files(tmp_path):
    touch(
        *(tmp_path / name for name in ["b.WAV", "a.flac", "a b/c.mp3", "a/z.ogg", "notes.txt", ".x.wav", ".git/y.wav"])
    )
    found = [path.relative_to(tmp_path).as_posix() for path in find_audio(tmp_path)]
    assert found == ["a/z.ogg", "a b/c.mp3", "a.flac", "b.WAV"]


def test_a_named_file_is_taken_whatever_it_is_called(tmp_path):
    touch(tmp_path / "sound.dat", tmp_path / ".hidden")
    assert find_audio([tmp_path / "sound.dat", str(tmp_path / ".hidden")]) == [
        tmp_path / "sound.dat",
        tmp_path / ".hidden",
    ]


def test_extensions_can_be_chosen(tmp_path):
    touch(tmp_path / "a.dat", tmp_path / "b.wav", tmp_path / "c.RAW")
    assert [path.name for path in find_audio(tmp_path, ["dat", ".raw"])] == ["a.dat", "c.RAW"]
    for wrong in ("wav", [], [""]):
        with pytest.raises(ValueError, match="extensions must be"):
            find_audio(tmp_path, wrong)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.wav", ["a.wav", "b.wav"]),
        ("[b-z].*", ["b.wav"]),
        ("**/*.wav", ["a.wav", "b.wav", "x/c.wav", "x/y/d.wav"]),
        ("x/**/*.wav", ["x/c.wav", "x/y/d.wav"]),
        ("**/y/*", ["x/y/d.wav"]),
        ("x/**", ["x/c.wav", "x/y/d.wav"]),
        ("*/**/y/**/d.*", ["x/y/d.wav"]),
        ("*", ["a.wav", "b.wav", "x/c.wav", "x/y/d.wav"]),
        ("*.txt", ["a.txt"]),
    ],
)
def test_patterns(tmp_path, monkeypatch, pattern, names):
    touch(*(tmp_path / name for name in ["a.wav", "b.wav", "a.txt", ".h.wav", "x/c.wav", "x/y/d.wav", "x/.z/e.wav"]))
    assert [path.relative_to(tmp_path).as_posix() for path in find_audio(f"{tmp_path}/{pattern}")] == names
    monkeypatch.chdir(tmp_path)
    assert [path.as_posix() for path in find_audio(pattern)] == names


def test_what_exists_is_no_pattern(tmp_path):
    names = ["a[1].wav", "a1.wav", "b*.wav", "bb.wav", "what?.wav", "two words.wav", "new\nline.wav", "żółw 音.wav"]
    touch(*(tmp_path / name for name in names))
    for name in names:
        assert find_audio(tmp_path / name) == [tmp_path / name]
    touch(tmp_path / "takes[1-3]" / "x.wav")
    assert find_audio(tmp_path / "takes[1-3]") == [tmp_path / "takes[1-3]" / "x.wav"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are UTF-8 here")
def test_names_that_are_no_utf8(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \xff.wav"))
    soundfile.write(os.fsencode(path), sound(0.1), RATE, format="WAV")
    assert find_audio(tmp_path) == [path]
    assert load_audio(path)[0].shape == (1, 4_410)
    path.write_bytes(b"")
    with pytest.raises(MmascError, match=r"caf\\xe9 \\xff.wav: is empty"):
        load_audio(path)


def test_lists_of_files(tmp_path, monkeypatch):
    touch(tmp_path / "b.wav", tmp_path / "deep" / "a.wav", tmp_path / "c d.dat", tmp_path / "@real.wav")
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfb.wav\r\n\r\nc d.dat\ndeep\n*.wav")
    monkeypatch.chdir(tmp_path)
    assert [path.as_posix() for path in find_audio("@list.txt")] == ["b.wav", "c d.dat", "deep/a.wav", "@real.wav"]
    assert find_audio("@real.wav") == [Path("@real.wav")]
    with pytest.raises(MmascError, match=r"none\.txt: the list of files cannot be read"):
        find_audio("@none.txt")
    (tmp_path / "again.txt").write_text("@list.txt")
    with pytest.raises(MmascError, match=r"line 1 of again\.txt: @list\.txt: no such file"):
        find_audio("@again.txt")


def test_a_file_is_found_once_where_it_was_first_named(tmp_path, monkeypatch):
    touch(tmp_path / "a.wav", tmp_path / "b.wav")
    monkeypatch.chdir(tmp_path)
    assert find_audio(["b.wav", "./b.wav", tmp_path, "*.wav"]) == [Path("b.wav"), tmp_path / "a.wav"]


def test_links_in_a_circle_end(tmp_path):
    folders = [tmp_path / f"d{number}" for number in range(9)]
    touch(*(folder / "x.wav" for folder in folders))
    # Every folder links to every other one and to the top: followed path by path these are millions
    for folder in folders:
        (folder / "top").symlink_to(tmp_path)
        for other in folders:
            (folder / f"to-{other.name}").symlink_to(other)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "lost.wav").symlink_to(tmp_path / "nowhere.wav")
    real = [folder / "x.wav" for folder in folders]
    assert find_audio(tmp_path) == real
    assert find_audio(f"{tmp_path}/**/x.wav") == real


def test_linked_folders_are_followed(tmp_path):
    touch(tmp_path / "store" / "a.wav")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "store")
    assert find_audio(tmp_path / "set") == [tmp_path / "set" / "linked" / "a.wav"]


def test_a_tree_is_found_as_os_walk_finds_it(tmp_path):
    generator = np.random.default_rng(0)
    for _ in range(60):
        parts = [str(generator.choice(["a", "b", ".c", "d e"])) for _ in range(generator.integers(0, 4))]
        touch(tmp_path.joinpath(*parts) / f"{generator.integers(20)}{generator.choice(['.wav', '.MP4', '.txt'])}")
    expected = set()
    for folder, folders, files in os.walk(tmp_path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        expected |= {Path(folder) / name for name in files if not name.endswith(".txt")}
    found = find_audio(tmp_path)
    assert set(found) == expected
    assert len(found) == len(expected)
    assert found == find_audio(f"{tmp_path}/**")


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ("missing.wav", r"missing\.wav: no such file or folder; check the name"),
        (["missing"], r"missing: no such file or folder"),
        ("*.nope", r"\*\.nope: the pattern matches nothing; looked for files that end in \.nope"),
        ("**/x*", r"\*\*/x\*: the pattern matches nothing; looked for files that end in .*\.wav"),
        ("*.*", r"the pattern matches no audio; looked for"),
        (".", r"\.: no audio found; looked for files that end in .*\.flac.*\.wav"),
        ([], "no path given: no audio found"),
        ("", "'' is not a path"),
        ("a\0b", "is not a path"),
    ],
)
def test_nothing_found_is_an_error(tmp_path, monkeypatch, paths, message):
    touch(tmp_path / "notes.txt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MmascError, match=message) as caught:
        find_audio(paths)
    assert "\n" not in str(caught.value)


# --- decoding: the same samples whoever reads them ---

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


@pytest.mark.parametrize(("extension", "more"), NATIVE, ids=NATIVE_NAMES)
def test_whole_files_are_whole(tmp_path, extension, more):
    path = write(tmp_path, extension, more, sound())
    expected, rate = soundfile.read(path, dtype="float32", always_2d=True)
    samples, status = read(path)
    np.testing.assert_array_equal(samples, expected.T)
    assert samples.dtype == np.float32
    assert status.state == "ok", status
    assert status.reason == ""
    assert status.decoded_seconds == samples.shape[1] / rate
    assert status.declared_seconds == pytest.approx(status.decoded_seconds, abs=1e-3)


@pytest.mark.parametrize(("extension", "more"), NATIVE, ids=NATIVE_NAMES)
def test_blocks_are_the_whole(tmp_path, extension, more):
    path = write(tmp_path, extension, more, sound())
    np.testing.assert_array_equal(read(path, 0.0317)[0], read(path)[0])


# Opus: libopus and FFmpeg's own decoder differ by 1e-2. FFmpeg reads big-endian wav as if it were little-endian, and
# leaves out the last frame of ALAC as libsndfile writes it.
DIFFERENT = ("opus OGG OPUS", "wav BIG PCM_16", "caf ALAC_16")


@pytest.mark.parametrize(
    ("extension", "more"),
    [one for one, name in zip(NATIVE, NATIVE_NAMES, strict=True) if name not in DIFFERENT],
    ids=[name for name in NATIVE_NAMES if name not in DIFFERENT],
)
def test_both_decoders_agree(tmp_path, monkeypatch, request, extension, more):
    path = write(tmp_path, extension, more, sound())
    samples, _ = read(path)
    request.getfixturevalue("only_pyav")
    other, status = read(path)
    assert status.state == "ok", status
    assert other.shape == samples.shape
    np.testing.assert_allclose(other, samples, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("xing", ["0", "1"])
def test_mp3_is_the_same_with_and_without_its_tag(tmp_path, request, xing, channels):
    samples = sound(channels=channels)
    path = write_av(tmp_path / "a.mp3", "libmp3lame", samples, options={"write_xing": xing, "id3v2_version": "3"})
    native, status = read(path)
    assert status.state == "ok", status
    if xing == "1":
        # the encoder's delay is gone: the sound begins where it began
        assert native.shape[1] == len(samples)
        assert status.declared_seconds == 1.0
        assert np.corrcoef(native[0], samples[:, 0])[0, 1] > 0.98
    else:
        assert status.declared_seconds is None
    request.getfixturevalue("only_pyav")
    np.testing.assert_allclose(read(path)[0], native, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "options"),
    [
        ("a.m4a", "aac", RATE, {}),
        ("a.mp4", "aac", RATE, {"movflags": "faststart"}),
        ("a.mov", "pcm_s16le", RATE, {}),
        ("a.mkv", "flac", RATE, {}),
        ("a.webm", "libopus", 48_000, {}),
    ],
)
@pytest.mark.parametrize("video", [False, True])
def test_containers(tmp_path, name, codec, rate, options, video):
    if name == "a.webm" and video:
        pytest.skip("the test's picture codec is not for webm")
    samples = sound()
    path = write_av(tmp_path / name, codec, samples, out_rate=rate, options=options, video=video)
    decoded, status = read(path)
    assert status.state == "ok", status
    expected = samples.T if rate == RATE else soxr.resample(samples, RATE, rate).T
    assert decoded.shape == expected.shape
    assert np.corrcoef(decoded[0], expected[0])[0, 1] > 0.97


def test_an_mp4_that_declares_too_little_is_read_to_its_end(tmp_path):
    path = write_av(tmp_path / "a.m4a", "aac", sound(1.0), options={"use_editlist": "0"})
    whole, _ = read(path)
    content = path.read_bytes()
    place = content.index(b"mdhd") + 20  # the track's length in samples
    path.write_bytes(content[:place] + struct.pack(">I", 22_050) + content[place + 4 :])
    np.testing.assert_array_equal(read(path)[0][:, : whole.shape[1]], whole)


def test_aac_of_changing_channels_and_rate_goes_on(tmp_path):
    parts = [
        write_av(tmp_path / "1.aac", "aac", sound(1.0)).read_bytes(),
        write_av(tmp_path / "2.aac", "aac", sound(1.0, channels=1)).read_bytes(),
        write_av(tmp_path / "3.aac", "aac", sound(1.0, channels=1, rate=22_050), rate=22_050).read_bytes(),
    ]
    path = tmp_path / "joined.aac"
    path.write_bytes(b"".join(parts))
    with open_audio(path) as file:
        assert (file.sample_rate, file.channels) == (RATE, 2)
        samples = np.concatenate(list(file.blocks()), axis=1)
    assert samples.shape[1] / RATE == pytest.approx(3.0, abs=0.25)
    last = samples[:, -RATE // 2 :]
    np.testing.assert_array_equal(last[0], last[1])
    assert 0.1 < last.std() < 0.5


def test_no_sound_in_a_video(tmp_path):
    path = write_av(tmp_path / "silent.mp4", None, sound(), video=True, audio=False)
    with pytest.raises(MmascError, match=r"silent\.mp4: no sound that can be read \(it holds no sound, only video\)"):
        open_audio(path)


def test_best_of_several_streams(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "two.mka"
    with av.open(str(path), "w", format="matroska") as file:
        streams = [file.add_stream("pcm_s16le", rate=8_000, layout=layout) for layout in ("mono", "stereo")]
        for one, layout, channels in zip(streams, ("mono", "stereo"), (1, 2), strict=True):
            frame = av.AudioFrame.from_ndarray(np.full((1, 8_000 * channels), 99, np.int16), "s16", layout)
            frame.rate, frame.pts = 8_000, 0
            file.mux(one.encode(frame))
    with open_audio(path) as file:
        assert file.channels == 2
        assert sum(block.shape[1] for block in file.blocks()) == 8_000


def test_a_play_list_opens_no_other_file(tmp_path):
    soundfile.write(tmp_path / "secret.wav", sound(), RATE)
    path = tmp_path / "list.wav"
    lists = [
        f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {tmp_path}/secret.wav\n",
    ]
    for text in lists:
        path.write_text(text)
        with pytest.raises(MmascError, match=r"list\.wav: no sound that can be read"):
            open_audio(path)


def test_content_decides_not_the_name(tmp_path):
    path = tmp_path / "a.mp3"
    soundfile.write(path, sound(), RATE, format="FLAC")
    assert read(path)[0].shape == (2, RATE)
    raw = tmp_path / "noise.raw"
    raw.write_bytes(np.random.default_rng(0).bytes(5_000))
    with pytest.raises(MmascError, match=r"noise\.raw: no sound that can be read"):
        open_audio(raw)


def test_loud_float_files_are_kept_as_they_are(tmp_path):
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.array([[3.5], [-7.0]]), 8_000, subtype="FLOAT")
    assert read(path)[0].tolist() == [[3.5, -7.0]]
    assert load_audio(path)[0].tolist() == [[3.5, -7.0]]


def test_blocks_are_taken_once(tmp_path):
    path = write(tmp_path, "wav", {}, sound())
    with open_audio(path) as file:
        with pytest.raises(ValueError, match="seconds must be positive"):
            file.blocks(0.0)
        assert file.frames == 0
        list(file.blocks())
        assert file.frames == RATE
        with pytest.raises(ValueError, match="taken already"):
            file.blocks()


# --- what is not whole ---


def cut(path, share=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: round(len(content) * share)])
    return path


@pytest.mark.parametrize(
    ("extension", "more"),
    [one for one in NATIVE if one[1].get("subtype") != "ALAC_16"],
    ids=[name for name in NATIVE_NAMES if "ALAC" not in name],
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_cut_files_are_truncated(tmp_path, capfd, extension, more, share):
    path = write(tmp_path, extension, more, sound(6.0, channels=1) if more.get("format") == "OGG" else sound(2.0))
    whole, _ = read(path)
    samples, status = read(cut(path, share))
    assert status.state == "truncated", status
    assert status.reason.startswith(f"{path}: only ")
    assert status.reason.endswith("copy or record it again, or leave it out")
    assert "\n" not in status.reason
    n_samples = samples.shape[1]
    assert n_samples < whole.shape[1]
    # what is left is the beginning of what was there
    if extension == "mp3":
        # lapped transforms: the frames at the cut miss their neighbours
        n_samples -= 3 * 1152
        np.testing.assert_allclose(samples[:, :n_samples], whole[:, :n_samples], atol=1e-5)
    else:
        np.testing.assert_array_equal(samples, whole[:, :n_samples])
    assert n_samples / whole.shape[1] == pytest.approx(share, abs=0.17)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "n.mp3"])
@pytest.mark.parametrize("video", [False, True])
def test_cut_containers_are_truncated(tmp_path, capfd, name, video):
    if video and name in ("a.webm", "n.mp3"):
        pytest.skip("no picture in these")
    codec, rate = {"a.webm": ("libopus", 48_000), "n.mp3": ("libmp3lame", RATE)}.get(name, ("aac", RATE))
    options = {"n.mp3": {"write_xing": "0"}, "a.mp4": {"movflags": "faststart"}}.get(name, {})
    path = write_av(tmp_path / name, codec, sound(4.0), out_rate=rate, options=options, video=video)
    whole, status = read(path)
    assert status.state == "ok", status
    # in the middle of a frame
    samples, status = read(cut(path, 0.5003))
    assert status.state == "truncated", status
    assert 0.2 < samples.shape[1] / whole.shape[1] < 0.8
    assert capfd.readouterr() == ("", "")


def test_mp4_without_its_index_has_failed(tmp_path):
    path = cut(write_av(tmp_path / "a.m4a", "aac", sound(2.0)))
    with pytest.raises(MmascError, match=r"a\.m4a: no sound that can be read .*copy or record it again"):
        open_audio(path)


@pytest.mark.parametrize("extension", ["flac", "ogg", "mp3", "opus"])
@pytest.mark.parametrize("pyav", [True, False])
def test_holes_are_told(tmp_path, request, extension, pyav):
    if not pyav:
        request.getfixturevalue("no_pyav")
    else:
        pytest.importorskip("av")
    more = {"format": "OGG", "subtype": "OPUS"} if extension == "opus" else {}
    path = write(tmp_path, extension, more, sound(6.0, channels=1))
    whole, _ = read(path)
    content = bytearray(path.read_bytes())
    place = len(content) // 2
    content[place : place + 3_000] = bytes(3_000)
    path.write_bytes(content)
    samples, status = read(path)
    assert status.state == "truncated", status
    assert 0.3 < samples.shape[1] / whole.shape[1] < 1
    third = whole.shape[1] // 3
    np.testing.assert_allclose(samples[:, :third], whole[:, :third], atol=2e-5)
    if pyav and extension != "opus":
        # PyAV goes on behind the hole
        assert samples.shape[1] / whole.shape[1] > 0.75


def test_wav_of_unknown_length_is_whole(tmp_path):
    """Written to a pipe, or by a recorder that was switched off: the header does not know."""
    path = write(tmp_path, "wav", {}, sound())
    content = path.read_bytes()
    place = content.index(b"data") + 4
    for size in (0xFFFFFFFF, 0x7FFFFFFF, 0):
        path.write_bytes(content[:place] + struct.pack("<I", size) + content[place + 4 :])
        samples, status = read(path)
        assert samples.shape == (2, RATE), size
        assert status.state == "ok", status


def test_wav_with_chunks_behind_its_samples_is_whole(tmp_path):
    path = write(tmp_path, "wav", {}, sound())
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 4) + b"INFO")
    samples, status = read(path)
    assert samples.shape == (2, RATE)
    assert status.state == "ok"


@pytest.mark.parametrize("tail", [b"TAG" + bytes(125), b"APETAGEX" + bytes(200), bytes(500), b"junk at the end"])
def test_mp3_with_tags_is_whole(tmp_path, capfd, tail):
    path = write(tmp_path, "mp3", {}, sound())
    whole, _ = read(path)
    # a tag in front that the decoder inside soundfile complains about
    broken = b"COMM\xff\xff\xff\xff\x00\x00" + b"\xff" * 118
    content = path.read_bytes()
    path.write_bytes(b"ID3\x04\x00\x00\x00\x00\x01\x00" + broken + content + tail)
    samples, status = read(path)
    assert status.state == "ok", status
    np.testing.assert_allclose(samples, whole, atol=1e-5)
    assert capfd.readouterr() == ("", "")


def test_ogg_without_its_last_page_is_truncated(tmp_path):
    path = write(tmp_path, "ogg", {}, sound(4.0))
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"OggS")])
    status = read(path)[1]
    assert status.state == "truncated"
    assert "the page that ends the stream is missing" in status.reason
    assert status.declared_seconds is None


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


# --- hostile headers ---


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


# --- channels ---


def test_channel_policies_by_hand():
    block = np.array([[1.0, 2.0], [3.0, 6.0]], np.float32)
    assert apply_channels(block, "mix").tolist() == [[2, 4]]
    assert apply_channels(block, "left").tolist() == [[1, 2]]
    assert apply_channels(block, "right").tolist() == [[3, 6]]
    assert apply_channels(block, "each").tolist() == [[1, 2], [3, 6]]
    assert apply_channels(block, "mid-side").tolist() == [[2, 4], [-1, -2]]


def test_one_channel_by_every_policy():
    block = np.array([[1.0, 2.0]], np.float32)
    for policy in ("mix", "left", "right", "each"):
        assert apply_channels(block, policy).tolist() == [[1, 2]]
    assert apply_channels(block, "mid-side").tolist() == [[1, 2], [0, 0]]


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
@pytest.mark.parametrize("policy", CHANNELS)
def test_channel_policies_of_many_channels(channels, policy):
    block = np.random.default_rng(0).standard_normal((channels, 100)).astype(np.float32)
    before = block.copy()
    lanes = apply_channels(block, policy)
    np.testing.assert_array_equal(block, before)
    assert lanes.dtype == np.float32
    if policy == "mix":
        np.testing.assert_allclose(lanes, block.mean(axis=0, keepdims=True), atol=1e-6)
    elif policy == "each":
        np.testing.assert_array_equal(lanes, block)
    elif policy == "mid-side":
        left, right = apply_channels(block, "left")[0], apply_channels(block, "right")[0]
        np.testing.assert_allclose(lanes[0] + lanes[1], left, atol=1e-6)
        np.testing.assert_allclose(lanes[0] - lanes[1], right, atol=1e-6)
    else:
        np.testing.assert_array_equal(lanes[0], block[0 if policy == "left" or channels == 1 else 1])
    # a lane does not depend on where a block begins
    parts = [apply_channels(part, policy) for part in np.split(block, [1, 37], axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), lanes)


def test_unknown_policy_lists_the_known(tmp_path):
    path = write(tmp_path, "wav", {}, sound())
    for call in (
        lambda: apply_channels(np.zeros((1, 1), np.float32), "stereo"),
        lambda: stream_audio(path, 8_000, "stereo"),
        lambda: load_audio(path, channels="stereo"),
    ):
        with pytest.raises(ValueError, match="channels must be one of mix, left, right, each, mid-side, got 'stereo'"):
            call()


@pytest.mark.parametrize("policy", CHANNELS)
def test_stereo_never_doubles_the_length(tmp_path, policy):
    path = write(tmp_path, "wav", {}, sound(1.0, channels=8))
    waveform, rate = load_audio(path, 16_000, policy)
    assert waveform.shape == ({"each": 8, "mid-side": 2}.get(policy, 1), 16_000)
    assert rate == 16_000


# --- rate ---


@pytest.mark.parametrize("seed", range(12))
def test_streamed_is_the_whole_resampled(tmp_path, seed):
    generator = np.random.default_rng(seed)
    rate = int(generator.choice([8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 44_101]))
    to_rate = int(generator.choice([8_000, 16_000, 22_050, 32_000, 44_100, 48_000]))
    n_samples = int(generator.integers(1, 3 * rate))
    samples = sound(n_samples / rate, rate=rate)
    path = write(tmp_path, "wav", {"subtype": "FLOAT"}, samples, rate)
    streamed, blocks = stream(path, to_rate, "each", block_seconds=float(generator.uniform(0.01, 1.5)))
    whole = resample(samples.T, rate, to_rate)
    assert streamed.shape == whole.shape == (2, math.floor(len(samples) * to_rate / rate + 0.5))
    np.testing.assert_allclose(streamed, whole, atol=1e-6)
    np.testing.assert_allclose(load_audio(path, to_rate, "each")[0].numpy(), whole, atol=1e-6)
    assert (blocks.native_rate, blocks.native_channels, blocks.native_frames) == (rate, 2, len(samples))
    assert blocks.info.declared_seconds == pytest.approx(len(samples) / rate)
    assert blocks.status.state == "ok"


def test_a_tone_keeps_its_frequency_and_place():
    time = np.arange(44_100) / 44_100
    there = resample(np.sin(2 * np.pi * 1_000 * time, dtype=np.float32)[None], 44_100, 32_000)[0]
    expected = np.sin(2 * np.pi * 1_000 * np.arange(32_000) / 32_000)
    np.testing.assert_allclose(there[500:-500], expected[500:-500], atol=1e-3)


def test_mixing_comes_before_resampling(tmp_path):
    samples = sound()
    path = write(tmp_path, "wav", {"subtype": "FLOAT"}, samples)
    mixed = resample(samples.mean(axis=1)[None], RATE, 32_000)
    np.testing.assert_allclose(load_audio(path, 32_000)[0].numpy(), mixed, atol=1e-6)


def test_equal_rates_change_nothing(tmp_path):
    samples = sound()
    path = write(tmp_path, "wav", {"subtype": "FLOAT"}, samples)
    waveform, rate = load_audio(path, channels="each")
    assert rate == RATE
    assert waveform.dtype == torch.float32
    np.testing.assert_array_equal(waveform.numpy(), samples.T)
    assert resample(samples.T, RATE, RATE).base is samples.T.base or np.shares_memory(
        resample(samples.T, RATE, RATE), samples
    )


def test_resampling_nothing_gives_nothing():
    assert resample(np.zeros((2, 0), np.float32), 44_100, 8_000).shape == (2, 0)


def test_rates_must_be_positive(tmp_path):
    path = write(tmp_path, "wav", {}, sound())
    with pytest.raises(ValueError, match="sample_rate must be positive, got 0"):
        stream_audio(path, 0)
    with pytest.raises(ValueError, match="sample_rate must be positive"):
        load_audio(path, -1)
    with pytest.raises(ValueError, match="to_rate must be positive"):
        resample(np.zeros((1, 1), np.float32), 8_000, 0)
    with pytest.raises(ValueError, match="block_seconds must be positive"):
        stream_audio(path, 8_000, block_seconds=0.0)


def test_a_recording_too_long_to_hold_is_said(tmp_path, monkeypatch):
    path = write(tmp_path, "wav", {}, sound())
    monkeypatch.setattr(sys.modules["mmasc.audio.stream"], "_MOST_NUMBERS", 1_000)
    with pytest.raises(MmascError, match="too long to be held in memory; read it with stream_audio"):
        load_audio(path)


def test_a_stream_can_be_left_early(tmp_path):
    path = write(tmp_path, "flac", {}, sound(3.0))
    with stream_audio(path, 16_000, block_seconds=0.5) as blocks:
        assert next(blocks).shape[0] == 1
        assert 0 < blocks.native_frames < 3 * RATE


# --- real recordings ---


def test_real_clips_are_whole(test_data):
    paths = find_audio(test_data / "data" / "esc10")[::16]
    assert paths
    for path in paths:
        samples, blocks = stream(path, 32_000)
        assert blocks.status.state == "ok", blocks.status
        expected, rate = soundfile.read(path, dtype="float32", always_2d=True)
        whole = soxr.resample(expected.mean(axis=1), rate, 32_000)
        np.testing.assert_allclose(samples[0], whole, atol=1e-5)


def test_real_videos_have_their_sound(test_data):
    pytest.importorskip("av")
    paths = find_audio(test_data / "data" / "av" / "video")
    assert len(paths) == 7
    for path in paths:
        samples, blocks = stream(path, 16_000)
        assert blocks.status.state == "ok", blocks.status
        assert samples.shape[1] / 16_000 == pytest.approx(blocks.status.decoded_seconds, abs=1e-3)
        if blocks.status.declared_seconds is not None:
            assert blocks.status.decoded_seconds == pytest.approx(blocks.status.declared_seconds, abs=0.15)
        assert samples.std() > 1e-4


def test_container_closes_when_it_cannot_decode(tmp_path):
    pytest.importorskip("av")
    path = tmp_path / "text.wav"
    path.write_text("no sound")
    with pytest.raises(DecodeError):
        ContainerDecoder(path, Header())
