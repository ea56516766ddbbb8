"""AudioCLIP against recorded answers of the published network on weights by rule, and against itself.

The rule weights and recorded answers are in tests/parity; the file of 537 MB is written once a session. Where values
do not matter, files hold every name and shape on a storage of one number: a few hundred kilobytes.
"""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from torch.nn.functional import adaptive_max_pool2d, normalize

import mmasc
from mmasc.encoders.audioclip import AudioClip
from mmasc.encoders.audioclip_files import audio_shapes, read_state, tower_shapes
from mmasc.encoders.clip_towers import ClipTowers
from mmasc.encoders.esresnext import (
    HOP_LENGTH,
    N_FFT,
    WIN_LENGTH,
    ESResNeXt,
    blackman_harris,
    frame_samples,
    max_pool_to,
    scale_samples,
    to_decibels,
)
from mmasc.encoders.esresnext_fast import FastFrontEnd, FoldedTrunk
from mmasc.encoders.registry import ENCODERS, load_encoder
from mmasc.errors import MmascError
from mmasc.training.alignment.audioclip_loss import audioclip_loss, kernel_norm_loss
from tests.parity import rule_weights as rw
from tests.parity.compare import compare

PARITY = Path(__file__).parents[1] / "parity"
KEYS = json.loads((PARITY / "audioclip_keys.json").read_text())
KERNEL_ROWS = [0, 1, 5, 8, 16, 17, 100, 511, 777, 1023, 1024]


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    return dict(np.load(PARITY / "audioclip_expected.npz"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return Path(rw.save_checkpoint(str(tmp_path_factory.mktemp("audioclip") / "AudioCLIP-rule.pt")))


@pytest.fixture(scope="module")
def encoder(checkpoint) -> AudioClip:
    return load_encoder(f"audioclip:{checkpoint}")


@pytest.fixture(scope="module")
def network(checkpoint) -> ESResNeXt:
    plain = ESResNeXt()
    plain.load_state_dict(read_state(checkpoint).audio)
    return plain.eval().requires_grad_(False)


def audio_cases() -> dict[str, torch.Tensor]:
    """16-bit-range samples [1 channel time] by case; `unit` is the chirp in -1..1, fed as it is."""
    waves = {kind: [rw.waveform(kind)] for kind in rw.WAVES}
    waves["stereo"] = [rw.waveform("noise", 44100, 3.0), rw.waveform("chirp", 44100, 3.0)]
    waves["short"] = [rw.waveform("clicks", 44100, 0.9)]
    waves["tiny"] = [rw.waveform("noise", 44100, 1000 / 44100)]
    waves["unit"] = [rw.waveform("chirp") / 32768]
    waves["silence"] = [np.zeros(220_500)]
    waves["zero"] = [np.full(44_100, -0.5)]
    return {case: torch.from_numpy(np.stack(channels).astype(np.float32))[None] for case, channels in waves.items()}


def audio_names(front_end, pooled, fc) -> dict[str, np.ndarray]:
    found = {}
    for case, samples in audio_cases().items():
        decibels = front_end(samples)
        flat = decibels[0].flatten(-2)
        vector = pooled(samples)
        features = fc(vector)
        named = {
            "db_shape": np.array(decibels.shape),
            "db_slice": decibels[0, :, :, ::20, ::13],
            "db_stats": torch.stack([flat.mean(-1), flat.std(-1), flat.amax(-1)], -1),
            "pooled": vector[0],
            "features": features[0],
            "embedding": normalize(features)[0],
        }
        found |= {f"audio.{case}.{name}": np.asarray(value) for name, value in named.items()}
    return found


# Of digital silence the logarithm shows rounding alone, and processors differ in that
SLACK = {"audio.zero.pooled": 5.0}
AUDIO_NAMES = {
    f"audio.{case}.{name}"
    for case in ("noise", "chirp", "clicks", "stereo", "short", "tiny", "unit", "silence", "zero")
    for name in ("db_shape", "db_slice", "db_stats", "pooled", "features", "embedding")
}
INSIDE_NAMES = {"audio.noise.frames", "audio.noise.stem", "audio.window", "fbsp.kernel", "fbsp.kernel_norm"} | {
    f"audio.noise.block{number}" for number in range(1, 6)
}
TOWER_NAMES = (
    {"text.tokens", "scales", "loss.fbsp_norm", "loss.all"}
    | {
        name
        for kind in ("text", "image")
        for name in (f"{kind}.features", f"{kind}.embedding", f"logits.audio_{kind}", f"loss.audio_{kind}")
    }
    | {"logits.image_text", "loss.image_text"}
)


def test_the_three_groups_are_all_that_was_recorded(expected):
    assert set(expected) == AUDIO_NAMES | INSIDE_NAMES | TOWER_NAMES
    assert len(expected) == 78  # of which compare.py skips the decibels of digital silence, which are rounding noise


@torch.inference_mode()
def test_the_definition_answers_as_recorded_inside_and_out(network, expected):
    noise = audio_cases()["noise"]
    kernel = torch.view_as_real(network.fbsp.kernel())
    stages = list(network.stages(network.decibels(noise)[0]))
    found = {
        "audio.noise.frames": network.frames(noise[0])[0, [0, 1, 200, 391]],
        "audio.noise.stem": stages[0][0, ::8, ::8, ::8],
        "audio.noise.block5": stages[5].flatten(),
        "audio.window": network.window,
        "fbsp.kernel": kernel[KERNEL_ROWS, ::7],
        "fbsp.kernel_norm": kernel.square().sum((1, 2)).sqrt(),
    }
    for number, step in enumerate((8, 4, 2, 1), 1):
        block = stages[number]
        found[f"audio.noise.block{number}"] = block[0, :: block.shape[1] // 16, ::step, ::step]
    found["audio.noise.features"] = network(noise)[0]
    found = {name: np.asarray(value) for name, value in found.items()}
    assert set(found) >= INSIDE_NAMES
    beyond = compare(found, expected, partial=True)
    assert [one for one in beyond if one[2] is None or one[2] > SLACK.get(one[0], 1.0) * one[3]] == []


@torch.inference_mode()
def test_the_encoder_answers_sounds_as_recorded(encoder, expected):
    found = audio_names(encoder.front_end, encoder.pooled, encoder.fc)
    assert set(found) == AUDIO_NAMES
    beyond = compare(found, expected, partial=True)
    assert [one for one in beyond if one[2] is None or one[2] > SLACK.get(one[0], 1.0) * one[3]] == []


@torch.inference_mode()
def test_towers_logits_and_losses_are_as_recorded(encoder, network, expected):
    tokens = encoder.towers.tokens([", ".join(labels) for labels in rw.TEXTS])
    text = encoder.towers.text_features(tokens)
    image = encoder.towers.image_features(torch.from_numpy(np.stack([rw.image_input(item) for item in range(3)])))
    sounds = torch.from_numpy(encoder.embed(np.stack([rw.waveform(kind) / 32768 for kind in rw.WAVES])))
    units = {"audio": sounds, "text": normalize(text), "image": normalize(image)}
    scales = encoder.logit_scales
    found = {"text.tokens": tokens, "text.features": text, "image.features": image}
    found |= {f"{kind}.embedding": units[kind] for kind in ("text", "image")}
    found["scales"] = np.array([scales["audio-image"], scales["audio-text"], scales["image-text"]])
    kernel = network.fbsp.kernel()
    for one, other in (("audio", "image"), ("audio", "text"), ("image", "text")):
        pair = scales[f"{one}-{other}"] * units[one] @ units[other].T
        found[f"logits.{one}_{other}"] = pair
        found[f"loss.{one}_{other}"] = audioclip_loss([pair], kernel if one == "audio" else None)
    found["loss.all"] = audioclip_loss(
        [found[f"logits.{p}"] for p in ("audio_image", "audio_text", "image_text")], kernel
    )
    found["loss.fbsp_norm"] = kernel_norm_loss(kernel)
    assert set(found) == TOWER_NAMES
    assert not compare({name: np.asarray(value) for name, value in found.items()}, expected, partial=True)


def test_a_loss_without_pairs_is_refused():
    with pytest.raises(ValueError, match="at least one pair"):
        audioclip_loss([])


# ---------------------------------------------------------------- front end and trunk: laws


def test_the_cached_kernel_is_the_definition_to_the_bit(network):
    front_end, kernel = FastFrontEnd(network), network.fbsp.kernel()
    assert torch.equal(front_end.matrix[:, :1023].T, kernel.real[:1023, 197 : 197 + WIN_LENGTH])
    assert torch.equal(front_end.matrix[:, 1023:].T, kernel.imag[:1023, 197 : 197 + WIN_LENGTH])


def test_a_new_kernel_is_the_fourier_matrix_over_both_end_points():
    kernel = ESResNeXt().fbsp.kernel()
    angle = np.outer(np.arange(5), np.linspace(-np.pi, np.pi, N_FFT))
    np.testing.assert_allclose(kernel[:5].numpy(), np.exp(-1j * angle) / np.sqrt(N_FFT), atol=1e-7)


@torch.inference_mode()
def test_folded_and_plain_trunk_agree(network):
    decibels = network.decibels(audio_cases()["noise"][..., :44_100])[0]
    plain, folded = network.pool(decibels), FoldedTrunk(network)(decibels)
    assert float((plain - folded).abs().max() / plain.square().mean().sqrt()) < 1e-4


@pytest.mark.parametrize("count", [1, 1000, WIN_LENGTH, WIN_LENGTH + 1, WIN_LENGTH + HOP_LENGTH, 44_100])
def test_frames_hold_every_sample_and_zeros_at_both_ends(count):
    samples = torch.rand(1, count) + 1
    frames = frame_samples(samples)[0]
    whole = torch.cat([frames[0], *[frame[-HOP_LENGTH:] for frame in frames[1:]]])
    left = int((whole > 0).nonzero()[0])
    assert torch.equal(whole[left : left + count], samples[0])
    assert not whole[:left].any()
    assert not whole[left + count :].any()
    assert len(whole) - count - 2 * left in (0, 1)
    assert len(whole) - count < HOP_LENGTH or len(frames) == 1


def test_scaling_is_that_of_16_bit_numbers():
    found = scale_samples(torch.tensor([[-32768.0, -0.5, 0.0, 32767.0]]))
    np.testing.assert_allclose(found[0].numpy(), [-1, 0, 1 / 65535, 1], atol=1e-7)
    assert found[0, 1] == 0


def test_zero_power_is_180_decibels_down_and_smaller_powers_are_kept():
    power = torch.zeros(1, 1, 1025)
    power[0, 0, 341], power[0, 0, 1023] = 1e-24, 1.0
    bands = to_decibels(power)
    assert bands.shape == (1, 3, 341, 1)
    assert float(bands[0, 1, 0]) == pytest.approx(-240)
    assert float(bands.amax()) == pytest.approx(-180)


def test_the_window_is_scipys():
    from scipy.signal import get_window

    np.testing.assert_allclose(blackman_harris().numpy(), get_window("blackmanharris", WIN_LENGTH), atol=6e-8)


@pytest.mark.parametrize("size", [(1, 1), (22, 25), (43, 49), (11, 13), (5, 49)])
def test_pooling_without_adaptive_windows_is_the_same(size):
    x = torch.randn(2, 3, 43, 49)
    assert torch.equal(max_pool_to(x, size), adaptive_max_pool2d(x, size))


# ---------------------------------------------------------------- the public call


@torch.inference_mode()
def test_one_and_16_bit_range_agree_to_the_bit(encoder):
    samples = torch.from_numpy(rw.waveform("clicks").astype(np.float32))
    vector = encoder.embed(samples[None] / 32768)
    assert np.array_equal(vector[0], normalize(encoder.features(samples[None, None]))[0].numpy())
    assert np.linalg.norm(vector[0]) == pytest.approx(1, abs=1e-6)


@torch.inference_mode()
def test_channels_are_summed_in_the_network(encoder):
    left, right = audio_cases()["stereo"][0, :, :60_000]
    both = encoder.pooled(torch.stack([left, right])[None])
    apart = encoder.pooled(left[None, None]) + encoder.pooled(right[None, None])
    torch.testing.assert_close(both, apart, rtol=1e-4, atol=1e-4)
    doubled = encoder.pooled(torch.stack([left, left])[None])
    torch.testing.assert_close(doubled, 2 * encoder.pooled(left[None, None]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("length", "before"), [(30_000, 95_250), (220_497, 2), (220_495, 2), (220_499, 0)])
def test_a_short_window_is_filled_as_the_authors_evaluation_does(encoder, length, before):
    """Half of the missing samples on each side, rounded half to even, as the first and as the last sample."""
    short = np.random.default_rng(1).uniform(-0.3, 0.3, (1, length)).astype(np.float32)
    behind = 220_500 - length - before
    filled = np.concatenate([np.repeat(short[:, :1], before, 1), short, np.repeat(short[:, -1:], behind, 1)], 1)
    assert np.array_equal(encoder._fill(torch.from_numpy(short)).numpy(), filled)
    if length == 30_000:
        assert np.array_equal(encoder.embed(short), encoder.embed(filled))
        assert np.array_equal(
            encoder.embed(filled), normalize(encoder.features(torch.from_numpy(filled)[None] * 32_768)).numpy()
        )


def test_a_vector_depends_neither_on_neighbours_nor_on_autocast(encoder):
    windows = np.stack([rw.waveform(kind) / 32768 for kind in ("noise", "clicks")]).astype(np.float32)
    together = encoder.embed(windows)
    with torch.autocast("cpu", torch.bfloat16):
        alone = encoder.embed(windows[1:])
    assert np.array_equal(together[1:], alone)


def test_loading_and_building_towers_draw_no_random_numbers_and_keep_switches(feather):
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    loaded = load_encoder(f"audioclip:{feather()}")
    assert "towers" not in loaded.__dict__
    assert isinstance(loaded.towers, ClipTowers)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_the_window_is_five_seconds(encoder):
    assert encoder.window_samples == 220_500


def test_counts_are_those_of_the_official_file(encoder):
    assert encoder.parameter_counts() == (134_111_910, 134_246_925)
    assert encoder.spec.modalities == ("audio", "text", "image")
    assert encoder.logit_scale == 100.0
    assert encoder.logit_scales["image-text"] == pytest.approx(np.exp(2.5))


def test_texts_are_computed_once(encoder, monkeypatch):
    first = encoder.embed_text(["a dog barks", "rain"])
    monkeypatch.setattr(encoder.towers, "text_features", lambda tokens: pytest.fail("computed again"))
    assert np.array_equal(encoder.embed_text(["rain", "a dog barks", "rain"]), first[[1, 0, 1]])
    assert encoder.embed_text([]).shape == (0, 1024)


def test_a_text_that_would_be_cut_is_refused(encoder):
    with pytest.raises(MmascError, match="has 102 tokens, CLIP reads 77: shorten it"):
        encoder.embed_text(["dog " * 100])


def test_pictures_are_prepared_as_clip_does(encoder):
    array = rw.image(1)
    prepared = encoder.towers.pictures([array, Image.fromarray(array)])
    np.testing.assert_allclose(prepared[0].numpy(), rw.image_input(1), atol=1e-6)
    assert torch.equal(prepared[0], prepared[1])
    wide = encoder.towers.pictures([np.zeros((300, 500, 3), np.uint8)])
    assert wide.shape == (1, 3, 224, 224)


@pytest.mark.parametrize("image", [np.zeros((5, 5)), np.zeros((5, 5, 3)), "dog.png"])
def test_what_is_no_picture_is_refused(encoder, image):
    with pytest.raises(ValueError, match=r"must be uint8 \[height, width, 3\]|must be a PIL image"):
        encoder.embed_image([image])


# ---------------------------------------------------------------- files


@pytest.fixture
def feather(tmp_path):
    """Writes a file with names and shapes of the official one, every tensor on a storage of one number."""

    def write(change=lambda state: state, name: str = "weights.pt") -> Path:
        state = {
            key: torch.tensor(0) if key.endswith("tracked") else torch.tensor(0.5).expand(shape)
            for key, shape in KEYS.items()
            if 0 not in shape
        }
        state["audio.fbsp.bias"] = torch.zeros(0)
        state["audio.window"] = blackman_harris()
        torch.save(change(state), tmp_path / name)
        return tmp_path / name

    return write


def without(*names):
    return lambda state: {key: value for key, value in state.items() if key not in names}


def with_more(**more):
    return lambda state: state | {key.replace("__", "."): value for key, value in more.items()}


def audio_alone(state):
    return {key.removeprefix("audio."): value for key, value in state.items() if key.startswith("audio.")}


def clip_alone(state):
    return {
        key: value for key, value in state.items() if not key.startswith("audio.") and key[-3:] not in ("_ai", "_at")
    }


def test_names_and_shapes_are_those_of_the_official_files():
    audio = {f"audio.{name}": list(shape) for name, shape in audio_shapes().items()}
    towers = {name: list(shape) for name, shape in tower_shapes().items()}
    assert audio | towers | {"logit_scale_ai": [], "logit_scale_at": []} == KEYS


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {f"module.{key}": value for key, value in state.items()},
        without("audio.window"),
        without("audio.fbsp.bias"),
        with_more(input_resolution=torch.tensor(224), context_length=torch.tensor(77), vocab_size=torch.tensor(49408)),
        with_more(input_resolution=224, context_length=77, vocab_size=49408),
    ],
    ids=["module prefix", "no window", "no bias", "remarks", "remarks as numbers"],
)
def test_forms_of_the_file_that_make_no_difference(feather, change):
    whole, other = read_state(feather()), read_state(feather(change, "other.pt"))
    assert set(whole.everything()) == set(other.everything()) == set(KEYS)
    one, two = whole.shaping(), other.shaping()
    assert one.keys() == two.keys()
    assert len(one) > 100
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("audio.layer3.2.bn2.weight"), "does not fit AudioCLIP: missing audio.layer3.2.bn2.weight; fetch"),
        (without("visual.attnpool.q_proj.bias"), "missing visual.attnpool.q_proj.bias"),
        (without("logit_scale_at"), "missing logit_scale_at"),
        (without("audio.fbsp.m"), "missing audio.fbsp.m"),
        (with_more(audio__extra=torch.zeros(1)), "unexpected audio.extra"),
        (with_more(optimizer=torch.zeros(1)), "unexpected optimizer"),
        (with_more(audio__fc__weight=torch.zeros(3, 2048)), r"audio.fc.weight of shape \[3, 2048\] instead of \[1024"),
        (with_more(audio__fc__bias=torch.zeros(1024).half()), "audio.fc.bias of type torch.float16"),
        (without(*[key for key in KEYS if "layer1" in key]), "missing audio.layer1.0.conv1.weight, .* and 117 more"),
        (lambda state: {}, "holds no weights of AudioCLIP"),
        (lambda state: list(state), "holds list, not a table of tensors"),
        (with_more(epoch=3), "holds epoch, not a table of tensors"),
        (lambda state: {"state_dict": state}, "holds state_dict, not a table of tensors"),
    ],
)
def test_what_does_not_fit_is_named(feather, change, message):
    path = feather(change)
    with pytest.raises(MmascError, match=message) as error:
        load_encoder(f"audioclip:{path}")
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


