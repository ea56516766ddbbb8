"""open_clip: texts and pictures as the package embeds them, no sound."""

import numpy as np
import pytest
import torch
from PIL import Image

import mmasc
from mmasc.encoders.determinism import check_encoder
from mmasc.errors import MmascError
from tests.helpers import tiny_models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.make_open_clip(tmp_path_factory.mktemp("models") / "clip")


def test_vectors_are_those_of_the_package(folder):
    import open_clip

    encoder = mmasc.load_encoder(f"open_clip:{folder}")
    model, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    texts, tokens = ["rain", "a dog barking"], open_clip.get_tokenizer(f"local-dir:{folder}")
    pictures = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (40, 50, 3), np.uint8)) for n in range(2)]
    with torch.no_grad():
        wanted = model.eval().encode_text(tokens(texts), normalize=True)
        seen = model.encode_image(torch.stack([prepare(one) for one in pictures]), normalize=True)
    np.testing.assert_allclose(encoder.embed_text(texts), wanted, atol=1e-5)
    np.testing.assert_allclose(encoder.embed_image(pictures), seen, atol=1e-5)
    np.testing.assert_allclose(encoder.embed_image([np.asarray(pictures[0])]), seen[:1], atol=1e-5)
    assert encoder.logit_scale == pytest.approx(float(model.logit_scale.detach().exp()))
    assert encoder.spec.licence == "mit"
    results = list(check_encoder(f"open_clip:{folder}"))
    assert len(results) >= 3
    assert all(one.holds for one in results), results


def test_what_it_does_not_understand(folder):
    encoder = mmasc.load_encoder(f"open_clip:{folder}")
    with pytest.raises(MmascError, match="holds text and image, no audio"):
        encoder.embed(np.zeros((1, 100), np.float32))
    with pytest.raises(MmascError, match="has 202 tokens, open_clip reads 77"):
        encoder.embed_text("rain " * 200)


def test_folders_that_cannot_be_used(folder, tmp_path):
    with pytest.raises(
        MmascError, match="open_clip_config.json does not exist; name the folder of a model of open_clip"
    ):
        mmasc.load_encoder(f"open_clip:{tmp_path}")
    (tmp_path / "open_clip_config.json").write_bytes((folder / "open_clip_config.json").read_bytes())
    with pytest.raises(MmascError, match="holds no weights as safetensors"):
        mmasc.load_encoder(f"open_clip:{tmp_path}")
    (tmp_path / "open_clip_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(MmascError, match="cannot be loaded by open_clip"):
        mmasc.load_encoder(f"open_clip:{tmp_path}")
