"""Image networks as fully convolutional ones: recorded answers, heads, shortest inputs, ImageNet weights."""

import numpy as np
import pytest
import torch

from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS
from mmasc.networks.transfer import TransferNetwork
from mmasc.weights import download as weights
from mmasc.weights import table as weights_table
from mmasc.weights.table import RemoteFile, WeightFile
from tests.helpers.rule_files import answers, assert_near, features_by_rule, recorded_keys, write_rule_file
from tests.helpers.signals import spectrograms

NAMES = {"alexnet": "zhou_alexnet", "vgg16": "zhou_vgg16", "vgg16-mlp": "zhou_vgg16_mlp", "resnet50": "zhou_resnet50"}


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_answers(tmp_path, name):
    network = load_network(f"{name}:{write_rule_file(tmp_path / 'by_rule.safetensors', NAMES[name])}")
    lengths = [int(key.split("/")[2][1:]) for key in answers() if key.startswith(f"zhou/{NAMES[name]}/")]
    assert 431 in lengths
    for frames in lengths:
        pictures = features_by_rule("mel128", (2, 1, 128, frames))
        with torch.inference_mode():
            map = network.body.feature_map(pictures.transpose(2, 3))
            logits = network.body.classify(network.body.from_map(map))
        recorded = recorded_keys()["networks"][NAMES[name]]["outputs"][f"T{frames}"]
        assert list(map.shape) == recorded["fcn_shape"]
        assert_near(logits, answers()[f"zhou/{NAMES[name]}/T{frames}/logits"])


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("alexnet", 2_456_778), ("vgg16", 14_718_666), ("vgg16-mlp", 14_847_690), ("resnet50", 23_522_250)],
)
def test_counts(name, parameters):
    network = load_network(name)
    assert network.parameter_counts()[0] == parameters
    assert network.body.dim == NETWORKS[name].dim


@pytest.mark.parametrize(("name", "least"), [("alexnet", 63), ("vgg16", 32), ("resnet50", 1)])
def test_the_least_length_is_the_least(name, least):
    network = load_network(name)
    with torch.inference_mode():
        assert network.body(torch.zeros(1, 1, least, 128)).shape == (1, 10)
        if least > 1:
            with pytest.raises(
                ValueError, match=f"{name} takes at least {least} frames and .* got {least - 1} and 128"
            ):
                network.body(torch.zeros(1, 1, least - 1, 128))
            assert network.front_end.n_frames(network.minimum_samples) == least
            with pytest.raises(ValueError, match=f"{name} takes at least .* s, got"):
                network.scores(np.zeros(network.minimum_samples - 1), network.sample_rate)
        assert network.scores(np.zeros(network.minimum_samples), network.sample_rate).shape == (10,)


def test_features_with_too_few_bands_are_refused():
    with pytest.raises(ValueError, match="63 bands, got 100 and 60"):
        TransferNetwork(10, "alexnet", standardise=60)(torch.zeros(1, 1, 100, 60))


def test_other_features_fit_by_themselves():
    network = load_network("vgg16", features="panns")
    assert network.body.bn0.num_features == 64
    assert network.scores(np.zeros(32_000), 32_000).shape == (10,)


def network_with(pooling):
    torch.manual_seed(2)
    return TransferNetwork(5, "alexnet", pooling, standardise=0).eval()


@pytest.mark.parametrize("pooling", ["mean", "mlp", "attention"])
def test_heads_know_no_places(pooling):
    network = network_with(pooling)
    map = torch.randn(2, 256, 3, 4)
    shuffled = map.flatten(2)[:, :, torch.randperm(12)].unflatten(2, (3, 4))
    torch.testing.assert_close(network.from_map(map), network.from_map(shuffled))


def test_the_mlp_head_is_the_papers_formula():
    network = network_with("mlp")
    torch.nn.init.normal_(network.u)
    map = torch.randn(1, 256, 3, 4)
    wanted = sum(
        network.u * torch.tanh(network.mlp.weight @ map[0, :, i, j] + network.mlp.bias)
        for i in range(3)
        for j in range(4)
    )
    torch.testing.assert_close(network.from_map(map)[0], wanted / 12)


def test_attention_weighs_places_and_its_weights_sum_to_one():
    network = network_with("attention")
    equal = torch.randn(1, 256, 1, 1).expand(1, 256, 3, 4)
    torch.testing.assert_close(network.from_map(equal), equal[:, :, 0, 0])
    map = torch.randn(1, 256, 3, 4)
    assert (network.from_map(map) - map.mean((2, 3))).abs().max() > 1e-3
    with torch.no_grad():
        network.score.weight.zero_()
    torch.testing.assert_close(network.from_map(map), map.mean((2, 3)))


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "resnet50"])
def test_fresh_layers_are_torchvisions(name):
    from torchvision import models  # late: whoever only collects the tests needs none of it

    body = TransferNetwork(10, name, standardise=0)
    with torch.device("meta"):
        own = getattr(models, name)(num_classes=10)
    first = "conv1.weight" if name == "resnet50" else "features.0.weight"
    for key, value in own.state_dict().items():
        if key.startswith(("classifier", "fc")):
            continue
        weight = body.state_dict()[key]
        assert weight.shape == ((value.shape[0], 1, *value.shape[2:]) if key == first else value.shape)
        if weight.ndim == 4:  # AlexNet has torch's rule for convolutions, the others He's with the outputs as fan
            fan = weight[0].numel() * 3 if name == "alexnet" else weight[:, 0].numel() / 2
            assert float(weight.std()) == pytest.approx(fan**-0.5, rel=0.1)


def test_imagenet_weights_see_the_grey_picture(monkeypatch, tmp_path):
    from torchvision import models

    monkeypatch.setenv("MMASC_HOME", str(tmp_path / "home"))
    with torch.device("meta"):
        whole = models.alexnet().features
    whole = whole.to_empty(device="cpu")
    for layer in whole:
        if isinstance(layer, torch.nn.Conv2d):
            layer.reset_parameters()
    path = tmp_path / "alexnet.pth"
    torch.save(
        {**{f"features.{k}": v for k, v in whole.state_dict().items()}, "classifier.1.bias": torch.ones(3)}, path
    )
    file = RemoteFile("https://example.invalid/alexnet.pth", None, None, "alexnet.pth")
    monkeypatch.setitem(weights_table.WEIGHTS, "alexnet-imagenet", WeightFile("alexnet-imagenet", (file,), "none"))
    weights.fetch("alexnet-imagenet", path)
    body = load_network("alexnet", arguments={"weights": "imagenet", "standardise": 0}).body
    features = spectrograms(1, 70, 128)
    with torch.inference_mode():
        wanted = whole(features.transpose(2, 3).expand(-1, 3, -1, -1))
        torch.testing.assert_close(body.feature_map(features), wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("pooling", ["mlp", "attention"])
def test_heads_come_back_from_a_file(tmp_path, pooling):
    body = TransferNetwork(4, "alexnet", pooling, hidden=256, standardise=64)
    torch.save(body.state_dict(), tmp_path / "net.pt")
    again = load_network(f"alexnet-{pooling}:{tmp_path / 'net.pt'}").body
    features = spectrograms(1, 80, 64)
    assert torch.equal(again(features), body.eval()(features))


@pytest.mark.parametrize(
    ("arguments", "message"), [({"trunk": "vgg19"}, "trunk must be"), ({"pooling": "max"}, "pooling must be")]
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TransferNetwork(10, **arguments)
