"""The eight-convolution classifier: recorded answers, counts, shapes."""

import pytest
import torch

from mmasc.networks.ivf_classifier import EightConvolutions
from mmasc.networks.load import load_network
from tests.helpers.rule_files import answers, assert_near, features_by_rule, write_rule_file


@pytest.mark.parametrize("channels", [1, 64])
def test_the_recorded_answers(tmp_path, channels):
    network = load_network(f"eight-conv:{write_rule_file(tmp_path / 'e.safetensors', f'eight_conv_{channels}')}")
    with torch.inference_mode():
        logits = network.body(features_by_rule(f"cls{channels}", (1, channels, 64, 64)))
    assert_near(logits, answers()[f"eight_conv_{channels}/logits"])


@pytest.mark.parametrize(("channels", "parameters"), [(1, 4_691_274), (64, 4_727_562)])
def test_counts(channels, parameters):
    network = load_network("eight-conv", arguments={"n_channels": channels})
    assert network.parameter_counts()[0] == parameters


def test_widths_are_arguments():
    network = load_network("eight-conv", arguments={"widths": [8, 8, 16, 32]})
    convolutions = sum(9 * (n_in + n_out) * n_out for n_in, n_out in ((1, 8), (8, 8), (8, 16), (16, 32)))
    assert network.parameter_counts()[0] == convolutions + 4 * (8 + 8 + 16 + 32) + 33 * 10
    with pytest.raises(ValueError, match="widths must be 4 numbers of 1 or more, got"):
        EightConvolutions(3, widths=(8, 8, 8))


def test_bands_are_averaged_and_of_frames_the_largest_counts():
    body = EightConvolutions(3).eval()
    map = torch.randn(1, 512, 5, 4)
    pooled = body.from_map(map)
    torch.testing.assert_close(body.from_map(map[:, :, torch.randperm(5)][..., torch.randperm(4)]), pooled)
    torch.testing.assert_close(body.from_map(torch.cat([map, map.amin(2, keepdim=True) - 1], 2)), pooled)
    assert (body.from_map(map + 1) - pooled - 1).abs().max() < 1e-5


def test_one_by_one_is_the_batch():
    body = EightConvolutions(3).eval()
    features = torch.randn(3, 1, 50, 40)
    torch.testing.assert_close(body(features), torch.cat([body(one[None]) for one in features]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("features", "channels"), [("log-mel", 1), ("log-mel-delta2", 3), ("mfcc", 1)])
def test_features_may_be_exchanged(features, channels):
    network = load_network("eight-conv", features=features)
    assert network.body.conv_block1.conv1.in_channels == channels
    assert network.scores(torch.zeros(2, 32_000), 16_000).shape == (10,)


@pytest.mark.parametrize("shape", [(15, 64), (64, 15)])
def test_too_small_features_are_refused(shape):
    with pytest.raises(ValueError, match="at least 16 frames and 16 bands, got"):
        EightConvolutions(3)(torch.zeros(1, 1, *shape))
