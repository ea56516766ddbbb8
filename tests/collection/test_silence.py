"""Digital silence in a collection: stored as every sample is, the answer to no word, without weight where sound is."""

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.collection.silence import SILENCE, is_silence
from mmasc.collection.store import Store
from mmasc.collection.vectors import recording_vectors
from mmasc.errors import MmascError

RATE = 8_000


@pytest.fixture
def collection(tmp_path, standin, monkeypatch):
    plain = type(standin)._audio
    monkeypatch.setattr(type(standin), "_audio", lambda self, waveforms: plain(self, waveforms) + 0.25)
    generator = np.random.default_rng(0)
    (tmp_path / "s").mkdir()
    sound = generator.uniform(-0.5, 0.5, 2 * RATE).astype(np.float32)
    soundfile.write(tmp_path / "s" / "padded.wav", np.concatenate([sound, np.zeros(3 * RATE, np.float32)]), RATE)
    soundfile.write(tmp_path / "s" / "whole.wav", sound, RATE)
    soundfile.write(tmp_path / "s" / "silent.wav", np.zeros(2 * RATE, np.float32), RATE)
    mmasc.embed(tmp_path / "s", tmp_path / "c", standin)
    return Collection(tmp_path / "c")


def silent_windows(collection):
    vectors = collection.space().vectors()
    return np.abs(vectors - 0.25).max(axis=1) == 0


def test_silent_windows_are_stored_and_known(collection, standin):
    reader = collection.space()
    assert silent_windows(collection).sum() == 5
    np.testing.assert_array_equal(reader.is_silence(reader.vectors()), silent_windows(collection))


@pytest.mark.parametrize("per_recording", [False, True])
def test_no_word_finds_silence(collection, standin, per_recording):
    found = collection.search(text="abcd", k=9, encoder=standin, per_recording=per_recording, windows=True)
    assert len(found) == (2 if per_recording else 4)
    assert {hit["end"] for hit in found} <= {1.0, 2.0}
    assert "silent.wav" not in {hit["path"].rpartition("/")[2] for hit in found}


def test_a_silent_sound_and_a_vector_find_silence(collection, standin, tmp_path):
    hits = collection.search(audio=tmp_path / "s" / "silent.wav", k=5, encoder=standin, windows=True)
    np.testing.assert_allclose([hit["score"] for hit in hits], 1, atol=1e-6)
    hits = collection.search(vectors=np.full(4, 0.25), k=5, windows=True)
    np.testing.assert_allclose([hit["score"] for hit in hits], 1, atol=1e-6)


def test_a_recording_has_the_vector_of_its_file(collection, standin, tmp_path):
    ids, vectors = recording_vectors(collection.space())
    assert len(ids) == 3
    for one, vector in zip(ids, vectors, strict=True):
        path = collection.path_of(collection.recordings.column("path")[collection.row_of[int(one)]].as_py())
        np.testing.assert_allclose(vector, mmasc.embed_file(path, standin).vector, atol=1e-6)


def test_a_collection_without_that_vector_takes_all_for_sound_until_it_has_it(collection, standin, tmp_path):
    (file,) = (tmp_path / "c").rglob(SILENCE)
    file.unlink()
    assert len(Collection(tmp_path / "c").search(text="abcd", k=9, encoder=standin, windows=True)) == 9
    mmasc.embed(tmp_path / "s", tmp_path / "c", standin)
    assert len(Collection(tmp_path / "c").search(text="abcd", k=9, encoder=standin, windows=True)) == 4
    file.write_bytes(b"x")
    with pytest.raises(MmascError, match=r"silence\.npy is not a whole array .* delete it"):
        Collection(tmp_path / "c").search(text="abcd", k=9, encoder=standin, windows=True)


def test_a_merged_collection_knows_silence_too(collection, standin, tmp_path):
    Collection(Store.create(tmp_path / "d", tmp_path / "s").folder).merge(tmp_path / "c")
    merged = Collection(tmp_path / "d")
    assert len(merged.space()) == 9
    assert len(merged.search(text="abcd", k=9, encoder=standin, windows=True)) == 4


def test_nothing_is_silence_without_its_vector():
    assert not is_silence(np.zeros((2, 3), np.float32), None).any()
