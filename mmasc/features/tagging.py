"""The front end of Akiyama's tagger: log-mel of 80 dB at most, standardised over the whole clip.

What comes out depends on the whole clip: its loudest band sets the floor, and one mean and one deviation are taken
over all bands and frames. The decibels are librosa's `power_to_db` with its defaults; the waveform is continued by
reflection at both ends, as librosa 0.6.3 does it, which the authors name.

Source: Akiyama and Sato 2019, "Multitask Learning and Semisupervised Learning with Noisy Data for Audio Tagging";
official code OsciiArt/Freesound-Audio-Tagging-2019 (MIT).
"""

from dataclasses import replace
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.features.base import LogMelFrontEnd
from mmasc.features.log_mel_config import LogMelConfig

# 127.1 frames a second
TAGGING = LogMelConfig(44_100, 2560, 2560, 347, 128, 20.0, 22_050.0, centre="reflect")
TOP_DB = 80.0
# Decibels of what the logarithm takes for silence
FLOOR_DB = -100.0


class TaggingFrontEnd(LogMelFrontEnd):
    """Log-mel spectrograms of mean 0 and deviation 1 for each channel of each clip; of silence zeros.

    Args:
        centre: What lies before the first and behind the last sample: their reflection, or (as version 0.1.0 had it)
            zeros.
    """

    def __init__(self, centre: Literal["reflect", "zeros"] = "zeros") -> None:
        super().__init__(replace(TAGGING, centre=centre))

    def forward(self, waveforms: Float[Tensor, "batch channel time"]) -> Float32[Tensor, "batch channel frame mel"]:
        """Standardised log-mel spectrograms, one for each channel."""
        return standardised(super().forward(waveforms))

    def compress(self, power: Float[Tensor, "batch channel frame mel"]) -> Float32[Tensor, "batch channel frame mel"]:
        """Standardised log-mel spectrograms of mel power."""
        return standardised(super().compress(power))

    def edged(
        self, waveforms: Float[Tensor, "batch channel time"], n_frames: int
    ) -> Float32[Tensor, "batch channel frame mel"]:
        """Features with frames of silence at both ends, which are standardised with them.

        Silence is max(peak - 80 dB, -100 dB). The front end of version 0.1.0 repeats its edge frames, as others do.
        """
        if self.log_mel.config.centre != "reflect":
            return super().edged(waveforms, n_frames)
        decibels = raised(super().forward(waveforms))
        silence = floor_of(decibels).expand(-1, -1, n_frames, decibels.shape[3])
        edged = F.pad(decibels, (0, 0, n_frames, n_frames))
        edged[:, :, :n_frames], edged[:, :, edged.shape[2] - n_frames :] = silence, silence
        return levelled(edged)


def standardised(decibels: Float[Tensor, "batch channel frame mel"]) -> Float[Tensor, "batch channel frame mel"]:
    """No band more than 80 dB below the loudest, then mean 0 and deviation 1 over all frames and bands."""
    return levelled(raised(decibels))


def raised(decibels: Float[Tensor, "batch channel frame mel"]) -> Float[Tensor, "batch channel frame mel"]:
    """No band more than 80 dB below the loudest."""
    return decibels.maximum(decibels.amax((2, 3), keepdim=True) - TOP_DB)


def floor_of(decibels: Float[Tensor, "batch channel frame mel"]) -> Float[Tensor, "batch channel 1 1"]:
    """Decibels of silence before and behind a clip: 80 below its loudest band, at least -100."""
    return (decibels.amax((2, 3), keepdim=True) - TOP_DB).clamp_min(FLOOR_DB)


def levelled(decibels: Float[Tensor, "batch channel frame mel"]) -> Float[Tensor, "batch channel frame mel"]:
    """Mean 0 and deviation 1 over all frames and bands."""
    centred = decibels - decibels.mean((2, 3), keepdim=True)
    # A deviation below 1e-5 dB is a clip without any sound: what is divided is 0 as well.
    return centred / centred.square().mean((2, 3), keepdim=True).sqrt().clamp_min(1e-5)
