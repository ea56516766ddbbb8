"""A small network for tests: two convolutions with batch norms, one of them in front, and a GRU-free head."""

import torch
from torch import nn

from mmasc.baselines.body import Body
from mmasc.baselines.spec import NetworkSpec

SMALL = NetworkSpec(
    "small",
    "tests.small_network:Small",
    features="vggish",
    n_classes=3,
    dim=8,
    sample_rate=16_000,
    seconds=1.0,
    source="tests",
    description="for tests",
)


class Small(Body):
    """Log-mel to logits: norm over bands, two convolutions with norms, mean and maximum, two linear layers."""

    head = "last"
    minimum_frames = 4

    def __init__(self, n_classes: int, n_bands: int = 64) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(n_bands)
        self.conv1 = nn.Conv2d(1, 6, 3, stride=(1, 4), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 12, 3, stride=2, padding=2, dilation=2, groups=3)
        self.bn2 = nn.BatchNorm2d(12)
        self.inner = nn.Linear(12, 8)
        self.bn3 = nn.BatchNorm1d(8)
        self.last = nn.Linear(8, n_classes)

    def embedding(self, features):
        x = self.bn0(features.transpose(1, 3)).transpose(1, 3)
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return torch.relu(self.bn3(self.inner(x.mean(3).amax(2))))


def lived_in(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with batch norms that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(seed)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.running_mean.copy_(torch.randn(norm.num_features, generator=generator))
            norm.running_var.copy_(torch.rand(norm.num_features, generator=generator) + 0.2)
            if norm.affine:
                nn.init.normal_(norm.weight, generator=generator)
                nn.init.normal_(norm.bias, generator=generator)
    return module.eval()


FILTERS = NetworkSpec("filters", "tests.small_network:Filters", "panns-16k", 3, 4, 16_000)
# The same beside tags: without layers on them, so that every gradient is more than rounding
FILTERS_TAGS = NetworkSpec(
    "filters-tags",
    "mmasc.baselines.tags:TaggedNetwork",
    "panns-16k",
    3,
    4,
    16_000,
    arguments={
        "trunk": "filters",
        "trunk_arguments": {},
        "n_tags": 2,
        "heads": 0,
        "attention_layers": 0,
        "join": "code",
        "shared": False,
    },
)


class Filters(Body):
    """A convolution that shows its map of four filters, its mean, a linear layer: the least that can be trained."""

    head = "fc"
    minimum_frames = 4
    n_filters = 4

    def __init__(self, n_classes: int, n_channels: int = 1, n_mels: int = 64) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(n_mels)
        self.conv = nn.Conv2d(n_channels, 4, 3, stride=4, padding=1)
        self.fc = nn.Linear(4, n_classes)

    def feature_map(self, features):
        return torch.relu(self.conv(self.augmented(self.bn0(features.transpose(1, 3)).transpose(1, 3))))

    def from_map(self, map):
        return map.mean((2, 3))
