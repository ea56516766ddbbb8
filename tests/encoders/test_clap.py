"""CLAP against the recorded answers of the reference, against transformers itself, and by laws; weights by rule."""

import json
import shutil
import socket
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from mmasc.encoders.clap import _Hear
from mmasc.encoders.clap_files import CONTEXT_TOKENS, SAMPLES
from mmasc.encoders.embedding import embed_file
from mmasc.encoders.htsat_fast import FastHtsat, moved, window_order
from mmasc.encoders.identity import backend_identity
from mmasc.encoders.registry import ENCODERS, load_encoder
from mmasc.errors import MmascError
from mmasc.weights.download import fetch
from mmasc.weights.table import WEIGHTS, RemoteFile, WeightFile
from tests.helpers.command import run
from tests.parity import rule_weights as rw
from tests.parity.compare import compare

PARITY = Path(rw.__file__).parent
KEYS = rw.shapes_from(PARITY / "clap_keys.json")
EXPECTED = dict(np.load(PARITY / "clap_expected.npz"))
CONFIGS = {"tiny": rw.shapes_from(PARITY / "clap_tiny_config.json"), "base": {}}
RATE = 48_000
WAVES = [rw.waveform(kind, RATE) / np.float32(32_768) for kind in rw.WAVES]
SHORT = rw.waveform("clicks", RATE, 3.3) / np.float32(32_768)

# A vocabulary of 97 tokens: letters, some pairs, the rest unknown
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
MERGES = ["\u0120 a", "i n", "o n", "r a", "ra in", "\u0120 b", "d o", "do g"]
LETTERS = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,'-!:&\u0120\u00c3\u00a9")


def make_folder(folder: Path, shapes, config, fused=False, pickled=False) -> Path:
    """A folder as the hub has it, its weights filled by rule."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["ClapModel"]}))
    front_end = {
        "chunk_length_s": 10,
        "feature_size": 64,
        "fft_window_size": 1024,
        "frequency_max": 14000,
        "frequency_min": 50,
        "hop_length": 480,
        "max_length_s": 10,
        "nb_max_samples": 480000,
        "padding": "repeatpad",
        "sampling_rate": 48000,
        "top_db": None,
        "truncation": "fusion" if fused else "rand_trunc",
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(front_end))
    tokens = [*SPECIAL, *LETTERS, *(pair.replace(" ", "") for pair in MERGES)]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES, ""]))
    state = {key: torch.from_numpy(value).reshape(shapes[key]) for key, value in rw.rule_state(shapes).items()}
    if pickled:
        torch.save(state, folder / "pytorch_model.bin")
    else:
        save_file(state, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """Folders `tiny` and `fused` with weights by rule."""
    from transformers import ClapConfig, ClapModel

    folder = tmp_path_factory.mktemp("clap")
    make_folder(folder / "tiny", KEYS["tiny"], CONFIGS["tiny"])
    config = json.loads(json.dumps(CONFIGS["tiny"]))
    config["audio_config"]["enable_fusion"] = True
    shapes = {key: list(value.shape) for key, value in ClapModel(ClapConfig(**config)).state_dict().items()}
    make_folder(folder / "fused", shapes, config, fused=True)
    return folder


@pytest.fixture(autouse=True)
def small_space(monkeypatch, tmp_path):
    """The tiny model has 24 numbers; nothing is ever taken from the user's own folder."""
    monkeypatch.setitem(ENCODERS, "clap", replace(ENCODERS["clap"], dim=24))
    monkeypatch.setenv("MMASC_HOME", str(tmp_path / "home"))


@pytest.fixture
def clap(made):
    return load_encoder(f"clap:{made / 'tiny'}")


@pytest.fixture
def fused(made):
    return load_encoder(f"clap:{made / 'fused'}")


@pytest.fixture
def copied(made, tmp_path) -> Path:
    """A copy of the tiny folder, to be spoiled."""
    return Path(shutil.copytree(made / "tiny", tmp_path / "copied"))


