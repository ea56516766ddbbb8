"""The first stage of imagined visual features: a VQ-VAE learns to write frames with a codebook."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from mmasc.devices import ProcessGroup
from mmasc.ivf.imagination import from_bytes, to_bytes
from mmasc.ivf.losses import peak_signal_to_noise, picture_loss, vqvae_loss
from mmasc.ivf.pairs import Pairs
from mmasc.ivf.vqvae import Quantised, VqVae, code_use
from mmasc.storage.tensors import save_tensors
from mmasc.training.ivf.config import VqVaeRun
from mmasc.training.ivf.stage import PairStage, contact_sheet
from mmasc.training.schedules import falling_rate
from mmasc.training.stage import Say

# Frames that the variance and the figures are taken from, at most
_MOST_FRAMES = 1_000
_PICTURES = 12
# Of pictures without any difference
_LEAST_VARIANCE = 1e-6
# Batches that k-means begins from
_KMEANS_BATCHES = 8
# A perplexity below this, of at least 8 codes, is a collapse: nearly every cell has the same code
_COLLAPSED = 1.5


class VqVaeStage(PairStage):
    """State of a VQ-VAE in training."""

    name = "vqvae"

    def __init__(
        self,
        folder: Path,
        config: VqVaeRun,
        pairs: Pairs,
        sides: tuple[Sequence[int], Sequence[int]],
        device: torch.device,
        processes: ProcessGroup,
        say: Say,
    ) -> None:
        super().__init__(folder, config, pairs, device, processes, say)
        self.learned, self.held = list(sides[0]), list(sides[1]) or list(sides[0])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = VqVae(config.vqvae).to(device).to(memory_format=torch.channels_last)
        self.variance = max(self._variance(), _LEAST_VARIANCE)
        self.trained = [one for one in self.network.parameters() if one.requires_grad]
        self.optimizer = torch.optim.Adam(self.trained, lr=config.learning_rate)
        self.parts = {"network/": self.network, "optimizer-network/": self.optimizer}
        self._said_collapse = False
        self.restore()

    def step_on_pairs(self, generator: np.random.Generator) -> dict[str, float]:
        """One batch of frames; before the codebook begins, vectors go to the decoder as they are."""
        config, network = self.config, self.network
        if self.step == config.warm_steps:
            self._begin_codebook()
        rate = falling_rate(self.step, config.steps, config.learning_rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        frames = np.stack([pair.frame for pair in self.draw(self.learned, config.batch, generator)])
        pictures = from_bytes(torch.from_numpy(frames).to(self.device)).contiguous(memory_format=torch.channels_last)
        network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            vectors = network.encoder(pictures)
            quantised = self._unquantised(vectors) if self.step < config.warm_steps else network.quantizer(vectors)
            made = network.decoder(quantised.vectors)
        loss = vqvae_loss(made, pictures, quantised, self.variance, config.beta)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.average(self.trained)
        self.optimizer.step()
        if self.step >= config.warm_steps and config.vqvae.codebook == "ema":
            self._learn_codebook(vectors, quantised, generator)
        return {
            "loss": float(loss.detach()),
            "loss/picture": float(picture_loss(made.detach(), pictures, self.variance)),
            "loss/commitment": float(quantised.commitment_loss.detach()),
            "learning_rate": rate,
        }

    def validate(self) -> dict[str, float]:
        """Of held-back sources' middle frames: PSNR in dB, perplexity, and the share of codes in use."""
        self.network.eval()
        errors, indices = [], []
        with torch.inference_mode():
            for part in self._middle_frames(self.held):
                pictures = part.to(self.device)
                made, quantised = self.network(pictures)
                errors.append((made.clamp(-1, 1) - pictures).square().mean((1, 2, 3)).cpu())
                indices.append(quantised.indices.cpu())
            learned = [self.network.indices(part.to(self.device)).cpu() for part in self._middle_frames(self.learned)]
        error = torch.cat(errors).mean()
        perplexity, used = code_use(torch.cat([*indices, *learned]), self.config.vqvae.codes)
        figures = {
            "psnr_db": peak_signal_to_noise_of(error),
            "perplexity": perplexity,
            "codes_used": used,
        }
        if self._collapsed(figures) and not self._said_collapse:
            self._said_collapse = True
            self.say(_collapse_line(self.folder, used, self.config.vqvae.codes))
        return figures

    def export(self) -> None:
        """Weights, configuration and how far it is."""
        about = {
            "kind": "mmasc-vqvae",
            "vqvae": asdict(self.config.vqvae),
            "step": self.step,
            "variance": self.variance,
        }
        save_tensors(self.folder / "last.safetensors", self.network.state_dict(), about)

    def draw_pictures(self, path: Path) -> None:
        """Above frames held back, below what the decoder makes of their codes."""
        self.network.eval()
        pictures = next(self._middle_frames(self.held[:_PICTURES])).to(self.device)
        with torch.inference_mode():
            made, _ = self.network(pictures)
        contact_sheet(path, [to_bytes(pictures).cpu().numpy(), to_bytes(made).cpu().numpy()])

    def _collapsed(self, figures: dict[str, float]) -> bool:
        begun = self.step > self.config.warm_steps
        return begun and self.config.vqvae.codes >= 8 and figures["perplexity"] < _COLLAPSED

    def _variance(self) -> float:
        """Of all pixels of the middle frames that are learned from, in [-1, 1]."""
        count, total, squares = 0, 0.0, 0.0
        for part in self._middle_frames(self.learned):
            count, total = count + part.numel(), total + float(part.double().sum())
            squares += float(part.double().square().sum())
        return squares / count - (total / count) ** 2

    def _middle_frames(self, sources: Sequence[int]) -> Iterator[Float[Tensor, "source 3 size size2"]]:
        """The middle frames of sources, of evenly chosen ones where there are many; 64 at a time."""
        chosen = [sources[int(n)] for n in np.linspace(0, len(sources) - 1, min(len(sources), _MOST_FRAMES))]
        for first in range(0, len(chosen), 64):
            frames = [self.pairs.middle(source).frame for source in chosen[first : first + 64]]
            yield from_bytes(torch.from_numpy(np.stack(frames)))

    def _unquantised(self, vectors: Float[Tensor, "batch dim height width"]) -> Quantised:
        nothing = vectors.new_zeros(())
        return Quantised(vectors, torch.zeros_like(vectors[:, 0], dtype=torch.long), nothing, nothing)

    @torch.no_grad()
    def _begin_codebook(self) -> None:
        """k-means on what the encoder writes now; the same batches in every process."""
        chosen = np.random.default_rng([self.config.seed, self.step])
        self.network.eval()
        parts = []
        for _ in range(_KMEANS_BATCHES):
            numbers = chosen.integers(len(self.learned), size=self.config.batch)
            frames = [self.pairs.draw(self.learned[int(number)], chosen).frame for number in numbers]
            pictures = from_bytes(torch.from_numpy(np.stack(frames)).to(self.device))
            parts.append(
                rearrange(self.network.encoder(pictures).float(), "b dim height width -> (b height width) dim")
            )
        generator = torch.Generator().manual_seed(self.config.seed)
        self.network.quantizer.begin(torch.cat(parts).cpu(), generator)

    def _learn_codebook(
        self, vectors: Float[Tensor, "batch dim height width"], quantised: Quantised, generator: np.random.Generator
    ) -> None:
        revival = torch.Generator().manual_seed(int(generator.integers(2**62)))
        self.network.quantizer.learn(vectors, quantised.indices, revival, self.processes)


def peak_signal_to_noise_of(error: Float[Tensor, ""]) -> float:
    """PSNR in dB of a mean squared error of pictures in [-1, 1]."""
    return peak_signal_to_noise(error.sqrt().reshape(1, 1, 1, 1).expand(1, 3, 1, 1), torch.zeros(1, 3, 1, 1))


def _collapse_line(folder: Path, used: float, codes: int) -> str:
    return (
        f"the codebook of {folder} has collapsed: {round(used * codes)} of {codes} codes carry nearly everything; "
        "start a new run with a lower --learning-rate, fewer --codes, or the codebook rule that revives codes (ema)"
    )
