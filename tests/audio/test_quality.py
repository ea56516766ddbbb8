"""Digital silence and cancelling channels are found by the meters as by looking at every sample."""

import numpy as np
import pytest
import soundfile

from mmasc.audio import quality, stream_audio
from mmasc.audio.quality import CANCELLED, CUT, OFFSET, SILENCE, PhaseMeter, SilenceMeter, fault_of
from mmasc.encoders.embedding import embed_file

RATE = 8_000


def sample_by_sample(samples, rate, least):
    """Stretches of silence, with a loop over samples."""
    found, start = [], 0
    for place in range(1, len(samples) + 1):
        if place < len(samples):
            before, after = abs(samples[place - 1]), abs(samples[place])
            constant = samples[place] == samples[place - 1] and after <= OFFSET
            if constant or (before <= SILENCE and after <= SILENCE):
                continue
        if place - start >= least:
            found.append((start / rate, place / rate))
        start = place
    return np.array(found).reshape(-1, 2)


@pytest.mark.parametrize("seed", range(20))
def test_silence_is_what_a_loop_over_samples_finds(seed):
    generator = np.random.default_rng(seed)
    count = int(generator.integers(1, 4_000))
    samples = (generator.integers(-2, 3, count) * generator.choice([1e-8, 0.1])).astype(np.float32)
    for _ in range(generator.integers(0, 6)):
        begin = int(generator.integers(0, count))
        samples[begin : begin + int(generator.integers(1, 400))] = generator.choice([0, 0.004, 1e-8, 0.3])
    meter = SilenceMeter(1_000, 1)
    for part in np.split(samples, np.sort(generator.integers(0, count, generator.integers(0, 6)))):
        meter.push(part[None])
    np.testing.assert_array_equal(meter.stretches(0), sample_by_sample(samples, 1_000, 50))


def listen(path, channels="mix"):
    with stream_audio(path, RATE, channels) as stream:
        for _ in stream:
            pass
        return stream.status, stream.is_silent


def noise(seconds=2.0, seed=0, rate=RATE):
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))).astype(np.float32)


@pytest.mark.parametrize("level", [0.0, -1 / 32_768, 0.005])
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_a_muted_input_is_silent(tmp_path, level, rate):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.full(2 * rate, level), rate)
    status, silent = listen(path)
    assert silent
    assert (status.state, status.silent_seconds) == ("ok", 2.0)
    assert status.reason == f"{path}: all of it is digital silence"


def test_faint_sound_is_not_silent(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, noise() * 1e-5, RATE, subtype="FLOAT")
    status, silent = listen(path)
    assert not silent
    assert (status.state, status.reason, status.silent_seconds) == ("ok", "", 0.0)


@pytest.mark.parametrize(("seconds", "told"), [(1.0, ""), (6.0, "75% of it is digital silence")])
def test_padding_is_told_from_half_of_a_recording_on(tmp_path, seconds, told):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.concatenate([noise(), np.zeros(round(seconds * RATE))]), RATE)
    status, silent = listen(path)
    assert not silent
    assert status.silent_seconds == pytest.approx(seconds, abs=1e-3)
    assert status.reason == (f"{path}: {told}" if told else "")


def test_silent_windows_do_not_weigh(tmp_path, standin):
    samples = noise(2.0)
    soundfile.write(tmp_path / "short.wav", samples, RATE)
    soundfile.write(tmp_path / "long.wav", np.concatenate([samples, np.zeros(3 * RATE)]), RATE)
    short, long = (embed_file(tmp_path / name, standin) for name in ("short.wav", "long.wav"))
    assert long.heard.tolist() == [True, True, False, False, False]
    assert short.heard.all()
    np.testing.assert_array_equal(long.vector, short.vector)
    np.testing.assert_array_equal(long.vectors[:2], short.vectors)


def test_a_dead_channel_does_not_weigh_in_each(tmp_path, standin):
    samples = noise(2.0)
    soundfile.write(tmp_path / "one.wav", samples, RATE)
    soundfile.write(tmp_path / "two.wav", np.stack([samples, np.zeros_like(samples)], axis=1), RATE)
    one, two = embed_file(tmp_path / "one.wav", standin), embed_file(tmp_path / "two.wav", standin, channels="each")
    np.testing.assert_array_equal(two.vector, one.vector)
    assert two.heard.tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("gain", "cancelled"), [(-1.0, True), (-0.8, True), (-0.5, False), (0.0, False), (0.5, False), (1.0, False)]
)
def test_opposite_channels_are_told(tmp_path, gain, cancelled):
    path = tmp_path / "x.wav"
    left = noise()
    soundfile.write(path, np.stack([left, gain * left + 0.001 * noise(seed=1)], axis=1), RATE)
    status, _ = listen(path)
    assert (status.state == "truncated") == cancelled
    assert ("use --channels left, or each" in status.reason) == cancelled
    assert listen(path, "each")[0].state == "ok"
    assert listen(path, "left")[0].reason == ""