def network_inputs(encoder, waves):
    return torch.cat([encoder.features(encoder._fill(torch.from_numpy(wave)[None])) for wave in waves])


def answers(encoder, name) -> dict[str, np.ndarray]:
    """What the reference was asked, answered by the parts that `embed` and `embed_text` are made of."""
    ids, mask = torch.from_numpy(EXPECTED[f"clap.{name}.text_ids"]), EXPECTED[f"clap.{name}.text_mask"]
    with torch.inference_mode():
        pooled = encoder.pooled(network_inputs(encoder, [*WAVES, SHORT]))
        projected = encoder.model.audio_projection(pooled)
        lengths = mask.sum(1)
        texts = torch.cat([encoder.pooled_text(row[None, :length]) for row, length in zip(ids, lengths, strict=True)])
        text = encoder.model.text_projection(texts).numpy()
    audio = np.concatenate([encoder.embed(wave[None]) for wave in [*WAVES, SHORT]])
    text_unit = text / np.linalg.norm(text, axis=1, keepdims=True)
    return {
        f"clap.{name}.audio_pooled": pooled.numpy(),
        f"clap.{name}.audio_projected": projected.numpy(),
        f"clap.{name}.audio_embedding": audio,
        f"clap.{name}.text_ids": ids.numpy(),
        f"clap.{name}.text_mask": mask,
        f"clap.{name}.text_projected": text,
        f"clap.{name}.text_embedding": text_unit,
        f"clap.{name}.logits_per_audio": encoder.logit_scale * audio @ text_unit.T,
        f"clap.{name}.logits_per_text": float(encoder.model.logit_scale_t.exp()) * text_unit @ audio.T,
    }


def agree(actual, *patterns):
    wanted = {name: value for name, value in EXPECTED.items() if name.startswith(patterns)}
    assert len(wanted) >= len(actual) > 0
    assert not compare(actual, wanted)


def test_inputs_are_those_of_the_reference(clap, fused):
    inputs = network_inputs(clap, [*WAVES, SHORT]).numpy()
    four = network_inputs(fused, WAVES[:1])[0].numpy()
    actual = dict(zip(["clap.input.noise", "clap.input.chirp", "clap.input.clicks"], inputs, strict=False))
    agree(actual | {"clap.input.short": inputs[3][:, ::7], "clap.input.noise_fused": four[:, ::7]}, "clap.input.")


def test_tiny_answers_like_the_reference(clap):
    agree(answers(clap, "tiny"), "clap.tiny.")


def test_base_answers_like_the_reference(tmp_path, monkeypatch):
    """The size of laion/clap-htsat-unfused, from a pickled file as the hub has it."""
    monkeypatch.setitem(ENCODERS, "clap", replace(ENCODERS["clap"], dim=512))
    folder = make_folder(tmp_path / "base", KEYS["base"], CONFIGS["base"], pickled=True)
    encoder = load_encoder(f"clap:{folder}")
    shutil.rmtree(folder)
    agree(answers(encoder, "base"), "clap.base.")
    numbers = sum(int(np.prod(shape)) for shape in KEYS["base"].values())
    assert encoder.parameter_counts() == (153_492_890, numbers)


def test_features_are_those_of_the_extractor(clap, fused):
    from transformers import ClapFeatureExtractor

    generator = np.random.default_rng(5)
    waves = [0.3 * generator.standard_normal(length).astype(np.float32) for length in (300, 48_000, 130_001, SAMPLES)]
    for encoder, truncation in [(clap, "rand_trunc"), (fused, "fusion")]:
        oracle = ClapFeatureExtractor(frequency_min=50, truncation=truncation)
        wanted = oracle(waves, sampling_rate=RATE, return_tensors="np")["input_features"]
        found = network_inputs(encoder, waves).numpy()
        assert found.shape == wanted.shape == (4, 4 if encoder.fused else 1, 1001, 64)
        np.testing.assert_allclose(found, wanted, atol=2e-3)


