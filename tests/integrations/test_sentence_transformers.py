"""The face of sentence-transformers: what its users call, against the encoder's own calls and the package itself."""

import numpy as np
import pytest
import soundfile
import torch

from mmasc.encoders.embedding import embed_file
from mmasc.errors import MmascError
from mmasc.integrations.sentence_transformers import SoundTransformer

TEXTS = ["aab", "bcd", "a cab"]


@pytest.fixture
def model(standin) -> SoundTransformer:
    return SoundTransformer(standin)


def test_texts_and_sounds_go_in_one_list(model, standin, sounds):
    path = sounds / "wood" / "d.wav"
    samples, rate = soundfile.read(path, dtype="float32")
    heard = {"array": samples, "sampling_rate": rate}
    vectors = model.encode(["aab", str(path), path, (samples, rate), heard])
    sound = embed_file(path, standin).vector.astype(np.float32)
    np.testing.assert_array_equal(vectors, [standin.embed_text("aab")[0], sound, sound, sound, sound])
    np.testing.assert_array_equal(model.encode(np.array(TEXTS)), standin.embed_text(TEXTS))


def test_a_single_input_gives_a_single_vector(model, sounds):
    assert model.encode("aab").shape == (4,)
    assert model.encode(np.array("aab")).shape == (4,)
    assert model.encode(sounds / "wood" / "d.wav").shape == (4,)
    assert model.encode(["aab"]).shape == (1, 4)
    assert model.encode([]).shape == (0, 4)


def test_a_single_sound_in_memory_is_one(model, standin, sounds):
    path = sounds / "wood" / "d.wav"
    samples, rate = soundfile.read(path, dtype="float32")
    decoder = type("Decoder", (), {"get_all_samples": lambda self: self, "data": samples, "sample_rate": rate})()
    wanted = embed_file(path, standin).vector.astype(np.float32)
    for one in (path.read_bytes(), decoder, (samples, rate), {"array": samples, "sampling_rate": rate}):
        np.testing.assert_array_equal(model.encode(one), wanted)
    for nothing in (None, 7):
        with pytest.raises(MmascError, match="a sound must be a path"):
            model.encode(nothing)


def test_vectors_come_as_they_are_asked_for(model):
    assert isinstance(model.encode(TEXTS), np.ndarray)
    assert isinstance(model.encode(TEXTS, convert_to_tensor=True), torch.Tensor)
    assert [one.shape for one in model.encode(TEXTS, convert_to_numpy=False)] == [(4,)] * 3
    units = model.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(model.encode_query(TEXTS), model.encode(TEXTS))
    np.testing.assert_array_equal(model.encode_document(TEXTS, batch_size=2), model.encode(TEXTS))
    assert model.get_sentence_embedding_dimension() == model.get_embedding_dimension() == 4


def test_similarity_is_the_cosine(model, sounds):
    one, other = model.encode(TEXTS), model.encode(sorted((sounds / "pond").iterdir()))
    found = model.similarity(one, other)
    lengths = np.outer(np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1))
    np.testing.assert_allclose(found.numpy(), one @ other.T / lengths, rtol=1e-5)
    np.testing.assert_allclose(model.similarity_pairwise(one, other).numpy(), np.diag(found), rtol=1e-5)
    assert model.similarity(one[0], other).shape == (1, 3)


def test_what_the_space_lacks_is_said(model):
    with pytest.raises(MmascError, match="the space of standin holds audio and text, no image"):
        model.encode([type("Picture", (), {"convert": None, "size": (1, 1)})()])
    with pytest.raises(MmascError, match=r"howl\.wav is the name of a sound file that does not exist"):
        model.encode("howl.wav")
    with pytest.raises(ValueError, match="standin has no precision='int8', truncate_dim=2; leave it out"):
        model.encode(TEXTS, prompt=None, precision="int8", truncate_dim=2)
    assert model.supports("audio")
    assert not model.supports("image")


@pytest.mark.filterwarnings("ignore")
def test_against_the_real_package():
    real = pytest.importorskip("sentence_transformers", reason="the extra sentence-transformers is not installed")
    generator = np.random.default_rng(0)
    one, other = generator.normal(size=(3, 4)).astype(np.float32), generator.normal(size=(5, 4)).astype(np.float32)
    other[1] = 0  # of length 0
    model = SoundTransformer("mini")
    torch.testing.assert_close(model.similarity(one, other), real.util.cos_sim(one, other))
    torch.testing.assert_close(model.similarity_pairwise(one, other[:3]), real.util.pairwise_cos_sim(one, other[:3]))
    # The package's own search on what ours encodes
    texts = ["rain", "a dog barks", "church bells", "heavy rain"]
    tensors = model.encode(texts, convert_to_tensor=True)
    hits = real.util.semantic_search(model.encode_query("rain", convert_to_tensor=True), tensors, top_k=4)[0]
    ranks = model.similarity(tensors[:1], tensors)[0].argsort(descending=True, stable=True)
    assert [hit["corpus_id"] for hit in hits] == ranks.tolist()
