"""Official AudioCLIP weights files → checked tensors by name: all of it, the CLIP towers alone, the audio head alone.

Names and shapes are those of the files that the authors released: OpenAI's CLIP RN50 without a prefix, the audio
network under `audio.`, two more logit scales. Nothing in a file is run: only tensors are unpickled.
"""

import pickle
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mmasc.encoders.esresnext import ESResNeXt, blackman_harris
from mmasc.errors import MmascError
from mmasc.storage.tensors import read_pickled

AUDIO = "audio."
AUDIO_SCALES = ("logit_scale_ai", "logit_scale_at")
# In some files next to the weights; they say what the shapes say
_REMARKS = ("input_resolution", "context_length", "vocab_size")
# What the authors' own files may lack: both follow from the definition
_DERIVED = {"window": blackman_harris, "fbsp.bias": lambda: torch.zeros(0)}
_LISTED = 3  # names in a message; the rest is counted
_MEND = "fetch the official file: mmasc models fetch audioclip-full"


@dataclass(frozen=True)
class AudioClipState:
    """Weights by the names of the official files, without any outer prefix.

    Attributes:
        path: The file.
        audio: Weights of the audio network, without `audio.`; empty where the file has no audio head.
        towers: Weights of text and picture tower and their logit scale; empty where the file has no towers.
        scales: `logit_scale_ai` and `logit_scale_at`; empty where the file lacks one of the two parts.
    """

    path: Path
    audio: dict[str, Tensor]
    towers: dict[str, Tensor]
    scales: dict[str, Tensor]

    @property
    def modalities(self) -> tuple[str, ...]:
        """What can be embedded with these weights."""
        return (("audio",) if self.audio else ()) + (("text", "image") if self.towers else ())

    @property
    def n_classes(self) -> int:
        """Rows of the audio network's last layer; 1024 in AudioCLIP."""
        return len(self.audio["fc.weight"])

    def everything(self) -> dict[str, Tensor]:
        """All of it under its full names, as the official file counts it."""
        return {**{AUDIO + name: tensor for name, tensor in self.audio.items()}, **self.towers, **self.scales}

    def shaping(self) -> dict[str, Tensor]:
        """What shapes vectors: all but counters of training steps and the empty bias."""
        named = self.everything().items()
        return {name: tensor for name, tensor in named if tensor.numel() and not name.endswith("num_batches_tracked")}


def read_state(path: Path) -> AudioClipState:
    """Read and check an official file; tensors stay on the disk until they are used.

    Args:
        path: AudioCLIP-Full-Training.pt, AudioCLIP-Partial-Training.pt, CLIP.pt, ESRNXFBSP.pt or one made like them,
            with or without `module.` before every name.
    Raises:
        MmascError: If the file is missing, damaged, holds code, or any name or shape is missing or too many.
    """
    stored = _read_tensors(path)
    if stored and all(name.startswith("module.") for name in stored):
        stored = {name.removeprefix("module."): tensor for name, tensor in stored.items()}
    stored = {name: tensor for name, tensor in stored.items() if name not in _REMARKS}
    head_alone = "fbsp.fc" in stored
    audio = stored if head_alone else {n.removeprefix(AUDIO): t for n, t in stored.items() if n.startswith(AUDIO)}
    rest = {} if head_alone else {name: tensor for name, tensor in stored.items() if not name.startswith(AUDIO)}
    scales = {name: rest.pop(name) for name in AUDIO_SCALES if name in rest}
    if not audio and not rest:
        raise MmascError(f"{path} holds no weights of AudioCLIP; {_MEND}")
    for name, make in _DERIVED.items():
        if audio and name not in audio:
            audio[name] = make()
    problems: list[str] = []
    if audio:
        last = audio.get("fc.bias")
        n_classes = len(last) if head_alone and last is not None and last.ndim == 1 else 1024
        problems += _differences(audio, audio_shapes(n_classes), "" if head_alone else AUDIO)
    if rest:
        problems += _differences(rest, tower_shapes(), "")
    if audio and rest:
        problems += _differences(scales, dict.fromkeys(AUDIO_SCALES, ()), "")
    elif scales:
        problems += [f"unexpected {name}" for name in scales]
    if problems:
        more = f" and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
        raise MmascError(f"{path} does not fit AudioCLIP: {', '.join(problems[:_LISTED])}{more}; {_MEND}")
    return AudioClipState(path, audio, rest, scales)


def audio_shapes(n_classes: int = 1024) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the audio network, without `audio.`."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in ESResNeXt(n_classes).state_dict().items()}