@pytest.mark.parametrize("name", ["tiny", "fused"])
def test_vectors_are_those_of_transformers(made, name):
    from transformers import ClapFeatureExtractor, ClapModel

    encoder, model = load_encoder(f"clap:{made / name}"), ClapModel.from_pretrained(made / name).eval()
    extractor = ClapFeatureExtractor.from_pretrained(made / name)
    waves = [*WAVES, SHORT]
    features = torch.from_numpy(extractor(waves, sampling_rate=RATE, return_tensors="np")["input_features"])
    with torch.inference_mode():
        not_longer, longer = (
            model.get_audio_features(features.float(), is_longer=torch.full((4, 1), flag)).pooler_output.numpy()
            for flag in (False, True)
        )
    found = np.concatenate([encoder.embed(wave[None]) for wave in waves])
    np.testing.assert_allclose(found, not_longer, atol=1e-5)
    # The flag that the extractor would give to one of them at random says something else
    assert (np.abs(not_longer - longer).max() > 1e-3) == encoder.fused


@pytest.mark.parametrize("name", ["tiny", "fused"])
@torch.inference_mode()
def test_the_fast_audio_network_is_the_definition(made, name):
    encoder = load_encoder(f"clap:{made / name}")
    generator = torch.Generator().manual_seed(6)
    for part, parameter in encoder.model.audio_model.named_parameters():
        # Norms and positions that do something, scores that are not all alike
        if "norm" in part or "bias" in part:
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    fast, plain = encoder._network(), _Hear(encoder.model.audio_model)
    assert isinstance(fast, FastHtsat)
    features = network_inputs(encoder, WAVES[:2])
    wanted = plain(features)
    assert float((fast(features) - wanted).abs().max() / wanted.std()) < 1e-5
    layer = encoder.model.audio_model.audio_encoder.layers[2].blocks[1]
    layer.attention.self.relative_position_bias_table.mul_(2)
    assert float((encoder._network()(features) - wanted).abs().max() / wanted.std()) > 1e-3


def test_tokens_move_from_window_to_window_and_back():
    plain, shifted = window_order((4, 6), 2, 0), window_order((4, 6), 2, 1)
    assert plain[:8].tolist() == [0, 1, 6, 7, 2, 3, 8, 9]
    # The last window holds the four corners
    assert shifted[-4:].tolist() == [23, 18, 5, 0]
    assert torch.equal(plain[moved(plain, shifted)], shifted)
    assert torch.equal(shifted[moved(shifted, plain)], plain)
    assert moved(plain, plain) is None


def test_windows_that_do_not_divide_the_tokens_are_heard_by_the_definition(tmp_path):
    from transformers import ClapConfig, ClapModel

    config = json.loads(json.dumps(CONFIGS["tiny"]))
    config["audio_config"]["window_size"] = 5
    shapes = {key: list(value.shape) for key, value in ClapModel(ClapConfig(**config)).state_dict().items()}
    odd = load_encoder(f"clap:{make_folder(tmp_path / 'odd', shapes, config)}")
    assert isinstance(odd._hear, _Hear)
    with pytest.raises(MmascError, match="clap has no onnx backend for a network of this shape; leave it out"):
        odd.use_onnx()


@pytest.mark.parametrize("name", ["tiny", "fused"])
def test_onnx_runtime_gives_the_same_vectors_in_a_space_of_its_own(made, name):
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    eager, by_onnx = load_encoder(f"clap:{made / name}"), load_encoder(f"clap:{made / name}", backend="onnx")
    assert by_onnx.identity == backend_identity(eager.identity, "onnx") != eager.identity
    for waves in (np.stack(WAVES), SHORT[None]):
        vectors, wanted = by_onnx.embed(waves), eager.embed(waves)
        assert (vectors * wanted).sum(1).min() > 0.99999
        assert np.array_equal(vectors, by_onnx.embed(waves))
        assert np.array_equal(vectors, np.concatenate([by_onnx.embed(wave[None]) for wave in waves]))
    assert np.array_equal(by_onnx.embed_text(["rain"]), eager.embed_text(["rain"]))


