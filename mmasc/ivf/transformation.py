"""The transformation network: the log-mel spectrogram of a sound to the codebook indices of what was seen with it.

Two bodies: a transformer over patches of the spectrogram with one query for each cell of the picture ("IVF
transformer"), and a convolutional one. Both give K logits per cell, or, in the variant without a codebook, D numbers.

Papers: Liu et al. 2021, ICASSP, section 2; Vaswani et al. 2017, arXiv:1706.03762; Dosovitskiy et al. 2021,
arXiv:2010.11929 (patches).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

Kind = Literal["transformer", "convolution"]


@dataclass(frozen=True)
class TransformationConfig:
    """A transformation network.

    Attributes:
        kind: "transformer" or "convolution".
        patch_frames: Frames of a patch.
        patch_mels: Mel bands of a patch.
        width: Numbers of a token, or channels of the last convolution.
        heads: Number of heads of the attention.
        layers: Layers of the transformer on patches.
        cell_layers: Number of layers of the transformer from patches to cells.
        dropout: Dropout in training.
    """

    kind: Kind = "transformer"
    patch_frames: int = 8
    patch_mels: int = 16
    width: int = 192
    heads: int = 6
    layers: int = 3
    cell_layers: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.kind not in ("transformer", "convolution"):
            raise ValueError(f"kind must be one of ['convolution', 'transformer'], got {self.kind!r}")
        if self.width % self.heads:
            raise ValueError(f"heads must divide width, got {self.heads} and {self.width}")


class SoundTransformer(nn.Module):
    """Patches of a log-mel spectrogram, and a query for each cell that looks at them.

    Args:
        config: Its sizes.
        frames: Number of frames of the spectrogram; what is left behind the last whole patch is not heard, so a
            multiple is best.
        mels: Number of mel bands of the spectrogram.
        cells: A side of the grid.
        outputs: Numbers for each cell.
    """

    def __init__(self, config: TransformationConfig, frames: int, mels: int, cells: int, outputs: int) -> None:
        super().__init__()
        rows, columns = frames // config.patch_frames, mels // config.patch_mels
        if not rows or not columns or mels % config.patch_mels:
            raise ValueError(
                f"patches of {config.patch_frames} x {config.patch_mels} do not tile {frames} frames x {mels} mels"
            )
        self.cells = cells
        patch = (config.patch_frames, config.patch_mels)
        self.patches = nn.Conv2d(1, config.width, patch, stride=patch)
        self.places = nn.Parameter(torch.randn(rows * columns, config.width) * 0.02)
        self.queries = nn.Parameter(torch.randn(cells * cells, config.width) * 0.02)
        sizes: dict[str, Any] = dict(d_model=config.width, nhead=config.heads, dim_feedforward=4 * config.width)
        more: dict[str, Any] = dict(dropout=config.dropout, activation="gelu", batch_first=True, norm_first=True)
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(**sizes, **more) for _ in range(config.layers))
        self.cell_layers = nn.ModuleList(nn.TransformerDecoderLayer(**sizes, **more) for _ in range(config.cell_layers))
        self.norm, self.last = nn.LayerNorm(config.width), nn.Linear(config.width, outputs)

    def forward(self, log_mel: Float[Tensor, "batch 1 frame mel"]) -> Float[Tensor, "batch output cell cell2"]:
        """Logits (or numbers) for every cell."""
        tokens = rearrange(self.patches(log_mel), "batch width row column -> batch (row column) width") + self.places
        for layer in self.layers:
            tokens = layer(tokens)
        cells = self.queries.expand(len(tokens), -1, -1)
        for layer in self.cell_layers:
            cells = layer(cells, tokens)
        return rearrange(self.last(self.norm(cells)), "b (row column) output -> b output row column", row=self.cells)


class SoundConvolutions(nn.Module):
    """Strided convolutions over the spectrogram, pooled to the grid; the mean of all is added to every cell.

    Args:
        As those of `SoundTransformer`.
    """

    def __init__(self, config: TransformationConfig, frames: int, mels: int, cells: int, outputs: int) -> None:
        super().__init__()
        if min(frames, mels) < 16:
            raise ValueError(f"the spectrogram must have at least 16 frames and mels, got {frames} and {mels}")
        widths = [1, config.width // 4, config.width // 2, config.width, config.width]
        self.convolutions = nn.Sequential()
        for c_in, c_out in pairwise(widths):
            self.convolutions += nn.Sequential(
                nn.Conv2d(c_in, c_out, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()
            )
        self.pool = nn.AdaptiveAvgPool2d(cells)
        self.cells = nn.Parameter(torch.randn(config.width, cells, cells) * 0.02)
        self.whole = nn.Linear(config.width, config.width)
        self.mix = nn.Sequential(
            nn.Conv2d(config.width, config.width, 3, padding=1), nn.ReLU(), nn.Dropout(config.dropout)
        )
        self.last = nn.Conv2d(config.width, outputs, 1)

    def forward(self, log_mel: Float[Tensor, "batch 1 frame mel"]) -> Float[Tensor, "batch output cell cell2"]:
        """Logits (or numbers) for every cell."""
        x = self.convolutions(log_mel)
        summary = rearrange(self.whole(x.mean((2, 3))), "batch width -> batch width 1 1")
        return self.last(self.mix((self.pool(x) + summary + self.cells).relu()))


def make_transformation(
    config: TransformationConfig, frames: int, mels: int, cells: int, outputs: int
) -> SoundTransformer | SoundConvolutions:
    """The network of a configuration; see the two classes."""
    made = SoundTransformer if config.kind == "transformer" else SoundConvolutions
    return made(config, frames, mels, cells, outputs)
