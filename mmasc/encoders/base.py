"""The encoder: windows of sound (and texts, and pictures) in, vectors of one named space out.

A subclass writes `_audio` (and `_text`, `_image` where its space has them); batching, checks, evaluation mode and
the border from torch to numpy are here, once.
"""

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmasc.audio.arrays import array_sound
from mmasc.devices import resolve_device
from mmasc.encoders.band import BandPass
from mmasc.encoders.embedding import FileVectors, embed_file
from mmasc.encoders.hearing import Hearing
from mmasc.encoders.identity import backend_identity
from mmasc.encoders.spec import EncoderSpec, Origin
from mmasc.encoders.text_encoder import TextEncoder
from mmasc.errors import MmascError
from mmasc.inputs import check_picture

# Windows that go through a network at once. On a CPU one by one: a vector is then the same bit for bit with any
# neighbours. It costs a small network half of its own time, 7 to 15 % from file to vector; a large one nothing. A GPU
# needs many.
_WINDOWS_AT_ONCE_CPU = 1
_WINDOWS_AT_ONCE_ACCELERATOR = 32
# An array of so many rows of so few samples is the other way round, as soundfile gives it
_MOST_CHANNELS = 32
_MANY_ROWS = 64


class Encoder(TextEncoder):
    """A frozen network with its front end, in evaluation mode.

    Attributes:
        spec: What was known before loading.
        identity: Hex digest of weights, preprocessing constants and window policy: it names the space. Vectors of
            different identities are never compared.
        device: Device on which the network runs.
        backend: "eager" or "onnx": what runs the network.
        origin: What `load_encoder` built it from, so that another process can; None where it was made by hand.
        many_threads: Whether it is large, and its vectors the same to the last bit by any number of threads.
        logit_scale: What softmax multiplies cosines by, where the space has text or pictures; else None.
        loaded_as: Name that `load_encoder` took, with full paths; "" for encoders that were made otherwise.
    """

    device: torch.device
    backend: str = "eager"
    loaded_as: str = ""
    _band: BandPass | None = None
    origin: Origin | None = None
    many_threads: bool = False

    def __init__(self, spec: EncoderSpec, path: str | None = None, device: str = "cpu") -> None:
        self.spec = spec
        self.device = resolve_device(device)

    def embed(self, waveforms: Any, sample_rate: int | None = None) -> Float[np.ndarray, "batch dim"]:
        """Vectors of windows that are cut already; `embed_audio` takes whole recordings.

        Args:
            waveforms: Mono samples in [-1, 1] at `spec.sample_rate`, `[batch time]`; torch or numpy, any float type.
            sample_rate: If given, must be `spec.sample_rate`: a guard against a rate slip.
        Returns:
            float32 `[batch dim]`, as the network gave them (not normalised unless the network does).
        Raises:
            ValueError: If the shape, rate, type or values are wrong (integers, NaN and infinity are refused).
        """
        if sample_rate is not None and sample_rate != self.spec.sample_rate:
            raise ValueError(f"{self.spec.name} takes {self.spec.sample_rate} Hz, got {sample_rate} Hz: resample first")
        windows = _checked(waveforms)
        if len(windows) == 0:
            return np.zeros((0, self.spec.dim), np.float32)
        # Filled a few at a time: many short windows filled at once would be as large as long ones
        parts = (self._fill(self._in_band(part)).to(self.device) for part in windows.split(self.windows_at_once))
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            return torch.cat([self._audio(part).float().cpu() for part in parts]).numpy()

    def embed_audio(
        self, waveform: Any, sample_rate: Any, hop_seconds: float | None = None, channels: str = "mix"
    ) -> FileVectors:
        """Vectors of the windows of a waveform: resampled, cut and filled as the file with these samples would be.

        Args:
            waveform: One recording, `[time]` or `[channel time]`; numpy, torch or lists. `[time channel]` is taken
                where there are more than 64 rows and at most 32 columns. Floats in [-1, 1] (more is kept, as in float
                files), or int8, uint8, int16, int32, whose range becomes [-1, 1].
            sample_rate: Sample rate of the waveform, in Hz; any from 1,000 to 768,000.
            hop_seconds: Seconds from one window's start to the next; default: the window, no overlap.
            channels: "mix", "left", "right", "each" or "mid-side".
        Returns:
            `vectors`, float32 `[item dim]`, of windows with `starts` and `ends` in seconds `[item]`; `vector`, the
            recording's own `[dim]`; and what else `embed_file` says of a file.
        Raises:
            ValueError: If the shape, type or rate of the waveform is wrong.
            MmascError: If there is no sample, NaN or infinity among them, or the hop is longer than the window.
        """
        return embed_file(array_sound(waveform, sample_rate), self, hop_seconds, channels)

    def embed_text(self, texts: Any) -> Float[np.ndarray, "item dim"]:
        with torch.inference_mode():
            return super().embed_text(texts)

    embed_text.__doc__ = TextEncoder.embed_text.__doc__

    def embed_image(self, images: Sequence[Any]) -> Float[np.ndarray, "item dim"]:
        """Vectors of pictures (PIL images or uint8 arrays [height, width, 3]) in the same space.

        Raises:
            MmascError: If the space has no pictures.
            ValueError: If something is not a picture.
        """
        self._require("image")
        for image in images:
            check_picture(image)
        if not len(images):
            return np.zeros((0, self.spec.dim), np.float32)
        with torch.inference_mode():
            return np.asarray(self._image(list(images)), np.float32)

    def embed_film(self, films: Sequence[Any]) -> Float[np.ndarray, "item dim"]:
        """Vectors of films, by their pictures alone, in the same space.

        Args:
            films: Paths of films, or uint8 arrays `[frame height width 3]`.
        Raises:
            MmascError: If the space has no films, or a file cannot be read.
            ValueError: If an array is something else.
        """
        self._require("film")
        for film in films:
            frames = np.asarray(() if isinstance(film, str | os.PathLike) else film)
            if not isinstance(film, str | os.PathLike) and (frames.dtype != np.uint8 or frames.ndim != 4):
                raise ValueError(
                    "a film must be a path or uint8 [frame, height, width, 3], got "
                    f"{type(film).__name__} {frames.dtype} {list(frames.shape)}"
                )
        if not len(films):
            return np.zeros((0, self.spec.dim), np.float32)
        with torch.inference_mode():
            return np.concatenate([np.asarray(self._film(film), np.float32) for film in films])

    def use_onnx(self) -> None:
        """Run the network by ONNX Runtime from now on, which is another space: `identity` changes.

        `load_encoder(name, backend="onnx")` calls it.

        Raises:
            MmascError: If this encoder cannot, the extra is not installed, or the device is not the CPU.
        """
        if self.device.type != "cpu":
            raise MmascError(
                f"the onnx backend runs on the CPU, not on {self.device}; leave out the device or the backend"
            )
        if self.backend != "eager":
            raise ValueError(f"{self.spec.name} runs by {self.backend} already")
        self._run_by_onnx(self.identity)
        self.backend, self.identity = "onnx", backend_identity(self.identity, "onnx")

    def _run_by_onnx(self, identity: str) -> None:
        """Put `OnnxPart`s in the place of networks; `identity` names their files in the cache."""
        raise MmascError(f"{self.spec.name} has no onnx backend; leave it out")

    def hear(self, hearing: Hearing) -> None:
        """Hear recordings slowed down, or a band of them, from now on, which is another space: `identity` changes.

        `load_encoder("NAME+speed=0.1+band=15000-120000")` calls it.

        Args:
            hearing: What is done to recordings.
        Raises:
            MmascError: If the encoder cannot hear so.
        """
        self.spec = hearing.spec(self.spec)
        self.identity = hearing.identity(self.identity)
        self._band = BandPass(hearing.low_hz, hearing.high_hz, self.spec.sample_rate) if hearing.has_band else None

    def _in_band(self, windows: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        return windows if self._band is None else self._band(windows)

    @property
    def windows_at_once(self) -> int:
        """How many windows go through the network at once on this device."""
        return _WINDOWS_AT_ONCE_CPU if self.device.type == "cpu" else _WINDOWS_AT_ONCE_ACCELERATOR

    @property
    def window_samples(self) -> int:
        """Length of a window in samples at `spec.sample_rate`."""
        return round(self.spec.window_seconds * self.spec.sample_rate)

    def parameter_counts(self) -> tuple[int, int]:
        """Trainable parameters, and all numbers of the state dict."""
        raise NotImplementedError

    def _fill(self, windows: Float[Tensor, "batch time"]) -> Float[Tensor, "batch filled"]:
        """Fill short windows the way the encoder was trained; longer ones only where the network takes any length."""
        spec, length = self.spec, windows.shape[1]
        if spec.padding == "minimum":
            target = max(length, round(spec.minimum_seconds * spec.sample_rate))
        else:
            target = self.window_samples
            if length > target:
                raise ValueError(f"{spec.name} takes windows of {target} samples, got {length}: cut them first")
        if spec.padding == "edges" and length < target:
            # Python rounds half to even, and so does the evaluation of AudioCLIP's authors
            before = round((target - length) / 2)
            return torch.nn.functional.pad(windows, (before, target - length - before), mode="replicate")
        if spec.padding == "repeat" and length < target:
            windows = windows.repeat(1, target // length)
        return torch.nn.functional.pad(windows, (0, target - windows.shape[1]))

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        raise NotImplementedError

    def _image(self, images: list[Any]) -> Any:
        raise NotImplementedError

    def _film(self, film: Any) -> Any:
        raise NotImplementedError


def _checked(waveforms: Any) -> Tensor:
    """Waveforms as float32 `[batch time]`, or one line that says what is wrong with them."""
    if isinstance(waveforms, Tensor):
        floating, kind = waveforms.is_floating_point(), str(waveforms.dtype).removeprefix("torch.")
    else:
        waveforms = np.asarray(waveforms)
        floating, kind = waveforms.dtype.kind == "f" or not waveforms.size, str(waveforms.dtype)
    if not floating:
        mend = "; divide int16 samples by 32768" if "int" in kind else ""
        raise ValueError(f"waveforms must be floats in [-1, 1], got {kind}{mend}")
    shape = list(waveforms.shape)
    if len(shape) != 2 or shape[1] == 0:
        raise ValueError(f"waveforms must be [batch, time] with time > 0, got {shape}")
    if shape[1] <= _MOST_CHANNELS and shape[0] > _MANY_ROWS:
        raise ValueError(
            f"waveforms must be [batch, time], got {shape}, which looks like [time, channel]: give one channel as "
            "samples[:, 0][None], or all as samples.T"
        )
    if isinstance(waveforms, Tensor):
        windows = waveforms.detach().to(torch.float32)
    else:
        with np.errstate(over="ignore"):  # becomes infinite, and is refused as such
            windows = torch.from_numpy(np.require(waveforms, np.float32, ["C", "W"]))
    low, high = (float(one) for one in torch.aminmax(windows)) if windows.numel() else (0.0, 0.0)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("waveforms hold NaN or infinite samples")
    return windows
