"""SpecAugment as PANNs and SP4SC use it: stripes of zeros over normalised features, drawn for every item by itself.

After batch norm zero is a band's mean, so a stripe hides and does not shout. In evaluation mode nothing happens,
unless it is left on on purpose: `augmented_probabilities` averages over many draws.

Paper: Park et al. 2019, "SpecAugment". Draws as in the official code of PANNs (Kong et al. 2020) and SP4SC
(valeoai/SP4ASC): widths are uniform in 0 .. largest - 1.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmasc.networks.body import Body


class SpecAugment(nn.Module):
    """Stripes of zeros over time and over bands.

    Args:
        time_width: Stripes over time are shorter than this, in frames.
        time_stripes: So many of them.
        band_width: Stripes over bands are narrower than this.
        band_stripes: So many of them.

    Attributes:
        generator: The only source of chance, on the CPU, so that every device draws the same. Seed it before use.
    """

    def __init__(self, time_width: int = 64, time_stripes: int = 2, band_width: int = 8, band_stripes: int = 2) -> None:
        super().__init__()
        if min(time_width, band_width) < 1 or min(time_stripes, band_stripes) < 0:
            raise ValueError(
                "widths must be at least 1 and numbers of stripes at least 0, got "
                f"{time_width}, {time_stripes}, {band_width}, {band_stripes}"
            )
        self.time, self.band = (time_width, time_stripes), (band_width, band_stripes)
        self.generator = torch.Generator()

    def forward(self, features: Float[Tensor, "batch channel frame band"]) -> Float[Tensor, "batch channel frame band"]:
        """The features with stripes of zeros in training mode, else as they came."""
        if not self.training:
            return features
        n_items, _, n_frames, n_bands = features.shape
        hidden = (
            self._stripes(n_items, n_frames, *self.time)[:, :, None]
            | self._stripes(n_items, n_bands, *self.band)[:, None]
        )
        return features.masked_fill(hidden[:, None].to(features.device), 0)

    def _stripes(self, n_items: int, length: int, width: int, n_stripes: int) -> Bool[Tensor, "batch length"]:
        # A stripe never covers the whole axis, however short the recording is.
        width = min(width, length)
        widths = torch.randint(width, (n_items, n_stripes, 1), generator=self.generator)
        shares = torch.rand((n_items, n_stripes, 1), generator=self.generator, dtype=torch.float64)
        starts = (shares * (length - widths)).long()
        at = torch.arange(length)
        return ((at >= starts) & (at < starts + widths)).any(1)


def augmented_probabilities(
    body: Body,
    features: Float[Tensor, "batch channel frame band"],
    augment: SpecAugment,
    n_passes: int = 30,
    seed: int = 0,
) -> Float[Tensor, "batch class"]:
    """Test-time augmentation: the mean of the softmax over passes with SpecAugment left on; all else as in evaluation.

    Args:
        body: A network with a `bn0`; it is left as it was.
        features: Features of its front end.
        augment: What is drawn again in every pass.
        n_passes: The authors take 30.
        seed: Random seed of the draws: the same seed gives the same probabilities.
    Raises:
        ValueError: If there is no pass.
    Source: valeoai/SP4ASC, whose test averages 30 passes.
    """
    if n_passes < 1:
        raise ValueError(f"n_passes must be at least 1, got {n_passes}")
    before, was_training, augment_trained = body.augment, body.training, augment.training
    body.eval()
    body.augment = augment.train()
    augment.generator.manual_seed(seed)
    try:
        with torch.inference_mode():
            return torch.stack([body(features).softmax(1) for _ in range(n_passes)]).mean(0)
    finally:
        body.augment = before
        body.train(was_training)
        augment.train(augment_trained)
