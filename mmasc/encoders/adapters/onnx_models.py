"""`onnx:FILE`: a network that others exported, with a YAML file that says how to ask it (`onnx_about`).

Runs by ONNX Runtime on the CPU, window by window. With names of classes it is also a tagger: `names:onnx:FILE`.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.devices import resolve_device
from mmasc.encoders.adapters.adapter import AdapterEncoder, package_errors
from mmasc.encoders.adapters.onnx_about import OnnxAbout, read_about
from mmasc.encoders.hearing import AskedWindow
from mmasc.errors import MmascError
from mmasc.networks.onnx import open_session
from mmasc.printing import counted

_FIX = "correct its YAML file, or name another file"
# Next to a file, where its weights are too large for one
_MORE_WEIGHTS = (".data", "_data")
_CERTAIN = 1e-7  # probabilities beyond it are rounding


class OnnxNetwork:
    """An ONNX file that fits its YAML file.

    Args:
        file: The ONNX file.
    Attributes:
        about: What the YAML file says.
        identity: What shapes its answers, as JSON.
    Raises:
        MmascError: If the extra is not installed, the file is damaged, or it does not fit what the YAML file says.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.about = file, read_about(file)
        self._session = open_session(file, "copy or export it again")
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise MmascError(
                f"{file} wants {len(inputs)} inputs, mmasc gives one, the sound; export it with that alone"
            )
        self._input = inputs[0].name
        self.fixed_samples = self._check_input(inputs[0])
        there = [one.name for one in self._session.get_outputs()]
        for key in ("vector", "scores"):
            name = getattr(self.about, key)
            if name and name not in there:
                raise MmascError(f"{file} has no output {name!r} ({key}); it has: {', '.join(there)}")
        with file.open("rb") as reading:
            self.shaping: dict[str, Any] = {"file": hashlib.file_digest(reading, "sha256").hexdigest()}
        for end in _MORE_WEIGHTS:
            more = file.with_name(file.name + end)
            if more.is_file():
                with more.open("rb") as reading:
                    self.shaping[end] = hashlib.file_digest(reading, "sha256").hexdigest()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of its classes; none where it has no output for them."""
        return self.about.classes if self.about.scores else ()

    def answer(self, window: Float32[np.ndarray, " time"], output: str) -> Float32[np.ndarray, " number"]:
        """One output for one window, other axes than the last averaged.

        Args:
            window: Samples in [-1, 1].
            output: Name of the output.
        Raises:
            MmascError: If the window does not fit.
        """
        samples = window * np.float32(self.about.full_scale)
        shape = [len(samples) if axis == "time" else 1 for axis in self.about.input]
        with package_errors(f"{self.file} cannot read a window of {len(samples)} samples", _FIX):
            found = self._session.run([output], {self._input: samples.reshape(shape)})[0]
        return np.asarray(found, np.float32).reshape(-1, found.shape[-1]).mean(0)

    def logits(self, window: Float32[np.ndarray, " time"]) -> Float32[np.ndarray, " class"]:
        """A logit for each class, also where the file gives probabilities."""
        scores = self.answer(window, self.about.scores)
        if len(scores) != len(self.classes):
            raise MmascError(
                f"{self.file} gives {counted(len(scores), 'score')}, its YAML file names "
                f"{counted(len(self.classes), 'class', 'classes')}; correct it"
            )
        if self.about.scores_are == "logits":
            return scores
        certain = np.clip(scores.astype(np.float64), _CERTAIN, 1 - _CERTAIN)
        return np.log(certain / (1 - certain)).astype(np.float32)

    def _check_input(self, given: Any) -> int | None:
        """How many samples the file wants; None where it takes any number."""
        layout, shape = self.about.input, list(given.shape)
        shown = f"{list(layout)}".replace("'", "")
        if given.type != "tensor(float)":
            raise MmascError(f"{self.file} wants {given.type} as input, mmasc gives tensor(float); export it so")
        if len(shape) != len(layout):
            raise MmascError(f"{self.file} wants an input of {shape}, its YAML file says {shown}; {_FIX}")
        wanted = None
        for axis, size in zip(layout, shape, strict=True):
            if not isinstance(size, int):
                continue
            if axis == "time":
                wanted = size
            elif size != 1:
                raise MmascError(f"{self.file} wants an input of {shape}, its YAML file says {shown}; {_FIX}")
        samples = round(self.about.window_seconds * self.about.sample_rate)
        if wanted is not None and wanted != samples:
            raise MmascError(
                f"{self.file} wants {wanted} samples, its YAML file says {self.about.window_seconds:g} s at "
                f"{self.about.sample_rate} Hz, which are {samples}; {_FIX}"
            )
        return wanted


class OnnxEncoder(AdapterEncoder):
    """The vector of an ONNX file.

    Args:
        name: "onnx:FILE".
        device: "cpu"; others are refused.
        window: The window that users ask for.
    Raises:
        MmascError: As `OnnxNetwork` does; or for another device, or a window that the file does not take.
    """

    def __init__(self, name: str, device: str = "cpu", window: AskedWindow | None = None) -> None:
        self.device = resolve_device(device)
        if self.device.type != "cpu":
            raise MmascError(f"onnx files run on the CPU, not on {self.device}; leave out the device")
        self.network = OnnxNetwork(_file_of(name))
        about = self.network.about
        fixed = self.network.fixed_samples
        self.longest_seconds = None if fixed is None else about.window_seconds
        window = window or AskedWindow()
        if fixed is not None:
            window = _only_own(window, about)
        silence = np.zeros(round(about.window_seconds * about.sample_rate), np.float32)
        dim = len(self.network.answer(silence, about.vector))
        if about.dim and about.dim != dim:
            raise MmascError(f"{self.network.file} gives {dim} numbers, its YAML file says dim {about.dim}; correct it")
        self.settle(about.spec(dim), window, {"package": "onnx", **about.shaping(), **self.network.shaping})

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        vector = self.network.about.vector
        return torch.from_numpy(np.stack([self.network.answer(one, vector) for one in waveforms.numpy()]))


class OnnxLogits(AdapterEncoder):
    """What an ONNX file says of its classes, in the place of a vector.

    Args:
        file: The ONNX file.
    Raises:
        MmascError: If its YAML file names no output with scores, or no classes.
    """

    def __init__(self, file: Path) -> None:
        self.device = torch.device("cpu")
        self.network = OnnxNetwork(file)
        if not self.network.classes:
            raise MmascError(
                f"{file.with_suffix('.yaml')} names no scores or classes, so it cannot be searched in words"
            )
        self.settle(self.network.about.spec(len(self.network.classes)), AskedWindow(), self.network.shaping)

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes."""
        return self.network.classes

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        return torch.from_numpy(np.stack([self.network.logits(one) for one in waveforms.cpu().numpy()]))


def _file_of(name: str) -> Path:
    asked = name.partition(":")[2]
    if not asked:
        raise MmascError("onnx needs a file: onnx:FILE, with a YAML file next to it")
    return Path(asked).expanduser()


def _only_own(window: AskedWindow, about: OnnxAbout) -> AskedWindow:
    """The window of the file; another one is refused."""
    asked = window.of(about.spec(1)).window_seconds
    if not math.isclose(asked, about.window_seconds, abs_tol=0.5 / about.sample_rate):
        raise MmascError(
            f"this file takes windows of {about.window_seconds * window.hearing.speed:g} s, not {window.seconds:g}; "
            "leave out the window"
        )
    return replace(window, seconds=None)