class Mischief:
    def __reduce__(self):
        return Path.touch, (Path("mischief"),)


def test_code_in_a_file_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"audio.fc.bias": Mischief()}, "zip.pt")
    Path("old.pt").write_bytes(pickle.dumps({"audio.fc.bias": Mischief()}, protocol=2))
    for name in ("zip.pt", "old.pt"):
        with pytest.raises(MmascError, match=f"{name}.*nothing was run") as error:
            load_encoder(f"audioclip:{name}")
        assert "\n" not in str(error.value)
    assert not Path("mischief").exists()


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 broken"])
def test_damaged_files_are_told(tmp_path, content):
    (tmp_path / "bad.pt").write_bytes(content)
    with pytest.raises(MmascError, match=r"bad\.pt .*mmasc models fetch audioclip-full"):
        load_encoder(f"audioclip:{tmp_path / 'bad.pt'}")


def test_a_cut_file_is_told(feather):
    path = feather()
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(MmascError, match=r"weights\.pt .*mmasc models fetch"):
        load_encoder(f"audioclip:{path}")


def test_missing_weights_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("MMASC_HOME", str(tmp_path))
    with pytest.raises(MmascError, match="is not a file"):
        load_encoder(f"audioclip:{tmp_path / 'none.pt'}")
    for name in ("audioclip", "audioclip-partial"):
        with pytest.raises(MmascError, match=f"mmasc models fetch {ENCODERS[name].weights}"):
            load_encoder(name)


