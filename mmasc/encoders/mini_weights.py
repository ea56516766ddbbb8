"""The weights of `mini` and what is read of them without torch: its identity, and its text side as an encoder.

The network at work is in mini.py; a query of words needs a table look-up, which is here.
"""

import math
from dataclasses import asdict
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from safetensors import SafetensorError

from mmasc.encoders.identity import identity_digest
from mmasc.encoders.mini_text import TextSide, TextTable, load_text_side
from mmasc.encoders.spec import EncoderSpec
from mmasc.encoders.specs import ENCODERS
from mmasc.encoders.text_encoder import TextEncoder
from mmasc.encoders.words import KnownWords, learned_words, words_of_labels
from mmasc.errors import MmascError
from mmasc.features.log_mel_config import MINI
from mmasc.networks.mini_config import MiniConfig
from mmasc.networks.taught_config import TaughtConfig
from mmasc.storage.configs import usable_config
from mmasc.storage.tensors import best_weights, load_arrays

# spec name -> file in the package
_BUNDLED = {
    "base": "base.safetensors",
    "base-features": "base.safetensors",
    "base-strict": "base_strict.safetensors",
    "mini": "mini.safetensors",
    "mini-features": "mini.safetensors",
    "mini-strict": "mini_strict.safetensors",
}
# What `spec.weights` says of weights that were in the package before: what they gave is searched and continued by them
_EARLIER = {(name, "bundled, first"): "base_first.safetensors" for name in ("base", "base-features")}
# Below -120 dB of full scale a waveform is silence, not a quiet recording.
PEAK_FLOOR = 1e-6


