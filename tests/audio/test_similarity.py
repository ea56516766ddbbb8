"""Likeness of waveforms: what must not change it, what must, where one lies in the other; long ones in parts."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from mmasc.audio import similarity
from mmasc.audio.comparable_files import ComparableFiles
from mmasc.audio.similarity import RATE, comparable, match_waveforms


def noise(seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Noise whose level goes up and down, as sounds do."""
    generator = np.random.default_rng(seed)
    level = np.interp(
        np.arange(round(seconds * rate)), np.arange(0, seconds + 1, 0.25) * rate, _levels(generator, seconds)
    )
    return (level * generator.uniform(-1, 1, round(seconds * rate))).astype(np.float32)


def _levels(generator: np.random.Generator, seconds: float) -> np.ndarray:
    return generator.uniform(0.05, 0.9, len(np.arange(0, seconds + 1, 0.25)))


def _written(path: Path, sound: np.ndarray) -> Path:
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    return path


def read(path) -> np.ndarray:
    return np.concatenate(list(comparable(path)))


def test_a_piece_lies_where_it_was_cut_out():
    sound = noise(6)
    match = match_waveforms(sound, sound[2 * RATE : 5 * RATE])
    assert (match.similarity, match.offset, match.overlap, match.share) == (pytest.approx(1.0), 2.0, 3.0, 1.0)
    assert match_waveforms(sound[2 * RATE : 5 * RATE], sound) == match.turned()


def test_two_cuts_of_one_recording_overlap():
    sound = noise(6)
    match = match_waveforms(sound[: 4 * RATE], sound[1 * RATE : 5 * RATE])
    assert (match.offset, match.overlap, match.share) == (1.0, 3.0, 0.75)
    assert match.similarity == pytest.approx(1.0)
    nothing = match_waveforms(sound[: 3 * RATE], sound[2 * RATE : 5 * RATE])
    assert nothing.similarity < 0.2, "a third in common is too little"


@pytest.mark.parametrize("gain", [1e-3, 3.0, -0.5])
def test_level_and_polarity_do_not_count(gain):
    sound = noise(2)
    assert match_waveforms(sound, gain * sound).similarity == pytest.approx(1.0)


def test_two_takes_silence_and_nothing_are_not_alike():
    assert match_waveforms(noise(3, 1), noise(3, 2)).similarity < 0.2
    for empty in (np.zeros(RATE, np.float32), np.zeros(0, np.float32)):
        assert match_waveforms(noise(1), empty).similarity == 0
        assert match_waveforms(empty, empty).similarity == 0


def test_the_similarity_is_the_correlation_coefficient_of_the_overlap():
    """A second way: numpy's own, of a sound and the same with noise over it."""
    sound = noise(2)
    spoilt = sound + 0.2 * noise(2, 5)
    expected = sound @ spoilt / np.linalg.norm(sound) / np.linalg.norm(spoilt)
    assert match_waveforms(sound, spoilt).similarity == pytest.approx(float(expected), abs=2e-3)


def test_an_offset_between_samples_is_found():
    rate = 48_000
    sound = noise(2, rate=rate)
    low = [soxr.resample(part, rate, RATE).astype(np.float32) for part in (sound, sound[3 + 6 * 1000 :])]
    match = match_waveforms(*low)
    assert match.similarity > 0.99
    assert match.offset == pytest.approx(6003 / rate, abs=1 / RATE)


def test_a_long_recording_is_searched_in_parts(monkeypatch):
    """Blocks far shorter than the recording, and a piece longer than what is looked for at once."""
    monkeypatch.setattr(similarity, "_PROBE", 2 * RATE)
    monkeypatch.setattr(similarity, "_BLOCK", 3 * RATE)
    sound = noise(40)
    match = match_waveforms(sound, sound[11 * RATE : 29 * RATE])
    assert (match.offset, match.share) == (11.0, 1.0)
    assert match.similarity == pytest.approx(1.0)
    both = match_waveforms(sound[: 20 * RATE], sound[7 * RATE : 27 * RATE])
    assert (both.offset, both.overlap) == (7.0, 13.0)
    # One whose middle is the same and whose ends are not is less alike than its middle
    mixed = np.concatenate([noise(8, 7), sound[8 * RATE : 32 * RATE], noise(8, 8)])
    assert 0.4 < match_waveforms(sound, mixed).similarity < 0.9