@pytest.mark.parametrize("missing", ["onnxruntime", "onnxscript"])
def test_a_backend_that_is_not_installed_is_told(made, missing, monkeypatch):
    if missing == "onnxruntime":  # which is asked after the export
        pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
        monkeypatch.setattr("mmasc.networks.onnx.export_module", lambda *given: None)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MmascError, match=rf"{missing} is not installed; .*pip install 'mmasc\[onnx\]'"):
        load_encoder(f"clap:{made / 'tiny'}", backend="onnx")


def test_tokens_and_texts_are_those_of_transformers(made, clap):
    from transformers import ClapModel, RobertaTokenizer

    texts = ["rain and a dog", "Boiling, in 3 pans!", " caf\u00e9", "on", "a  b"]
    oracle = RobertaTokenizer.from_pretrained(made / "tiny", unk_token="<unk>")
    for text in texts:
        assert clap.tokenizer(text, "clap") == oracle(text)["input_ids"]
    model = ClapModel.from_pretrained(made / "tiny").eval()
    with torch.inference_mode():
        wanted = model.get_text_features(**oracle(texts, return_tensors="pt", padding=True)).pooler_output.numpy()
    np.testing.assert_allclose(clap.embed_text(texts), wanted, atol=1e-6)
    one_by_one = np.concatenate([clap.embed_text([text]) for text in texts])
    np.testing.assert_array_equal(clap.embed_text(texts), one_by_one)


def test_texts_are_computed_once(clap, monkeypatch):
    first = clap.embed_text(["rain", "dog"])
    monkeypatch.setattr(clap, "pooled_text", lambda tokens: pytest.fail("computed again"))
    np.testing.assert_array_equal(clap.embed_text(["dog", "rain", "dog"]), first[[1, 0, 1]])
    assert clap.embed_text([]).shape == (0, 24)


def test_a_saved_tokenizer_gives_the_same_space(made, clap, copied):
    clap.tokenizer._tokens.save(str(copied / "tokenizer.json"))
    (copied / "merges.txt").unlink()
    assert load_encoder(f"clap:{copied}").identity == clap.identity


def test_long_files_are_heard_whole_and_always_alike(clap, fused, tmp_path):
    samples = np.concatenate([*WAVES, *WAVES[:2]])
    soundfile.write(tmp_path / "long.wav", samples, RATE, subtype="FLOAT")
    for encoder in (clap, fused):
        found = embed_file(tmp_path / "long.wav", encoder)
        np.testing.assert_allclose(found.starts, [0, 10, 15])
        np.testing.assert_allclose(found.ends, [10, 20, 25])
        windows = [samples[round(start * RATE) :][:SAMPLES] for start in found.starts]
        np.testing.assert_allclose(
            found.vectors, np.concatenate([encoder.embed(one[None]) for one in windows]), atol=1e-6
        )
        np.random.seed(7)  # noqa: NPY002 (the generator that the extractor draws crops from)
        np.testing.assert_array_equal(embed_file(tmp_path / "long.wav", encoder).vector, found.vector)


def test_a_vector_does_not_depend_on_its_neighbours(clap, fused, monkeypatch):
    waves = np.stack([wave[: 3 * RATE] for wave in WAVES])
    for encoder in (clap, fused):
        alone = np.concatenate([encoder.embed(wave[None]) for wave in waves])
        np.testing.assert_array_equal(encoder.embed(waves), alone)
        np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-6)
        monkeypatch.setattr(type(encoder), "windows_at_once", 3)
        np.testing.assert_allclose(encoder.embed(waves), alone, atol=1e-6)
        monkeypatch.undo()
        monkeypatch.setitem(ENCODERS, "clap", replace(ENCODERS["clap"], dim=24))


