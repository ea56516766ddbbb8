"""ESResNeXt-fbsp, the audio network of AudioCLIP, written as its papers and its weights define it.

Samples → frames → a trained complex transform (frequency B-splines) → decibels in three bands → ResNeXt-50 with
attention gates → 1024 numbers. Parameter names are those of the published weights; mmasc does not train this network.
This is the plain and slow definition, from which esresnext_fast.py is made, and with which it is compared.

Papers: Guzhov et al. 2021, "ESResNe(X)t-fbsp", arXiv:2104.11587; Guzhov et al. 2021, "AudioCLIP", arXiv:2106.13043;
Xie et al. 2017, "Aggregated residual transformations" (ResNeXt); Teolis 1998 (complex frequency B-spline wavelets).
"""

import math
from collections.abc import Iterator
from functools import reduce

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Complex64, Float, Float32
from torch import Tensor, nn

N_FFT = 2048  # samples that the transform spans; a frame sits in its middle
WIN_LENGTH = 1654  # samples of a frame: 37.5 ms at 44.1 kHz
HOP_LENGTH = 561  # samples from one frame to the next
N_BINS = N_FFT // 2 + 1  # rows of the transform
N_BANDS = 3  # input channels of the trunk, lowest frequencies first
BAND_BINS = N_BINS // N_BANDS  # 341; the top two bins belong to no band
POWER_FLOOR = 1e-18  # stands for a power of exactly zero: -180 dB; smaller powers are kept as they are
_TIME_OFFSET = 1e-8  # added to the time axis and to the order m, which are divided by
N_POOLED = 2048
# Trunk: blocks of each layer, their channels inside and out, and the gate's kernel
_BLOCKS = (3, 4, 6, 3)
_INNER = (128, 256, 512, 1024)
_OUTER = (256, 512, 1024, 2048)
_GROUPS = 32
_GATE_KERNELS = ((3, 1), (1, 5), (3, 1), (1, 5))


class Fbsp(nn.Module):
    """A bank of complex frequency B-splines with trained order m, bandwidth fb and centre fc, one row per bin.

    Built as the Fourier-like transform m = 0, fb = 1, fc = bin; in trained weights no fc is a whole number. `bias` is
    empty: the published weights name it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.m = nn.Parameter(torch.zeros(N_BINS))
        self.fb = nn.Parameter(torch.ones(N_BINS))
        self.fc = nn.Parameter(torch.arange(N_BINS, dtype=torch.float32))
        self.bias = nn.Parameter(torch.zeros(0))

    def kernel(self) -> Complex64[Tensor, "bin sample"]:
        """sqrt(fb) sinc(fb t / m)^m exp(-i fc t) / sqrt(N), over t in [-pi, pi].

        In float32 and in this order of operations, always on the CPU: fc t reaches 3217 rad, where a
        float32 step is 2.4e-4, and the weights were trained with that rounding. A float64 kernel differs by 2e-5 and
        is another transform.

        Source: arXiv:2104.11587, equations (1) and (2); the division by sqrt(N) is its option `normalized`.
        """
        m, fb, fc = (p.detach().float().cpu()[:, None] for p in (self.m, self.fb, self.fc))
        time = math.pi * torch.linspace(-1, 1, N_FFT, dtype=torch.float32) + _TIME_OFFSET
        x = fb * time / (m + _TIME_OFFSET)
        sinc = torch.where(x == 0, torch.ones(()), torch.sin(x) / x)
        # A negative lobe to a broken power is complex: magnitude and phase (0 or pi) apart
        magnitude = (sinc**2) ** (m / 2)
        phase = torch.atan2(torch.zeros(()), sinc) * m
        real, imaginary = magnitude * torch.cos(phase), magnitude * torch.sin(phase)
        angle = fc * time
        cosine, sine = torch.cos(angle), -torch.sin(angle)
        gain, root = torch.sqrt(fb), math.sqrt(N_FFT)
        return torch.complex(
            gain * (real * cosine - imaginary * sine) / root, gain * (real * sine + imaginary * cosine) / root
        )


def scale_samples(waveforms: Float[Tensor, "batch time"]) -> Float32[Tensor, "batch time"]:
    """16-bit-range samples to about [-1, 1], rounded where the weights' training rounded; zero becomes 1.5e-5."""
    return ((waveforms.float() + 32768) * 2) / 65535 - 1