@pytest.mark.parametrize(
    ("name", "rate", "options"),
    [
        ("x.mp3", 44_100, {"format": "MP3", "subtype": "MPEG_LAYER_III"}),
        ("x.ogg", 44_100, {"format": "OGG", "subtype": "VORBIS"}),
        ("x.flac", 44_100, {}),
        ("x.wav", 22_050, {}),
        ("y.wav", 8_000, {}),
    ],
)
def test_coding_and_sample_rate_hardly_count(tmp_path, name, rate, options):
    sound = noise(3, rate=44_100) * 0.5
    soundfile.write(tmp_path / "original.wav", sound, 44_100)
    soundfile.write(tmp_path / name, sound if rate == 44_100 else soxr.resample(sound, 44_100, rate), rate, **options)
    match = match_waveforms(read(tmp_path / "original.wav"), read(tmp_path / name))
    assert match.similarity > 0.9
    assert match.offset == pytest.approx(0, abs=0.002)


def test_a_common_hum_does_not_make_two_recordings_alike(tmp_path):
    hum = 0.5 * np.sin(2 * np.pi * 50 * np.arange(3 * RATE) / RATE)
    for seed in (1, 2):
        soundfile.write(tmp_path / f"{seed}.wav", hum + 0.1 * noise(3, seed), RATE)
    plain = [soundfile.read(tmp_path / f"{seed}.wav", dtype="float32")[0] for seed in (1, 2)]
    assert match_waveforms(*plain).similarity > 0.9
    assert match_waveforms(read(tmp_path / "1.wav"), read(tmp_path / "2.wav")).similarity < 0.5


def test_a_probe_that_begins_with_silence_is_looked_for(monkeypatch):
    """Clicks with silence between, of which every piece that is looked for begins in silence."""
    monkeypatch.setattr(similarity, "_PROBE", 2 * RATE)
    monkeypatch.setattr(similarity, "_BLOCK", 3 * RATE)
    sound = np.where(np.arange(20 * RATE) % 97 == 5, noise(20), 0).astype(np.float32)
    piece = sound[4 * RATE : 16 * RATE]
    assert not any(piece[start] for start, _ in similarity._probes(len(piece)))
    match = match_waveforms(sound, piece)
    assert (match.similarity, match.offset) == (pytest.approx(1.0), 4.0)


def test_over_an_overlap_of_silence_nothing_is_alike():
    silent = np.zeros(RATE, np.float32)
    assert similarity._similarity(noise(1), silent, 0) == similarity._similarity(silent, noise(1), 0) == 0


def test_blocks_are_joined_without_a_seam(tmp_path):
    sound = noise(65)
    assert len(list(comparable(_written(tmp_path / "x.wav", sound)))) > 1
    expected = sound - np.float32(0.95) * np.concatenate([[np.float32(0)], sound[:-1]])
    np.testing.assert_allclose(read(tmp_path / "x.wav"), expected, atol=1e-6)


def test_files_are_decoded_once_while_there_is_room_and_removed_at_the_end(tmp_path, monkeypatch):
    decoded = []
    monkeypatch.setattr(
        "mmasc.audio.comparable_files.comparable", lambda path: decoded.append(path) or iter([np.ones(100, np.float32)])
    )
    with ComparableFiles(most_bytes=3 * 400) as files:
        for name in "abcabcda":
            assert files.get(name).sum() == 100
        folder = files._folder.name
    assert decoded == ["a", "b", "c", "d", "a"]
    assert not Path(folder).exists()


@pytest.mark.parametrize("seed", range(20))
def test_a_likeness_is_never_above_one(seed):
    sound = noise(0.6, seed)
    assert match_waveforms(sound, sound.copy()).similarity <= 1.0