def tower_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of OpenAI's CLIP RN50: text tower, picture tower, logit scale.

    Source: Radford et al. 2021, "Learning transferable visual models from natural language supervision", table 19.
    """
    return dict([("logit_scale", ()), *_text_shapes(), *_picture_shapes()])


def _text_shapes(width: int = 512) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from (("positional_embedding", (77, width)), ("text_projection", (width, 1024)))
    yield from (("token_embedding.weight", (49408, width)), ("ln_final.weight", (width,)), ("ln_final.bias", (width,)))
    for number in range(12):
        for name, n_out, n_in in (
            ("attn.in_proj_", 3 * width, width),
            ("attn.out_proj.", width, width),
            ("mlp.c_fc.", 4 * width, width),
            ("mlp.c_proj.", width, 4 * width),
        ):
            yield f"transformer.resblocks.{number}.{name}weight", (n_out, n_in)
            yield f"transformer.resblocks.{number}.{name}bias", (n_out,)
        for norm in ("ln_1", "ln_2"):
            yield f"transformer.resblocks.{number}.{norm}.weight", (width,)
            yield f"transformer.resblocks.{number}.{norm}.bias", (width,)


def _picture_shapes(width: int = 64) -> Iterator[tuple[str, tuple[int, ...]]]:
    for number, (n_out, n_in) in enumerate(((width // 2, 3), (width // 2, width // 2), (width, width // 2)), 1):
        yield f"visual.conv{number}.weight", (n_out, n_in, 3, 3)
        yield from _norm_shapes(f"visual.bn{number}", n_out)
    n_in = width
    for layer, n_blocks in enumerate((3, 4, 6, 3), 1):
        n_inner = width * 2 ** (layer - 1)
        for block in range(n_blocks):
            name = f"visual.layer{layer}.{block}"
            for number, (n_to, n_from, size) in enumerate(
                ((n_inner, n_in, 1), (n_inner, n_inner, 3), (4 * n_inner, n_inner, 1)), 1
            ):
                yield f"{name}.conv{number}.weight", (n_to, n_from, size, size)
                yield from _norm_shapes(f"{name}.bn{number}", n_to)
            if block == 0:
                yield f"{name}.downsample.0.weight", (4 * n_inner, n_in, 1, 1)
                yield from _norm_shapes(f"{name}.downsample.1", 4 * n_inner)
            n_in = 4 * n_inner
    yield "visual.attnpool.positional_embedding", (7 * 7 + 1, n_in)
    for projection, n_out in (("q_proj", n_in), ("k_proj", n_in), ("v_proj", n_in), ("c_proj", 1024)):
        yield f"visual.attnpool.{projection}.weight", (n_out, n_in)
        yield f"visual.attnpool.{projection}.bias", (n_out,)


def _norm_shapes(name: str, size: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (size,)
    yield f"{name}.num_batches_tracked", ()


def _differences(tensors: dict[str, Tensor], shapes: dict[str, tuple[int, ...]], prefix: str) -> list[str]:
    """What is missing, too many, of another shape or no finite float32, in words."""
    found = [f"missing {prefix}{name}" for name in shapes if name not in tensors]
    found += [f"unexpected {prefix}{name}" for name in tensors if name not in shapes]
    for name, shape in shapes.items():
        if name in tensors and tuple(tensors[name].shape) != shape:
            found.append(f"{prefix}{name} of shape {list(tensors[name].shape)} instead of {list(shape)}")
        elif name in tensors and not name.endswith("num_batches_tracked") and tensors[name].dtype != torch.float32:
            found.append(f"{prefix}{name} of type {tensors[name].dtype} instead of torch.float32")
    return found


def _read_tensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise MmascError(f"{path} is not a file; name an official weights file of AudioCLIP, or {_MEND}")
    try:
        # Only files in the zip format can stay on the disk until they are used
        stored = read_pickled(path, mapped=zipfile.is_zipfile(path))
    except ValueError as error:
        if isinstance(error.__cause__, pickle.UnpicklingError):
            raise MmascError(
                f"{path} holds more than weights (code, perhaps) or is damaged; nothing was run; {_MEND}"
            ) from error
        raise MmascError(f"{path} cannot be read as weights ({str(error)[:120]}); {_MEND}") from error
    if not isinstance(stored, dict) or not all(isinstance(tensor, Tensor) for tensor in stored.values()):
        odd = type(stored).__name__
        if isinstance(stored, dict):
            stored = {
                name: value for name, value in stored.items() if not (name in _REMARKS and isinstance(value, int))
            }
            if all(isinstance(tensor, Tensor) for tensor in stored.values()):
                return dict(stored)
            odd = ", ".join([str(name) for name, value in stored.items() if not isinstance(value, Tensor)][:_LISTED])
        raise MmascError(f"{path} holds {odd}, not a table of tensors alone; {_MEND}")
    return dict(stored)