def frame_samples(waveforms: Float32[Tensor, "batch time"]) -> Float32[Tensor, "batch frame sample"]:
    """Frames of `WIN_LENGTH` samples, a view; zeros at both ends so that every sample is in a frame.

    The odd zero is on the right. A waveform of one window or less is one frame.
    """
    count = waveforms.shape[1]
    n_frames = 1 + max(0, math.ceil((count - WIN_LENGTH) / HOP_LENGTH))
    missing = (n_frames - 1) * HOP_LENGTH + WIN_LENGTH - count
    return F.pad(waveforms, (missing // 2, missing - missing // 2)).unfold(1, WIN_LENGTH, HOP_LENGTH)


def blackman_harris() -> Float32[Tensor, " sample"]:
    """The periodic four-term window of `WIN_LENGTH` samples.

    Source: Harris 1978, "On the use of windows", minimum four-term window (-92 dB).
    """
    angle = 2 * math.pi * torch.arange(WIN_LENGTH, dtype=torch.float64) / WIN_LENGTH
    terms = 0.35875 - 0.48829 * angle.cos() + 0.14128 * (2 * angle).cos() - 0.01168 * (3 * angle).cos()
    return terms.float()


def exact_product(
    a: Float32[Tensor, "*rows inner"], b: Float32[Tensor, "inner column"]
) -> Float32[Tensor, "*rows column"]:
    """A matrix product that TF32 cannot reach: it would move the decibels of quiet bins by 10 dB.

    On CUDA it is worked out in float64, so that no global switch has to be turned.
    """
    return (a.double() @ b.double()).float() if a.device.type == "cuda" else a @ b


def to_decibels(power: Float32[Tensor, "batch frame bin"]) -> Float32[Tensor, "batch band bins frame"]:
    """Power of the bins to decibels, cut into bands; exactly zero is -180 dB."""
    decibels = 10 * torch.where(power > 0, power, POWER_FLOOR).log10()
    used = decibels[..., : N_BANDS * BAND_BINS]
    return rearrange(used, "batch frame (band bins) -> batch band bins frame", band=N_BANDS)


class Bottleneck(nn.Module):
    """1 x 1, grouped 3 x 3, 1 x 1 convolutions and the way past them."""

    def __init__(self, n_in: int, n_inner: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_inner)
        self.conv2 = nn.Conv2d(n_inner, n_inner, 3, stride=stride, padding=1, groups=_GROUPS, bias=False)
        self.bn2 = nn.BatchNorm2d(n_inner)
        self.conv3 = nn.Conv2d(n_inner, n_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(n_out)
        self.downsample: nn.Sequential | None = None
        if stride > 1 or n_in != n_out:
            self.downsample = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Float[Tensor, "batch c_in bins frame"]) -> Float[Tensor, "batch c_out bins2 frame2"]:
        past = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)) + past)


