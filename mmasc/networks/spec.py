"""What is known about a supervised network without loading it: a frozen record, no torch."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class NetworkSpec:
    """A network as the registry knows it.

    Attributes:
        name: What `load_network` takes.
        target: "module:Class" of a `Body`, imported when the network is loaded.
        features: Name of its front end (`mmasc.features.FRONT_ENDS`).
        sample_rate: Sample rate of that front end, in Hz.
        n_classes: Number of classes of fresh weights.
        dim: Numbers of the layer before last.
        seconds: Length of what it was made for; longer recordings are cut in windows of this length.
        channels: Audio channels that it reads.
        arguments: What the class is made with besides `n_classes`, by name.
        classes: What its outputs mean where official weights exist with `n_classes` of them.
        source: Paper or code of the definition.
        licence: Licence of official weights.
        weights: Name of official weights that `mmasc models fetch` knows; empty where there are none.
        description: One line for `mmasc models list`.
    """

    name: str
    target: str
    features: str
    n_classes: int
    dim: int
    sample_rate: int = 0
    seconds: float = 10.0
    channels: int = 1
    arguments: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    source: str = ""
    licence: str = "Apache-2.0"
    weights: str = ""
    description: str = ""
