"""ESResNeXt-fbsp as it is used: the same answer as esresnext.py in a fraction of the time.

The transform is one cached real matrix without what nobody reads (columns that meet zeros only, the top two bins);
batch norms are part of the convolutions before them, and 1 x 1 convolutions are matrix products. Equal to the
definition except for the order of float32 sums.

Source: Jacob et al. 2018, arXiv:1712.05877, section 3.2, equation (14) (folding batch norm).
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Float32
from torch import Tensor, nn

from mmasc.encoders.esresnext import (
    BAND_BINS,
    N_BANDS,
    N_FFT,
    WIN_LENGTH,
    Bottleneck,
    ESResNeXt,
    Gate,
    exact_product,
    frame_samples,
    scale_samples,
    to_decibels,
)
from mmasc.networks.folding import fold

# Unused numbers between the rows of a matrix: at a power of two apart, rows compete for the same places of a cache, and
# a product of few rows with 1024 x 2048 takes half as long again
_GAP = 16


class FastFrontEnd(nn.Module):
    """Samples to decibels with the kernel of a network, made once.

    Args:
        network: Its `fbsp` and `window` are read now; later changes to them are not seen.
    """

    matrix: Tensor
    window: Tensor

    def __init__(self, network: ESResNeXt) -> None:
        super().__init__()
        left = (N_FFT - WIN_LENGTH) // 2
        used = network.fbsp.kernel()[: N_BANDS * BAND_BINS, left : left + WIN_LENGTH]
        # Real and imaginary rows in one product: the frames are read once. The window stays outside: inside the matrix
        # its product would be rounded elsewhere than in training, which doubles the difference on pure tones.
        self.register_buffer("matrix", torch.cat([used.real, used.imag]).T.contiguous(), persistent=False)
        self.register_buffer("window", network.window.detach().clone(), persistent=False)

    def forward(
        self, waveforms: Float[Tensor, "batch channel time"]
    ) -> Float32[Tensor, "batch channel band bins frame"]:
        """As `ESResNeXt.decibels`."""
        with torch.autocast(waveforms.device.type, enabled=False):
            samples = scale_samples(rearrange(waveforms, "batch channel time -> (batch channel) time"))
            # One by one on a CPU: a vector does not depend on its neighbours, and a product stays in the cache
            parts = frame_samples(samples).split(1 if waveforms.device.type == "cpu" else len(samples))
            bands = torch.cat([self._bands(part) for part in parts])
            return rearrange(
                bands, "(batch channel) band bins frame -> batch channel band bins frame", batch=len(waveforms)
            )

    def _bands(self, frames: Float32[Tensor, "batch frame sample"]) -> Float32[Tensor, "batch band bins frame"]:
        real, imaginary = exact_product(frames * self.window, self.matrix).square_().chunk(2, dim=-1)
        return to_decibels(real.add_(imaginary))


class FoldedTrunk(nn.Module):
    """Decibels to the 2048 pooled numbers, batch norms folded into convolutions, nothing kept that is not needed.

    Args:
        network: Network in evaluation mode; its weights are copied.
    """

    def __init__(self, network: ESResNeXt) -> None:
        super().__init__()
        self.stem = fold(network.conv1, network.bn1)
        self.layers = nn.ModuleList(
            nn.ModuleList(FoldedBottleneck(block) for block in network.get_submodule(f"layer{number}"))  # type: ignore
            for number in range(1, 5)
        )
        self.gates = nn.ModuleList(FoldedGate(network.get_submodule(f"att{number}")) for number in range(1, 6))  # type: ignore

    def forward(self, decibels: Float[Tensor, "batch band bins frame"]) -> Float[Tensor, "batch pooled"]:
        """As `ESResNeXt.pool`."""
        # The largest and what is above zero: in this order it is a quarter of the work
        x = F.max_pool2d(self.stem(decibels), 3, stride=2, padding=1).relu_()
        for blocks, gate in zip(self.layers, self.gates, strict=False):
            out = x
            for block in blocks:  # type: ignore[attr-defined]
                out = block(out)
            x = gate(x, out)
        return self.gates[4](x, x.mean((2, 3), keepdim=True)).flatten(1)


class FoldedBottleneck(nn.Module):
    """`Bottleneck` with three or four convolutions and no batch norm."""

    def __init__(self, block: Bottleneck) -> None:
        super().__init__()
        self.conv1, self.conv2 = Pointwise(block.conv1, block.bn1), fold(block.conv2, block.bn2)
        self.conv3 = Pointwise(block.conv3, block.bn3)
        self.downsample = None if block.downsample is None else Pointwise(*block.downsample)

    def forward(self, x: Float[Tensor, "batch c_in bins frame"]) -> Float[Tensor, "batch c_out bins2 frame2"]:
        past = x if self.downsample is None else self.downsample(x)
        inner = self.conv2(self.conv1(x).relu_()).relu_()
        return self.conv3(inner).add_(past).relu_()


class FoldedGate(nn.Module):
    """`Gate` without batch norm, and what it lets through."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.conv_depth, self.conv_point = fold(gate.conv_depth, None), Pointwise(gate.conv_point, gate.bn)

    def forward(
        self, x: Float[Tensor, "batch c_in bins frame"], out: Float[Tensor, "batch c_out bins2 frame2"]
    ) -> Float[Tensor, "batch c_out bins2 frame2"]:
        """`out`, the more of it the more the gate opens for the input `x` of what gave it."""
        pooled = F.adaptive_max_pool2d(x, (out.shape[2], out.shape[3]))
        return self.conv_point(self.conv_depth(pooled)).sigmoid_().mul_(out)


class Pointwise(nn.Module):
    """A 1 x 1 convolution with its batch norm as one matrix product over the channels, which lie side by side.

    On one CPU thread torch sends 1 x 1 convolutions of one picture through copies and a slower product. The shift is
    added behind the product, and so is what comes past it: as a starting value it would be rounded with every term.
    Products in parts that stay in the cache were tried and are a tenth slower.
    """

    matrix: Tensor
    shift: Tensor

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        folded = fold(conv, norm)
        assert folded.bias is not None
        self.stride: int = conv.stride[0]
        matrix = rearrange(folded.weight, "c_out c_in 1 1 -> c_in c_out")
        self.register_buffer("matrix", F.pad(matrix, (0, _GAP))[:, : conv.out_channels])
        self.register_buffer("shift", folded.bias)

    def forward(self, x: Float[Tensor, "batch c_in bins frame"]) -> Float[Tensor, "batch c_out bins2 frame2"]:
        x = x[:, :, :: self.stride, :: self.stride]
        # One product of rows: of a picture with gaps torch makes one for each line, with a copy of the matrix each
        rows = rearrange(x, "batch c bins frame -> (batch bins frame) c")
        answer = (rows @ self.matrix).add_(self.shift)
        return rearrange(answer, "(batch bins frame) c -> batch c bins frame", batch=len(x), bins=x.shape[2])
