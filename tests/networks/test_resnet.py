"""Residual networks on spectrograms: torchvision's own networks are the second way of computing."""

import pytest
import torch

from mmasc.errors import MmascError
from mmasc.networks.imagenet import band_norm, standardised, sum_colours
from mmasc.networks.load import load_network
from mmasc.networks.merging import merged_body
from mmasc.networks.registry import NETWORKS
from mmasc.networks.resnet import ResNet
from mmasc.weights import store as weights_store
from mmasc.weights import table as weights_table
from mmasc.weights.download import fetch
from mmasc.weights.table import RemoteFile, WeightFile
from tests.helpers.signals import spectrograms


def with_statistics(network, seed=0):
    """Batch norms with statistics that are not 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network.eval()


@pytest.fixture
def imagenet(monkeypatch, tmp_path):
    """Makes a released file of torchvision's kind of fresh weights, and puts it where `mmasc models fetch` would."""
    monkeypatch.setenv("MMASC_HOME", str(tmp_path / "home"))

    def put(name):
        from torchvision import models  # late: whoever only collects the tests needs none of it

        torch.manual_seed(3)
        whole = with_statistics(getattr(models, name)())
        path = tmp_path / f"{name}.pth"
        torch.save(whole.state_dict(), path)
        entry = f"{name}-imagenet"
        file = RemoteFile(f"https://example.invalid/{path.name}", None, None, path.name)
        monkeypatch.setitem(weights_table.WEIGHTS, entry, WeightFile(entry, (file,), "none"))
        fetch(entry, path)
        return whole

    return put


@pytest.mark.parametrize(
    ("name", "parameters", "state_numbers"),
    [("resnet34", 21_283_530, 21_300_590), ("resnet18", 11_175_370, 11_184_990)],
)
def test_counts(name, parameters, state_numbers):
    network = load_network(name)
    assert network.parameter_counts() == (parameters, state_numbers)
    assert network.body.dim == NETWORKS[name].dim == 512


def test_the_layers_are_torchvisions():
    from torchvision import models

    body = with_statistics(ResNet(10, 18))
    own = models.resnet18(num_classes=10)
    own.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    own.load_state_dict(body.state_dict(), strict=True)
    features = spectrograms()
    torch.testing.assert_close(body(features), own.eval()(features), rtol=1e-5, atol=1e-5)


def test_one_by_one_is_the_batch():
    body = with_statistics(ResNet(10, 18))
    features = spectrograms(3)
    alone = torch.cat([body(one[None]) for one in features])
    torch.testing.assert_close(body(features), alone, rtol=1e-4, atol=1e-4)


def test_a_waveform_gives_logits_and_the_same_seed_the_same_weights():
    waveform = torch.rand(44_100, generator=torch.Generator().manual_seed(1)) - 0.5
    scores = load_network("resnet18", seed=4).scores(waveform, 44_100)
    assert scores.shape == (10,)
    assert (scores == load_network("resnet18", seed=4).scores(waveform, 44_100)).all()
    assert (scores != load_network("resnet18", seed=5).scores(waveform, 44_100)).any()


@pytest.mark.parametrize("bands", [0, 64])
def test_batch_norms_can_be_merged(bands):
    body = with_statistics(ResNet(10, 18, standardise=bands))
    features = spectrograms(1) / 10
    merged = merged_body(body, (features,))
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in merged.modules())
    torch.testing.assert_close(merged(features), body(features), rtol=1e-3, atol=1e-3)


def test_only_first_and_last_layer_learn():
    network = load_network("resnet34", arguments={"trainable": "first-and-last"})
    assert network.parameter_counts()[0] == 8_266
    body = network.body.train()
    before = {name: tensor.clone() for name, tensor in body.state_dict().items()}
    optimiser = torch.optim.SGD([one for one in body.parameters() if one.requires_grad], lr=0.1)
    body(spectrograms()).square().mean().backward()
    optimiser.step()
    changed = {name for name, tensor in body.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"conv1.weight", "fc.weight", "fc.bias"}


