"""The front end of Akiyama's tagger: log-mel of 80 dB at most, standardised over the whole clip.

What comes out depends on the whole clip: its loudest band sets the floor, and one mean and one deviation are taken
over all bands and frames. The decibels are librosa's `power_to_db` with its defaults.

Source: Akiyama and Sato 2019, "Multitask Learning and Semisupervised Learning with Noisy Data for Audio Tagging";
official code OsciiArt/Freesound-Audio-Tagging-2019 (MIT).
"""

from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.features.base import LogMelFrontEnd
from mmasc.features.log_mel_config import LogMelConfig

# 127.1 frames a second
TAGGING = LogMelConfig(44_100, 2560, 2560, 347, 128, 20.0, 22_050.0, centre="zeros")
TOP_DB = 80.0


class TaggingFrontEnd(LogMelFrontEnd):
    """Log-mel spectrograms of mean 0 and deviation 1 for each channel of each clip; of silence zeros."""

    def __init__(self) -> None:
        super().__init__(TAGGING)

    def forward(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel frame mel"]:
        """Standardised log-mel spectrograms, one for each channel."""
        return standardised(super().forward(waveforms))

    def compress(self, power: Float[Tensor, "batch channel frame mel"]) -> Float32[Tensor, "batch channel frame mel"]:
        """Standardised log-mel spectrograms of mel power."""
        return standardised(super().compress(power))


def standardised(decibels: Float[Tensor, "batch channel frame mel"]) -> Float[Tensor, "batch channel frame mel"]:
    """No band more than 80 dB below the loudest, then mean 0 and deviation 1 over all frames and bands."""
    loudest = decibels.amax((2, 3), keepdim=True)
    raised = decibels.maximum(loudest - TOP_DB)
    centred = raised - raised.mean((2, 3), keepdim=True)
    # A deviation below 1e-5 dB is a clip without any sound: what is divided is 0 as well.
    return centred / centred.square().mean((2, 3), keepdim=True).sqrt().clamp_min(1e-5)