def test_the_audio_head_alone_hears_and_reads_nothing(feather):
    alone = load_encoder(f"audioclip:{feather(audio_alone)}")
    assert alone.spec.modalities == ("audio",)
    assert alone.logit_scale is None
    assert alone.embed(np.zeros((1, 1000), np.float32)).shape == (1, 1024)
    with pytest.raises(MmascError, match="holds audio, no text"):
        alone.embed_text(["rain"])


def test_an_audioset_head_gives_class_scores(feather):
    def classes(state):
        return audio_alone(state) | {"fc.weight": torch.rand(527, 2048), "fc.bias": torch.rand(527)}

    alone = load_encoder(f"audioclip:{feather(classes)}")
    assert alone.spec.dim == 527
    assert alone.embed(np.zeros((1, 1000), np.float32)).shape == (1, 527)


def test_clip_alone_reads_and_hears_nothing(feather):
    alone = load_encoder(f"audioclip:{feather(clip_alone)}")
    assert alone.spec.modalities == ("text", "image")
    assert set(alone.logit_scales) == {"image-text"}
    with pytest.raises(MmascError, match="holds text and image, no audio"):
        alone.embed(np.zeros((1, 1000), np.float32))


def test_identity_names_weights_and_window_and_nothing_else(feather):
    one = load_encoder(f"audioclip:{feather()}")
    moved = load_encoder(f"audioclip:{feather(lambda s: {f'module.{k}': v for k, v in s.items()}, 'moved.pt')}")
    other = load_encoder(f"audioclip:{feather(with_more(logit_scale=torch.tensor(0.6)), 'other.pt')}")
    longer = load_encoder(f"audioclip:{feather()}", window_seconds=4.0)
    assert one.identity == moved.identity
    assert len({one.identity, other.identity, longer.identity}) == 3


