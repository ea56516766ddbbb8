"""ResNet-18 behind dilated convolutions: recorded answer, counts, and what each dilation reaches."""

import pytest
import torch

from mmasc.networks.dilated import DilatedResNet
from mmasc.networks.load import load_network
from tests.helpers.rule_files import answers, assert_near, features_by_rule, write_rule_file


def test_the_recorded_answer(tmp_path):
    network = load_network(f"dilated-resnet18:{write_rule_file(tmp_path / 'd.safetensors', 'dilated_resnet18')}")
    with torch.inference_mode():
        assert_near(network.body(features_by_rule("mel64", (1, 1, 435, 64))), answers()["dilated_resnet18/logits"])


def test_counts():
    assert load_network("dilated-resnet18").parameter_counts() == (11_373_578, 11_383_198)


@pytest.mark.parametrize("seconds", [10, 4])
def test_a_recording_gives_logits(seconds):
    network = load_network("dilated-resnet18")
    assert network.front_end.n_frames(seconds * network.sample_rate) == {10: 435, 4: 174}[seconds]
    assert network.scores(torch.zeros(seconds * 8_000), 8_000).shape == (10,)


def test_each_dilation_reaches_as_far_as_it_says():
    body = DilatedResNet(3).eval()
    impulse = torch.zeros(1, 1, 21, 21)
    impulse[0, 0, 10, 10] = 1
    for dilation, convolution in zip((1, 2, 3, 4), body.front, strict=True):
        answer = convolution(impulse)[0] - convolution(torch.zeros_like(impulse))[0]
        places = answer.abs().sum(0).nonzero() - 10
        assert answer.shape == (16, 21, 21)
        assert {tuple(place) for place in places.tolist()} == {
            (i * dilation, j * dilation) for i in (-1, 0, 1) for j in (-1, 0, 1)
        }


def test_other_numbers_of_filters_come_back_from_a_file(tmp_path):
    arguments = {"n_filters": 4, "n_channels": 2}
    body = DilatedResNet(3, **arguments)
    torch.save(body.state_dict(), tmp_path / "small.pt")
    assert DilatedResNet.arguments_from(body.state_dict()) == {**arguments, "n_classes": 3, "weights": "random"}
    again = load_network(f"dilated-resnet18:{tmp_path / 'small.pt'}").body
    features = torch.randn(2, 2, 40, 64)
    assert torch.equal(again(features), body.eval()(features))


@pytest.mark.parametrize("arguments", [{"n_filters": 0}, {"dilations": ()}, {"dilations": (0, 1)}])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="must be at least 1"):
        DilatedResNet(3, **arguments)
