"""SP4SC: the authors' trained checkpoints where they are at hand, and laws of merging and masking that need none."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from mmasc.errors import MmascError
from mmasc.features import load_front_end
from mmasc.networks.classes import TAU_SCENES
from mmasc.networks.depthwise import DepthwiseConv2d
from mmasc.networks.load import load_network
from mmasc.networks.sp4sc import SeparableBlock, Sp4sc, Sp4scMerged, merge_network, merged_state
from mmasc.networks.spec_augment import SpecAugment, augmented_probabilities
from tests.parity.rule_weights import crc, waveform
from tests.parity.rule_weights_b import rule_state

PARITY = Path(__file__).parents[1] / "parity"
RECORDED = json.loads((PARITY / "sp4sc_keys.json").read_text(encoding="utf-8"))
CHECKPOINTS = ("ce", "ce_mixup", "focal")
SYNTHETIC = ("syn_noise", "syn_chirp", "syn_clicks", "syn_silence")
CLIPS = tuple(name for name in RECORDED["inputs"] if name.startswith("esc10_"))


def synthetic(name: str) -> np.ndarray:
    """One of the recorded inputs that follow from a rule."""
    kind = name.removeprefix("syn_")
    samples = np.zeros(441_000, np.int16) if kind == "silence" else waveform(kind, 44_100, 10.0)
    assert f"{crc(samples):08x}" == RECORDED["inputs"][name]["pcm16_crc32"]
    return samples / np.float32(32_768)


def recorded_input(name: str, test_data: Path) -> np.ndarray:
    """One of the recorded inputs; clips are in the folder of extra data."""
    if name in SYNTHETIC:
        return synthetic(name)
    path = test_data / "data" / "esc10" / "audio" / f"{name.removeprefix('esc10_')}.ogg"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in the folder of extra data")
    samples, _ = soundfile.read(path, dtype="float32")
    if len(samples) != RECORDED["inputs"][name]["samples"]:
        pytest.skip("this libsndfile decodes OGG to another length")
    return samples


def checkpoint(name: str, test_data: Path) -> Path:
    """A file of the authors' weights."""
    path = test_data / "checkpoints" / "sp4sc" / f"sp4sc_{name}.safetensors"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in the folder of extra data")
    return path


@pytest.fixture(scope="module")
def answers() -> dict[str, np.ndarray]:
    with np.load(PARITY / "sp4sc_expected.npz") as stored:
        return dict(stored)


@pytest.fixture
def rule_file(tmp_path) -> Path:
    """Weights by rule under the official names."""
    arrays = rule_state(RECORDED["train_keys"])
    state = {name: torch.from_numpy(array).reshape(array.shape) for name, array in arrays.items()}
    # One channel hardly varies, as in a checkpoint of the authors: it is where the rules of merging differ.
    state["conv1.bn.running_var"][3] = 1e-8
    save_file(state, tmp_path / "rule.safetensors")
    return tmp_path / "rule.safetensors"


def test_names_shapes_and_counts_are_official():
    plain, merged = Sp4sc(), Sp4scMerged()
    assert {name: list(one.shape) for name, one in plain.state_dict().items()} == RECORDED["train_keys"]
    assert {name: list(one.shape) for name, one in merged.state_dict().items()} == RECORDED["merged_keys"]
    assert load_network("sp4sc").parameter_counts() == (62_922, 64_335)
    assert load_network("sp4sc-merged").parameter_counts() == (62_474, 62_474)


@pytest.mark.parametrize("name", SYNTHETIC)
def test_log_mel_is_official(name, answers):
    features = load_front_end("sp4sc")(torch.from_numpy(synthetic(name))[None, None])[0, 0].numpy()
    assert list(features.shape) == RECORDED["inputs"][name]["logmel_shape"]
    np.testing.assert_allclose(features.mean(0), answers[f"logmel/{name}/mean_per_mel"], atol=0.01)
    tolerance = 0.2 if name == "syn_chirp" else 0.02
    np.testing.assert_allclose(features[::16, ::8], answers[f"logmel/{name}/slice"], atol=tolerance)


@pytest.mark.parametrize("weights", CHECKPOINTS)
@pytest.mark.parametrize("name", SYNTHETIC + CLIPS)
def test_official_answers(name, weights, test_data, answers):
    sound = recorded_input(name, test_data)
    plain = load_network(f"sp4sc:{checkpoint(weights, test_data)}")
    networks = {
        "plain": plain,
        "merged": merge_network(plain, "authors"),
        "merged_half": merge_network(plain, "authors", half=True),
    }
    # The quiet bins of the chirp are rounding noise of the official Fourier transform by convolution.
    tolerance = 1e-2 if name == "syn_chirp" else 1e-3
    for form, network in networks.items():
        expected = answers[f"logits/{weights}/{name}/{form}"]
        np.testing.assert_allclose(network.scores(sound, 44_100), expected, atol=tolerance, err_msg=form)
    assert plain.classes == TAU_SCENES


