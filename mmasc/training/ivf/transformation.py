"""The second stage: the transformation network learns to write a frame's codes from its sound, before a critic."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from mmasc.devices import ProcessGroup
from mmasc.errors import MmascError
from mmasc.ivf.critic import Critic
from mmasc.ivf.imagination import (
    Imagination,
    ImaginationConfig,
    from_bytes,
    imagination_config,
    load_weights,
    save_imagination,
    to_bytes,
)
from mmasc.ivf.losses import critic_loss, gradient_penalty, imagination_loss
from mmasc.ivf.pairs import Pair, Pairs
from mmasc.storage.tensors import load_tensors
from mmasc.training.ivf.config import ADAM, ImaginationRun
from mmasc.training.ivf.stage import PairStage, contact_sheet
from mmasc.training.schedules import falling_rate
from mmasc.training.stage import Say

_MOST_SOURCES = 400
_PICTURES = 12


class Seen(NamedTuple):
    """What pictures are to the transformation network: their codes, and the features that the critic holds real."""

    indices: Int[Tensor, "batch height width"]
    features: Float[Tensor, "batch dim height width"]


class ImaginationStage(PairStage):
    """State of a transformation network and its critic in training; the VQ-VAE stays as it is."""

    name = "ivf"

    def __init__(
        self,
        folder: Path,
        config: ImaginationRun,
        vqvae: Path,
        pairs: Pairs,
        sides: tuple[Sequence[int], Sequence[int]],
        device: torch.device,
        processes: ProcessGroup,
        say: Say,
    ) -> None:
        super().__init__(folder, config, pairs, device, processes, say)
        self.learned, self.held = list(sides[0]), list(sides[1]) or list(sides[0])
        tensors, about = load_tensors(vqvae / "last.safetensors")
        if about.get("kind") != "mmasc-vqvae":
            raise MmascError(f"{vqvae} holds no VQ-VAE of mmasc train vqvae; start a new run")
        sizes = imagination_config({"vqvae": about.get("vqvae")}, str(vqvae / "last.safetensors")).vqvae
        made = ImaginationConfig(config.variant, sizes, config.transformation, config.window_seconds)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = Imagination(made)
            self.critic = Critic(sizes.dim, config.critic).to(device)
        load_weights(self.network.vqvae, tensors, vqvae / "last.safetensors")
        self.network.vqvae.requires_grad_(False)
        self._measure_sounds()
        self.network.to(device)
        rate, betas = ADAM[config.adam]
        self.rate = config.learning_rate or rate
        self.trained = list(self.network.transformation.parameters())
        self.optimizer = torch.optim.Adam(self.trained, lr=self.rate, betas=betas)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=rate, betas=betas)
        self.parts = {
            "transformation/": self.network.transformation,
            "critic/": self.critic,
            "optimizer-transformation/": self.optimizer,
            "optimizer-critic/": self.critic_optimizer,
        } | self.more_parts()
        self.restore()

    def more_parts(self) -> dict[str, Any]:
        """What else learns here and is kept to continue from, by the prefix of its names."""
        return {}

    def learn_pictures(
        self, pictures: Float[Tensor, "batch 3 size size2"], generator: np.random.Generator
    ) -> dict[str, float]:
        """Let the VQ-VAE learn from the pictures of a step; here it stays as it is."""
        return {}

    def step_on_pairs(self, generator: np.random.Generator) -> dict[str, float]:
        """The critic's steps, each on pairs of its own, then one of the transformation network, on the last ones."""
        config, network = self.config, self.network
        rate = falling_rate(self.step, config.steps, self.rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        windows, pictures = self._tensors(self.draw(self.learned, config.batch, generator))
        learned = self.learn_pictures(pictures, generator)
        seen = self._see(pictures)
        network.train()
        network.vqvae.eval()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            written = network(windows)
        written = written.float()
        imagined = self._imagined(written)
        values = self._train_critic(seen.features, imagined.detach(), generator) if config.critic_weight else {}
        if config.variant == "index":
            losses = {"loss/cross_entropy": F.cross_entropy(written, seen.indices)}
        else:
            losses = {"loss/squared_error": F.mse_loss(written, seen.features)}
        if config.critic_weight:
            losses["loss/critic"] = config.critic_weight * imagination_loss(self.critic(imagined))
        loss = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.average(self.trained)
        self.optimizer.step()
        right = (network.indices_of(written.detach()) == seen.indices).float().mean()
        values |= learned | {name: float(value.detach()) for name, value in losses.items()}
        return {"loss": float(loss.detach()), **values, "right_indices": float(right), "learning_rate": rate}

    def validate(self) -> dict[str, float]:
        """Of held-back sources, the window around their middle frame.

        Returns:
            right_indices: share of cells with the frame's own code. right_frame: share of sounds whose imagined
            features lie nearest (Euclid) to those of their own frame among all held back. right_class: nearest to a
            frame of their own label (where there are labels). psnr_db: of the imagined picture against the frame.
        """
        network = self.network.eval()
        chosen = [self.held[int(n)] for n in np.linspace(0, len(self.held) - 1, min(len(self.held), _MOST_SOURCES))]
        labels = np.array([self.pairs.sources[source].label for source in chosen])
        right, imagined, real, errors = [], [], [], []
        with torch.inference_mode():
            for first in range(0, len(chosen), 32):
                part = [self.pairs.middle(source) for source in chosen[first : first + 32]]
                windows, pictures = self._tensors(part)
                seen, written = self._see(pictures), network(windows)
                right.append((network.indices_of(written) == seen.indices).float().mean((1, 2)))
                features = network.features_of(written)
                imagined.append(features.flatten(1))
                real.append(seen.features.flatten(1))
                errors.append((network.vqvae.decoder(features).clamp(-1, 1) - pictures).square().mean((1, 2, 3)))
        nearest = torch.cdist(torch.cat(imagined), torch.cat(real)).argmin(1).cpu().numpy()
        figures = {
            "right_indices": float(torch.cat(right).mean()),
            "right_frame": float((nearest == np.arange(len(chosen))).mean()),
            "psnr_db": float(10 * torch.log10(4 / torch.cat(errors).mean())),
        }
        if labels.all():
            figures["right_class"] = float((labels[nearest] == labels).mean())
        return figures

    def export(self) -> None:
        """Everything that use needs: both networks and the measures of the sounds."""
        save_imagination(self.folder / "last.safetensors", self.network, {"step": self.step})

    def draw_pictures(self, path: Path) -> None:
        """Frames held back, what the decoder makes of their codes, and what is imagined from their sound alone."""
        network = self.network.eval()
        windows, pictures = self._tensors([self.pairs.middle(source) for source in self.held[:_PICTURES]])
        with torch.inference_mode():
            made = network.vqvae(pictures)[0]
            imagined = network.pictures(windows)
        rows = [to_bytes(pictures), to_bytes(made), imagined]
        contact_sheet(path, [row.cpu().numpy() for row in rows])

    def _see(self, pictures: Float[Tensor, "batch 3 size size2"]) -> Seen:
        vqvae = self.network.vqvae
        with torch.no_grad():
            vectors = vqvae.encoder(pictures).float()
            indices = vqvae.quantizer.nearest(vectors)
            return Seen(indices, vectors if self.config.variant == "no-vq" else vqvae.quantizer.lookup(indices))

    def _imagined(self, written: Float[Tensor, "batch output height width"]) -> Float[Tensor, "batch dim height width"]:
        """Imagined features that a gradient goes through."""
        codebook = self.network.vqvae.quantizer.codebook.detach()
        if self.config.variant == "no-vq":
            return written
        if self.config.variant == "q":
            return written + (self.network.features_of(written.detach()) - written).detach()
        soft = einsum(written.softmax(1), codebook, "batch code height width, code dim -> batch dim height width")
        if self.config.imagined == "soft":
            return soft
        return soft + (self.network.features_of(written.detach()) - soft).detach()

    def _train_critic(
        self,
        last_real: Float[Tensor, "batch dim height width"],
        last_fake: Float[Tensor, "batch dim height width"],
        generator: np.random.Generator,
    ) -> dict[str, float]:
        """The critic's steps (Gulrajani et al. 2017, algorithm 1); figures of the last one."""
        config, means = self.config, dict[str, float]()
        for number in range(config.critic_steps):
            last = number == config.critic_steps - 1
            real, fake = (last_real, last_fake) if last else self._real_and_fake(generator)
            weight = torch.rand(len(real), device=real.device)
            penalty = gradient_penalty(self.critic, real, fake, weight)
            real_scores, fake_scores = self.critic(real), self.critic(fake)
            loss = critic_loss(real_scores, fake_scores, penalty, config.penalty)
            self.critic_optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.average(self.critic.parameters())
            self.critic_optimizer.step()
            means = {
                "critic/loss": float(loss.detach()),
                "critic/distance": float((real_scores.mean() - fake_scores.mean()).detach()),
                "critic/gradient_penalty": float(penalty.detach()),
            }
        return means

    @torch.no_grad()
    def _real_and_fake(
        self, generator: np.random.Generator
    ) -> tuple[Float[Tensor, "batch dim height width"], Float[Tensor, "batch dim height width"]]:
        """Features of the pictures of new pairs, and those imagined to their sounds."""
        windows, pictures = self._tensors(self.draw(self.learned, self.config.batch, generator))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            written = self.network(windows)
        return self._see(pictures).features, self._imagined(written.float())

    def _tensors(
        self, pairs: Sequence[Pair]
    ) -> tuple[Float[Tensor, "batch time"], Float[Tensor, "batch 3 size size2"]]:
        windows = torch.from_numpy(np.stack([pair.window for pair in pairs])).to(self.device)
        pictures = from_bytes(torch.from_numpy(np.stack([pair.frame for pair in pairs])).to(self.device))
        return windows, pictures

    def _measure_sounds(self) -> None:
        """Mean and deviation of the log-mel of the middle windows that are learned from."""
        chosen = [
            self.learned[int(n)] for n in np.linspace(0, len(self.learned) - 1, min(len(self.learned), _MOST_SOURCES))
        ]
        windows = np.stack([self.pairs.middle(source).window for source in chosen])
        with torch.inference_mode():
            log_mel = self.network.log_mel(torch.from_numpy(windows))
        self.network.log_mel_mean.fill_(float(log_mel.mean()))
        self.network.log_mel_deviation.fill_(max(float(log_mel.std()), 1e-3))