def test_all_layers_learn_by_default():
    body = ResNet(10, 18).train()
    body(spectrograms()).square().mean().backward()
    assert all(one.grad is not None for one in body.parameters())


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_imagenet_weights_hear_the_grey_picture(imagenet, name):
    whole = imagenet(name)
    network = load_network(name, arguments={"weights": "imagenet"})
    whole.fc = network.body.fc
    features = spectrograms()
    wanted = whole(features.expand(-1, 3, -1, -1))
    torch.testing.assert_close(network.body(features), wanted, rtol=1e-4, atol=1e-4)


def test_colours_are_shared_among_channels():
    kernels = torch.randn(4, 3, 2, 2)
    torch.testing.assert_close(sum_colours(kernels, 1)[:, 0], kernels[:, 0] + kernels[:, 1] + kernels[:, 2])
    torch.testing.assert_close(sum_colours(kernels, 5).sum(1, keepdim=True), sum_colours(kernels, 1))


def test_missing_imagenet_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("MMASC_HOME", str(tmp_path))
    with pytest.raises(
        MmascError, match="weights resnet34-imagenet are not here .*mmasc models fetch resnet34-imagenet"
    ):
        load_network("resnet34", arguments={"weights": "imagenet"})


def test_imagenet_weights_of_another_network_are_refused(imagenet, monkeypatch):
    imagenet("resnet18")
    monkeypatch.setitem(weights_table.WEIGHTS, "resnet34-imagenet", weights_table.WEIGHTS["resnet18-imagenet"])
    monkeypatch.setattr("mmasc.networks.imagenet.find", lambda name: weights_store.find("resnet18-imagenet"))
    with pytest.raises(MmascError, match="does not hold the weights of resnet34: layer1.2"):
        load_network("resnet34", arguments={"weights": "imagenet"})


def test_a_saved_network_comes_back(tmp_path, imagenet):
    from mmasc.storage.tensors import save_tensors

    imagenet("resnet18")
    arguments = {"weights": "imagenet", "trainable": "first-and-last", "standardise": 256}
    network = load_network("resnet18", classes=("a", "b", "c"), features="sp4sc", arguments=arguments)
    path = tmp_path / "best.safetensors"
    about = {"network": "resnet18", "classes": ["a", "b", "c"], "features": "sp4sc", "arguments": arguments}
    save_tensors(path, network.body.state_dict(), about)
    weights_store.home().rename(tmp_path / "gone")  # what is in the file is not looked for again
    again = load_network(f"resnet18:{path}")
    assert again.classes == ("a", "b", "c")
    assert again.parameter_counts() == network.parameter_counts()
    waveform = torch.rand(44_100, generator=torch.Generator().manual_seed(1)) - 0.5
    assert (again.scores(waveform, 44_100) == network.scores(waveform, 44_100)).all()


def test_a_file_of_another_network_is_named(tmp_path):
    torch.save(ResNet(10, 18).state_dict(), tmp_path / "other.pt")
    with pytest.raises(MmascError, match="other.pt does not hold resnet34: .* missing"):
        load_network(f"resnet34:{tmp_path / 'other.pt'}")


def test_bands_are_standardised_with_the_statistics_of_training():
    norm = band_norm(64).train()
    features = spectrograms(8) * torch.linspace(0.5, 2, 64) + torch.linspace(-20, 20, 64)
    for _ in range(200):
        standardised(norm, features)
    out = standardised(norm.eval(), features)
    torch.testing.assert_close(out.mean((0, 1, 2)), torch.zeros(64), atol=1e-3, rtol=0)
    torch.testing.assert_close(out.std((0, 1, 2)), torch.ones(64), atol=1e-2, rtol=0)
    assert sum(one.numel() for one in norm.parameters()) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 20}, "depth must be one of"),
        ({"trainable": "some"}, "trainable must be one of"),
        ({"weights": "web"}, "weights must be one of"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNet(10, **arguments)
