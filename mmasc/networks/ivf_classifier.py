"""Eight convolutions: the classifier behind vectors made of sound, and of plain spectrograms next to them.

Features of any number of channels in (one of log-mel, three with deltas, 64 of looked-up vectors), logits out. Four
blocks of two convolutions, mean pooling after each, then the mean over bands and the maximum over frames.

Papers: Liu et al. 2021, "Cross-modal Spectrum Transformation Network for Acoustic Scene Classification", which counts
eight convolutions, four mean pools and one max pool; widths are those of the nine-layer network of Kong et al. 2019,
"Cross-task learning for audio tagging, sound event detection and spatial localization" (our reading).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from mmasc.networks.body import Body
from mmasc.networks.panns import DoubleBlock, initialise

WIDTHS = (64, 128, 256, 512)


class EightConvolutions(Body):
    """Eight convolutions and a linear layer.

    Args:
        n_classes: Logits.
        n_channels: Channels of the features.
        widths: Filters of the four blocks.
    Raises:
        ValueError: If there are not four widths, or one is below 1.
    """

    head = "fc"
    minimum_frames = 16

    def __init__(self, n_classes: int, n_channels: int = 1, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        if len(widths) != len(WIDTHS) or min(widths) < 1:
            raise ValueError(f"widths must be {len(WIDTHS)} numbers of 1 or more, got {list(widths)}")
        for number, (n_in, n_out) in enumerate(zip((n_channels, *widths), widths, strict=False), start=1):
            self.add_module(f"conv_block{number}", DoubleBlock(n_in, n_out))
        self.fc = nn.Linear(widths[-1], n_classes)
        initialise(self)

    def feature_map(
        self, features: Float[Tensor, "batch channel frame band"]
    ) -> Float[Tensor, "batch filter frames bands"]:
        """The last map, a sixteenth of the frames and of the bands.

        Raises:
            ValueError: If there are fewer than 16 frames or 16 bands.
        """
        if min(features.shape[2:]) < self.minimum_frames:
            raise ValueError(
                f"eight convolutions take at least 16 frames and 16 bands, got {features.shape[2]} and "
                f"{features.shape[3]}"
            )
        for number in range(1, 1 + len(WIDTHS)):
            features = self.get_submodule(f"conv_block{number}")(features)
        return features

    def from_map(self, map: Float[Tensor, "batch filter frames bands"]) -> Float[Tensor, "batch dim"]:
        """Mean over bands, then the maximum over frames."""
        return map.mean(3).amax(2)

    @classmethod
    def arguments_from(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Classes, channels and widths."""
        return {
            "n_classes": len(state["fc.weight"]),
            "n_channels": state["conv_block1.conv1.weight"].shape[1],
            "widths": [len(state[f"conv_block{number}.conv1.weight"]) for number in range(1, 1 + len(WIDTHS))],
        }
