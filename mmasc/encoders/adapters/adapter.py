"""What adapters have in common: the window that users ask for, identity, texts one by one, errors of packages."""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.encoders.base import Encoder
from mmasc.encoders.hearing import AskedWindow
from mmasc.encoders.spec import EncoderSpec
from mmasc.encoders.text_memory import TextMemory
from mmasc.errors import MmascError

# Of configurations, what packages write about themselves and what shapes no vector
_VOLATILE = re.compile(r"transformers_version|_name_or_path|architectures|(torch_)?dtype|_commit_hash|use_cache")


class AdapterEncoder(Encoder):
    """An encoder of another package.

    A subclass calls `settle` at the end of its `__init__` and writes `_audio`, `_one_text` and `_image` as far as its
    space understands them.

    Attributes:
        longest_seconds: Longest window that it hears; None for any.
    """

    longest_seconds: float | None = None

    def settle(self, spec: EncoderSpec, window: AskedWindow, shaping: Mapping[str, Any]) -> None:
        """Set specification, window and identity.

        Args:
            spec: Specification with the encoder's own window.
            window: The window that users ask for.
            shaping: Digests of weights and tokens, configurations, constants: all that shapes a vector, as JSON.
        Raises:
            MmascError: If the window is longer than what the encoder hears.
        """
        self.spec = window.of(spec)
        longest = self.longest_seconds
        if longest is not None and self.spec.window_seconds > longest + 1e-9:
            raise MmascError(
                f"{spec.name} hears at most {longest * window.hearing.speed:g} seconds at once, got "
                f"{window.seconds:g}: choose a shorter window"
            )
        policy = [self.spec.sample_rate, self.spec.window_seconds, self.spec.dim, self.spec.padding]
        policy.append(self.spec.minimum_seconds)
        text = json.dumps(["adapter", policy, _steady(shaping)], sort_keys=True)
        self.identity = hashlib.sha256(text.encode()).hexdigest()[:32]
        self._known_texts = TextMemory(self._new_texts, self.spec.dim)

    def parameter_counts(self) -> tuple[int, int]:
        """Parameters, and all numbers of the state dict."""
        network = getattr(self, "model", None)
        if not isinstance(network, torch.nn.Module):
            return 0, 0
        parameters = sum(one.numel() for one in network.parameters())
        return parameters, sum(one.numel() for one in network.state_dict().values() if isinstance(one, Tensor))

    def embed(self, waveforms: Any, sample_rate: int | None = None) -> Float[np.ndarray, "batch dim"]:
        self._require("audio")
        return super().embed(waveforms, sample_rate)

    embed.__doc__ = Encoder.embed.__doc__

    def _text(self, texts: list[str]) -> Float32[np.ndarray, "text dim"]:
        return self._known_texts(texts)

    def _new_texts(self, texts: list[str]) -> Float32[np.ndarray, "text dim"]:
        # One by one: without padding no text depends on its neighbours
        return np.stack([self._one_text(text) for text in texts])

    def _one_text(self, text: str) -> Float32[np.ndarray, " dim"]:
        raise NotImplementedError


@contextlib.contextmanager
def package_errors(what: str, fix: str) -> Iterator[None]:
    """Errors of a package within the block become one line.

    Args:
        what: What was tried, for the message.
        fix: What to do.
    """
    try:
        yield
    except MmascError:
        raise
    except Exception as error:  # packages raise errors of any kind on models that do not fit
        reason = " ".join(str(error).split())[:240] or type(error).__name__
        raise MmascError(f"{what} ({reason}); {fix}") from error


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Within the block transformers prints neither progress bars nor reports; what is wrong is raised."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def as_array(vectors: Any, dim: int, what: str) -> Float32[np.ndarray, "item dim"]:
    """Vectors of a package as float32 `[item dim]`.

    Raises:
        MmascError: If they are something else.
    """
    found = vectors.detach().cpu().float().numpy() if isinstance(vectors, Tensor) else np.asarray(vectors, np.float32)
    if found.ndim != 2 or found.shape[1] != dim:
        raise MmascError(f"{what} gives {list(found.shape)} numbers instead of [item, {dim}]; choose another model")
    return found


def _steady(value: Any) -> Any:
    """A configuration without what packages write about themselves."""
    if isinstance(value, Mapping):
        return {key: _steady(one) for key, one in value.items() if not _VOLATILE.fullmatch(str(key))}
    return [_steady(one) for one in value] if isinstance(value, list | tuple) else value
