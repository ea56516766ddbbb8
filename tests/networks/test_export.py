"""ONNX files of networks, and the merging of batch norms that they are made with."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from mmasc.cli import cli
from mmasc.errors import MmascError
from mmasc.features import MINI, PANNS, VGGISH, LogMel
from mmasc.features.log_mel_products import LogMelProducts
from mmasc.networks.folding import Affine, fold, merge_batch_norms
from mmasc.networks.load import load_network
from mmasc.networks.merging import example_waveforms, merged_body
from mmasc.networks.registry import NETWORKS
from tests.helpers.small_network import SMALL, Small, lived_in


@pytest.fixture
def network(monkeypatch):
    monkeypatch.setitem(NETWORKS, "small", SMALL)
    made = load_network("small", classes=("a", "b", "c"))
    lived_in(made.body)
    return made


@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (nn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), nn.BatchNorm2d(6), (2, 4, 9, 8)),
        (nn.Conv1d(4, 6, 5, bias=False), nn.BatchNorm1d(6), (2, 4, 9)),
        (nn.Linear(4, 6), nn.BatchNorm1d(6, eps=1e-3), (5, 4)),
        (nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6, affine=False), (2, 4, 9, 8)),
    ],
)
def test_a_folded_layer_is_the_layer_and_its_norm(layer, norm, shape):
    if norm.affine:
        lived_in(norm)
    else:
        norm.eval().running_var.fill_(0.3)
    x = torch.randn(shape)
    with torch.no_grad():
        torch.testing.assert_close(fold(layer, norm)(x), norm(layer(x)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(fold(layer, None)(x), layer(x), rtol=1e-5, atol=1e-6)


def test_merging_leaves_no_norm_and_changes_no_answer(network):
    features = network.front_end(example_waveforms(network))
    before = {name: tensor.clone() for name, tensor in network.body.state_dict().items()}
    merged = merged_body(network.body, (features,))
    kinds = [type(module) for module in merged.modules()]
    assert nn.BatchNorm2d not in kinds
    assert nn.BatchNorm1d not in kinds
    assert kinds.count(Affine) == 1  # bn0 has no layer before it
    with torch.no_grad():
        torch.testing.assert_close(merged(features), network.body(features), rtol=1e-4, atol=1e-5)
    for name, tensor in network.body.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_norms_of_changed_or_shared_outputs_are_not_folded():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)
            self.late, self.twice = nn.BatchNorm2d(2), nn.BatchNorm2d(2)

        def forward(self, x):
            x = self.late(self.first(x).relu_())  # written to between layer and norm
            return self.twice(self.twice(self.second(x)))

    odd, x = lived_in(Odd()), torch.randn(1, 2, 3, 3)
    merged, inside = merge_batch_norms(odd, lambda module: module(x))
    assert inside == 0
    assert isinstance(merged.late, Affine)
    assert isinstance(merged.twice, nn.BatchNorm2d)
    with torch.no_grad():
        torch.testing.assert_close(merged(x), odd(x), rtol=1e-4, atol=1e-5)


def test_a_layer_under_two_names_is_replaced_under_both():
    class Aliased(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
            self.conv, self.norm = self.inside

        def forward(self, x):
            return self.norm(self.conv(x))

    aliased, x = lived_in(Aliased()), torch.randn(1, 2, 3, 3)
    merged, inside = merge_batch_norms(aliased, lambda module: module(x))
    assert inside == 1
    with torch.no_grad():
        torch.testing.assert_close(merged(x), aliased(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", [PANNS, VGGISH, replace(MINI, log="ln"), replace(PANNS, centre="zeros", power=1)])
def test_log_mel_of_products_is_that_of_the_transform(config):
    plain = LogMel(config)
    waveforms = 0.1 * torch.randn(2, 9_000, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(LogMelProducts(plain)(waveforms), plain(waveforms), rtol=0, atol=1e-3)


def test_the_file_says_what_the_network_says(network, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    from mmasc.networks.export import export_network

    found = export_network(network, tmp_path / "small.onnx")
    assert found.input_shape == (1, 98, 64)
    assert found.largest_difference < 1e-4
    # bn0 2 x 64; 6 (9 + 1); 12 (2 x 9 + 1); 8 (12 + 1); 3 (8 + 1)
    assert found.merged_parameters == 128 + 60 + 228 + 104 + 27
    session = onnxruntime.InferenceSession(found.path, providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert about["classes"].split("\n") == ["a", "b", "c"]
    assert (about["features"], about["sample_rate"]) == ("vggish", "16000")
    features = network.front_end(torch.rand(5, 1, 16_000) - 0.5)
    (logits,) = session.run(["logits"], {"input": features.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(logits, network.body(features).numpy(), atol=1e-4)


def test_networks_that_read_tags_have_a_second_input(monkeypatch, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    from mmasc.evaluation.cost import network_cost
    from mmasc.networks.export import export_network

    class Tagged(Small):
        n_tags, vocabulary = 5, tuple("vwxyz")

        def __init__(self, n_classes):
            super().__init__(n_classes)
            self.merge = nn.Linear(8 + 5, 8)  # a layer of this name is no method

        def forward(self, features, tags=None):
            return self.last(self.merge(torch.cat([self.embedding(features), tags], 1)))

    monkeypatch.setattr("tests.helpers.small_network.Tagged", Tagged, raising=False)
    monkeypatch.setitem(
        NETWORKS, "small-tags", replace(SMALL, name="small-tags", target="tests.helpers.small_network:Tagged")
    )
    tagged = load_network("small-tags")
    lived_in(tagged.body)
    found = export_network(tagged, tmp_path / "tags.onnx")
    session = onnxruntime.InferenceSession(found.path, providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["input", "tags"]
    assert session.get_modelmeta().custom_metadata_map["tags"].split("\n") == list("vwxyz")
    features, tags = tagged.front_end(torch.rand(4, 1, 16_000) - 0.5), torch.rand(4, 5)
    (logits,) = session.run(["logits"], {"input": features.numpy(), "tags": tags.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(logits, tagged.body(features, tags).numpy(), atol=1e-4)
    assert network_cost(tagged).macs == network_cost(load_network("small-tags")).macs > 8 * 13


def test_a_file_that_differs_is_not_written(network, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    from mmasc.networks import export

    def wrong(body, inputs):
        merged = merged_body(body, inputs)
        merged.last.bias[0] += 0.01
        return merged

    monkeypatch.setattr(export, "merged_body", wrong)
    target = tmp_path / "small.onnx"
    target.write_bytes(b"older")
    with pytest.raises(MmascError, match=r"small as ONNX differs from the network by .* was not written"):
        export.export_network(network, target)
    assert target.read_bytes() == b"older"
    assert [item.name for item in tmp_path.iterdir()] == ["small.onnx"]


def test_what_onnx_cannot_say_is_one_line(network, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    from mmasc.networks.export import export_network

    def branches(self, features):
        return (
            self.last(torch.zeros(len(features), 8))
            if float(features.sum()) > 0
            else self.last(self.embedding(features))
        )

    monkeypatch.setattr(Small, "forward", branches)
    with pytest.raises(MmascError, match="small cannot be written as ONNX"):
        export_network(network, tmp_path / "small.onnx")
    assert not list(tmp_path.iterdir())


def test_export_by_command(network, tmp_path):
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    target = tmp_path / "small.onnx"
    command = ["models", "export", "small", "--to", str(target), "--without-front-end"]
    result = CliRunner().invoke(cli, [*command, "--seconds", "2"])
    assert result.exit_code == 0, result.output
    assert target.is_file()
    assert "differs by at most" in result.output
    too_short = CliRunner().invoke(cli, [*command, "--seconds", "0.01"])
    assert too_short.exit_code == 2
    assert "small takes at least" in too_short.output
