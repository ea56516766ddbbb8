"""Time expansion and band: names that say them, the same sound slowed down gives the same vectors, times stay."""

import math
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.encoders.hearing import AskedWindow, Hearing, split_hearing
from mmasc.encoders.registry import ENCODERS, full_name_of, load_text_encoder, spec_of, window_of
from mmasc.errors import MmascError
from tests.conftest import STANDIN_SPEC


@pytest.mark.parametrize(
    ("name", "plain", "hearing"),
    [
        ("mini", "mini", Hearing()),
        ("mini+speed=0.1", "mini", Hearing(0.1)),
        ("mini:runs/a+b+speed=10.0", "mini:runs/a+b", Hearing(10.0)),
        ("mini+speed=0.1+band=15000-120000", "mini", Hearing(0.1, 15_000, 120_000)),
        ("clap+band=-200", "clap", Hearing(1.0, 0, 200)),
        ("clap+band=12.5-", "clap", Hearing(1.0, 12.5, math.inf)),
    ],
)
def test_names(name, plain, hearing):
    assert split_hearing(name) == (plain, hearing)
    assert plain + hearing.suffix == name
    assert full_name_of(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mini+speed=fast", "speed must be a number such as 0.1, got 'fast'"),
        ("mini+speed=0", "speed must be 0.001 to 1000 times, got 0"),
        ("mini+speed=nan", "speed must be 0.001 to 1000 times, got nan"),
        ("mini+speed=0.1+speed=0.2", "gives speed twice"),
        ("mini+band=5", "band must be LOW-HIGH in Hz such as 15000-120000, got '5'"),
        ("mini+band=-", "band must be LOW-HIGH"),
        ("mini+band=300-200", "with LOW below HIGH, got 300-200"),
        ("mini+band=16000-", "mini hears up to 16000 Hz, the band begins at 16000 Hz"),
        ("mini+speed=0.001", "would need recordings at 32,000,000 Hz"),
    ],
)
def test_what_makes_no_sense_is_said(name, message):
    with pytest.raises(MmascError, match=message):
        mmasc.load_encoder(name)
    assert spec_of(name) is None


def test_slowed_down_and_played_slowly_are_the_same(tmp_path):
    """A recording at 320 kHz heard at a tenth of its speed is that file with 32 kHz in its header."""
    rng = np.random.default_rng(0)
    seconds = np.arange(round(1.2 * 320_000)) / 320_000
    chirp = np.sin(2 * np.pi * (30_000 * seconds + 20_000 * seconds**2)) * (rng.random(len(seconds)) + 0.5) * 0.3
    soundfile.write(tmp_path / "bat.wav", chirp, 320_000, "FLOAT")
    soundfile.write(tmp_path / "slow.wav", chirp, 32_000, "FLOAT")
    plain, slow = mmasc.load_encoder("mini"), mmasc.load_encoder("mini+speed=0.1")
    wanted = mmasc.embed_file(tmp_path / "slow.wav", plain)
    found = mmasc.embed_file(tmp_path / "bat.wav", slow)
    np.testing.assert_array_equal(found.vectors, wanted.vectors)
    np.testing.assert_allclose(found.starts, wanted.starts / 10, atol=1e-9)
    np.testing.assert_allclose(found.ends, wanted.ends / 10, atol=1e-9)
    assert found.ends[-1] == pytest.approx(1.2)
    assert (slow.spec.sample_rate, slow.spec.window_seconds) == (320_000, 0.512)


def test_the_band_is_that_of_the_recording(standin):
    tone = {hz: np.sin(2 * np.pi * hz * np.arange(8_000) / 8_000).astype(np.float32)[None] for hz in (100, 1500)}
    standin.hear(Hearing(0.5, 1000, 1_000_000))
    assert standin.spec.sample_rate == 16_000  # so that these tones are 200 and 3000 Hz
    loud = {hz: standin.embed(wave)[0, 1] for hz, wave in tone.items()}
    assert loud[1500] == pytest.approx(np.abs(tone[1500]).mean(), rel=1e-3)
    assert loud[100] < 1e-4


def test_identities_differ_only_where_something_is_said():
    names = ["mini", "mini+speed=0.1", "mini+speed=0.2", "mini+band=500-", "mini+speed=0.1+band=500-"]
    identities = [mmasc.load_encoder(name).identity for name in names]
    assert len(set(identities)) == len(names)
    assert mmasc.load_encoder("mini+speed=1").identity == identities[0]
    # frozen: stored vectors hang on it
    assert Hearing(0.1, 15_000).identity("0" * 32) == "712d0e17081aa66a929afba6db607514"
    assert Hearing().identity("0" * 32) == "0" * 32
    side = load_text_encoder("mini+speed=0.1")
    assert (side.identity, side.spec.name) == (identities[1], "mini+speed=0.1")


@pytest.mark.parametrize("seconds", [0.5, 1 / 3, 0.1301])
def test_a_window_that_was_stored_is_asked_for_again(seconds):
    name = "mini+speed=0.1"
    one = mmasc.load_encoder(name, window_seconds=seconds)
    again = mmasc.load_encoder(name, window_seconds=window_of(name, one.spec.window_seconds))
    assert (again.identity, again.spec) == (one.identity, one.spec)
    assert window_of(name, 0.512) is None


def test_windows_are_seconds_of_the_recording():
    spec = ENCODERS["mini"]
    assert AskedWindow(0.3, Hearing(0.1)).of(spec).window_seconds == pytest.approx(3.0)
    with pytest.raises(MmascError, match="window of mini must be 0.13 to 6 seconds, got 0.05"):
        AskedWindow(0.05, Hearing(0.1)).of(spec)


def test_a_collection_remembers_how_it_was_heard(tmp_path, monkeypatch, sounds):
    from mmasc.collection.coverage import embed_command

    monkeypatch.setitem(ENCODERS, "standin", STANDIN_SPEC)
    into = tmp_path / "c.mmasc"
    mmasc.embed(sounds, into, "standin+speed=2.0+band=10-3000", hop_seconds=1.0)
    collection = mmasc.Collection(into)
    (name,) = collection.spaces
    assert name == "standin+speed=2.0+band=10-3000"
    space = collection.head.spaces[name]
    assert (space.encoder, space.window_seconds) == (name, 2.0)
    # queries by sound and by text, more recordings and the command for them need nothing repeated
    hit = collection.search(audio=sounds / "wood" / "d.wav")[0]
    assert (Path(hit.path).name, hit.end) == ("d.wav", 2.0)
    assert collection.search("abba")
    assert collection.add(sounds).skipped == 5
    words = shlex.split(embed_command(into, [str(sounds)], name, space))
    assert words[words.index("--encoder") + 1] == name
