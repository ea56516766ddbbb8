"""Counts of numbers and products: by hand, and against torch's own counter of floating point operations."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from mmasc.evaluation.cost import command_text, count_macs, network_cost, real_time
from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS
from tests.helpers.small_network import SMALL, Small, lived_in


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (nn.Conv2d(3, 8, (3, 5), stride=2, padding=1), (2, 3, 9, 11), 2 * 8 * 5 * 5 * 3 * 15),
        (nn.Conv2d(8, 8, 3, groups=8, bias=False), (1, 8, 5, 5), 8 * 9 * 9),
        (nn.Conv1d(2, 4, 12, stride=12), (1, 2, 25), 4 * 2 * 2 * 12),
        (nn.ConvTranspose2d(4, 2, 3), (1, 4, 5, 5), 100 * 2 * 9),
        (nn.Linear(7, 5), (3, 2, 7), 3 * 2 * 35),
        (nn.GRU(6, 4, batch_first=True), (2, 10, 6), 20 * 3 * (24 + 16)),
        (nn.GRU(6, 4, num_layers=2, bidirectional=True), (10, 2, 6), 20 * 2 * 3 * (24 + 16 + 32 + 16)),
        (nn.LSTM(6, 4), (10, 2, 6), 20 * 4 * (24 + 16)),
        (nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.AvgPool2d(2)), (1, 3, 4, 4), 0),
    ],
)
def test_layers_cost_what_they_cost_by_hand(layer, shape, macs):
    layer, x = layer.eval(), torch.randn(shape)
    assert count_macs(lambda: layer(x)) == macs


@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (lambda a, b: a @ b, 2 * 3 * 4 * 5),
        (lambda a, b: torch.bmm(a, b), 2 * 3 * 4 * 5),
        (lambda a, b: torch.baddbmm(torch.zeros(2, 3, 5), a, b), 2 * 3 * 4 * 5),
        (lambda a, b: torch.einsum("nij,njk->nik", a, b), 2 * 3 * 4 * 5),
        (lambda a, b: a.matmul(b).sum() + a.mul(2).sum(), 2 * 3 * 4 * 5),
        (lambda a, b: functional.conv2d(a[:, None], torch.ones(1, 1, 2, 2)), 2 * 2 * 3 * 4),
        (lambda a, b: functional.scaled_dot_product_attention(a, a, a), 2 * 2 * 3 * 3 * 4),
    ],
)
def test_products_outside_of_layers_count_too(function, macs):
    a, b = torch.randn(2, 3, 4), torch.randn(2, 4, 5)
    assert count_macs(lambda: function(a, b)) == macs


def test_what_cannot_be_counted_is_said():
    attention, x = nn.MultiheadAttention(4, 2).train(), torch.randn(3, 1, 4)
    with pytest.raises(ValueError, match="cannot count the products of multi_head_attention_forward"):
        count_macs(lambda: attention(x, x, x))


def test_whole_networks_agree_with_torch():
    from torchvision.models import resnet18

    for module, shape in ((resnet18().eval(), (1, 3, 64, 64)), (Small(3).eval(), (1, 1, 40, 64))):
        x = torch.randn(shape)
        with torch.no_grad(), FlopCounterMode(display=False) as flops:
            module(x)
        assert 2 * count_macs(lambda module=module, x=x: module(x)) == flops.get_total_flops()


@pytest.fixture
def network(monkeypatch):
    monkeypatch.setitem(NETWORKS, "small", SMALL)
    made = load_network("small")
    lived_in(made.body)
    return made


def test_numbers_are_those_of_the_rules(network):
    cost = network_cost(network)
    convolutions, linear, norms = 6 * 9 + 12 * 2 * 9 + 12, 8 * 13 + 3 * 9, 64 + 6 + 12 + 8
    assert cost.parameters == convolutions + linear + 2 * norms
    assert cost.nonzero == cost.parameters + 2 * norms  # running means and variances
    assert cost.state_numbers == cost.nonzero + 4  # counters of batches
    assert cost.nonzero_without_norms == convolutions + linear
    # bn0 stays as a scale and a shift; the first convolution gets a bias
    assert cost.merged_numbers == cost.merged_nonzero == convolutions + 6 + linear + 2 * 64
    assert cost.bytes == {"float32": 4 * 547, "float16": 2 * 547, "int8": 547}
    assert cost.real_time is None


def test_zeros_count_until_they_are_counted_out(network):
    before = network_cost(network)
    with torch.no_grad():
        network.body.last.weight.zero_()
    after = network_cost(network)
    assert after.parameters == before.parameters
    assert after.nonzero == before.nonzero - 24
    assert after.bytes["int8"] == before.bytes["int8"] - 24
    assert after.merged_numbers == before.merged_numbers


def test_products_grow_with_the_recording(network):
    short, long = (network_cost(network, seconds) for seconds in (1.0, 2.0))
    assert long.seconds == 2 * short.seconds
    assert 1.9 < long.macs / short.macs < 2.1
    with pytest.raises(ValueError, match="small takes at least"):
        network_cost(network, 0.01)


def test_real_time_is_measured_on_demand(network, monkeypatch):
    from mmasc.evaluation import cost

    ticks = iter(range(100))
    monkeypatch.setattr(cost.time, "perf_counter", lambda: float(next(ticks)))  # every run takes one second
    assert real_time(network, seconds=3.0) == pytest.approx(3.0)


def test_a_command_is_shown_without_folders_of_this_machine():
    words = [
        "/data/esc10",
        "--ivf",
        "films=ivf:/runs/films",
        "--cache",
        "/a/b",
        "--note",
        "said below",
        "--no-training",
    ]
    words += ["--source", "learned=/runs/tagger", "--set", "speeds=[0.9, 1]", "prompts:esc50@mini"]
    shown = command_text("table.py", words)
    assert shown == (
        "python examples/table.py esc10 --ivf films=ivf:films --cache b --source learned=tagger --set "
        "'speeds=[0.9, 1]' prompts:esc50@mini"
    )
