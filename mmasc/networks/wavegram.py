"""Wavegram-Logmel-CNN14 of PANNs: CNN14 that reads a learnt picture of the waveform next to the log-mel bands.

Paper: Kong et al. 2020, "PANNs", section III-D; official code qiuqiangkong/audioset_tagging_cnn. That code joins the
two branches as they come, and fails on the half of all lengths where their frames differ by one (samples mod 640 in
320..635); here the last half-frame of the log-mel branch (20 ms) is dropped for these, and all other lengths are as
released.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.features.log_mel import LogMel
from mmasc.features.log_mel_config import PANNS
from mmasc.networks.panns import Cnn14, DoubleBlock, initialise

# Rows that the learnt channels are cut into: what bands are to the log-mel branch after its first pooling
WAVEGRAM_BANDS = 32


class WaveBlock(nn.Module):
    """Two convolutions of 3 samples, the second one spread by 2, each with batch norm and ReLU; maximum of four."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(n_in, n_out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm1d(n_out)
        self.conv2 = nn.Conv1d(n_out, n_out, 3, padding=2, dilation=2, bias=False)
        self.bn2 = nn.BatchNorm1d(n_out)

    def forward(self, maps: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch wider quarter"]:
        """A quarter of the time; up to three steps at the end are dropped."""
        maps = F.relu(self.bn1(self.conv1(maps)))
        return F.max_pool1d(F.relu(self.bn2(self.conv2(maps))), 4)


class WavegramLogmelCnn14(Cnn14):
    """Wavegram-Logmel-CNN14: 81,065,487 parameters with 527 classes. Reads mono waveforms of 32 kHz.

    `augment` acts on the log-mel branch, as in the official code.

    Args:
        n_classes: Outputs.
    """

    # Fewest samples: sixteen frames of the learnt picture, which the second to fifth block pool to one
    minimum_samples: ClassVar[int] = 5 * (16 * 128 - 1) + 1

    def __init__(self, n_classes: int = 527) -> None:
        super().__init__(n_classes, PANNS.n_mels)
        self.minimum_frames = self.minimum_samples
        self.log_mel = LogMel(PANNS)
        # Reads both branches
        self.conv_block2 = DoubleBlock(128, 128)
        self.pre_conv0 = nn.Conv1d(1, 64, 11, stride=5, padding=5, bias=False)
        self.pre_bn0 = nn.BatchNorm1d(64)
        self.pre_block1 = WaveBlock(64, 64)
        self.pre_block2 = WaveBlock(64, 128)
        self.pre_block3 = WaveBlock(128, 128)
        self.pre_block4 = DoubleBlock(128 // WAVEGRAM_BANDS, 64)
        for layer in (self.conv_block2, self.pre_conv0, *self.pre_blocks(), self.pre_block4):
            initialise(layer)

    def feature_map(self, features: Float[Tensor, "batch 1 time"]) -> Float[Tensor, "batch filter frame band"]:
        """What comes out of the last block, from waveforms."""
        picture = self.wavegram(features)
        log_mel = rearrange(self.log_mel(features[:, 0]), "batch mel frame -> batch 1 frame mel")
        maps = self.conv_block(1)(self.normalised(log_mel.to(picture.dtype)))
        return self.deeper_map(torch.cat([maps[:, :, : picture.shape[2]], picture], 1))

    def pre_blocks(self) -> tuple[WaveBlock, WaveBlock, WaveBlock]:
        """The blocks over samples, in order."""
        return self.pre_block1, self.pre_block2, self.pre_block3

    def wavegram(self, waveforms: Float[Tensor, "batch 1 time"]) -> Float[Tensor, "batch 64 frame 32"]:
        """The learnt picture, 50 frames a second."""
        maps = F.relu(self.pre_bn0(self.pre_conv0(waveforms)))
        for block in self.pre_blocks():
            maps = block(maps)
        rows = rearrange(maps, "batch (channel band) frame -> batch channel frame band", band=WAVEGRAM_BANDS)
        return self.pre_block4(rows, (2, 1))