# ---------------------------------------------------------------- the whole way


def test_sound_text_and_picture_ask_one_collection(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr("mmasc.collection.text_probes.bundled_prompts", list)
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    for kind in rw.WAVES:
        soundfile.write(sounds / f"{kind}.wav", rw.waveform(kind), 44_100, subtype="PCM_16")
    Image.fromarray(rw.image(0)).save(tmp_path / "picture.png")
    mmasc.embed(sounds, tmp_path / "collection", encoder)
    collection = mmasc.Collection(tmp_path / "collection")
    vectors = encoder.embed(np.stack([rw.waveform(kind) / 32768 for kind in rw.WAVES]))
    asked = {
        "text": ("rain", encoder.embed_text(["rain"])),
        "image": (tmp_path / "picture.png", encoder.embed_image([rw.image(0)])),
        "audio": (sounds / "clicks.wav", vectors[[2]]),
    }
    for modality, (query, vector) in asked.items():
        hits = collection.search(**{modality: query}, encoder=encoder)
        cosines = dict(zip(rw.WAVES, (vectors @ vector.T)[:, 0], strict=True))
        assert [Path(hit["path"]).stem for hit in hits] == sorted(cosines, key=cosines.get, reverse=True)
        for hit in hits:
            assert hit["score"] == pytest.approx(cosines[Path(hit["path"]).stem], abs=1e-5)
    assert hits[0]["duplicate"]
    assert hits[0]["score"] == pytest.approx(1, abs=1e-5)
