"""A VQ-VAE of pictures: an encoder to a grid of cells, the nearest vector of a codebook for each, and a decoder.

Papers: van den Oord et al. 2017, "Neural discrete representation learning", arXiv:1711.00937 (network, equations 1-3);
Liu et al. 2021, ICASSP, equations (1) and (2); Razavi et al. 2019, arXiv:1906.00446, appendix (moving averages);
Dhariwal et al. 2020, arXiv:2005.00341, section 3.1 (codes that nobody uses begin again at random inputs).
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from mmasc.devices import ProcessGroup

CodebookRule = Literal["ema", "gradient"]


@dataclass(frozen=True)
class VqVaeConfig:
    """A VQ-VAE.

    Attributes:
        size: Height and width of pictures in pixels.
        halvings: How often the encoder halves them; the grid has size / 2 ** halvings cells a side.
        hidden: Channels inside.
        residual_hidden: Channels inside residual blocks.
        residual_blocks: How many on either side.
        codes: K, vectors of the codebook.
        dim: D, length of a vector.
        codebook: "ema" moves vectors to the mean of what chose them; "gradient" by the codebook term of equation (2).
        decay: Decay of the moving averages.
        revive_below: With "ema", a code that fewer vectors a step choose than this begins again at one of the batch.
    """

    size: int = 64
    halvings: int = 3
    hidden: int = 128
    residual_hidden: int = 32
    residual_blocks: int = 2
    codes: int = 512
    dim: int = 64
    codebook: CodebookRule = "ema"
    decay: float = 0.99
    revive_below: float = 0.02

    def __post_init__(self) -> None:
        if self.codebook not in ("ema", "gradient"):
            raise ValueError(f"codebook must be one of ['ema', 'gradient'], got {self.codebook!r}")
        if not 1 <= self.halvings <= 8 or self.size % 2**self.halvings:
            raise ValueError(f"size must be a multiple of 2 ** halvings, got {self.size} and {self.halvings}")
        if self.codes < 2 or self.dim < 1 or not 0 < self.decay < 1:
            raise ValueError(f"codes >= 2, dim >= 1, 0 < decay < 1 must hold, got {self.codes} {self.dim} {self.decay}")

    @property
    def cells(self) -> int:
        """Cells a side of the grid."""
        return self.size // 2**self.halvings


def fitting_halvings(size: int) -> int:
    """Halvings that leave 8 x 8 cells of pictures up to 128 pixels, and 16 x 16 of larger ones.

    More cells than some hundreds are too many to be told from a sound.
    """
    return max(1, round(math.log2(size / (8 if size <= 128 else 16))))


class Quantised(NamedTuple):
    """What the codebook makes of vectors.

    Attributes:
        vectors: Codebook vectors; the gradient goes straight through to what was quantised.
        indices: Which ones.
        codebook_loss: Squared distance to the vectors that came in, which do not feel it ("gradient"); 0 with "ema".
        commitment_loss: The same distance, felt by the vectors that came in alone.
    """

    vectors: Float[Tensor, "batch dim height width"]
    indices: Int[Tensor, "batch height width"]
    codebook_loss: Float[Tensor, ""]
    commitment_loss: Float[Tensor, ""]


class Quantizer(nn.Module):
    """A codebook and the rule by which it learns.

    The codebook begins with k-means on the first batch that it sees in training (`begin`); before that it is noise.

    Args:
        config: Number, length and rule.
    """

    codebook: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, config: VqVaeConfig) -> None:
        super().__init__()
        self.config = config
        noise = torch.randn(config.codes, config.dim) / config.dim**0.5
        if config.codebook == "gradient":
            self.codebook = nn.Parameter(noise)
        else:
            self.register_buffer("codebook", noise)
            self.register_buffer("counts", torch.ones(config.codes))
            self.register_buffer("sums", noise.clone())

    def forward(self, vectors: Float[Tensor, "batch dim height width"]) -> Quantised:
        """Nearest codebook vectors (equation 1) and the last two terms of equation (2), float32 always."""
        with torch.autocast(vectors.device.type, enabled=False):
            vectors = vectors.float()
            indices = self.nearest(vectors)
            found = self.lookup(indices)
            if self.config.codebook == "gradient":
                codebook_loss = F.mse_loss(found, vectors.detach())
            else:
                codebook_loss = vectors.new_zeros(())
            commitment_loss = F.mse_loss(vectors, found.detach())
            straight = vectors + (found - vectors).detach()
            return Quantised(straight, indices, codebook_loss, commitment_loss)

    def nearest(self, vectors: Float[Tensor, "batch dim height width"]) -> Int[Tensor, "batch height width"]:
        """Index of the nearest codebook vector by Euclid; of equally near ones the first."""
        height, width = vectors.shape[2:]
        flat = rearrange(vectors.detach(), "batch dim height width -> (batch height width) dim")
        # |v - e|^2 without |v|^2, which is the same for all codes
        distances = self.codebook.detach().square().sum(1) - 2 * flat @ self.codebook.detach().T
        return rearrange(distances.argmin(1), "(batch height width) -> batch height width", height=height, width=width)

    def lookup(self, indices: Int[Tensor, "batch height width"]) -> Float[Tensor, "batch dim height width"]:
        """Codebook vectors of a grid of indices."""
        return rearrange(F.embedding(indices, self.codebook), "batch height width dim -> batch dim height width")

    @torch.no_grad()
    def begin(self, vectors: Float[Tensor, "item dim"], generator: torch.Generator, rounds: int = 10) -> None:
        """k-means; the first centres are drawn one by one, far from those before (k-means++).

        Pictures are mostly ground, so centres drawn evenly would nearly all be the same.

        Source: Arthur and Vassilvitskii 2007, "k-means++: the advantages of careful seeding".
        """
        centres = vectors[torch.randint(len(vectors), (1,), generator=generator)]
        apart = (vectors - centres).square().sum(1)
        for _ in range(self.config.codes - 1):
            chances = apart if float(apart.sum()) > 0 else torch.ones_like(apart)
            drawn = vectors[torch.multinomial(chances, 1, generator=generator)]
            centres = torch.cat([centres, drawn])
            apart = torch.minimum(apart, (vectors - drawn).square().sum(1))
        for _ in range(rounds):
            nearest = (centres.square().sum(1) - 2 * vectors @ centres.T).argmin(1)
            counts = torch.bincount(nearest, minlength=len(centres))
            sums = torch.zeros_like(centres).index_add_(0, nearest, vectors)
            centres = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], centres)
        self.codebook.copy_(centres)
        if self.config.codebook == "ema":
            self.counts.fill_(1.0)
            self.sums.copy_(centres)

    @torch.no_grad()
    def learn(
        self,
        vectors: Float[Tensor, "batch dim height width"],
        indices: Int[Tensor, "batch height width"],
        generator: torch.Generator,
        processes: ProcessGroup | None = None,
    ) -> int:
        """Move the codebook by moving averages ("ema" only) and revive what is not used.

        Args:
            vectors: Vectors of this process's part of the batch.
            indices: What they chose.
            generator: Chooses the vectors that dead codes begin again at; where there are several processes, that of
                the first does.
            processes: All processes; they move and revive alike.
        Returns:
            How many codes began again.
        Source: van den Oord et al. 2017, appendix A.1.
        """
        flat = rearrange(vectors.detach().float(), "batch dim height width -> (batch height width) dim")
        chosen, decay = indices.flatten(), self.config.decay
        counts = torch.bincount(chosen, minlength=self.config.codes).to(flat)
        self.counts.mul_(decay).add_(counts, alpha=1 - decay)
        self.sums.mul_(decay).index_add_(0, chosen, flat, alpha=1 - decay)
        processes = processes or ProcessGroup()
        # The mean of moving averages is the moving average of the mean
        self.counts.copy_(processes.mean(self.counts))
        self.sums.copy_(processes.mean(self.sums))
        dead = self.counts < self.config.revive_below
        n_dead = int(dead.sum())
        if n_dead:
            drawn = torch.randint(len(flat), (n_dead,), generator=generator).to(flat.device)
            self.sums[dead], self.counts[dead] = processes.broadcast(flat[drawn]), 1.0
        self.codebook.copy_(self.sums / self.counts.clamp_min(1e-5)[:, None])
        return n_dead


class ResidualBlock(nn.Module):
    """ReLU, 3 x 3, ReLU, 1 x 1, without biases, added to what came in."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, hidden, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch channel height width"]:
        return x + self.conv2(self.conv1(x.relu()).relu())


