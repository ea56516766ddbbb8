"""Waveforms → 26 numbers: mean and deviation over frames of twelve cepstral coefficients and the zero-crossing rate.

The features of the first published baselines of ESC-10 and ESC-50: frames of 11.6 ms (512 samples at 44.1 kHz), MFCC 1
to 12 (the zeroth is dropped) of 128 mel bands in decibels, at most 80 below the loudest of the recording.

Paper: Piczak 2015, "ESC: Dataset for Environmental Sound Classification", section 4. It names the frame length, the
coefficients and librosa's defaults, read here as a transform of 2048 samples and 128 bands at the clips' own rate; with
512 and 256 samples at 22.05 kHz the same classifiers are one to two points apart either way.
"""

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from mmasc.features.cepstrum import cosine_matrix
from mmasc.features.log_mel import LogMel
from mmasc.features.log_mel_config import LogMelConfig

FRAME = 512
CLASSIC = LogMelConfig(44_100, 2048, 2048, FRAME, 128, 0.0, 22_050.0)
N_COEFFICIENTS = 12
RANGE_DB = 80.0


class ClassicFeatures(nn.Module):
    """Means of MFCC 1 to 12 and of the zero-crossing rate over the frames, then their standard deviations."""

    cosines: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.log_mel = LogMel(CLASSIC)
        cosines = torch.from_numpy(cosine_matrix(CLASSIC.n_mels, N_COEFFICIENTS + 1)[1:].T.copy())
        self.register_buffer("cosines", cosines, persistent=False)

    def forward(self, waveforms: Float[Tensor, "batch time"]) -> Float32[Tensor, "batch number"]:
        """26 numbers each.

        Args:
            waveforms: Mono samples in [-1, 1] at 44,100 Hz, 1,025 at least.
        Raises:
            ValueError: If they are shorter.
        """
        decibels = self.log_mel(waveforms)
        loudest = decibels.amax((1, 2), keepdim=True)
        with torch.autocast(waveforms.device.type, enabled=False):
            heard = torch.maximum(decibels, loudest - RANGE_DB).transpose(1, 2)
            # one by one: an item does not feel its neighbours
            cepstra = torch.stack([one @ self.cosines for one in heard])
            crossings = zero_crossing_rate(waveforms)[:, :, None]
            means = [frames.mean(1) for frames in (cepstra, crossings)]
            return torch.cat([*means, *[frames.std(1, correction=0) for frames in (cepstra, crossings)]], 1)


def zero_crossing_rate(waveforms: Float[Tensor, "batch time"]) -> Float32[Tensor, "batch frame"]:
    """Share of samples after which the sign changes (zero counts as above), in frames side by side.

    Args:
        waveforms: 512 samples at least; what does not fill a frame is left over.
    """
    above = waveforms.unfold(1, FRAME, FRAME) >= 0
    return (above[..., 1:] != above[..., :-1]).float().sum(-1) / FRAME