def by_hand(first: np.ndarray, second: np.ndarray, least: int) -> dict[int, float]:
    """Correlation at every lag at which enough of the second lies in the first, in time and in energy."""
    found = {}
    for lag in range(least - len(second), len(first) - least + 1):
        low, high = max(lag, 0), min(lag + len(second), len(first))
        one, other = first[low:high].astype(float), second[low - lag : high - lag].astype(float)
        enough = other @ other >= 0.5 * (second.astype(float) @ second.astype(float))
        if high - low >= least and enough and one @ one > 1e-12 * len(second):
            found[lag] = abs(one @ other) / np.sqrt((one @ one) * (other @ other))
    return found


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("block", [1 << 18, 64])
def test_the_best_lag_is_that_of_a_look_at_each(seed, block, monkeypatch):
    monkeypatch.setattr(similarity, "_BLOCK", block)
    generator = np.random.default_rng(seed)
    first = generator.normal(size=int(generator.integers(40, 300))).astype(np.float32)
    second = generator.normal(size=int(generator.integers(10, 40))).astype(np.float32)
    if seed % 2:
        first[: len(first) // 3] = 0
    if seed % 3:
        at = int(generator.integers(0, len(first) - 10))
        part = first[at : at + len(second)]
        second[: len(part)] += part
    for least in (1, len(second) // 2, len(second)):
        wanted = by_hand(first, second, least)
        compared = similarity.Compared(first), similarity.Compared(second)
        for value, lag in (
            similarity._best_lag(first, second, least),
            similarity._best_lag_of_short(*compared, least),
        ):
            if max(wanted.values()) > 0.25:  # of others only that they are hopeless is said
                assert value == pytest.approx(max(wanted.values()), rel=1e-3)
                assert wanted[lag] == pytest.approx(max(wanted.values()), rel=1e-3)
            else:
                assert value <= 0.26


def test_half_of_the_shorter_one_is_enough():
    first, second = np.random.default_rng(3).normal(size=(2, 2 * RATE)).astype(np.float32)
    second *= 0.9
    second[:RATE] = first[RATE:]
    match = match_waveforms(first, second)
    assert (match.overlap, match.share, match.offset) == (1.0, 0.5, 1.0)


def test_sizes_of_transforms_are_the_next_that_is_fast():
    fast = sorted(factor << power for factor in (1, 3, 5) for power in range(16))
    for least in (*range(1, 200), 1_000, 1_024, 1_025, 20_000):
        assert similarity._fast_size(least) == next(size for size in fast if size >= least)


def test_pieces_of_a_long_one_lie_inside_it(monkeypatch):
    monkeypatch.setattr(similarity, "_PROBE", 100)
    assert similarity._probes(100) == [(0, 100)]
    assert similarity._probes(101) == [(0, 100), (1, 101)]
    assert similarity._probes(1_000) == [(200, 300), (450, 550), (700, 800)]
    assert similarity.Compared(np.zeros(100, np.float32)).short
    assert not similarity.Compared(np.zeros(101, np.float32)).short


def test_what_is_kept_of_a_waveform_is_counted():
    one = similarity.Compared(np.ones(10, np.float32))
    assert (len(one), one.nbytes) == (10, 0)
    assert one.energy.tolist() == list(range(11))
    assert one.nbytes == 11 * 8
    assert one.spectrum(16) is one.spectrum(16)
    np.testing.assert_allclose(one.spectrum(16), np.fft.rfft(np.ones(10), 16), rtol=1e-6)
    assert one.nbytes == 11 * 8 + one.spectrum(16).nbytes


@pytest.mark.parametrize("lag", [-5, 0, 7])
def test_the_similarity_at_a_lag_does_not_hang_on_blocks(lag, monkeypatch):
    first, second = noise(0.5, 1), noise(0.5, 2)
    second += 0.5 * np.roll(first, -lag)
    whole = similarity._similarity(first, second, lag)
    monkeypatch.setattr(similarity, "_BLOCK", 333)
    assert similarity._similarity(first, second, lag) == pytest.approx(whole, rel=1e-9)
    assert similarity._similarity(first, first, 0) == pytest.approx(1.0)
