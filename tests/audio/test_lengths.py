"""Every container and every kind of lie about its length: all of it is read, or the status says what was not."""

import os
import struct

import numpy as np
import pytest
import soundfile

from mmasc.audio import open_audio
from mmasc.errors import MmascError

RATE = 8_000
# extension -> how soundfile writes it; each is 2 s long
PLAIN = {
    "wav": {"subtype": "PCM_16"},
    "wav, 24 bits": {"subtype": "PCM_24"},
    "wav, 8 bits": {"subtype": "PCM_U8"},
    "wav, float": {"subtype": "FLOAT"},
    "wav, double": {"subtype": "DOUBLE"},
    "wav, mu-law": {"subtype": "ULAW"},
    "wav, A-law": {"subtype": "ALAW"},
    "wav, big": {"subtype": "PCM_32", "endian": "BIG"},
    "wav, extensible": {"subtype": "PCM_24", "format": "WAVEX"},
    "rf64": {"format": "RF64"},
    "w64": {"format": "W64", "subtype": "PCM_16"},
    "aiff": {"subtype": "PCM_16"},
    "aiff, 24 bits": {"subtype": "PCM_24"},
    "aifc, float": {"format": "AIFF", "subtype": "FLOAT"},
    "aifc, little": {"format": "AIFF", "subtype": "PCM_16", "endian": "LITTLE"},
    "caf": {"subtype": "PCM_16"},
    "caf, 24 bits": {"subtype": "PCM_24", "endian": "LITTLE"},
    "caf, float": {"subtype": "FLOAT"},
    "au": {"subtype": "PCM_16"},
    "au, mu-law": {"subtype": "ULAW"},
    "au, float": {"subtype": "DOUBLE"},
}
# Where a container says how many bytes of samples it has: mark, distance behind it, and form of the number
FIELDS = {
    "wav": (b"data", 4, "<I"),
    "wav, big": (b"data", 4, ">I"),
    "rf64": (b"ds64", 16, "<Q"),
    "w64": (b"data\xf3\xac", 16, "<Q"),
    "aiff": (b"SSND", 4, ">I"),
    "aifc": (b"SSND", 4, ">I"),
    "caf": (b"data", 4, ">q"),
    "au": (b".snd", 8, ">I"),
}


def noise(seconds, rate=RATE, channels=2, seed=0):
    return (np.random.default_rng(seed).standard_normal((round(seconds * rate), channels)) * 0.1).astype(np.float32)


def write(folder, name, more, seconds=2.0, seed=0, rate=RATE, channels=2):
    path = folder / f"{seed}.{name.split(',')[0]}"
    soundfile.write(path, noise(seconds, rate, channels, seed), rate, **more)
    return path


def read(path):
    with open_audio(path) as file:
        samples = np.concatenate(list(file.blocks(0.7)), axis=1)
        return samples, file.status


def change_length(path, name, change):
    """Let the header declare another number of bytes; give back the one that it had."""
    mark, distance, form = FIELDS.get(name, FIELDS[name.split(",")[0]])
    content = bytearray(path.read_bytes())
    place = content.index(mark) + distance
    declared = struct.unpack_from(form, content, place)[0]
    struct.pack_into(form, content, place, change(declared))
    path.write_bytes(content)
    return declared


