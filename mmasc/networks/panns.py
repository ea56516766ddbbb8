"""CNN6, CNN10 and CNN14 of PANNs, under their official parameter names.

Log-mel bands are normalised one by one, go through blocks of convolutions with mean pooling, and are pooled: the mean
over bands, then maximum plus mean over frames, for recordings of any length.

Paper: Kong et al. 2020, "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition"; official
code qiuqiangkong/audioset_tagging_cnn. Published sizes are counts of parameters
without the frozen front end, which released files hold as well and which is `LogMel` here.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.networks.body import Body

# Dropout after every block, and before both linear layers
BLOCK_DROPOUT = 0.2
LINEAR_DROPOUT = 0.5
# Parts of released files that are not weights: the Fourier and the mel matrix
_FRONT_END = ("spectrogram_extractor.", "logmel_extractor.")


def initialise(body: nn.Module) -> None:
    """Fresh weights as PANNs have them: Xavier uniform, no biases."""
    for layer in body.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def pool_over_time(maps: Float[Tensor, "batch channel frame band"]) -> Float[Tensor, "batch channel"]:
    """Mean over bands, then maximum plus mean over frames."""
    frames = maps.mean(3)
    return frames.amax(2) + frames.mean(2)


class WideBlock(nn.Module):
    """One convolution of 5 x 5, batch norm, ReLU, mean pooling: the block of CNN6."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 5, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)

    def forward(
        self, maps: Float[Tensor, "batch channel frame band"], pool: tuple[int, int] = (2, 2)
    ) -> Float[Tensor, "batch wider pooled_frame pooled_band"]:
        """Maps, smaller by `pool` (frames, bands); what is left over at the ends is dropped."""
        return F.avg_pool2d(F.relu(self.bn1(self.conv1(maps))), pool)


class DoubleBlock(nn.Module):
    """Two convolutions of 3 x 3, each with batch norm and ReLU, then mean pooling: the block of CNN10 and CNN14."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)

    def forward(
        self, maps: Float[Tensor, "batch channel frame band"], pool: tuple[int, int] = (2, 2)
    ) -> Float[Tensor, "batch wider pooled_frame pooled_band"]:
        """Maps, smaller by `pool` (frames, bands); what is left over at the ends is dropped."""
        maps = F.relu(self.bn1(self.conv1(maps)))
        return F.avg_pool2d(F.relu(self.bn2(self.conv2(maps))), pool)


class PannsBody(Body):
    """What CNN6, CNN10 and CNN14 share; they differ in their blocks.

    Args:
        n_classes: Outputs.
        n_mels: Bands of the features; at least 2 for every pooling.
        n_channels: Channels of the features.
    """

    head: ClassVar[str] = "fc_audioset"
    block: ClassVar[type[WideBlock] | type[DoubleBlock]]
    widths: ClassVar[tuple[int, ...]]
    # Poolings by two; a block beyond them does not pool
    n_poolings: ClassVar[int]
    # Fourier transform of the released front end: half of it and one are the rows of its matrices
    n_fft: ClassVar[int] = 1024

    def __init__(self, n_classes: int = 527, n_mels: int = 64, n_channels: int = 1) -> None:
        super().__init__()
        if n_mels < 2**self.n_poolings:
            raise ValueError(f"n_mels must be at least {2**self.n_poolings}, got {n_mels}")
        self.minimum_frames = 2**self.n_poolings
        self.bn0 = nn.BatchNorm2d(n_mels)
        for number, (n_in, n_out) in enumerate(zip((n_channels, *self.widths), self.widths, strict=False), 1):
            self.add_module(f"conv_block{number}", self.block(n_in, n_out))
        self.fc1 = nn.Linear(self.widths[-1], self.widths[-1])
        self.fc_audioset = nn.Linear(self.widths[-1], n_classes)
        initialise(self)

    def feature_map(
        self, features: Float[Tensor, "batch channel frame mel"]
    ) -> Float[Tensor, "batch filter pooled_frame pooled_band"]:
        """What comes out of the last block."""
        return self.deeper_map(self.conv_block(1)(self.normalised(features)))

    def from_map(self, map: Float[Tensor, "batch filter frame band"]) -> Float[Tensor, "batch dim"]:
        """The first linear layer after its ReLU: 512 numbers (CNN14: 2048)."""
        pooled = pool_over_time(F.dropout(map, BLOCK_DROPOUT, self.training))
        return F.relu(self.fc1(F.dropout(pooled, LINEAR_DROPOUT, self.training)))

    def classify(self, embedding: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch class"]:
        """Logits; in training after dropout."""
        return self.fc_audioset(F.dropout(embedding, LINEAR_DROPOUT, self.training))

    def normalised(
        self, features: Float[Tensor, "batch channel frame mel"]
    ) -> Float[Tensor, "batch channel frame mel"]:
        """Every band by its own batch norm, then `augment`."""
        bands_first = rearrange(features, "batch channel frame mel -> batch mel frame channel")
        return self.augmented(rearrange(self.bn0(bands_first), "batch mel frame channel -> batch channel frame mel"))

    def conv_block(self, number: int) -> nn.Module:
        """A block by its number from 1."""
        return self.get_submodule(f"conv_block{number}")

    def deeper(self, maps: Float[Tensor, "batch width frame band"]) -> Float[Tensor, "batch dim"]:
        """From what comes out of the first block to the layer before last."""
        return self.from_map(self.deeper_map(maps))

    def deeper_map(
        self, maps: Float[Tensor, "batch width frame band"]
    ) -> Float[Tensor, "batch filter pooled_frame pooled_band"]:
        """From what comes out of the first block to what comes out of the last."""
        for number in range(2, len(self.widths) + 1):
            maps = F.dropout(maps, BLOCK_DROPOUT, self.training)
            maps = self.conv_block(number)(maps, (2, 2) if number <= self.n_poolings else (1, 1))
        return maps

    @classmethod
    def own_state(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Without the frozen front end. One of another Fourier transform stays, and is refused as an unknown name:
        networks for 16 kHz have the same weights' names and shapes as those for 32 kHz, and no other mark.
        """
        rows = cls.n_fft // 2 + 1
        return {name: one for name, one in state.items() if not (name.startswith(_FRONT_END) and len(one) == rows)}


class Cnn6(PannsBody):
    """CNN6: four blocks of 5 x 5. 4,837,455 parameters with 64 bands and 527 classes; 4,572,234 with 10 classes."""

    block = WideBlock
    widths = (64, 128, 256, 512)
    n_poolings = 4


class Cnn10(PannsBody):
    """CNN10: four double blocks of 3 x 3. 5,219,279 parameters with 527 classes."""

    block = DoubleBlock
    widths = (64, 128, 256, 512)
    n_poolings = 4


class Cnn14(PannsBody):
    """CNN14: six double blocks of 3 x 3, the last without pooling. 80,753,615 parameters with 527 classes."""

    block = DoubleBlock
    widths = (64, 128, 256, 512, 1024, 2048)
    n_poolings = 5


class Cnn14At16k(Cnn14):
    """CNN14 trained on 16 kHz: the same network behind a front end of half the Fourier transform."""

    n_fft = 512