@pytest.mark.parametrize("weights", CHECKPOINTS)
def test_official_layers(weights, test_data, answers):
    network = load_network(f"sp4sc:{checkpoint(weights, test_data)}")
    body, seen = network.body, {}
    for name in ("conv1", "conv2", "conv3", "conv4"):
        body.get_submodule(name).register_forward_hook(
            lambda _, __, maps, name=name: seen.update({f"{name}_mean_per_channel": maps[0].mean((1, 2))})
        )
    body.bn0.register_forward_hook(lambda _, __, maps: seen.update({"bn0_mean_per_mel": maps[0].mean((1, 2))}))
    with torch.inference_mode():
        seen["fc1"] = network.embedding(torch.from_numpy(synthetic("syn_noise"))[None, None])[0]
    recorded = [name for name in answers if name.startswith(f"inside/{weights}/syn_noise/")]
    assert {name.rpartition("/")[2] for name in recorded} == set(seen)
    for name in recorded:
        np.testing.assert_allclose(seen[name.rpartition("/")[2]], answers[name], atol=1e-3, err_msg=name)


@pytest.mark.parametrize("weights", CHECKPOINTS)
def test_merging_with_eps_changes_nothing(weights, test_data):
    path = checkpoint(weights, test_data)
    sound = synthetic("syn_clicks")
    plain = load_network(f"sp4sc:{path}").scores(sound, 44_100)
    np.testing.assert_allclose(load_network(f"sp4sc-merged:{path}").scores(sound, 44_100), plain, atol=1e-4)


def test_merging_by_both_rules(rule_file):
    plain = load_network(f"sp4sc:{rule_file}")
    sound = synthetic("syn_noise")[:100_000]
    scores = plain.scores(sound, 44_100)
    merged = merge_network(plain)
    assert merged.spec.name == "sp4sc-merged"
    assert plain.parameter_counts()[1] - merged.parameter_counts()[1] == 1_861
    np.testing.assert_allclose(merged.scores(sound, 44_100), scores, atol=1e-4)
    np.testing.assert_array_equal(
        load_network(f"sp4sc-merged:{rule_file}").scores(sound, 44_100), merged.scores(sound, 44_100)
    )
    authors = merge_network(plain, "authors").scores(sound, 44_100)
    assert np.abs(authors - scores).max() > 0.01
    with pytest.raises(ValueError, match=r"rule must be one of \['authors', 'eps'\], got 'none'"):
        plain.body.merge("none")
    np.testing.assert_array_equal(merge_network(merged).scores(sound, 44_100), merged.scores(sound, 44_100))
    with pytest.raises(ValueError, match="rule must be 'eps' for a network that is merged already, got 'authors'"):
        merged.body.merge("authors")
    with pytest.raises(ValueError, match="network must be an sp4sc, got cnn6"):
        merge_network(load_network("cnn6"))


def test_merged_files_are_read_and_half_is_float16(rule_file, tmp_path):
    plain = load_network(f"sp4sc:{rule_file}")
    rounded = merge_network(plain, half=True)
    half = {name: tensor.half() for name, tensor in rounded.body.state_dict().items()}
    save_file(half, tmp_path / "half.safetensors")
    assert sum(tensor.nbytes for tensor in half.values()) == 124_948 <= 128 * 1024
    again = load_network(f"sp4sc-merged:{tmp_path / 'half.safetensors'}")
    sound = synthetic("syn_clicks")[:100_000]
    np.testing.assert_array_equal(again.scores(sound, 44_100), rounded.scores(sound, 44_100))
    assert not np.array_equal(merge_network(plain).scores(sound, 44_100), rounded.scores(sound, 44_100))
    with pytest.raises(MmascError, match="half.safetensors does not hold sp4sc: .* names missing"):
        load_network(f"sp4sc:{tmp_path / 'half.safetensors'}")


def test_long_recordings_are_heard_whole(rule_file):
    network = load_network(f"sp4sc:{rule_file}")
    sound = np.concatenate([synthetic("syn_noise"), synthetic("syn_clicks")[:50_000]])
    assert np.abs(network.scores(sound, 44_100) - network.scores(sound[:441_000], 44_100)).max() > 1e-3
    with pytest.raises(ValueError, match=r"sp4sc takes at least 0\.348 s, got 0\.227 s"):
        network.scores(sound[:10_000], 44_100)


def test_one_by_one_is_the_batch(rule_file):
    body = load_network(f"sp4sc:{rule_file}").body
    features = 20 * torch.randn(3, 1, 50, 256, generator=torch.Generator().manual_seed(2)) - 40
    with torch.inference_mode():
        one_by_one = torch.cat([body(one[None]) for one in features])
        torch.testing.assert_close(body(features), one_by_one, atol=1e-4, rtol=1e-4)


def test_merged_state_names_what_is_missing():
    state = Sp4sc().state_dict()
    del state["conv2.sp_conv1.weight"]
    with pytest.raises(KeyError, match="conv2.sp_conv1.weight"):
        merged_state(state)


