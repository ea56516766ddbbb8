"""Both stages at once: the VQ-VAE and what writes its codes from sound learn in the same steps, L = L_E + L_D.

L_E is equation (2), of pictures; L_D what the transformation network and its critic learn from. Their sum is minimised
by a step on each, since no parameter is in both: codes and features of pictures are targets of the sound side and take
no gradient from it, or the encoder could make itself easy to write instead of true to its pictures. That is our
reading; the paper gives the sum alone.

Paper: Liu et al. 2021, "Cross-modal Spectrum Transformation Network for Acoustic Scene Classification", ICASSP.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmasc.devices import ProcessGroup
from mmasc.ivf.losses import picture_loss, vqvae_loss
from mmasc.ivf.pairs import Pairs
from mmasc.storage.tensors import load_tensors
from mmasc.training.ivf.config import ImaginationRun, VqVaeRun
from mmasc.training.ivf.transformation import ImaginationStage
from mmasc.training.schedules import falling_rate
from mmasc.training.stage import Say


class JointStage(ImaginationStage):
    """An `ImaginationStage` whose VQ-VAE goes on learning, from where its own stage left it.

    Args:
        first: Configuration of the VQ-VAE's own stage: its rate and the weight of its commitment term hold here too.
    """

    def __init__(
        self,
        folder: Path,
        config: ImaginationRun,
        vqvae: tuple[Path, VqVaeRun],
        pairs: Pairs,
        sides: tuple[Sequence[int], Sequence[int]],
        device: torch.device,
        processes: ProcessGroup,
        say: Say,
    ) -> None:
        place, self.first = vqvae
        self.variance = float(load_tensors(place / "last.safetensors")[1]["variance"])
        super().__init__(folder, config, place, pairs, sides, device, processes, say)

    def more_parts(self) -> dict[str, Any]:
        """The VQ-VAE and its optimiser."""
        vqvae = self.network.vqvae
        vqvae.encoder.requires_grad_(True)
        vqvae.decoder.requires_grad_(True)
        vqvae.quantizer.requires_grad_(self.first.vqvae.codebook == "gradient")
        self.seeing = [one for one in vqvae.parameters() if one.requires_grad]
        self.vqvae_optimizer = torch.optim.Adam(self.seeing, lr=self.first.learning_rate)
        return {"vqvae/": vqvae, "optimizer-vqvae/": self.vqvae_optimizer}

    def learn_pictures(
        self, pictures: Float[Tensor, "batch 3 size size2"], generator: np.random.Generator
    ) -> dict[str, float]:
        """A step of the VQ-VAE on the pictures of this step: L_E."""
        vqvae, config = self.network.vqvae, self.config
        for group in self.vqvae_optimizer.param_groups:
            group["lr"] = falling_rate(self.step, config.steps, self.first.learning_rate)
        vqvae.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            vectors = vqvae.encoder(pictures)
            quantised = vqvae.quantizer(vectors)
            made = vqvae.decoder(quantised.vectors)
        loss = vqvae_loss(made, pictures, quantised, self.variance, self.first.beta)
        self.vqvae_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.average(self.seeing)
        self.vqvae_optimizer.step()
        if self.first.vqvae.codebook == "ema":
            revival = torch.Generator().manual_seed(int(generator.integers(2**62)))
            vqvae.quantizer.learn(vectors.detach(), quantised.indices, revival, self.processes)
        vqvae.eval()
        return {"loss/picture": float(picture_loss(made.detach(), pictures, self.variance))}
