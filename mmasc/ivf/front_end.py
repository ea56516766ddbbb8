"""Imagined visual features as features of supervised networks: `--features ivf:RUN`, with what imagines frozen.

Liu et al. 2021, ICASSP, section 2.3: the classifier hears looked-up vectors, the transformation network and the
codebook stay as they are.
"""

from dataclasses import asdict
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.features.base import FrontEnd
from mmasc.ivf.imagination import SOUND, load_imagination
from mmasc.storage.digests import state_digest
from mmasc.windows.cut import window_starts

# Networks halve their input four times; a smaller grid is enlarged by repeating its cells
_LEAST_CELLS = 16


class IvfFrontEnd(FrontEnd):
    """Windows without overlap (the last moved back to end with the sound), the grids of each behind one another.

    Attributes:
        n_features: D, numbers of a codebook vector.
        n_bands: Cells a side of a grid, repeated to be at least 16.

    Args:
        path: Run of `mmasc train ivf`.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        # Outside the modules: its weights are neither trained nor saved with those of the classifier
        self._frozen = [load_imagination(path)]
        config = self._frozen[0].config
        self.sample_rate, self.n_features = SOUND.sample_rate, config.vqvae.dim
        self._repeat = -(-_LEAST_CELLS // config.vqvae.cells)
        self.n_bands = config.vqvae.cells * self._repeat
        self._window = config.window_samples

    def forward(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch number frame band"]:
        """Imagined features, `[batch (channel D) (window cell) cell]`; shorter sounds are filled with silence."""
        network = self._frozen[0].to(waveforms.device)
        batch, n_samples = len(waveforms), waveforms.shape[2]
        starts = window_starts(n_samples, self._window, self._window / self.sample_rate, self.sample_rate)
        padded = F.pad(waveforms, (0, max(0, self._window - n_samples)))
        windows = torch.stack([padded[..., start : start + self._window] for start in starts], dim=2)
        with torch.no_grad(), torch.autocast(waveforms.device.type, enabled=False):
            flat = rearrange(windows, "batch channel window time -> (batch channel window) time").float()
            # One by one on a CPU: features do not depend on neighbours
            grids = torch.cat([network.features(item) for item in flat.split(1 if flat.device.type == "cpu" else 64)])
        features = rearrange(
            grids,
            "(batch channel window) dim row column -> batch (channel dim) (window row) column",
            batch=batch,
            window=len(starts),
        )
        return features.repeat_interleave(self._repeat, 2).repeat_interleave(self._repeat, 3)

    def n_frames(self, n_samples: int) -> int:
        """Rows of all windows' grids."""
        starts = window_starts(n_samples, self._window, self._window / self.sample_rate, self.sample_rate)
        return len(starts) * self.n_bands

    def constants(self) -> dict[str, Any]:
        """What shapes the features: configuration and digest of the weights."""
        network = self._frozen[0]
        # Version 0.1.0 named weights so: what an encoder of this rate and window would say of itself
        policy = {
            "sample_rate": self.sample_rate,
            "window_seconds": network.config.window_seconds,
            "dim": self.n_features,
            "padding": "zeros",
            "minimum_seconds": 0.0,
            "amplitude": "[-1, 1]",
        }
        return {"imagination": asdict(network.config), "weights": state_digest(policy, network.state_dict(), {})}