class PictureEncoder(nn.Module):
    """Pictures to a grid of vectors: strided 4 x 4 convolutions, one for each halving, and residual blocks."""

    def __init__(self, config: VqVaeConfig) -> None:
        super().__init__()
        widths = [3, config.hidden // 2] + [config.hidden] * (config.halvings - 1)
        self.halvings = nn.ModuleList(
            nn.Conv2d(c_in, c_out, 4, stride=2, padding=1) for c_in, c_out in pairwise(widths)
        )
        self.conv = nn.Conv2d(widths[-1], config.hidden, 3, padding=1)
        self.residual = _residual(config)
        self.project = nn.Conv2d(config.hidden, config.dim, 1)

    def forward(self, pictures: Float[Tensor, "batch 3 size size2"]) -> Float[Tensor, "batch dim height width"]:
        """Pictures around [-1, 1] to vectors that are not quantised yet."""
        x = pictures
        for conv in self.halvings:
            x = conv(x).relu()
        return self.project(self.residual(self.conv(x)).relu())


class PictureDecoder(nn.Module):
    """A grid of vectors back to pictures: the encoder's mirror."""

    def __init__(self, config: VqVaeConfig) -> None:
        super().__init__()
        self.conv = nn.Conv2d(config.dim, config.hidden, 3, padding=1)
        self.residual = _residual(config)
        last = config.hidden // 2 if config.halvings > 1 else config.hidden
        widths = [config.hidden] * (config.halvings - 1) + [last, 3]
        self.doublings = nn.ModuleList(
            nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1) for c_in, c_out in pairwise(widths)
        )

    def forward(self, vectors: Float[Tensor, "batch dim height width"]) -> Float[Tensor, "batch 3 size size2"]:
        """Vectors to pictures around [-1, 1]."""
        x = self.residual(self.conv(vectors)).relu()
        for number, conv in enumerate(self.doublings):
            x = conv(x) if number == len(self.doublings) - 1 else conv(x).relu()
        return x


