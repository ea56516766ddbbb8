"""A trained network as a head: its own last layer on windows of files, or on stored vectors of the layer before."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.collection import Collection
from mmasc.collection.space import SpaceReader
from mmasc.encoders.earlier import by_rules_of, gave
from mmasc.encoders.identity import require_identity
from mmasc.encoders.registry import network_spec
from mmasc.errors import MmascError
from mmasc.labelling.timelines import Measures
from mmasc.networks.registry import NETWORKS
from mmasc.storage.tensors import best_weights
from mmasc.storage.texts import parse_json

_SEVERAL_THRESHOLD = 0.5  # where a label is as probable as not
_SHORTEST_SECONDS = 1e-3


class NetworkHead:
    """A network of a run, or of a file of weights, that labels windows.

    Args:
        name: "NETWORK:PATH", or the folder of a run of `mmasc train`.
        device: Device on which it runs.
        window_seconds: Length of the windows that it hears; default: what it was made for.
        threshold: Least probability; default: none with one label, 0.5 with several.
    Raises:
        MmascError: If there is no such network, or its weights are missing or damaged.
    """

    def __init__(
        self, name: str, device: str = "cpu", window_seconds: float | None = None, threshold: float | None = None
    ) -> None:
        from mmasc.encoders.network import NetworkLogits  # late: it loads torch, which heads do without

        self.name, path = _network_and_path(name)
        spec = network_spec(self.name)
        if spec is None:
            raise MmascError(f"unknown network {self.name!r}; there are: {', '.join(sorted(NETWORKS))}")
        if window_seconds is not None:
            if not _SHORTEST_SECONDS <= window_seconds <= 60:
                raise MmascError(f"window of {self.name} must be at most 60 seconds, got {window_seconds:g}")
            spec = replace(spec, window_seconds=float(window_seconds))
        self._load = lambda identity: by_rules_of(identity, spec, lambda one: NetworkLogits(one, path, device))
        self.network = self._load(None)
        classes = self.network.network.classes or range(self.network.spec.dim)
        self.labels = self.names = [str(one) for one in classes]
        self.multi_label = _loss(Path(path)) == "bce" or self.name == "tagging"
        self.threshold: Any = threshold
        self.hop_seconds = self.network.spec.window_seconds  # of the windows that it hears, if nobody says otherwise
        self._logits: Callable[[np.ndarray], np.ndarray] = lambda vectors: vectors

    def scores(self, vectors: np.ndarray) -> Measures:
        """Probabilities `[item class]` of logits (of stored vectors after `on_space`)."""
        logits = np.asarray(self._logits(vectors), np.float64)
        if self.multi_label:
            return (np.exp(-np.logaddexp(0.0, -logits)),)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (weights / weights.sum(axis=1, keepdims=True),)

    def accept(self, *scores: np.ndarray) -> np.ndarray:
        """The best label, or every one with several labels, that reaches the threshold."""
        return accepted(scores[0], self.multi_label, self.threshold)

    def onsets(self) -> np.ndarray | None:
        """Least probability of each label `[class]`; None where there is none."""
        return onsets_of(self.threshold, self.multi_label, len(self.names))

    def loosened(self, offsets: np.ndarray) -> "NetworkHead":
        """The same with these least probabilities `[class]`."""
        looser = copy.copy(self)
        looser.threshold = offsets
        return looser

    def on_space(self, reader: SpaceReader, folder: str) -> None:
        """Read vectors of this space from now on instead of logits.

        Raises:
            MmascError: If another network made them, or this one cannot answer from them.
        """
        if not gave(self.network.identity, reader.space.identity):
            self.network = self._load(reader.space.identity)
        require_identity(
            (self.name, self.network.identity),
            (reader.space.encoder, reader.space.identity),
            f"{self.name} of these weights",
            f"embed with it, or give it the recordings instead of space {reader.name!r} of {folder}",
            "network",
        )
        self.network.logits_of(np.zeros((1, self.network.vector_dim)))
        self._logits = self.network.logits_of
        self.hop_seconds = reader.space.hop_seconds

    def windows_of(self, collection: Collection, space: str | None) -> tuple[str | None, float | None]:
        """Name and window in seconds of the space that this network may have made; the window is part of a space."""
        spaces = collection.head.spaces
        names = [name for name, one in spaces.items() if one.encoder.partition(":")[0] == self.name]
        chosen = space or next(iter(names), None)
        return chosen, spaces[chosen].window_seconds if chosen in spaces else None


def accepted(scores: np.ndarray, multi_label: bool, threshold: Any) -> np.ndarray:
    """Which labels hold, bool `[item class]`.

    Args:
        scores: Probabilities `[item class]`.
        multi_label: Whether several can hold; else the best alone.
        threshold: Least probability, one number or one for each class; None: none, 0.5 with several labels.
    """
    if multi_label:
        return scores >= (_SEVERAL_THRESHOLD if threshold is None else threshold)
    best = np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]
    return best if threshold is None else best & (scores >= threshold)


def onsets_of(threshold: Any, multi_label: bool, n_labels: int) -> np.ndarray | None:
    """Least probability of each label `[class]`, as `accepted` has it; None where there is none."""
    if threshold is None and multi_label:
        threshold = _SEVERAL_THRESHOLD
    return None if threshold is None else np.broadcast_to(np.float64(threshold), (n_labels,)).copy()


def is_network(head: Any) -> bool:
    """Whether this names a network: "NETWORK:PATH", or a folder (a head is a file)."""
    return (isinstance(head, str) and head.partition(":")[0] in NETWORKS) or (
        isinstance(head, str | Path) and Path(head).is_dir()
    )


def _network_and_path(name: str) -> tuple[str, str]:
    base, _, path = name.partition(":")
    if path and base in NETWORKS:
        return base, path
    folder = Path(name)
    weights = best_weights(folder) if folder.is_dir() else None
    if weights is None:
        raise MmascError(f"{name} is neither a head nor a run of mmasc train; give a file of mmasc head fit --out")
    from mmasc.networks.load import read_state

    about = read_state(weights)[1]
    if about.get("network") not in NETWORKS:
        raise MmascError(f"{weights} does not say which network it holds; give it as NETWORK:{name}")
    return about["network"], name


def _loss(path: Path) -> str:
    """The loss of the run that weights belong to; "" where nothing tells."""
    config = (path if path.is_dir() else path.parent) / "config.json"
    if not config.is_file():
        return ""
    try:
        values = parse_json(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MmascError(f"{config} is damaged ({error}); get the run again") from error
    return str(values.get("loss", "")) if isinstance(values, dict) else ""
