"""A tagger as a space of sounds and words: how much more than usual it hears each class, and what the class is called.

The vector of a window is the sum over classes of the cube of its excess (deviations of its logit above what is usual,
0 below) times the text vector of the class's name. Nothing is trained: any network whose classes have names can be
searched in words. The idea is that of Norouzi et al. 2014, "Zero-shot learning by convex combination of semantic
embeddings", equation (4), with standardised logits for probabilities, because the classes of a tagger differ widely in
how often they are heard.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.encoders.base import Encoder
from mmasc.encoders.identity import identity_digest
from mmasc.encoders.mini_text import load_text_side
from mmasc.encoders.spec import EncoderSpec
from mmasc.encoders.taggers import load_tagger
from mmasc.encoders.usual import read_usual
from mmasc.errors import MmascError

# Window length of these spaces; it does not depend on the windows that the tagger was trained on
NAMES_SECONDS = 5.12
# Of 1, 2 and 3 the best for finding recordings of two collections by their labels; a class that is heard clearly counts
# far more than many that are heard a little
_POWER = 3
# Cosines of these spaces are low: with this scale the probabilities of ten labels are neither all alike nor all 0 and 1
_LOGIT_SCALE = 20.0
# Separates the tagger from another text side than that of `mini`: names:RUN@clap
_TEXT = "@"


class Names(Encoder):
    """Sounds by the classes of a tagger, texts by a text side, in one space.

    Args:
        spec: Specification from the registry.
        path: The tagger: the name of a network with published weights ("yamnet"), a network with a file ("cnn14:FILE")
            a run of `mmasc train tagging`, or "onnx:FILE"; after an @ another text side than that of `mini`
            (`load_text_side`).
        device: Device on which the network runs.
    Raises:
        MmascError: If the tagger has no names or repeats one, nobody has measured what is usual for it, or a name has
            no word that the text side can read.
    """

    def __init__(self, spec: EncoderSpec, path: str | None = None, device: str = "cpu") -> None:
        if not path:
            raise MmascError(
                "names needs a tagger: names:yamnet, names:cnn14:FILE, or names:RUN of mmasc train tagging"
            )
        super().__init__(spec, path, device)
        tagger, _, text = path.partition(_TEXT)
        # Other rules of earlier versions are those of one tagger
        self.tagger = load_tagger(tagger, self.device, spec.features or None)
        names = self.tagger.classes
        _check_names(tagger, names)
        self.usual = read_usual(tagger, self.tagger.weights, names)
        self.text_side = load_text_side(text or "mini")
        vectors = self.text_side([spoken(one) for one in names])
        # What all names have in common says nothing about any sound
        self.common = vectors.mean(0)
        self._name_vectors = torch.from_numpy(_unit(vectors - self.common)).to(self.device)
        shortest, fixed = self.tagger.shortest_seconds, self.tagger.fixed_seconds
        rate, dim = self.tagger.sample_rate, self.text_side.dim
        self.spec = replace(spec, sample_rate=rate, minimum_seconds=shortest, dim=dim)
        if fixed is not None:
            self.spec = replace(self.spec, window_seconds=fixed, minimum_seconds=fixed)
        self.logit_scale = _LOGIT_SCALE
        state = {**self.tagger.state(), **self.usual.tensors()}
        self.identity = identity_digest(self.spec, state, self._constants())

    def parameter_counts(self) -> tuple[int, int]:
        """Trainable parameters of the tagger (frozen here), and all numbers of its state dict."""
        return self.tagger.parameter_counts()

    def excess(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch class"]:
        """Number of deviations by which each class is above its usual logit; 0 where it is below."""
        return self.usual.excess(self.tagger.logits(waveforms))

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        return named(self.excess(waveforms), self._name_vectors)

    def _text(self, texts: list[str]) -> Float32[np.ndarray, "text dim"]:
        return _unit(self.text_side(texts) - self.common)

    def _constants(self) -> dict[str, Any]:
        table = self.text_side.table
        return {
            "vector": "names",
            "power": _POWER,
            "logit_scale": _LOGIT_SCALE,
            **self.tagger.constants(),
            "classes": list(self.tagger.classes),
            "text": self.text_side.name if table is None else f"table-{table.digest()}",
        }


def named(excess: Float[Tensor, "batch class"], names: Float[Tensor, "class dim"]) -> Float[Tensor, "batch dim"]:
    """The sum over classes of the cube of their excess times the text vectors of their names."""
    return excess**_POWER @ names


def spoken(name: str) -> str:
    """The name of a class as one would say it: no underscores, brackets or commas."""
    return " ".join(re.sub(r"[_(),]", " ", name).split()).lower()


def _check_names(tagger: str, names: Sequence[str]) -> None:
    if not names:
        raise MmascError(f"{tagger} has no names for its classes, so it cannot be searched in words")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise MmascError(f"{tagger} has several classes called {repeated[0]!r}; give each a name of its own")


def _unit(vectors: Float[np.ndarray, "item dim"]) -> Float32[np.ndarray, "item dim"]:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