@pytest.mark.parametrize("channels", [2, 3, 8])
def test_independent_channels_do_not_cancel(channels):
    meter = PhaseMeter()
    block = np.stack([noise(seed=seed) for seed in range(channels)])
    meter.push(block, block.mean(axis=0))
    assert meter.remark == ""


def test_exactly_opposite_channels_are_silence_with_a_reason(tmp_path):
    path = tmp_path / "x.wav"
    left = np.round(noise() * 32_768) / 32_768
    soundfile.write(path, np.stack([left, -left], axis=1), RATE)
    status, silent = listen(path)
    assert silent
    assert status.state == "truncated"
    assert "opposite polarity" in status.reason


@pytest.mark.parametrize(("level", "told"), [(10.0, True), (2.0, True), (0.5, False), (0.0, False)])
def test_opposite_channels_are_told_as_long_as_they_are_sound(level, told):
    noise = np.random.default_rng(0).choice([-1.0, 1.0], 8_000) * level * SILENCE
    meter = PhaseMeter()
    for part in np.split(noise.astype(np.float32), 4):
        meter.push(np.stack([part, -part]), np.zeros_like(part))
    assert bool(meter.remark) == told


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("shared", [-0.9, -0.5, 0.0, 0.9])
def test_cancelling_is_a_share_of_variances(channels, shared, monkeypatch):
    """A second way: NumPy's variances, at the share that they have and just beside it."""
    generator = np.random.default_rng(channels)
    one = generator.normal(size=4_000)
    gains = [shared if n % 2 else 1.0 for n in range(channels)]
    block = np.stack([gain * one + 0.3 * generator.normal(size=4_000) + 0.1 for gain in gains]).astype(np.float32)
    mix = block.mean(axis=0)
    share = channels * mix.var() / block.var(axis=1).mean()
    for bound, told in ((share * 1.001, True), (share * 0.999, False)):
        monkeypatch.setattr(quality, "_CANCELLED", bound)
        meter = PhaseMeter()
        assert meter.remark == ""
        for part in np.split(block, [1, 1_500], axis=1):
            meter.push(part, part.mean(axis=0))
        assert (meter.remark == f"{CANCELLED} (opposite polarity): use --channels left, or each") == told


@pytest.mark.parametrize(
    ("silent", "heard", "remark"),
    [
        (500, 500, "50% of it is digital silence"),
        (499, 501, ""),
        (999, 1, "99% of it is digital silence"),
        (1_000, 0, "all of it is digital silence"),
    ],
)
def test_half_a_recording_of_silence_is_told(silent, heard, remark):
    meter = SilenceMeter(1_000, 2)
    assert (meter.remark, meter.is_whole, meter.seconds) == ("", False, 0.0)
    sound = np.concatenate([np.tile([0.5, -0.5], heard)[:heard], np.zeros(silent)]).astype(np.float32)
    meter.push(np.stack([sound, np.zeros_like(sound)]))
    assert meter.seconds == silent / 1_000  # of the lane that has least of it
    assert meter.remark == remark
    assert meter.is_whole == (not heard)
    assert meter.stretches(1).tolist() == [[0.0, 1.0]]


def test_a_short_recording_of_nothing_is_silent_as_a_whole():
    for level, whole in ((0.0, True), (0.01, True), (0.011, False)):
        meter = SilenceMeter(8_000, 1)
        meter.push(np.full((1, 10), level, np.float32))
        assert meter.is_whole == whole
        assert meter.stretches(0).shape == (0, 2)


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        (CANCELLED, "lost in the mix"), (f"x: {CANCELLED} (opposite", "lost in the mix"),
        (f"3 of 5{CUT}", "truncated"), (f"3 of 5{CUT}; {CANCELLED}", "truncated"), ("", "truncated"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_word(reason, fault):
    assert fault_of(reason) == fault
