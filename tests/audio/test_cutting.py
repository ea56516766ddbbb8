"""Spans are slices of the whole recording: bit for bit where samples are kept, and block borders are not seen."""

import numpy as np
import pytest
import soundfile

from mmasc.audio import cutting, headers, open_audio
from mmasc.audio.cutting import cut_spans, read_span
from mmasc.errors import MmascError

RATE = 8_000
SPANS = [(0.0, 0.5), (0.25, 3.1), (2.9, 2.95), (3.0, 99.0), (0.0, 3.5)]
KEPT = [
    ("WAV", "PCM_U8", "int16", "PCM_U8"),
    ("WAV", "PCM_16", "int16", "PCM_16"),
    ("WAV", "PCM_24", "int32", "PCM_24"),
    ("WAV", "PCM_32", "int32", "PCM_32"),
    ("WAV", "FLOAT", "float32", "FLOAT"),
    ("WAV", "DOUBLE", "float64", "DOUBLE"),
    ("WAV", "ULAW", "int16", "PCM_16"),
    ("RF64", "PCM_24", "int32", "PCM_24"),
    ("AIFF", "PCM_S8", "int16", "PCM_U8"),
    ("AIFF", "PCM_24", "int32", "PCM_24"),
    ("FLAC", "PCM_16", "int16", "PCM_16"),
    ("FLAC", "PCM_24", "int32", "PCM_24"),
]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(cutting, "_BLOCK_SECONDS", 0.3)


def noise(channels=2, seconds=3.5):
    return np.random.default_rng(0).uniform(-0.9, 0.9, (round(seconds * RATE), channels))


def joined(path, spans):
    kept, blocks = cut_spans(path, spans)
    parts = {}
    for block in blocks:
        samples, done = parts.setdefault(block.span, ([], []))
        assert not done, "nothing comes after the last block"
        samples.append(block.samples)
        if block.last:
            done.append(True)
    assert all(done for _, done in parts.values())
    return kept, [np.concatenate(parts[number][0]) for number in range(len(spans))]


@pytest.mark.parametrize(("form", "subtype", "kind", "written"), KEPT)
def test_cuts_are_slices_bit_for_bit(tmp_path, form, subtype, kind, written):
    soundfile.write(tmp_path / "sound", noise(), RATE, subtype, format=form)
    whole, _ = soundfile.read(tmp_path / "sound", dtype=kind, always_2d=True)
    kept, cuts = joined(tmp_path / "sound", SPANS)
    assert (kept.sample_rate, kept.channels, kept.subtype) == (RATE, 2, written)
    for (start, end), samples in zip(SPANS, cuts, strict=True):
        np.testing.assert_array_equal(samples, whole[round(start * RATE) : round(end * RATE)])


@pytest.mark.parametrize(("form", "subtype"), [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("WAV", "IMA_ADPCM")])
def test_lossy_sounds_are_cut_as_they_are_decoded(tmp_path, form, subtype):
    soundfile.write(tmp_path / "sound", noise(), RATE, subtype, format=form)
    with open_audio(tmp_path / "sound") as file:
        whole = np.concatenate(list(file.blocks()), axis=1).T
    sixteen = np.clip(np.rint(whole.astype(float) * 32_768), -32_768, 32_767)
    kept, cuts = joined(tmp_path / "sound", SPANS)
    assert kept.subtype == "PCM_16"
    for (start, end), samples in zip(SPANS, cuts, strict=True):
        np.testing.assert_array_equal(samples, sixteen[round(start * RATE) : round(end * RATE)])


@pytest.mark.parametrize(("subtype", "kind"), [("PCM_16", "int16"), ("PCM_24", "int32"), ("FLOAT", "float32")])
def test_files_whose_headers_were_never_finished_are_cut_in_their_own_format(tmp_path, subtype, kind):
    soundfile.write(tmp_path / "sound.wav", noise(), RATE, subtype)
    whole, _ = soundfile.read(tmp_path / "sound.wav", dtype=kind)
    content = bytearray((tmp_path / "sound.wav").read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = bytes(4)
    content[4:8] = bytes(4)
    (tmp_path / "sound.wav").write_bytes(content)
    kept, (samples,) = joined(tmp_path / "sound.wav", [(1.0, 2.0)])
    assert kept.subtype == subtype
    np.testing.assert_array_equal(samples, whole[RATE : 2 * RATE])


@pytest.mark.parametrize("form", ["WAV", "OGG"])
def test_what_cannot_be_cut_is_said(tmp_path, form):
    soundfile.write(tmp_path / "sound", noise(), RATE, format=form)
    with pytest.raises(MmascError, match="ends before 7 s; the file has changed"):
        read_span(tmp_path / "sound", 7.0, 8.0)
    with pytest.raises(MmascError, match="no such file"):
        read_span(tmp_path / "gone.wav", 0.0, 1.0)
    with pytest.raises(ValueError, match="end after that, got 2.0 to 1.0"):
        read_span(tmp_path / "sound", 2.0, 1.0)
    samples, kept = read_span(tmp_path / "sound", 1.0, 1.0 + 1e-9)
    assert (samples.shape, kept.channels) == ((1, 2), 2)


def test_a_file_is_looked_through_once_until_it_is_another_one(tmp_path, monkeypatch):
    looked = []

    def read_header(file, size):
        looked.append(size)
        return headers.read_header(file, size)

    monkeypatch.setattr(cutting, "read_header", read_header)
    path = tmp_path / "sound.wav"
    for turn in (1, 2):
        sound = noise() / turn
        soundfile.write(tmp_path / "new.wav", sound, RATE, "FLOAT")
        (tmp_path / "new.wav").replace(path)
        for start, end in SPANS:
            samples, _ = read_span(path, start, end)
            np.testing.assert_array_equal(samples, sound[round(start * RATE) : round(end * RATE)].astype(np.float32))
        assert len(looked) == turn
