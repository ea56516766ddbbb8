"""The vector of a recording."""

import numpy as np
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.collection import vectors as recordings_module
from mmasc.collection.vectors import recording_vectors
from mmasc.encoders.embedding import embed_file


def test_a_recordings_vector_is_the_one_of_its_file(noises, tmp_path, standin, monkeypatch):
    soundfile.write(tmp_path / "stereo.wav", np.random.default_rng(1).uniform(-1, 0.6, (20_000, 2)), 8_000)
    mmasc.embed([tmp_path / "stereo.wav", noises / "00.wav"], tmp_path / "c", standin, channels="each", root=tmp_path)
    for at_once in (65_536, 1):
        monkeypatch.setattr(recordings_module, "_WINDOWS_AT_ONCE", at_once)
        opened = Collection(tmp_path / "c")
        ids, vectors = recording_vectors(opened.space())
        assert len(ids) == 2
        for one, vector in zip(ids, vectors, strict=True):
            path = opened.path_of(opened.recordings.column("path")[opened.row_of[int(one)]].as_py())
            np.testing.assert_array_equal(vector, embed_file(path, standin, channels="each").vector)
