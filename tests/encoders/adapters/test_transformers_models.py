"""Small random models of the real classes: vectors of the package's own call, laws, and what is wrong with folders."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import mmasc
from mmasc.encoders.registry import spec_of
from mmasc.errors import MmascError
from mmasc.ivf.pictures import read_film
from tests.helpers import tiny_models
from tests.helpers.recordings import sound, write_av

MAKERS = {
    "clap": tiny_models.make_clap,
    "fused": lambda folder: tiny_models.make_clap(folder, fused=True),
    "ast": tiny_models.make_ast,
    "wav2vec2": tiny_models.make_wav2vec2,
    "hubert": lambda folder: tiny_models.make_wav2vec2(folder, "Hubert"),
    "wavlm": lambda folder: tiny_models.make_wav2vec2(folder, "WavLM"),
    "pe_audio": tiny_models.make_pe_audio,
}
TEXTS = ["rain", "a dog barking", "sea waves on a beach"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {name: make(root / name) for name, make in MAKERS.items()}


@pytest.fixture(scope="module")
def encoders(folders):
    windows = {"clap": None, "fused": None, "ast": None}  # of those that hear any length a short one is quick
    return {
        name: mmasc.load_encoder(f"transformers:{folder}", window_seconds=windows.get(name, 0.5))
        for name, folder in folders.items()
    }


def sounds(encoder, n=2, share=1.0):
    count = round(encoder.window_samples * share)
    return np.random.default_rng(0).normal(0, 0.1, (n, count)).astype(np.float32)


def own_call(name, folder, window):
    """The vector of one window as the package's documentation computes it."""
    from transformers import AutoFeatureExtractor, AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    inputs = extractor(window, sampling_rate=extractor.sampling_rate, return_tensors="pt")
    with torch.no_grad():
        if name in ("clap", "fused"):
            inputs["is_longer"] = torch.zeros(1, 1, dtype=torch.bool)
            return model.get_audio_features(**inputs).pooler_output
        if name == "pe_audio":
            return model.get_audio_embeds(**inputs)
        found = model(**inputs)
        return found.pooler_output if name == "ast" else found.last_hidden_state.mean(1)


@pytest.mark.parametrize("name", MAKERS)
def test_vectors_of_sounds_are_those_of_the_package(folders, encoders, name):
    encoder = encoders[name]
    for share in (1.0, 0.3):
        windows = sounds(encoder, share=share)
        found = encoder.embed(windows)
        wanted = np.concatenate([own_call(name, folders[name], window).numpy() for window in windows])
        np.testing.assert_allclose(found, wanted, atol=1e-5, rtol=1e-5)
        assert np.abs(found[0] - found[1]).max() > 1e-4
        np.testing.assert_array_equal(encoder.embed(windows[1:]), found[1:])


@pytest.mark.parametrize("name", ["clap", "fused", "pe_audio"])
def test_vectors_of_texts_are_those_of_the_package(folders, encoders, name):
    from transformers import AutoModel, AutoTokenizer

    found = encoders[name].embed_text(TEXTS)
    model, tokenizer = AutoModel.from_pretrained(folders[name]).eval(), AutoTokenizer.from_pretrained(folders[name])
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        if name == "pe_audio":
            values = torch.randn(3, 1, 800, generator=torch.Generator().manual_seed(0))
            whole = model(inputs["input_ids"], values, inputs["attention_mask"])
            wanted, scale = whole.text_audio_embeds, None
        else:
            wanted = model.get_text_features(**inputs).pooler_output
            scale = float(model.logit_scale_a.exp())
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5, rtol=1e-5)
    assert scale is None or encoders[name].logit_scale == pytest.approx(scale)
    np.testing.assert_array_equal(encoders[name].embed_text(TEXTS[::-1])[::-1], found)


def test_sound_text_and_picture_of_one_model_are_those_of_its_whole_answer(tmp_path):
    """PE-Audio-Video: pictures are films of one frame, all in the space of sounds."""
    from transformers import AutoVideoProcessor

    folder = tiny_models.make_pe_audio_video(tmp_path / "pe")
    encoder = mmasc.load_encoder(f"transformers:{folder}", window_seconds=0.5)
    assert encoder.spec.modalities == ("audio", "text", "image", "film")
    window = sounds(encoder, 1)
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    film = AutoVideoProcessor.from_pretrained(folder)(
        videos=[picture[None]], return_tensors="pt", do_sample_frames=False
    )
    tokens = encoder.tokenizer("a dog barking", return_tensors="pt")
    with torch.no_grad():
        whole = encoder.model(**tokens, **film, input_values=torch.from_numpy(window)[:, None])
    np.testing.assert_allclose(encoder.embed(window), whole.audio_embeds, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(encoder.embed_text("a dog barking"), whole.text_audio_embeds, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(encoder.embed_image([picture]), whole.video_embeds, atol=1e-5, rtol=1e-5)


def test_a_film_is_asked_for_by_its_pictures(tmp_path, sounds):
    """The same vector as the package's own call, and a query to a collection."""
    pytest.importorskip("av", reason="the extra video is not installed")
    from transformers import AutoVideoProcessor

    folder = tiny_models.make_pe_audio_video(tmp_path / "pe")
    encoder = mmasc.load_encoder(f"transformers:{folder}", window_seconds=0.5)
    path = tmp_path / "film.mp4"
    write_av(path, "aac", sound(2.0), video=True)
    frames, _, _ = read_film(path, 32, 2.0)
    assert len(frames) == 4
    given = AutoVideoProcessor.from_pretrained(folder)(videos=[frames], return_tensors="pt", do_sample_frames=False)
    with torch.no_grad():
        part = encoder.model.video_model
        wanted = part.video_head(part.video_encoder(given["pixel_values_videos"]).pooler_output).numpy()
    np.testing.assert_allclose(encoder.embed_film([path]), wanted, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(encoder.embed_film([frames]), wanted, atol=1e-5, rtol=1e-5)
    assert not np.allclose(encoder.embed_film([frames[:1]]), wanted, atol=1e-4)
    mmasc.embed(sounds, tmp_path / "c.mmasc", encoder)
    by_film = mmasc.Collection(tmp_path / "c.mmasc").search(image=path, k=2)
    by_vector = mmasc.Collection(tmp_path / "c.mmasc").search(vectors=wanted, k=2)
    assert [hit["score"] for hit in by_film] == pytest.approx([hit["score"] for hit in by_vector], abs=1e-5)
    with pytest.raises(ValueError, match="a film must be a path or uint8"):
        encoder.embed_film([frames[0]])


def test_a_space_without_films_says_so(standin):
    with pytest.raises(MmascError, match="the space of standin holds audio and text, no film"):
        standin.embed_film(["film.mp4"])


def test_identities(folders, encoders, tmp_path):
    assert len({one.identity for one in encoders.values()}) == len(encoders)
    copied = Path(shutil.copytree(folders["wav2vec2"], tmp_path / "copied"))
    assert _identity(copied) == encoders["wav2vec2"].identity
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"transformers_version": "9.9", "layer_norm_eps": 1e-5}))
    assert _identity(copied) == encoders["wav2vec2"].identity
    (copied / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-3}))
    assert _identity(copied) != encoders["wav2vec2"].identity
    assert _identity(folders["wav2vec2"], None) != encoders["wav2vec2"].identity


