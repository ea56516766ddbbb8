"""Encoders that people write themselves: a class with a specification and `embed_audio`, found by name or in a file.

    class Bands(mmasc.EncoderPlugin):
        spec = mmasc.PluginSpec("bands", version="1", sample_rate=16_000, window_seconds=2.0, dim=24)

        def embed_audio(self, windows): ...

Loads no torch: `mmasc.encoders.plugged` makes an `Encoder` of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from mmasc.encoders.spec import EncoderSpec, Padding, TrainingSet


@dataclass(frozen=True)
class PluginSpec:
    """The specification of an encoder written by a user.

    Attributes:
        name: Name of the encoder, part of its identity.
        version: Part of its identity: change it whenever the same sound gives other numbers.
        sample_rate: Sample rate in Hz; every recording is resampled to it.
        window_seconds: Length of a window.
        dim: Numbers in a vector.
        hop_seconds: From one window's start to the next where users say nothing; 0 for the window, no overlap.
        padding: How a recording shorter than a window is filled: "zeros", "repeat" (whole repetitions, then zeros), or
            "minimum" (zeros up to `minimum_seconds` only, for encoders that take windows of any length).
        minimum_seconds: Shortest window, for padding "minimum".
        unit_length: Whether vectors have length 1; `mmasc models check` tests it.
        logit_scale: What softmax multiplies cosines by, where there is text; None for 1.
        windows_at_once: How many windows `embed_audio` gets at most; with 1 no vector can depend on its neighbours.
        licence: Licence of the weights; non-commercial licences say so here.
        heard: Data sets that the weights learned from (names, or `TrainingSet`); empty without a network, None where
            it is not known.
        description: One line.
    """

    name: str
    version: str
    sample_rate: int
    window_seconds: float
    dim: int
    hop_seconds: float = 0.0
    padding: Padding = "zeros"
    minimum_seconds: float = 0.0
    unit_length: bool = False
    logit_scale: float | None = None
    windows_at_once: int = 1
    licence: str = "not said"
    heard: Sequence[str | TrainingSet] | None = None
    description: str = ""

    def __post_init__(self) -> None:
        if not self.name or not self.version:
            raise ValueError("a plug-in needs a name and a version: both are part of its identity")
        if self.windows_at_once < 1:
            raise ValueError(f"windows_at_once must be at least 1, got {self.windows_at_once}")
        if self.padding not in ("zeros", "repeat", "minimum"):
            raise ValueError(f"padding must be zeros, repeat or minimum, got {self.padding!r}")


class EncoderPlugin:
    """An encoder written by a user. A subclass sets `spec` and writes `embed_audio`, `embed_text` or `embed_image`.

    mmasc reads, mixes, resamples, cuts and fills; what it gives is finite, mono and at the rate that `spec` says.

    Args:
        path: What users write after the class (`FILE.py:Class:PATH`, `NAME:PATH`): weights, as a rule; None without.
        device: Where networks run: "cpu", "cuda", "cuda:1" or "mps".
    Attributes:
        spec: What the encoder takes and gives; may be set in `__init__` where it depends on the weights.
    """

    spec: PluginSpec

    def __init__(self, path: str | None = None, device: str = "cpu") -> None:
        self.path, self.device = path, device

    def weights(self) -> Mapping[str, Any]:
        """What vectors hang on besides name and version, by name: NumPy arrays, torch tensors, or paths of files.

        Their content is part of the identity. A `state_dict` is fine as it is.
        """
        return {}

    def embed_audio(self, windows: Float[np.ndarray, "window sample"]) -> Float[np.ndarray, "window dim"]:
        """Vectors of windows; a window's vector depends on this window alone.

        Args:
            windows: float32, about [-1, 1], at `spec.sample_rate`; all windows of a call are equally long.
        Returns:
            Finite numbers, `spec.dim` of them for each window.
        """
        raise NotImplementedError

    def embed_text(self, texts: list[str]) -> Float[np.ndarray, "text dim"]:
        """Vectors of texts in the same space; leave it out where there are none.

        Args:
            texts: Texts, none of them empty.
        """
        raise NotImplementedError

    def embed_image(self, images: list[Any]) -> Float[np.ndarray, "image dim"]:
        """Vectors of pictures in the same space; leave it out where there are none.

        Args:
            images: PIL images, or uint8 arrays `[height, width, 3]`.
        """
        raise NotImplementedError


def spec_of_plugin(plugin: EncoderPlugin | type[EncoderPlugin]) -> EncoderSpec:
    """The specification as mmasc has it; what the space understands is what the class writes.

    Args:
        plugin: Class, or an object of it.
    Raises:
        AttributeError: If it has no specification.
        ValueError: If a number in it makes no sense.
    """
    kind = plugin if isinstance(plugin, type) else type(plugin)
    methods = {"audio": "embed_audio", "text": "embed_text", "image": "embed_image"}
    own = tuple(name for name, method in methods.items() if getattr(kind, method) is not getattr(EncoderPlugin, method))
    given = plugin.spec
    heard = None if given.heard is None else tuple(TrainingSet(x) if isinstance(x, str) else x for x in given.heard)
    return EncoderSpec(
        given.name,
        "mmasc.encoders.plugged:PluggedEncoder",
        sample_rate=given.sample_rate,
        window_seconds=given.window_seconds,
        dim=given.dim,
        modalities=own,
        licence=given.licence,
        weights="your own",
        padding=given.padding,
        minimum_seconds=given.minimum_seconds,
        description=given.description,
        trained_on=heard,
        hop_seconds=given.hop_seconds,
    )
