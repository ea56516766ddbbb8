"""Sounds in every form that packages hand them around in: one vector, whatever the form."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from mmasc.encoders.embedding import embed_file
from mmasc.errors import MmascError
from mmasc.integrations.items import is_sound_name
from mmasc.integrations.sounds import sound_vectors


class Decoder:
    """As torchcodec hands out samples."""

    def __init__(self, data: np.ndarray, sample_rate: int) -> None:
        self.data, self.sample_rate = data, sample_rate

    def get_all_samples(self) -> "Decoder":
        return self


def test_every_form_of_a_sound_gives_the_vector_of_its_file(standin, sounds):
    path = sounds / "pond" / "c.flac"  # two channels, 3.7 windows
    samples, rate = soundfile.read(path, dtype="float32")
    forms = [
        path,
        str(path),
        path.read_bytes(),
        (samples, rate),
        (samples.T, rate),
        {"array": samples.T, "sampling_rate": rate},
        {"bytes": path.read_bytes(), "path": "c.flac"},
        {"bytes": None, "path": str(path)},
        Decoder(samples.T, rate),
        samples,
        samples.T.tolist(),
    ]
    vectors = sound_vectors(standin, forms, sample_rate=rate)
    assert vectors.dtype == np.float32
    wanted = embed_file(path, standin).vector.astype(np.float32)
    np.testing.assert_array_equal(vectors, np.tile(wanted, (len(forms), 1)))


def test_no_sounds_are_no_vectors(standin):
    assert sound_vectors(standin, []).shape == (0, 4)


def test_what_is_not_a_sound_is_one_line(standin, tmp_path):
    with pytest.raises(MmascError, match=r"samples have no rate: give them with it, as \(samples, rate\)"):
        sound_vectors(standin, [np.zeros(8_000)])
    with pytest.raises(MmascError, match=r"nothing\.wav"):
        sound_vectors(standin, [tmp_path / "nothing.wav"])
    with pytest.raises(MmascError, match="a sound must be a path"):
        sound_vectors(standin, [7])


def test_names_of_sound_files_are_told_from_texts(sounds, monkeypatch):
    monkeypatch.chdir(sounds)
    assert is_sound_name("pond/a.wav")
    assert not is_sound_name("a dog. It barks")
    assert not is_sound_name(str(Path("pond")))
    with pytest.raises(MmascError, match=r"rain\.WAV is the name of a sound file that does not exist"):
        is_sound_name("rain.WAV")
