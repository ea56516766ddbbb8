"""An encoder that a user wrote (`mmasc.encoders.plugin`) as an `Encoder`: its output is checked, its errors name it."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmasc.devices import resolve_device
from mmasc.encoders.base import Encoder
from mmasc.encoders.hearing import AskedWindow
from mmasc.encoders.identity import identity_digest
from mmasc.encoders.plugin import EncoderPlugin, spec_of_plugin
from mmasc.encoders.plugin_files import find_plugin, named_by_file
from mmasc.errors import MmascError


class PluggedEncoder(Encoder):
    """Somebody's encoder.

    Args:
        plugin: What `load_encoder` takes ("FILE.py:Class", "NAME:PATH"), a subclass of `EncoderPlugin`, or an object
            of one.
        device: Device on which its networks run.
        window: The window that users ask for.
    Attributes:
        plugin: Somebody's object.
    Raises:
        MmascError: If there is none of this name, it is not trusted, or it raises; the line names it.
    """

    def __init__(
        self, plugin: str | EncoderPlugin | type[EncoderPlugin], device: str, window: AskedWindow | None = None
    ) -> None:
        self._called = plugin if isinstance(plugin, str) else _name_of(plugin)
        found, path = find_plugin(plugin) if isinstance(plugin, str) else (plugin, None)
        self.plugin = self._made(found, path, str(resolve_device(device)))
        spec = self._asked("spec", lambda: spec_of_plugin(self.plugin))
        if not spec.modalities:
            raise MmascError(f"{self._called} has no embed_audio, embed_text or embed_image; write one")
        super().__init__((window or AskedWindow()).of(spec), path, device)
        self.logit_scale = self.plugin.spec.logit_scale or (1.0 if self.supports("text") else None)
        state, files = _state(self._asked("weights", self.plugin.weights), self._called)
        about = {"plugin": spec.name, "version": self.plugin.spec.version, "files": files}
        self.identity = self._asked("weights", lambda: identity_digest(self.spec, state, about))
        if not isinstance(plugin, str):
            self.loaded_as = named_by_file(self.plugin)
        self._numbers = sum(int(np.prod(tuple(one.shape))) for one in state.values())

    def _made(self, found: EncoderPlugin | type[EncoderPlugin], path: str | None, device: str) -> EncoderPlugin:
        if not isinstance(found, type):
            return found
        made: EncoderPlugin = self._asked("__init__", lambda: found(path, device))
        return made

    @property
    def windows_at_once(self) -> int:
        """How many windows go through the plug-in at once."""
        return self.plugin.spec.windows_at_once

    @property
    def unit_length(self) -> bool:
        """Whether its specification says that its vectors have length 1."""
        return self.plugin.spec.unit_length

    def parameter_counts(self) -> tuple[int, int]:
        """Numbers of its weights, as far as they are arrays."""
        return self._numbers, self._numbers

    def embed(self, waveforms: Any, sample_rate: int | None = None) -> Float[np.ndarray, "batch dim"]:
        self._require("audio")
        return super().embed(waveforms, sample_rate)

    embed.__doc__ = Encoder.embed.__doc__

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        windows = waveforms.cpu().numpy()
        return torch.from_numpy(self._vectors("embed_audio", self.plugin.embed_audio, windows))

    def _text(self, texts: list[str]) -> Any:
        return self._vectors("embed_text", self.plugin.embed_text, texts)

    def _image(self, images: list[Any]) -> Any:
        return self._vectors("embed_image", self.plugin.embed_image, images)

    def _vectors(self, method: str, call: Callable[[Any], Any], items: Any) -> np.ndarray:
        """What a method gives, checked."""

        def asked() -> np.ndarray:
            found = call(items)
            found = found.detach().cpu().numpy() if isinstance(found, Tensor) else np.asarray(found)
            return np.ascontiguousarray(found, np.float32)

        vectors: np.ndarray = self._asked(method, asked)
        if vectors.shape != (len(items), self.spec.dim):
            raise MmascError(
                f"{self._called} gives {list(vectors.shape)} numbers in {method} for {len(items)} items, its spec says "
                f"dim {self.spec.dim}: correct one of them"
            )
        if not np.isfinite(vectors).all():
            raise MmascError(f"{self._called} gives NaN or infinity in {method}; correct it (mmasc models check)")
        return vectors

    def _asked(self, what: str, call: Callable[[], Any]) -> Any:
        """Calls the user's code; errors in it become one line that names it."""
        try:
            return call()
        except MmascError:
            raise
        except Exception as error:  # somebody's code: anything may come
            reason = " ".join(str(error).split())[:200]
            raise MmascError(
                f"the encoder {self._called} raised {type(error).__name__} in {what}"
                + (f" ({reason})" if reason else "")
                + "; correct it, or choose another encoder"
            ) from error


def _name_of(plugin: EncoderPlugin | type[EncoderPlugin]) -> str:
    return (plugin if isinstance(plugin, type) else type(plugin)).__name__


def _state(weights: Mapping[str, Any], called: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Arrays and tensors by name, and the digests of files."""
    if not isinstance(weights, Mapping):
        raise MmascError(f"{called} gives {type(weights).__name__} in weights instead of names with arrays or paths")
    state, files = {}, {}
    for name, value in weights.items():
        if isinstance(value, str | Path):
            files[str(name)] = _digest(Path(value), called)
        elif isinstance(value, np.ndarray | Tensor):
            state[str(name)] = value
        else:
            raise MmascError(
                f"{called} gives {type(value).__name__} as weights {name!r}: arrays and paths are possible"
            )
    return state, files


def _digest(path: Path, called: str) -> str:
    """SHA-256 of a file, or of all files of a folder by their names."""
    digest = hashlib.sha256()
    try:
        for file in sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]:
            name = "" if file == path else file.relative_to(path).as_posix()
            with file.open("rb") as reading:
                digest.update(f"{name} {hashlib.file_digest(reading, 'sha256').hexdigest()}\n".encode())
    except OSError as error:
        raise MmascError(f"the weights {path} of {called} cannot be read ({error.strerror})") from error
    return digest.hexdigest()
