"""YAMNet's front end: VGGish's bands with a smaller offset, of a waveform that zeros fill up to whole patches.

Source: tensorflow/models, research/audioset/yamnet/features.py and params.py: 64 bands of magnitude from 125 to
7,500 Hz, ln(x + 0.001), 96 frames of 10 ms a patch, a patch every 48 frames; the last patch is filled with zeros.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mmasc.features.log_mel_config import LogMelConfig
from mmasc.features.vggish import VggishFrontEnd

PATCH_FRAMES = 96
PATCH_HOP_FRAMES = 48


class YamnetFrontEnd(VggishFrontEnd):
    """Log-mel bands of as many frames as whole patches have: 96, 144, 192 ...

    Args:
        config: Configuration with `centre` and `norm` None.
    """

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__(config)
        # 0.975 s: 96 windows of 25 ms every 10 ms
        self.patch_samples = config.win_length + (PATCH_FRAMES - 1) * config.hop_length
        self.minimum_samples = 1
        self.patch_hop_samples = PATCH_HOP_FRAMES * config.hop_length

    def n_frames(self, n_samples: int) -> int:
        """96 + 48 for each further patch."""
        return super().n_frames(n_samples + self._missing(n_samples))

    def _missing(self, n_samples: int) -> int:
        """Zeros up to the end of the last patch; every sample lies in a patch."""
        beyond = n_samples - self.patch_samples
        return -beyond if beyond < 0 else -beyond % self.patch_hop_samples

    def _padded(self, waveforms: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch channel padded"]:
        return super()._padded(F.pad(waveforms, (0, self._missing(waveforms.shape[2]))))