def test_short_sounds_are_repeated_whole_then_silence(made, clap):
    three = WAVES[1][: 3 * RATE]
    whole = np.concatenate([three, three, three, np.zeros(RATE, np.float32)])
    np.testing.assert_array_equal(clap.embed(three[None]), clap.embed(whole[None]))
    # Windows of 5 s are another space, filled in the same way
    shorter = load_encoder(f"clap:{made / 'tiny'}", window_seconds=5)
    np.testing.assert_array_equal(shorter.embed(three[None]), clap.embed(three[None]))
    assert shorter.identity != clap.identity
    with pytest.raises(ValueError, match="takes windows of 240000 samples, got 240001"):
        shorter.embed(np.zeros((1, 240_001), np.float32))
    with pytest.raises(MmascError, match="hears at most 10 seconds at once, got 11"):
        load_encoder(f"clap:{made / 'tiny'}", window_seconds=11)


def test_identity_names_the_weights_not_their_file(made, clap, fused, copied):
    state = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    torch.save(state, copied / "pytorch_model.bin")
    assert load_encoder(f"clap:{copied}").identity == clap.identity
    assert fused.identity != clap.identity
    state["text_projection.linear2.bias"][3] += 1e-3
    torch.save(state, copied / "pytorch_model.bin")
    assert load_encoder(f"clap:{copied}").identity != clap.identity


def test_half_precision_files_work_in_float32(clap, copied):
    state = load_file(copied / "model.safetensors")
    save_file({key: tensor.half() for key, tensor in state.items()}, copied / "model.safetensors")
    half = load_encoder(f"clap:{copied}")
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.float32}
    np.testing.assert_allclose(half.embed(WAVES[0][None]), clap.embed(WAVES[0][None]), atol=2e-2)


def test_scale_and_context_are_the_models(clap):
    assert clap.logit_scale == pytest.approx(np.exp(2.6), rel=1e-6)
    # 40 positions, the first two of them never used
    assert clap.context_tokens == 38 < CONTEXT_TOKENS
    clap.embed_text(["x" * 36])
    with pytest.raises(MmascError, match=r"'x{37}' has 37 tokens, clap was trained on 36; shorten it"):
        clap.embed_text(["x" * 37])


