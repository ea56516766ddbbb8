"""`audioclip`: sounds, texts and pictures in one space of 1024 numbers, with the weights that its authors released.

The audio network is esresnext.py, run by esresnext_fast.py; the towers of texts and pictures are OpenAI's CLIP RN50
(clip_towers.py) and are built when the first text or picture comes.

Paper: Guzhov et al. 2021, "AudioCLIP: extending CLIP to image, text and audio", arXiv:2106.13043.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.encoders.audioclip_files import AudioClipState, read_state
from mmasc.encoders.base import Encoder
from mmasc.encoders.clip_towers import CONTEXT_TOKENS, ClipTowers
from mmasc.encoders.esresnext import HOP_LENGTH, N_FFT, POWER_FLOOR, WIN_LENGTH, ESResNeXt
from mmasc.encoders.esresnext_fast import FastFrontEnd, FoldedTrunk
from mmasc.encoders.identity import identity_digest
from mmasc.encoders.spec import EncoderSpec
from mmasc.encoders.text_memory import TextMemory
from mmasc.weights.store import check_named, find

# The network was trained on samples as 16-bit files hold them
FULL_SCALE = 32768.0
_SCALE_LIMIT = 100.0  # of a logit scale; the lower limit is 1
_CONSTANTS = {
    "front_end": {"n_fft": N_FFT, "hop_length": HOP_LENGTH, "win_length": WIN_LENGTH, "power_floor": POWER_FLOOR},
    "full_scale": FULL_SCALE,
    "output": "unit length",
}


class AudioClip(Encoder):
    """Sounds, texts and pictures to unit vectors.

    A file with the audio head alone makes an encoder of sounds alone, one with CLIP alone an encoder of texts and
    pictures alone; the spec says so, and so does the message where the other is asked. An AudioSet head (527 classes)
    gives vectors of 527 class scores, a space of its own.

    Args:
        spec: Specification from the registry.
        path: An official weights file; default: the one that `mmasc models fetch` has put in its place.
        device: Device on which the networks run.
    Attributes:
        logit_scales: What softmax multiplies cosines by: "audio-image", "audio-text", "image-text"; those there are.
    Raises:
        MmascError: If the file is missing, damaged, holds code, does not fit the network (the names are given), or is
            another than the official one whose name it carries.
    """

    def __init__(self, spec: EncoderSpec, path: str | None = None, device: str = "cpu") -> None:
        if path is not None:
            check_named(path)
        state = read_state(Path(path) if path is not None else find(spec.weights))
        dim = state.n_classes if state.audio else spec.dim
        super().__init__(replace(spec, modalities=state.modalities, dim=dim), path, device)
        self._state = state
        self.logit_scales = _logit_scales(state)
        self.logit_scale = self.logit_scales.get("audio-text", self.logit_scales.get("image-text"))
        self._known_texts = TextMemory(self._new_texts, dim)
        self.identity = identity_digest(self.spec, state.shaping(), _CONSTANTS)
        if state.audio:
            self._build_audio(state)

    def embed(
        self, waveforms: Float[Tensor, "batch time"] | Float[np.ndarray, "batch time"], sample_rate: int | None = None
    ) -> Float[np.ndarray, "batch dim"]:
        """Unit vectors of windows; see `Encoder.embed`.

        Raises:
            MmascError: If the weights hold no audio head.
            ValueError: If the shape, rate or values are wrong.
        """
        self._require("audio")
        return super().embed(waveforms, sample_rate)

    def features(self, waveforms: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch dim"]:
        """The network's own entry: several channels, 16-bit range, any length, vectors not normalised.

        Channels go through the trunk one by one and are summed, so a mono recording doubled to stereo is another
        sound to it.

        Args:
            waveforms: Samples in [-32768, 32767] at 44.1 kHz.
        """
        self._require("audio")
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            return self.fc(self.pooled(waveforms.to(self.device)))

    def pooled(self, waveforms: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch pooled"]:
        """The 2048 numbers before the last layer, from samples in [-32768, 32767]."""
        decibels = self.front_end(waveforms)
        pictures = rearrange(decibels, "batch channel band bins frame -> (batch channel) band bins frame")
        vectors = self.trunk(pictures.contiguous(memory_format=torch.channels_last))
        return rearrange(vectors, "(batch channel) pooled -> batch channel pooled", batch=len(waveforms)).sum(1)

    def parameter_counts(self) -> tuple[int, int]:
        """Trainable parameters, and all numbers of the weights file; the towers count even while they are not built."""
        tensors = self._state.everything()
        buffers = ("running_mean", "running_var", "num_batches_tracked", "audio.window")
        trainable = sum(tensor.numel() for name, tensor in tensors.items() if not name.endswith(buffers))
        return trainable, sum(tensor.numel() for tensor in tensors.values())

    @property
    def context_tokens(self) -> int:
        """Tokens that a text may have, begin and end counted."""
        return CONTEXT_TOKENS

    @cached_property
    def towers(self) -> ClipTowers:
        """Text and picture tower, built on first use."""
        return ClipTowers(self._state.towers, self.device)

    def _build_audio(self, state: AudioClipState) -> None:
        network = _build_network(state)
        self.front_end = FastFrontEnd(network).to(self.device)
        self.trunk = FoldedTrunk(network).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.fc = network.fc.to(self.device)

    def _run_by_onnx(self, identity: str) -> None:
        from mmasc.networks.onnx import OnnxPart

        if not self._state.audio:
            return
        silence = torch.zeros(1, 1, self.window_samples, device=self.device)
        with torch.inference_mode():
            example = self.front_end(silence)[:, 0]
        self.trunk = OnnxPart(_build_network(self._state), "pool", example.clone(), identity)

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        mono = rearrange(waveforms * FULL_SCALE, "batch time -> batch 1 time")
        return torch.nn.functional.normalize(self.features(mono), dim=1)

    def _text(self, texts: list[str]) -> Float32[np.ndarray, "text dim"]:
        return self._known_texts(texts)

    def _new_texts(self, texts: list[str]) -> Float32[np.ndarray, "text dim"]:
        return torch.nn.functional.normalize(self.towers.text_features(self.towers.tokens(texts)), dim=1).numpy()

    def _image(self, images: Sequence[Any]) -> Float32[np.ndarray, "image dim"]:
        features = self.towers.image_features(self.towers.pictures(list(images)))
        return torch.nn.functional.normalize(features, dim=1).numpy()


def _build_network(state: AudioClipState) -> ESResNeXt:
    """The network as it is defined, on the weights of the file: nothing is copied."""
    with torch.device("meta"):
        network = ESResNeXt(state.n_classes)
    network.load_state_dict(state.audio, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def _logit_scales(state: AudioClipState) -> dict[str, float]:
    """exp of the stored logarithms, held between 1 and 100."""
    stored = {"audio-image": "logit_scale_ai", "audio-text": "logit_scale_at", "image-text": "logit_scale"}
    tensors = {**state.towers, **state.scales}
    return {name: float(tensors[key].exp().clamp(1.0, _SCALE_LIMIT)) for name, key in stored.items() if key in tensors}
