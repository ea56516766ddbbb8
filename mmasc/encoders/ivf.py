"""Imagined visual features as an encoder: what a sound lets one see, pooled to a vector.

Liu et al. 2021, "Cross-modal spectrum transformation network for acoustic scene classification", ICASSP; weights are
those of a run of `mmasc train ivf`.
"""

from dataclasses import asdict, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mmasc.encoders.base import Encoder
from mmasc.encoders.identity import identity_digest
from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError
from mmasc.ivf.imagination import SOUND, load_imagination


class Ivf(Encoder):
    """Mean and maximum over the cells of the imagined features, 2 D numbers; no text, no pictures.

    Shorter recordings are filled with silence, as in training.
    """

    def __init__(self, spec: EncoderSpec, path: str | None = None, device: str = "cpu") -> None:
        if not path:
            raise MmascError("ivf has no weights of its own: train a run with mmasc train ivf and name it, ivf:RUN")
        super().__init__(spec, path, device)
        self.network = load_imagination(path).to(self.device)
        config = self.network.config
        if abs(spec.window_seconds - config.window_seconds) > 1e-9 and spec.window_seconds != IVF_WINDOW_SECONDS:
            raise MmascError(f"ivf:{path} was trained on windows of {config.window_seconds:g} s; leave out --window")
        self.spec = replace(spec, window_seconds=config.window_seconds, dim=2 * config.vqvae.dim)
        constants = {"sound": asdict(SOUND), "imagination": asdict(config), "pooling": "mean, maximum"}
        # The decoder and the encoder of pictures do not shape a vector
        state = {
            name: tensor
            for name, tensor in self.network.state_dict().items()
            if not name.startswith(("vqvae.decoder.", "vqvae.encoder."))
        }
        self.identity = identity_digest(self.spec, state, constants)

    def parameter_counts(self) -> tuple[int, int]:
        """Parameters (all of them, frozen here), and all numbers of the state dict."""
        numbers = sum(tensor.numel() for tensor in self.network.state_dict().values())
        return sum(one.numel() for one in self.network.parameters()), numbers

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        features = self.network.features(waveforms)
        return torch.cat([features.mean((2, 3)), features.amax((2, 3))], dim=1)


# What the registry says of the window before a run is known
IVF_WINDOW_SECONDS = 0.96