def test_loading_opens_no_connection(made, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    encoder = load_encoder(f"clap:{made / 'tiny'}")
    encoder.embed(SHORT[None])
    encoder.embed_text(["rain"])
    with pytest.raises(
        MmascError, match=r"weights clap-htsat-unfused are not here .*run `mmasc models fetch clap-htsat"
    ):
        load_encoder("clap")


def test_fetched_weights_are_found_by_name(made, clap, monkeypatch):
    names = ["config.json", "preprocessor_config.json", "vocab.json", "merges.txt", "model.safetensors"]
    files = tuple(RemoteFile(f"https://example.invalid/{name}", None, None, name) for name in names)
    monkeypatch.setitem(WEIGHTS, "clap-htsat-unfused", WeightFile("clap-htsat-unfused", files, "Apache-2.0"))
    fetch("clap-htsat-unfused", from_file=made / "tiny")
    assert load_encoder("clap").identity == clap.identity


def test_the_registry_fits_the_named_weights():
    clap = {name: spec for name, spec in ENCODERS.items() if spec.target.endswith(":Clap")}
    assert {name: spec.weights for name, spec in clap.items()} == {
        "clap": "clap-htsat-unfused",
        "clap-fused": "clap-htsat-fused",
        "clap-general": "larger-clap-general",
        "clap-music-speech": "larger-clap-music-and-speech",
    }
    for spec in clap.values():
        names = {file.filename for file in WEIGHTS[spec.weights].files}
        assert names == {"config.json", "preprocessor_config.json", "vocab.json", "merges.txt", "pytorch_model.bin"}
        assert (spec.sample_rate, spec.window_seconds * spec.sample_rate, spec.padding) == (RATE, SAMPLES, "repeat")


@pytest.mark.parametrize("name", ["clap-music", "clap-music:some/folder"])
def test_the_model_with_the_broken_text_side_is_refused_by_name(name):
    with pytest.raises(MmascError, match="larger_clap_music is refused: .*use clap-music-speech or clap-general"):
        load_encoder(name)


def test_a_broken_text_side_is_refused_by_what_it_does(copied):
    state = load_file(copied / "model.safetensors")
    state["text_projection.linear2.weight"] *= 0.01
    save_file(state, copied / "model.safetensors")
    with pytest.raises(MmascError, match=r"the text side of .*copied is broken: .*mean cosine 0.99.*larger_clap_music"):
        load_encoder(f"clap:{copied}")


class Run:
    """A pickle that runs something when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickle_that_runs_something_does_not(copied, tmp_path):
    (copied / "model.safetensors").unlink()
    torch.save({"logit_scale_a": Run(tmp_path / "ran")}, copied / "pytorch_model.bin")
    with pytest.raises(MmascError, match="pytorch_model.bin cannot be read as weights"):
        load_encoder(f"clap:{copied}")
    assert not (tmp_path / "ran").exists()


def spoil_json(name, **changes):
    def spoil(folder):
        value = json.loads((folder / name).read_text())
        for key, new in changes.items():
            if isinstance(new, dict):
                value[key].update(new)
            else:
                value[key] = new
        (folder / name).write_text(json.dumps(value))

    return spoil


def spoil_state(change):
    def spoil(folder):
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors")

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda folder: (folder / "config.json").unlink(),
            "config.json does not exist; name a folder with a CLAP model",
        ),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json is not JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json does not hold a JSON object"),
        (spoil_json("config.json", projection_dim=25), "tensors differ, the first is audio_projection.linear1"),
        (spoil_json("config.json", audio_config={"num_attention_heads": [3, 3, 3, 3]}), "describes no CLAP model"),
        (spoil_json("config.json", audio_config={"patch_embeds_hidden_size": 10**30}), "describes no CLAP model"),
        (
            spoil_json("config.json", text_config={"vocab_size": 60}),
            r"of another model: \d+ instead of 60|tensors differ",
        ),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "preprocessor_config.json does not exist"),
        (spoil_json("preprocessor_config.json", frequency_min=0), "says frequency_min 0, mmasc computes 50"),
        (
            spoil_json("preprocessor_config.json", truncation="fusion"),
            "says truncation fusion, mmasc computes rand_trunc",
        ),
        (lambda folder: (folder / "vocab.json").unlink(), "lacks vocab.json and merges.txt"),
        (lambda folder: (folder / "merges.txt").write_text("#version\nx y z\n"), "the tokens in .* cannot be read"),
        (
            lambda folder: (folder / "model.safetensors").unlink(),
            "holds neither model.safetensors nor pytorch_model.bin",
        ),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"cut"),
            "model.safetensors cannot be read as weights",
        ),
        (spoil_state(lambda state: state.pop("logit_scale_a")), "1 tensors differ, the first is logit_scale_a"),
        (spoil_state(lambda state: state.update(extra=torch.zeros(1))), "1 tensors differ, the first is extra"),
    ],
)
def test_spoiled_folders_are_told_in_one_line(copied, spoil, message):
    spoil(copied)
    with pytest.raises(MmascError, match=message) as caught:
        load_encoder(f"clap:{copied}")
    assert "\n" not in str(caught.value)
    assert str(copied) in str(caught.value)


def test_a_model_of_another_size_is_refused(made, monkeypatch):
    monkeypatch.setitem(ENCODERS, "clap", replace(ENCODERS["clap"], dim=512))
    with pytest.raises(MmascError, match="gives vectors of 24 numbers, clap has 512"):
        load_encoder(f"clap:{made / 'tiny'}")


def test_it_is_not_exported_and_what_is_is_said(made, tmp_path, capsys):
    status, _, said = run("models", "export", f"clap:{made / 'tiny'}", "--to", tmp_path / "x.onnx", capsys=capsys)
    assert status == 1
    assert said.count("\n") == 1
    assert "clap cannot be written as ONNX with its front end; base, mini and their kind, classic, names of" in said
    assert "embed --backend onnx runs it by ONNX Runtime here" in said
    assert not any(path.suffix == ".onnx" for path in tmp_path.iterdir())