@pytest.mark.parametrize("name", PLAIN)
def test_a_header_that_says_half_is_read_whole_to_the_bit(tmp_path, name):
    path = write(tmp_path, name, PLAIN[name])
    whole, status = read(path)
    assert (status.state, status.reason, whole.shape) == ("ok", "", (2, 2 * RATE))
    change_length(path, name, lambda declared: declared // 2)
    samples, status = read(path)
    np.testing.assert_array_equal(samples, whole)
    assert (status.state, status.decoded_seconds, status.declared_seconds) == ("ok", 2.0, 2.0)
    assert "all of 2.000 s was read" in status.reason
    assert status.reason.startswith(f"{path}: its header declares ")


@pytest.mark.parametrize("name", [name for name in PLAIN if name not in ("caf, float", "au, mu-law")])
def test_a_header_that_never_learned_its_length_is_read_whole(tmp_path, name):
    path = write(tmp_path, name, PLAIN[name])
    whole, _ = read(path)
    change_length(path, name, lambda _: {"w64": 24, "caf": -1}.get(name.split(",")[0], 0))
    samples, status = read(path)
    np.testing.assert_array_equal(samples, whole)
    assert status.state == "ok", status


@pytest.mark.parametrize("name", PLAIN)
def test_a_header_that_says_double_is_told(tmp_path, name):
    path = write(tmp_path, name, PLAIN[name])
    whole, _ = read(path)
    change_length(path, name, lambda declared: declared * 2)
    if name == "rf64":
        content = bytearray(path.read_bytes())
        assert content[12:16] == b"ds64"
    samples, status = read(path)
    assert status.state == "truncated"
    assert samples.shape[1] <= whole.shape[1] + 50
    np.testing.assert_array_equal(samples[:, : whole.shape[1]], whole[:, : samples.shape[1]])


@pytest.mark.parametrize("name", ["wav", "rf64", "w64", "aiff", "caf", "au"])
@pytest.mark.parametrize("tail", [b"TAG" + bytes(125), bytes(200_000), b"junk", b"ID3\x03\0\0\0\0\x08\0" + bytes(1024)])
def test_tags_and_zeros_behind_the_samples_are_no_sound(tmp_path, name, tail):
    if name == "w64" and len(tail) > 100_000:
        pytest.skip("libsndfile takes what follows in a w64 file for samples")
    path = write(tmp_path, name, PLAIN[name])
    whole, _ = read(path)
    path.write_bytes(path.read_bytes() + tail)
    samples, status = read(path)
    np.testing.assert_array_equal(samples[:, : whole.shape[1]], whole)
    assert samples.shape[1] - whole.shape[1] < 0.1 * RATE
    assert (status.state, status.reason) == ("ok", "")


def test_chunks_behind_no_samples_are_no_sound(tmp_path):
    path = write(tmp_path, "wav", PLAIN["wav"], seconds=0.0)
    path.write_bytes(
        path.read_bytes() + b"LIST" + struct.pack("<I", 4000) + b"INFO" + bytes(range(1, 250)) * 16 + b"0" * 12
    )
    with pytest.raises(MmascError, match=r"holds no sound \(0 samples\)"):
        read(path)


# --- more than 4 GiB ---


def long_wav(path, code, width, channels, rate, seconds, behind=b"", form=b"RIFF"):
    """A sparse file of more than 4 GiB whose lengths wrapped; a second of noise at its beginning and end."""
    frame = width * channels
    edge = np.random.default_rng(0).integers(0, 256, rate * frame, np.uint8)
    if code == 3:
        edge = np.random.default_rng(0).uniform(-1, 1, rate * channels).astype("<f4").view(np.uint8)
    total = seconds * rate * frame
    assert total > 1 << 32
    order = "<"
    head = struct.pack(order + "HHIIHH", code, channels, rate, rate * frame, frame, 8 * width)
    with path.open("wb") as file:
        file.write(form + struct.pack(order + "I", (total + 36) & 0xFFFFFFFF) + b"WAVEfmt ")
        file.write(struct.pack(order + "I", 16) + head + b"data" + struct.pack(order + "I", total & 0xFFFFFFFF))
        at = file.tell()
        file.write(edge)
        file.seek(at + total - len(edge))
        file.write(edge)
        file.write(behind)
    return edge


@pytest.mark.parametrize("behind", [b"", b"LIST" + struct.pack("<I", 4) + b"INFO"])
def test_a_wav_whose_length_wrapped_is_read_whole(tmp_path, behind):
    # 192 kHz, 8 channels of float: 12 minutes are more than 4 GiB
    path = tmp_path / "long.wav"
    long_wav(path, 3, 4, 8, 192_000, 710, behind)
    assert os.stat(path).st_blocks * 512 < 1 << 27
    with open_audio(path) as file:
        assert file.declared_seconds == 710
        assert (file.sample_rate, file.channels) == (192_000, 8)
        first = file._decoder.read(192_000)
        # the end of the file, without reading the zeros between
        file._decoder._file.seek(os.path.getsize(path) - len(behind) - 192_000 * 32)
        file._decoder._left = 192_000
        last = file._decoder.read(192_000)
    np.testing.assert_array_equal(first, last)
    assert np.abs(first).max() > 0.9


# --- files one after the other ---

JOINED = {
    "wav": ({}, RATE, 2),
    "rf64": ({"format": "RF64"}, RATE, 2),
    "aiff": ({}, RATE, 2),
    "w64": ({}, RATE, 2),
    "caf": ({}, RATE, 2),
    "au": ({}, RATE, 2),
    "flac": ({}, RATE, 2),
    "ogg": ({"format": "OGG", "subtype": "VORBIS"}, RATE, 2),
    "opus": ({"format": "OGG", "subtype": "OPUS"}, 48_000, 2),
}


@pytest.mark.parametrize("name", JOINED)
@pytest.mark.parametrize("pyav", [True, False])
def test_files_one_after_the_other_are_read_to_the_end(tmp_path, monkeypatch, name, pyav):
    if not pyav:
        monkeypatch.setattr("mmasc.audio.decode.has_pyav", lambda: False)
    more, rate, channels = JOINED[name]
    paths = [write(tmp_path, name, more, 1.0 + seed, seed, rate, channels) for seed in (1, 2, 3)]
    joined = tmp_path / f"joined.{name}"
    joined.write_bytes(b"".join(path.read_bytes() for path in paths))
    samples, status = read(joined)
    np.testing.assert_array_equal(samples, np.concatenate([read(path)[0] for path in paths], axis=1))
    assert status.state == "ok", status
    joined.write_bytes(joined.read_bytes()[:-3_000])
    samples, status = read(joined)
    assert status.state == "truncated"
    assert "of part 3 of 3" in status.reason
    assert 5.0 < samples.shape[1] / rate < 9.0


@pytest.mark.parametrize("name", ["flac", "ogg", "caf", "au"])
def test_later_files_of_other_rate_and_channels_come_at_those_of_the_first(tmp_path, name):
    more = JOINED[name][0]
    first = write(tmp_path, name, more, 2.0, 1, RATE, 2)
    second = write(tmp_path, name, more, 3.0, 2, 2 * RATE, 1)
    joined = tmp_path / f"joined.{name}"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    samples, status = read(joined)
    assert (status.state, samples.shape) == ("ok", (2, 5 * RATE))
    np.testing.assert_array_equal(samples[:, : 2 * RATE], read(first)[0])
    np.testing.assert_array_equal(samples[0, 2 * RATE :], samples[1, 2 * RATE :])
    expected = read(second)[0][0].std() / np.sqrt(2)  # half of the band of white noise is left
    assert samples[0, 2 * RATE :].std() == pytest.approx(expected, rel=0.1)


def test_an_ogg_without_some_pages_is_told(tmp_path):
    path = write(tmp_path, "ogg", JOINED["ogg"][0], 20.0, 1)
    content = path.read_bytes()
    pages = [place for place in range(len(content)) if content.startswith(b"OggS", place)]
    middle = len(pages) // 2
    path.write_bytes(content[: pages[middle]] + content[pages[middle + 2] :])
    samples, status = read(path)
    assert status.state == "truncated", status
    assert samples.shape[1] < 19.9 * RATE


def test_an_ogg_without_half_a_second_is_told(tmp_path):
    path = write(tmp_path, "ogg", JOINED["ogg"][0], 10.0, 1, 44_100)
    content = path.read_bytes()
    pages = [place for place in range(len(content)) if content.startswith(b"OggS", place)]
    moments = [struct.unpack_from("<Q", content, place + 6)[0] / 44_100 for place in pages]
    middle = len(pages) // 2
    later = next(n for n in range(middle + 1, len(pages)) if moments[n - 1] - moments[middle - 1] > 0.4)
    assert moments[later - 1] - moments[middle - 1] < 1.1
    path.write_bytes(content[: pages[middle]] + content[pages[later] :])
    assert read(path)[1].state == "truncated"


# --- flac and mp3 ---


@pytest.mark.parametrize("declared", [1, 8_000, 0, 40_000])
def test_flac_of_any_declared_length(tmp_path, declared):
    path = write(tmp_path, "flac", {}, 2.0)
    whole, _ = read(path)
    content = bytearray(path.read_bytes())
    content[22:26] = struct.pack(">I", declared)
    path.write_bytes(content)
    samples, status = read(path)
    np.testing.assert_array_equal(samples, whole)
    assert status.state == ("truncated" if declared == 40_000 else "ok"), status
    assert ("all of 2.000 s was read" in status.reason) == (0 < declared < 16_000)


def mp3(folder, seconds, seed):
    path = folder / f"{seed}.mp3"
    soundfile.write(path, noise(seconds, 44_100, 2, seed), 44_100)
    return path


@pytest.mark.parametrize("pyav", [True, False])
@pytest.mark.parametrize("share", [0.1, 0.5, 2.0])
def test_mp3_whose_tag_is_wrong(tmp_path, monkeypatch, share, pyav):
    path = mp3(tmp_path, 3.0, 1)
    content = bytearray(path.read_bytes())
    place = next(found for mark in (b"Xing", b"Info") if (found := content.find(mark)) >= 0) + 8
    struct.pack_into(">I", content, place, round(struct.unpack_from(">I", content, place)[0] * share))
    path.write_bytes(content)
    if not pyav:
        monkeypatch.setattr("mmasc.audio.decode.has_pyav", lambda: False)
    _, status = read(path)
    assert status.decoded_seconds == pytest.approx(3.0, abs=0.1) or status.state == "truncated"
    if pyav or share > 1:
        assert status.decoded_seconds == pytest.approx(3.0, abs=0.1)
    assert (status.state == "truncated") == (share > 1 or not pyav)


MIDDLES = {
    "nothing": b"",
    "ID3v2": b"ID3\x04\0\0\0\0\x10\0" + b"\xff\xfb\x90\x64" * 512,
    "ID3v1": b"TAG" + b"x" * 125,
    "APE": b"APETAGEX" + struct.pack("<IIII", 2000, 96, 0, 0x20000000) + bytes(8) + b"y" * 64 + bytes(32),
    "garbage": bytes(range(1, 200)) * 20,
}


@pytest.mark.parametrize("middle", MIDDLES)
@pytest.mark.parametrize("pyav", [True, False])
def test_mp3_files_one_after_the_other(tmp_path, monkeypatch, middle, pyav):
    if not pyav:
        monkeypatch.setattr("mmasc.audio.decode.has_pyav", lambda: False)
    else:
        pytest.importorskip("av")
    path = tmp_path / "joined.mp3"
    path.write_bytes(mp3(tmp_path, 2.0, 1).read_bytes() + MIDDLES[middle] + mp3(tmp_path, 3.0, 2).read_bytes())
    _, status = read(path)
    assert status.decoded_seconds > 4.8 or status.state == "truncated", status
    if pyav:
        assert status.decoded_seconds == pytest.approx(5.0, abs=0.15)


# --- several tracks ---


def test_which_of_several_tracks_is_heard_is_said(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "two.mka"
    with av.open(str(path), "w", format="matroska") as file:
        streams = [file.add_stream("pcm_s16le", rate=RATE, layout=layout) for layout in ("mono", "stereo")]
        for one, layout, channels in zip(streams, ("mono", "stereo"), (1, 2), strict=True):
            frame = av.AudioFrame.from_ndarray(np.full((1, RATE * channels), 99, np.int16), "s16", layout)
            frame.rate, frame.pts = RATE, 0
            file.mux(one.encode(frame))
    assert read(path)[1].reason == f"{path}: it holds 2 tracks of sound, number 2 is heard"


# --- hostile lengths ---

HOSTILE = [
    0,
    1,
    7,
    8,
    23,
    24,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    (1 << 63) - 1,
    1 << 63,
    (1 << 63) + 8,
    (1 << 64) - 1,
]


@pytest.mark.parametrize("name", ["wav", "rf64", "w64", "aiff", "caf", "au", "flac", "ogg"])
def test_absurd_numbers_anywhere_in_a_header_end_in_one_line(tmp_path, name):
    more = JOINED.get(name, (PLAIN.get(name, {}),))[0]
    whole = write(tmp_path, name, more, 0.1).read_bytes()
    path = tmp_path / "hostile"
    states, messages = set(), []
    for place in range(0, 100, 4):
        for number, size in ((number, size) for number in HOSTILE for size in (4, 8)):
            content = bytearray(whole)
            order = "little" if name in ("wav", "rf64", "w64", "ogg") else "big"
            content[place : place + size] = (number & (1 << 8 * size) - 1).to_bytes(size, order)
            path.write_bytes(content)
            try:
                states.add(read(path)[1].state)
            except MmascError as error:
                messages.append(str(error))
    assert states
    assert messages
    assert all(message.startswith(f"{path}: ") and "\n" not in message for message in messages)


@pytest.mark.parametrize("name", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("joined", [True, False])
def test_sounds_in_memory_are_read_as_files_are(tmp_path, name, joined):
    path = write(tmp_path, name, JOINED[name][0])
    if joined:
        path.write_bytes(path.read_bytes() * 2)
    elif name == "wav":
        change_length(path, name, lambda declared: declared // 2)
    elif name == "flac":
        content = bytearray(path.read_bytes())
        content[22:26] = struct.pack(">I", 100)
        path.write_bytes(content)
    samples, _ = read(path)
    assert samples.shape[1] == (4 if joined else 2) * RATE
    np.testing.assert_array_equal(read(path.read_bytes())[0], samples)


# format -> name of the chunk of samples, how its length is written, and where the samples begin behind the name
SAMPLES_IN = {
    "wav": (b"data", "<I", 4, 8),
    "wav, 24 bits": (b"data", "<I", 4, 8),
    "wav, 8 bits": (b"data", "<I", 4, 8),
    "wav, float": (b"data", "<I", 4, 8),
    "wav, mu-law": (b"data", "<I", 4, 8),
    "w64": (b"data\xf3\xac", "<Q", 16, 24),
    "aiff": (b"SSND", ">I", 4, 16),
    "aiff, 24 bits": (b"SSND", ">I", 4, 16),
    "caf": (b"data", ">q", 4, 16),
}


@pytest.mark.parametrize("name", SAMPLES_IN)
@pytest.mark.parametrize("parts", [(0.5, 0.5), (0.0, 1.0), (1.0, 0.0), (0.25, 0.0, 0.75)])
def test_samples_in_several_chunks_are_read_in_order(tmp_path, name, parts):
    """libsndfile reads one of the chunks, and not always the first; FFmpeg reads all."""
    mark, form, at, behind = SAMPLES_IN[name]
    path = write(tmp_path, name, PLAIN[name])
    whole, _ = read(path)
    content = path.read_bytes()
    begin = content.index(mark)
    in_front, head = behind - at - struct.calcsize(form), content[begin : begin + at]
    declared = struct.unpack_from(form, content, begin + at)[0] - (24 if name == "w64" else in_front)
    frame, samples = declared // whole.shape[1], content[begin + behind : begin + behind + declared]
    place, cut = 0, []
    for share in parts:
        stop = place + round(share * whole.shape[1]) * frame
        some, place = samples[place:stop], stop
        length = len(some) + (24 if name == "w64" else in_front)
        cut.append(head + struct.pack(form, length) + bytes(in_front) + some + bytes(-len(some) % 8 if mark[4:] else 0))
    path.write_bytes(content[:begin] + b"".join(cut))
    heard, status = read(path)
    np.testing.assert_array_equal(heard, whole)
    assert status.state == "ok"
    several = sum(share > 0 for share in parts[1:])
    assert status.reason == (
        f"{path}: its samples lie in {several + 1} chunks, all of them were read" if several else ""
    )


def test_compressed_samples_in_several_chunks_are_told(tmp_path):
    path = write(tmp_path, "wav", {"subtype": "IMA_ADPCM"})
    content = path.read_bytes()
    path.write_bytes(content + content[content.index(b"data") :])
    status = read(path)[1]
    assert status.state == "truncated"
    assert "its samples lie in 2 chunks" in status.reason


@pytest.mark.parametrize("name", ["wav", "wav, big", "wav, float", "aiff", "aiff, 24 bits"])
@pytest.mark.parametrize("padded", [True, False])
def test_a_chunk_of_odd_length_may_lack_its_last_byte(tmp_path, name, padded):
    path = write(tmp_path, name, PLAIN[name])
    whole, _ = read(path)
    content = path.read_bytes()
    big = name in ("wav, big", "aiff", "aiff, 24 bits")
    begin = content.index(b"SSND" if name.startswith("aiff") else b"data")
    note = b"NAME" + struct.pack(">I" if big else "<I", 5) + b"otter" + (b"\0" if padded else b"")
    path.write_bytes(content[:begin] + note + content[begin:])
    heard, status = read(path)
    np.testing.assert_array_equal(heard, whole)
    assert (status.state, status.declared_seconds) == ("ok", 2.0)
