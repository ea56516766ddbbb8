"""Sound in containers and videos: all of it, from the best stream, and from no other file."""

import struct

import numpy as np
import pytest
import soundfile
import soxr

from mmasc.audio import find_audio, open_audio
from mmasc.audio.container import ContainerDecoder
from mmasc.audio.layout import Header
from mmasc.audio.native import DecodeError
from mmasc.errors import MmascError
from tests.helpers.recordings import RATE, read, sound, stream, write_av


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


@pytest.mark.parametrize("options", [{}, {"movflags": "frag_keyframe+empty_moov"}])
def test_mp4_files_one_after_the_other_are_read_one_after_the_other(tmp_path, options):
    paths = [
        write_av(tmp_path / "1.m4a", "aac", sound(1.0), options=options),
        write_av(tmp_path / "2.m4a", "aac", sound(1.5), options=options),
        write_av(tmp_path / "3.m4a", "aac", sound(0.5), options=options),
    ]
    joined = tmp_path / "joined.m4a"
    content = b"".join(path.read_bytes() for path in paths)
    joined.write_bytes(content)
    expected = np.concatenate([read(path)[0] for path in paths], axis=1)
    samples, status = read(joined)
    np.testing.assert_array_equal(samples, expected)
    assert status.state == "ok"
    with open_audio(content) as file:
        np.testing.assert_array_equal(np.concatenate(list(file.blocks()), axis=1), expected)
    # Of what is damaged in a later one it is said which one that is
    joined.write_bytes(content[: -paths[2].stat().st_size // 2])
    samples, status = read(joined)
    assert status.state == "truncated"
    assert "of part 3 of 3" in status.reason
    np.testing.assert_array_equal(samples[:, : RATE * 5 // 2], expected[:, : RATE * 5 // 2])


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