def _identity(folder, window_seconds=0.5):
    return mmasc.load_encoder(f"transformers:{folder}", window_seconds=window_seconds).identity


def test_what_is_known_before_loading_is_what_is_loaded(folders, encoders):
    for name, encoder in encoders.items():
        asked = f"transformers:{folders[name]}"
        assert replace(spec_of(asked), window_seconds=encoder.spec.window_seconds) == encoder.spec, name
        assert encoder.loaded_as == asked
    assert encoders["clap"].spec.non_commercial
    assert encoders["clap"].spec.licence == "cc-by-nc-4.0"
    assert encoders["ast"].spec.window_seconds == 1.0
    assert spec_of(f"transformers:{folders['wav2vec2']}").window_seconds == 10.0
    assert encoders["wav2vec2"].spec.licence == "not said"
    assert encoders["clap"].parameter_counts()[0] > 1000


def test_a_collection_of_a_folder_is_asked_in_words(folders, tmp_path, sounds, monkeypatch, caplog):
    """The fixture of recordings: embedded, asked from another place, and the licence is said."""
    into, name = tmp_path / "c.mmasc", f"transformers:{folders['clap']}"
    monkeypatch.setattr("mmasc.encoders.licences._SAID", set())
    mmasc.embed(sounds, into, name)
    assert caplog.messages == [f"{name}: its licence (cc-by-nc-4.0) forbids commercial use"]
    hits = mmasc.Collection(into).search("rain", k=2)
    assert len(hits) == 2


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [("clap", "rain " * 30, "has 32 tokens, transformers reads 20"), ("ast", "rain", "holds audio, no text")],
)
def test_texts_that_cannot_be_read(encoders, name, text, message):
    with pytest.raises(MmascError, match=message):
        encoders[name].embed_text(text)


def test_windows_that_are_not_heard_whole_are_refused(folders):
    with pytest.raises(MmascError, match="hears at most 1 seconds at once, got 2"):
        mmasc.load_encoder(f"transformers:{folders['ast']}", window_seconds=2.0)
    with pytest.raises(MmascError, match="hears at most 0.2 seconds at once, got 1"):
        mmasc.load_encoder(f"transformers:{folders['clap']}+speed=0.1", window_seconds=1.0)


def spoil(folder, what):
    from safetensors.torch import load_file, save_file

    weights = folder / "model.safetensors"
    if what == "type":
        (folder / "config.json").write_text('{"model_type": "whisper"}')
    elif what == "gone":
        weights.unlink()
    elif what == "cut":
        weights.write_bytes(weights.read_bytes()[:2000])
    elif what == "lacking":
        state = load_file(weights)
        save_file({key: one for key, one in state.items() if "k_proj" not in key}, weights, {"format": "pt"})
    elif what == "code":
        config = json.loads((folder / "config.json").read_text())
        code = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
        (folder / "config.json").write_text(json.dumps(config | {"model_type": "evil", "auto_map": code}))
        (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    else:
        (folder / what).unlink()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("type", "model of type 'whisper', which gives no pooled vector .*wav2vec2"),
        ("gone", r"holds no weights \(model.safetensors\); copy"),
        ("cut", "cannot be loaded by transformers"),
        ("lacking", "lacks 4 weights of its model, the first is .*k_proj"),
        ("code", "model of type 'evil'"),
        ("config.json", "config.json does not exist; name the folder of a model"),
        ("preprocessor_config.json", "processor_config.json does not exist"),
    ],
)
def test_folders_that_cannot_be_used(folders, tmp_path, what, message):
    copied = Path(shutil.copytree(folders["wav2vec2"], tmp_path / "copied"))
    spoil(copied, what)
    with pytest.raises(MmascError, match=message) as found:
        mmasc.load_encoder(f"transformers:{copied}")
    assert "\n" not in str(found.value)
    assert not (copied / "ran").exists()