def test_stripes_are_zeros_by_item_and_by_seed():
    augment, ones = SpecAugment(10, 2, 5, 1), torch.ones(64, 2, 40, 30)
    assert torch.equal(augment.eval()(ones), ones)
    augment.train().generator.manual_seed(4)
    striped = augment(ones)
    assert torch.equal(striped[:, 0], striped[:, 1])
    frames, bands = (striped[:, 0] == 0).all(2).sum(1), (striped[:, 0] == 0).all(1).sum(1)
    # Two stripes of 0..9 frames, one of 0..4 bands
    assert frames.max() <= 18
    assert set(bands.tolist()) == {0, 1, 2, 3, 4}
    assert len(set(frames.tolist())) > 5
    by_hand = ((striped[:, 0] == 0).all(2)[:, :, None] | (striped[:, 0] == 0).all(1)[:, None]).logical_not()
    assert torch.equal(striped[:, 0], by_hand.float())
    assert not torch.equal(augment(ones), striped)
    augment.generator.manual_seed(4)
    assert torch.equal(augment(ones), striped)
    assert augment(torch.ones(2, 1, 1, 1)).sum() == 2
    with pytest.raises(ValueError, match="widths must be at least 1"):
        SpecAugment(0)


def test_test_time_augmentation_is_a_mean_of_posteriors(rule_file):
    body = load_network(f"sp4sc:{rule_file}").body
    features = 20 * torch.randn(2, 1, 60, 256, generator=torch.Generator().manual_seed(3)) - 40
    augment = SpecAugment(40, 2, 32, 2)
    mean = augmented_probabilities(body, features, augment, n_passes=5, seed=8)
    torch.testing.assert_close(mean.sum(1), torch.ones(2))
    body.augment = augment.train()
    augment.generator.manual_seed(8)
    with torch.inference_mode():
        passes = [body(features).softmax(1) for _ in range(5)]
    body.augment = None
    torch.testing.assert_close(mean, sum(passes) / 5)
    assert not torch.equal(passes[0], passes[1])
    assert torch.equal(mean, augmented_probabilities(body, features, augment, n_passes=5, seed=8))
    assert not torch.equal(mean, augmented_probabilities(body, features, augment, n_passes=5, seed=9))
    assert body.augment is None
    with torch.inference_mode():
        nothing = augmented_probabilities(body, features, SpecAugment(1, 1, 1, 1), n_passes=2)
        torch.testing.assert_close(nothing, body(features).softmax(1))
    with pytest.raises(ValueError, match="n_passes must be at least 1, got 0"):
        augmented_probabilities(body, features, augment, n_passes=0)


@pytest.mark.parametrize("kernel_size", [(3, 1), (1, 3), (3, 5)])
def test_depthwise_convolution_and_its_gradients_are_torchs(kernel_size):
    torch.manual_seed(5)
    own = DepthwiseConv2d(6, kernel_size, dilation=2)
    plain = torch.nn.Conv2d(6, 6, kernel_size, padding=own.padding, dilation=2, groups=6)
    plain.load_state_dict(own.state_dict())
    maps = [torch.randn(2, 6, 7, 3).requires_grad_()]
    maps.append(maps[0].detach().clone().requires_grad_())
    wanted = torch.randn(2, 6, 7, 3)
    for convolution, one in zip((own, plain), maps, strict=True):
        (convolution(one) * wanted).sum().backward()
    torch.testing.assert_close(own(maps[0]), plain(maps[1]))
    torch.testing.assert_close(maps[0].grad, maps[1].grad)
    torch.testing.assert_close(own.weight.grad, plain.weight.grad)
    torch.testing.assert_close(own.bias.grad, plain.bias.grad)
    with torch.no_grad():
        torch.testing.assert_close(own(maps[0]), plain(maps[0]))
    with pytest.raises(ValueError, match=r"kernel_size must be odd, got \(2, 1\)"):
        DepthwiseConv2d(6, (2, 1))


def test_blocks_are_the_layers_that_they_name():
    block = SeparableBlock(3, 5).eval()
    block.bn.running_var.fill_(2)
    maps = torch.randn(2, 3, 9, 8)
    mixed = F.conv2d(maps, block.ch_conv1.weight)
    frames = F.conv2d(mixed, block.sp_conv1.weight, padding=(2, 0), dilation=2, groups=5)
    bands = F.conv2d(mixed, block.sp_conv2.weight, padding=(0, 2), dilation=2, groups=5)
    torch.testing.assert_close(block(maps), F.avg_pool2d(((frames + bands) / (2 + 1e-5) ** 0.5).relu(), 2))


def test_training_in_half_precision():
    body = Sp4sc(3, 32).train()
    with torch.autocast("cpu", torch.bfloat16):
        body(torch.randn(2, 1, 32, 32)).float().square().sum().backward()
    assert all(one.grad.isfinite().all() and one.grad.dtype == torch.float32 for one in body.parameters())
    assert body.get_submodule("conv1.sp_conv1").weight.grad.abs().max() > 0