class VqVae(nn.Module):
    """Encoder, codebook, decoder.

    Args:
        config: Its sizes.
    """

    def __init__(self, config: VqVaeConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.quantizer, self.decoder = PictureEncoder(config), Quantizer(config), PictureDecoder(config)

    def forward(
        self, pictures: Float[Tensor, "batch 3 size size2"]
    ) -> tuple[Float[Tensor, "batch 3 size size2"], Quantised]:
        """Pictures again, and what the codebook made of them on the way."""
        quantised = self.quantizer(self.encoder(pictures))
        return self.decoder(quantised.vectors), quantised

    def indices(self, pictures: Float[Tensor, "batch 3 size size2"]) -> Int[Tensor, "batch height width"]:
        """Codebook indices of pictures: what the sound side learns to write."""
        return self.quantizer.nearest(self.encoder(pictures).float())

    def pictures(self, indices: Int[Tensor, "batch height width"]) -> Float[Tensor, "batch 3 size size2"]:
        """Pictures of codebook indices."""
        return self.decoder(self.quantizer.lookup(indices))


def code_use(indices: Int[Tensor, "*batch height width"], codes: int) -> tuple[float, float]:
    """Perplexity of the codes, and the share of them in use.

    Returns:
        exp of the entropy of how often each code is chosen (1: always the same; `codes`: all alike), and how many of
        `codes` are chosen at all, as a share.
    """
    shares = torch.bincount(indices.flatten(), minlength=codes).double()
    shares = shares / shares.sum()
    entropy = -(shares * shares.clamp_min(1e-300).log()).sum()
    return float(entropy.exp()), float((shares > 0).double().mean())


def _residual(config: VqVaeConfig) -> nn.Sequential:
    blocks = (ResidualBlock(config.hidden, config.residual_hidden) for _ in range(config.residual_blocks))
    return nn.Sequential(*blocks)