class MiniWeights:
    """A file of `mmasc train align`, or the one in the package.

    Attributes:
        file: Where it is.
        arrays: What it holds, by name.
        about: The record in it.
        config: What shapes the network.

    Args:
        spec: Specification from the registry.
        path: A run of `mmasc train align` (its best weights, else its last) or a weights file; default: the package's.
    Raises:
        MmascError: If the file is missing, damaged or holds something else.
    """

    def __init__(self, spec: EncoderSpec, path: str | None = None) -> None:
        self.spec, self.file = spec, _weights_file(spec, path)
        self._of_base = path is None and spec.name.startswith("base")
        self.arrays, self.about = load_arrays(self.file)
        _check_record(self.about, self.file)
        kind = TaughtConfig if "taught_dim" in self.about["network"] else MiniConfig
        self.config = usable_config(kind, self.about["network"], str(self.file))

    @property
    def network(self) -> dict[str, np.ndarray]:
        """The arrays of the network."""
        return {name: array for name, array in self.arrays.items() if name.startswith("network.")}

    @cached_property
    def text_mean(self) -> Float32[np.ndarray, " dim"]:
        """What is taken from every text's vector: the mean of many."""
        return self._array("text_mean")

    @cached_property
    def text_side(self) -> TextSide:
        """The text encoder that the network was trained towards."""
        if "vocabulary" not in self.about:
            try:
                return load_text_side(self.about["text"])
            except MmascError as error:
                raise MmascError(f"the text side that {self.file} names cannot be loaded: {error}") from error
        try:
            scale = self._array("text.scale")
            table = TextTable(self.about["vocabulary"], self.arrays["text.table"], scale)
        except (KeyError, ValueError, SafetensorError) as error:
            raise MmascError(f"{self.file} holds a damaged text table ({error}); train or copy it again") from error
        return TextSide(self.about["text"], table, table)

    @cached_property
    def words(self) -> KnownWords | None:
        """The words that the text side knows; None where it is another encoder."""
        side = self.text_side
        if side.table is None:
            return None
        learned = learned_words() if side.name == "mini" else ()
        more = words_of_labels() if learned and self._of_base else ()
        return KnownWords(side.table, (*learned, *more))

    @property
    def logit_scale(self) -> float:
        """What softmax multiplies cosines by."""
        return float(self.about["logit_scale"])

    def texts(self, texts: list[str]) -> Float32[np.ndarray, "text dim"]:
        """Unit vectors of texts."""
        plain = self.text_side(texts)
        own = _unit(plain - self.text_mean)
        if not isinstance(self.config, TaughtConfig):
            return own
        weights = self.config.part_weights
        both = [weights[0] * own, weights[1] * _unit(plain - self._array("taught_text_mean"))]
        return np.concatenate(both, 1).astype(np.float32)

    def check_dim(self, dim: int) -> None:
        """Refuse weights whose vectors are not as long as the specification says.

        Raises:
            MmascError: If they are not.
        """
        if dim != self.spec.dim:
            fits = next((s.name for s in ENCODERS.values() if (s.target, s.dim) == (self.spec.target, dim)), None)
            raise MmascError(
                f"{self.file} gives vectors of {dim} numbers, {self.spec.name} has {self.spec.dim}; "
                + (f"name it {fits}:{self.file}" if fits else "train against a text side of that size")
            )

    def identity(self, output: str) -> str:
        """The name of the space.

        Args:
            output: The layer that gives the vectors: "Mini" (next to texts) or "MiniFeatures" (the one before).
        """
        state = self.network
        constants: dict[str, Any] = {
            "front_end": asdict(MINI),
            "network": asdict(self.config),
            "peak_floor": PEAK_FLOOR,
            "output": output,
        }
        if output == "Mini":
            table = self.text_side.table
            text = self.text_side.name if table is None else f"table-{table.digest()}"
            constants |= {"text": text, "logit_scale": self.about["logit_scale"]}
            state |= {"text_mean": self.text_mean}
            if isinstance(self.config, TaughtConfig):
                state |= {"taught_text_mean": self._array("taught_text_mean")}
        return identity_digest(self.spec, state, constants)

    def numbers(self) -> int:
        """All numbers of the weights, the text table included, which may lie in a file of its own."""
        held = sum(array.size for name, array in self.arrays.items() if name.startswith(("network.", "text")))
        table = self.text_side.table
        return held + (0 if table is None or "text.table" in self.arrays else table.table.size + table.scale.size)

    def _array(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            raise MmascError(f"{self.file} lacks {name}; it is not an encoder of mmasc train align")
        return self.arrays[name].astype(np.float32)


class MiniText(TextEncoder):
    """The text side of `mini`: the same vectors, bit for bit, and the same identity as the whole encoder.

    Args:
        spec: Specification from the registry.
        path: As for `MiniWeights`.
    Raises:
        MmascError: If the weights are missing, damaged or of another shape than the spec says.
    """

    def __init__(self, spec: EncoderSpec, path: str | None = None) -> None:
        weights = MiniWeights(spec, path)
        weights.check_dim(weights.config.vector_dim)
        self.spec, self.logit_scale = spec, weights.logit_scale
        self.identity = weights.identity("Mini")
        self._text = weights.texts  # type: ignore[method-assign]
        self._weights = weights

    @property
    def _words(self) -> KnownWords | None:
        return self._weights.words


def _unit(vectors: Float32[np.ndarray, "text dim"]) -> Float32[np.ndarray, "text dim"]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def bundled_weights(name: str, weights: str = "bundled") -> Path | None:
    """The weights of an encoder in the package, those of now or earlier ones; None if it is none of them."""
    file = _EARLIER.get((name, weights), _BUNDLED.get(name))
    return None if file is None else Path(str(files("mmasc.encoders") / "weights" / file))


def _weights_file(spec: EncoderSpec, path: str | None) -> Path:
    if path is None:
        found = bundled_weights(spec.name, spec.weights)
        assert found is not None, spec.name
        return found
    given = Path(path)
    if not given.is_dir():
        return given
    found = best_weights(given)
    if found is None:
        raise MmascError(
            f"{given} holds neither best.safetensors nor last.safetensors; is it a run of mmasc train align?"
        )
    return found


def _check_record(about: dict[str, Any], file: Path) -> None:
    if about.get("kind") != "mmasc-mini":
        raise MmascError(f"{file} is not an encoder of mmasc train align; name its run folder or its best.safetensors")
    scale, vocabulary = about.get("logit_scale"), about.get("vocabulary", [])
    scaled = type(scale) in (int, float) and math.isfinite(scale)  # type: ignore[arg-type]
    worded = isinstance(vocabulary, list) and all(isinstance(word, str) for word in vocabulary)
    if not scaled or not worded or not isinstance(about.get("text"), str) or not isinstance(about.get("network"), dict):
        raise MmascError(f"{file} is damaged: its record lacks network, text or logit_scale; train or copy it again")
