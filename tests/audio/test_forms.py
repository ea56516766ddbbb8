"""Sounds in the forms of other packages become the sound files that they would be, or a line says what is wrong."""

import io

import numpy as np
import pytest
import soundfile
import torch

from mmasc.audio import load_audio
from mmasc.audio.forms import as_sound
from mmasc.errors import MmascError

RATE = 8_000
SAMPLES = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 4_000)).astype(np.float32)


class Decoder:
    """As torchcodec decodes and datasets indexes: samples of all channels, an array of their mean."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.data, self.sample_rate = torch.from_numpy(SAMPLES), RATE

    def get_all_samples(self) -> "Decoder":
        if self.fault:
            raise RuntimeError(self.fault)
        return self

    def __getitem__(self, key: str):
        return SAMPLES.mean(0) if key == "array" else RATE


def wav() -> bytes:
    content = io.BytesIO()
    soundfile.write(content, SAMPLES.T, RATE, "FLOAT", format="WAV")
    return content.getvalue()


FORMS = {
    "decoder": lambda: Decoder(),
    "array": lambda: {"array": SAMPLES, "sampling_rate": RATE, "path": None},
    "lists": lambda: {"array": SAMPLES.tolist(), "sampling_rate": RATE},
    "format of torch": lambda: {"array": torch.from_numpy(SAMPLES), "sampling_rate": torch.tensor(RATE)},
    "format of numpy": lambda: {"array": SAMPLES, "sampling_rate": np.array(RATE)},
    "bytes": lambda: {"bytes": wav(), "path": "a.wav"},
    "bytes before an empty array": lambda: {"array": None, "bytes": wav()},
    "pair": lambda: (SAMPLES, RATE),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_file(form):
    samples, rate = load_audio(as_sound(FORMS[form]()), channels="each")
    assert rate == RATE
    np.testing.assert_array_equal(samples, SAMPLES)


def test_the_rate_that_a_mapping_lacks_is_that_of_all():
    samples, rate = load_audio(as_sound({"array": SAMPLES}, RATE), channels="each")
    assert rate == RATE
    np.testing.assert_array_equal(samples, SAMPLES)
    # its own counts where it has one
    assert load_audio(as_sound({"array": SAMPLES, "sampling_rate": 2 * RATE}, RATE), channels="each")[1] == 2 * RATE


@pytest.mark.parametrize(
    ("sound", "line"),
    [
        ({"array": SAMPLES}, r"samples have no rate: give them with it, as \(samples, rate\)"),
        ({"array": SAMPLES, "sampling_rate": None}, "samples have no rate"),
        ({"bytes": None, "path": None}, "must hold a sound as array and sampling_rate, .* it holds bytes, path"),
        ({"audio": SAMPLES}, "it holds audio$"),
        ({}, "it holds nothing$"),
        (Decoder("no\n  such stream"), r"a decoder of sound fails \(no such stream\); check the file that it reads"),
        (None, "a sound must be a path"),
    ],
)
def test_what_holds_no_sound_is_one_line(sound, line):
    with pytest.raises(MmascError, match=line):
        as_sound(sound)


def test_rates_of_one_number_alone():
    with pytest.raises(ValueError, match="sample_rate must be a whole number"):
        as_sound((SAMPLES, np.array([RATE])))