class Gate(nn.Module):
    """Attention of a layer: its *input*, max-pooled to the size of its output, says what to let through."""

    def __init__(self, n_in: int, n_out: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.conv_depth = nn.Conv2d(n_in, n_in, kernel, padding=padding, groups=n_in)
        self.conv_point = nn.Conv2d(n_in, n_out, 1)
        self.bn = nn.BatchNorm2d(n_out)

    def forward(
        self, x: Float[Tensor, "batch c_in bins frame"], size: tuple[int, int]
    ) -> Float[Tensor, "batch c_out bins2 frame2"]:
        """Values in (0, 1) of that size."""
        # Other runtimes have no adaptive pooling; in torch it is the faster of the two
        pool = max_pool_to if torch.compiler.is_compiling() else F.adaptive_max_pool2d
        return torch.sigmoid(self.bn(self.conv_point(self.conv_depth(pool(x, size)))))


def max_pool_to(x: Float[Tensor, "batch c bins frame"], size: tuple[int, int]) -> Float[Tensor, "batch c bins2 frame2"]:
    """Adaptive max pooling, an axis after the other, by operations that every runtime has; equal bit for bit.

    Output i of n is the maximum over floor(i m / n) to ceil((i + 1) m / n) of m inputs.
    """
    for axis, n_out in ((2, size[0]), (3, size[1])):
        n_in = x.shape[axis]
        if n_out == 1:
            x = x.amax(axis, keepdim=True)
        elif n_out != n_in:
            first = [i * n_in // n_out for i in range(n_out)]
            last = [-(-(i + 1) * n_in // n_out) - 1 for i in range(n_out)]
            widest = max(end - begin for begin, end in zip(first, last, strict=True))
            parts = [[min(begin + k, end) for begin, end in zip(first, last, strict=True)] for k in range(widest + 1)]
            pooled = [x.index_select(axis, torch.tensor(part, device=x.device)) for part in parts]
            x = reduce(torch.maximum, pooled)
    return x


class ESResNeXt(nn.Module):
    """16-bit-range samples at 44.1 kHz to feature vectors that are not normalised.

    Args:
        n_classes: Rows of the last layer: 1024 in AudioCLIP, 527 in the network trained on AudioSet alone.
    """

    window: Tensor

    def __init__(self, n_classes: int = 1024) -> None:
        super().__init__()
        self.register_buffer("window", blackman_harris())
        self.fbsp = Fbsp()
        self.conv1 = nn.Conv2d(N_BANDS, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        for number, (n_blocks, n_inner, n_out) in enumerate(zip(_BLOCKS, _INNER, _OUTER, strict=True), 1):
            n_in = 64 if number == 1 else _OUTER[number - 2]
            first = Bottleneck(n_in, n_inner, n_out, 1 if number == 1 else 2)
            rest = [Bottleneck(n_out, n_inner, n_out, 1) for _ in range(n_blocks - 1)]
            self.add_module(f"layer{number}", nn.Sequential(first, *rest))
            self.add_module(f"att{number}", Gate(n_in, n_out, _GATE_KERNELS[number - 1]))
        self.att5 = Gate(N_POOLED, N_POOLED, (3, 5))
        self.fc = nn.Linear(N_POOLED, n_classes)

    def forward(self, waveforms: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch feature"]:
        """Feature vectors; channels are summed inside, so twice the same channel is not that channel.

        Args:
            waveforms: Samples in [-32768, 32767] at 44.1 kHz, any length.
        """
        return self.fc(self.pooled(waveforms))

    def pooled(self, waveforms: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch pooled"]:
        """The 2048 numbers before the last layer, summed over channels."""
        decibels = self.decibels(waveforms)
        vectors = self.pool(rearrange(decibels, "batch channel band bins frame -> (batch channel) band bins frame"))
        return rearrange(vectors, "(batch channel) pooled -> batch channel pooled", batch=len(waveforms)).sum(1)

    def frames(self, waveforms: Float[Tensor, "batch time"]) -> Float32[Tensor, "batch frame sample"]:
        """Scaled, windowed frames."""
        return frame_samples(scale_samples(waveforms)) * self.window

    def decibels(
        self, waveforms: Float[Tensor, "batch channel time"]
    ) -> Float32[Tensor, "batch channel band bins frame"]:
        """The input of the trunk: 3 bands of 341 bins, a frame every 561 samples, in dB without normalisation."""
        with torch.autocast(waveforms.device.type, enabled=False):
            kernel = self.fbsp.kernel().to(waveforms.device)
            frames = self.frames(rearrange(waveforms, "batch channel time -> (batch channel) time"))
            left = (N_FFT - WIN_LENGTH) // 2
            frames = F.pad(frames, (left, N_FFT - WIN_LENGTH - left))
            real, imaginary = exact_product(frames, kernel.real.T), exact_product(frames, kernel.imag.T)
            bands = to_decibels(real**2 + imaginary**2)
            return rearrange(
                bands, "(batch channel) band bins frame -> batch channel band bins frame", batch=len(waveforms)
            )

    def pool(self, decibels: Float[Tensor, "batch band bins frame"]) -> Float[Tensor, "batch pooled"]:
        """The trunk: decibels to 2048 numbers a picture."""
        *_, last = self.stages(decibels)
        return last.flatten(1)

    def stages(
        self, decibels: Float[Tensor, "batch band bins frame"]
    ) -> Iterator[Float[Tensor, "batch c bins2 frame2"]]:
        """What the trunk holds after its stem, its four gated layers, and its gated average pool."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(decibels))), 3, stride=2, padding=1)
        yield x
        for number in range(1, len(_BLOCKS) + 1):
            out = self.get_submodule(f"layer{number}")(x)
            x = out * self.get_submodule(f"att{number}")(x, (out.shape[2], out.shape[3]))
            yield x
        yield F.adaptive_avg_pool2d(x, 1) * self.att5(x, (1, 1))
