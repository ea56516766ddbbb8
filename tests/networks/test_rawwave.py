"""The raw-waveform scene network: recorded answers of the released code, counts, shapes, pre-emphasis."""

import numpy as np
import pytest
import torch

from mmasc.features import load_front_end
from mmasc.networks.load import load_network
from mmasc.networks.merging import merged_body
from mmasc.networks.rawwave import RawWave
from tests.helpers.rule_files import answers, assert_near, recorded_keys, write_rule_file
from tests.helpers.signals import stereo


@pytest.mark.parametrize(
    ("name", "recorded", "answer"),
    [
        ("rawwave-2019", "jung_dcase2019_official", "jung/official"),
        ("rawwave", "jung_table1", "jung/table1"),
    ],
)
def test_the_recorded_answers(tmp_path, name, recorded, answer):
    network = load_network(f"{name}:{write_rule_file(tmp_path / 'by_rule.safetensors', recorded)}")
    assert_near(network.scores(stereo(), 48_000), answers()[f"{answer}/logits"], 2e-5)
    with torch.inference_mode():
        assert_near(network.embedding(stereo()[None])[0], answers()[f"{answer}/code"], 2e-5)


def test_the_recorded_map(tmp_path):
    network = load_network(f"rawwave:{write_rule_file(tmp_path / 'by_rule.safetensors', 'jung_table1')}")
    with torch.inference_mode():
        map = network.body.feature_map(network.front_end(stereo()[None]))
    assert list(map.shape) == recorded_keys()["networks"]["jung_table1"]["feature_map"]
    assert_near(map[0].mean(1), answers()["jung/table1/feature_map_mean"])


@pytest.mark.parametrize(
    ("name", "parameters", "code"),
    [("rawwave-2019", 636_736, 128), ("rawwave", 714_058, 64), ("rawwave-tags", 676_170, 64)],
)
def test_counts(name, parameters, code):
    network = load_network(name)
    assert network.parameter_counts()[0] == parameters
    assert network.body.dim == code


def test_the_shapes_of_table_1():
    network = load_network("rawwave")
    with torch.inference_mode():
        samples = network.front_end(torch.zeros(1, 2, 480_000))
        assert samples.shape == (1, 2, 479_999)
        assert network.body.first_conv(samples).shape == (1, 128, 39_999)
        map = network.body.feature_map(samples)
        assert map.shape == (1, 128, 18)
        assert network.body.from_map(map).shape == (1, 64)


def test_pre_emphasis_is_the_recorded_one():
    samples = load_front_end("raw-48k")(stereo()[None])[0]
    assert_near(samples[:, :64] / 32_000, answers()["jung/pre_emphasis/first64"], 1e-6)
    assert_near(samples[:, -64:] / 32_000, answers()["jung/pre_emphasis/last64"], 1e-6)


@pytest.mark.parametrize("constant", [0.5, -0.25, 1.0])
def test_pre_emphasis_leaves_three_hundredths_of_a_constant(constant):
    samples = load_front_end("raw-48k")(torch.full((1, 2, 1_000), constant))
    assert samples.shape == (1, 2, 999)
    torch.testing.assert_close(samples / 32_000, torch.full((1, 2, 999), 0.03 * constant), rtol=1e-5, atol=0)


def test_the_pooled_map_does_not_know_the_order_of_steps():
    body = RawWave(10)
    map = torch.randn(2, 128, 18)
    torch.testing.assert_close(body.from_map(map[:, :, torch.randperm(18)]), body.from_map(map))


def test_one_by_one_is_the_batch_and_channels_matter():
    network = load_network("rawwave-2019")
    clips = torch.randn(3, 2, 48_000, generator=torch.Generator().manual_seed(1)) * 0.1
    with torch.inference_mode():
        together = network(clips)
        alone = torch.cat([network(clip[None]) for clip in clips])
        assert (network(clips.flip(1)) - together).abs().max() > 1e-4
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_batch_norms_can_be_merged():
    network = load_network("rawwave-2019")
    features = network.front_end(stereo()[None])
    merged = merged_body(network.body, (features,))
    assert not any(isinstance(module, torch.nn.BatchNorm1d) for module in merged.modules())
    torch.testing.assert_close(merged(features), network.body(features), rtol=1e-4, atol=1e-4)


def test_a_mono_recording_is_doubled():
    network = load_network("rawwave")
    mono = stereo()[0]
    assert (network.scores(mono, 48_000) == network.scores(torch.stack([mono, mono]), 48_000)).all()


def test_the_least_length_is_the_least():
    network = load_network("rawwave")
    assert network.minimum_samples == 12 * 3**7 + 1
    assert network.scores(np.zeros(network.minimum_samples), 48_000).shape == (10,)
    with pytest.raises(ValueError, match=r"rawwave takes at least 0\.547 s"):
        network.scores(np.zeros(network.minimum_samples - 1), 48_000)
    with pytest.raises(ValueError, match="at least 26244 samples are needed, got 26243"):
        network.body(torch.zeros(1, 2, 26_243))


def test_a_state_dict_says_all_arguments(tmp_path):
    arguments = {"widths": [16, 24], "code": 5, "last_convolution": True, "output_bias": False, "n_channels": 2}
    body = RawWave(3, **arguments)
    assert RawWave.arguments_from(body.state_dict()) == {"n_classes": 3, **arguments}
    torch.save(body.state_dict(), tmp_path / "net.pt")
    again = load_network(f"rawwave:{tmp_path / 'net.pt'}").body
    samples = torch.randn(1, 2, 5_000)
    assert torch.equal(again(samples), body.eval()(samples))


@pytest.mark.parametrize("arguments", [{"widths": ()}, {"widths": (0,)}, {"code": 0}])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="widths and code must be at least 1"):
        RawWave(10, **arguments)
