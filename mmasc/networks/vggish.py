"""VGGish, its heads, and the VGG of figure 2b: log-mel patches of 0.96 s to 128 numbers, or to classes.

A recording is cut into patches of 96 frames (10 ms apart) without overlap. The release drops what does not fill a
patch at the end, at most 0.95 s; `last="back"` hears it in one more patch, moved back to end with the recording.

Papers: Hershey et al. 2017, "CNN architectures for large-scale audio classification"; the release in tensorflow/models,
research/audioset/vggish, under the parameter names of its PyTorch port harritaylor/torchvggish. Heads: Kumar, Vyas,
Garg 2020, "From image classification to audio classification", who name a DNN and an RNN without defining them: the
DNN here is the release's own example of training, the RNN one recurrent layer over a recording's patches.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mmasc.errors import MmascError
from mmasc.networks.body import Body, checked_dropout, log_odds_of_mean

PATCH_FRAMES = 96
PATCH_SECONDS = 0.96
N_BANDS = 64
EMBEDDING = 128

# Widths of 3 x 3 convolutions with a bias and a ReLU; 0 is a maximum over 2 x 2
RELEASED = (64, 0, 128, 0, 256, 256, 0, 512, 512, 0)
# Two, two, three, five and five convolutions, and five poolings
FIGURE_2B = (64, 64, 0, 128, 128, 0, *(256,) * 3, 0, *(512,) * 5, 0, *(512,) * 5, 0)

# Patches that go through the convolutions at once: 64 of them hold 100 MB after the first one
_PATCHES_AT_ONCE = 64


class Vggish(Body):
    """VGGish as released, without classes: what comes out is the embedding. 72,141,184 parameters.

    Args:
        n_classes: 128, the numbers of the embedding.
        layers: Layers of the convolutions; see `RELEASED`.
        final_relu: Whether the embedding has a ReLU: the release of 2017 and the PyTorch port have it, later
            TensorFlow code does not.
        last: What happens to frames after the last whole patch: "drop" (the release) or "back".
    Raises:
        ValueError: If `n_classes` is not 128, or `last` or `layers` are wrong.
    """

    head: ClassVar[str] = "embeddings.4"
    minimum_frames = PATCH_FRAMES

    def __init__(
        self,
        n_classes: int = EMBEDDING,
        layers: Sequence[int] = RELEASED,
        final_relu: bool = True,
        last: str = "drop",
    ) -> None:
        super().__init__()
        if last not in ("drop", "back"):
            raise ValueError(f"last must be one of ['back', 'drop'], got {last!r}")
        if not layers or layers[0] == 0 or list(layers).count(0) > 6:
            raise ValueError(f"layers must begin with a width and hold at most 6 poolings (0), got {list(layers)}")
        self._check_classes(n_classes)
        self.final_relu, self.last = final_relu, last
        self.features = convolutions(layers)
        halvings, width = list(layers).count(0), [width for width in layers if width][-1]
        flat = (PATCH_FRAMES >> halvings) * (N_BANDS >> halvings) * width
        self.embeddings = nn.Sequential(
            nn.Linear(flat, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, EMBEDDING)
        )

    @property
    def dim(self) -> int:
        """Numbers of the embedding."""
        return EMBEDDING

    def patch_embeddings(self, features: Float[Tensor, "batch 1 frame 64"]) -> Float[Tensor, "batch patch 128"]:
        """One embedding for each 0.96 s.

        Raises:
            ValueError: If there are fewer than 96 frames.
        """
        patches = cut_patches(features, self.last)
        flat = rearrange(patches, "batch patch frame band -> (batch patch) 1 frame band")
        out = torch.cat([self._embed(some) for some in flat.split(_PATCHES_AT_ONCE)])
        return rearrange(out, "(batch patch) dim -> batch patch dim", batch=len(patches))

    def embedding(self, features: Float[Tensor, "batch 1 frame 64"]) -> Float[Tensor, "batch dim"]:
        """The mean of the patches' embeddings."""
        return self.patch_embeddings(features).mean(1)

    def classify(self, embedding: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch class"]:
        """The embedding itself: the release has no classes."""
        return embedding

    def load_trunk(self, path: str | Path) -> None:
        """Put the convolutions and embedding layers of a released file in; a head keeps its weights.

        Raises:
            MmascError: If the file is missing, damaged, or holds another trunk (what differs is named).
        """
        from mmasc.networks.load import read_state

        state = {
            name: one for name, one in read_state(path)[0].items() if name.startswith(("features.", "embeddings."))
        }
        wanted = {name: one for name, one in self.state_dict().items() if name.startswith(("features.", "embeddings."))}
        wrong = sorted(set(state) ^ set(wanted)) or [name for name in wanted if state[name].shape != wanted[name].shape]
        if wrong:
            raise MmascError(f"{path} does not hold the trunk of VGGish: {', '.join(wrong[:3])} differ")
        self.load_state_dict(state, strict=False)

    def _check_classes(self, n_classes: int) -> None:
        if n_classes != EMBEDDING:
            raise ValueError(
                f"n_classes must be {EMBEDDING} (the embedding) for a VGGish without a head, got {n_classes}; for "
                "classes take vggish-dnn or vggish-rnn"
            )

    def _embed(self, patches: Float[Tensor, "patch 1 96 64"]) -> Float[Tensor, "patch 128"]:
        maps = self.features(patches)
        # The release flattens time first and channels last
        out = self.embeddings(rearrange(maps, "patch channel frame band -> patch (frame band channel)"))
        return F.relu(out) if self.final_relu else out


class VggFigure2b(Vggish):
    """The VGG of Kumar et al., figure 2b, exactly as printed: 54,045,504 parameters, which no released weights fit."""

    def __init__(self, n_classes: int = EMBEDDING, final_relu: bool = True, last: str = "drop") -> None:
        super().__init__(n_classes, FIGURE_2B, final_relu, last)


class VggishDnn(Vggish):
    """VGGish with 128-100-ReLU-classes on every patch; a recording's probability is the mean of its patches'.

    Its logits are the log odds of that mean of sigmoids, so `sigmoid(logits)` is the mean. `dropout` is the share of
    the hidden layer that training sets to 0.
    """

    head = "dnn.2"

    def __init__(
        self,
        n_classes: int = 10,
        layers: Sequence[int] = RELEASED,
        final_relu: bool = True,
        last: str = "drop",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(n_classes, layers, final_relu, last)
        self.dropout = checked_dropout(dropout)
        self.dnn = nn.Sequential(nn.Linear(EMBEDDING, 100), nn.ReLU(), nn.Linear(100, n_classes))

    @property
    def dim(self) -> int:
        """Numbers of the hidden layer."""
        return self._last.in_features

    def patch_logits(self, features: Float[Tensor, "batch 1 frame 64"]) -> Float[Tensor, "batch patch class"]:
        """Logits of every patch: a timeline in steps of 0.96 s."""
        return self.classify(self._hidden(features))

    def embedding(self, features: Float[Tensor, "batch 1 frame 64"]) -> Float[Tensor, "batch dim"]:
        """The mean of the patches' hidden layers; for one patch, what the logits are made from."""
        return self._hidden(features).mean(1)

    def classify(self, embedding: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch class"]:
        """The last layer, in training behind dropout."""
        return self._last(F.dropout(embedding, self.dropout, self.training))

    def forward(self, features: Float[Tensor, "batch 1 frame 64"]) -> Float[Tensor, "batch class"]:
        """Log odds of the mean of the patches' probabilities."""
        return log_odds_of_mean(self.patch_logits(features))

    def _hidden(self, features: Float[Tensor, "batch 1 frame 64"]) -> Float[Tensor, "batch patch hidden"]:
        return self.dnn[:2](self.patch_embeddings(features))

    def _check_classes(self, n_classes: int) -> None:
        _at_least_one(n_classes)


class VggishRnn(Vggish):
    """VGGish with a GRU of 128 over a recording's patches; the last state makes the logits.

    `dropout` is the share of that state that training sets to 0.
    """

    head = "fc"

    def __init__(
        self,
        n_classes: int = 10,
        layers: Sequence[int] = RELEASED,
        final_relu: bool = True,
        last: str = "drop",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(n_classes, layers, final_relu, last)
        self.dropout = checked_dropout(dropout)
        self.rnn = nn.GRU(EMBEDDING, 128, batch_first=True)
        self.fc = nn.Linear(128, n_classes)

    @property
    def dim(self) -> int:
        """Numbers of the state."""
        return self._last.in_features

    def embedding(self, features: Float[Tensor, "batch 1 frame 64"]) -> Float[Tensor, "batch dim"]:
        """The state after the last patch."""
        return self.rnn(self.patch_embeddings(features))[1][0]

    def classify(self, embedding: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch class"]:
        """The last layer, in training behind dropout."""
        return self.fc(F.dropout(embedding, self.dropout, self.training))

    def _check_classes(self, n_classes: int) -> None:
        _at_least_one(n_classes)


def convolutions(layers: Sequence[int]) -> nn.Sequential:
    """Convolutions of 3 x 3 with a bias, each followed by a ReLU, and maxima over 2 x 2 (0 in the list)."""
    modules: list[nn.Module] = []
    n_in = 1
    for width in layers:
        if width:
            modules += [nn.Conv2d(n_in, width, 3, padding=1), nn.ReLU()]
            n_in = width
        else:
            modules.append(nn.MaxPool2d(2))
    return nn.Sequential(*modules)


def cut_patches(
    features: Float[Tensor, "batch 1 frame band"], last: str = "drop"
) -> Float[Tensor, "batch patch 96 band"]:
    """Patches of 96 frames, one after the other.

    Args:
        features: Log-mel bands.
        last: "drop" leaves out frames that do not fill a patch; "back" adds one that ends with the features.
    Raises:
        ValueError: If there are fewer than 96 frames.
    """
    frames = features[:, 0]
    n_frames = frames.shape[1]
    if n_frames < PATCH_FRAMES:
        raise ValueError(f"features must hold at least {PATCH_FRAMES} frames ({PATCH_SECONDS} s), got {n_frames}")
    whole = n_frames // PATCH_FRAMES * PATCH_FRAMES
    if last == "back" and whole < n_frames:
        frames = torch.cat([frames[:, :whole], frames[:, -PATCH_FRAMES:]], 1)
    else:
        frames = frames[:, :whole]
    return rearrange(frames, "batch (patch frame) band -> batch patch frame band", frame=PATCH_FRAMES)


def _at_least_one(n_classes: int) -> None:
    if n_classes < 1:
        raise ValueError(f"n_classes must be at least 1, got {n_classes}")
