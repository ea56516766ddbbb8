"""`clap`: LAION's contrastive language-audio models, in the form that transformers gives them, with our own front end.

Windows of at most 10 s → log-mel → HTSAT → 512 numbers; text → byte pairs → RoBERTa → 512 numbers, unit vectors
both. The extractor that comes with the models draws a random crop of anything longer than 10 s and, for the fused
models, marks a random clip of a batch as longer; here neither can happen. Everything is read from a local folder.

Papers: Wu et al. 2023, "Large-scale contrastive language-audio pretraining with feature fusion and keyword-to-caption
augmentation", arXiv:2211.06687; Chen et al. 2022, "HTS-AT"; Liu et al. 2019, "RoBERTa".
"""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from mmasc.encoders.base import Encoder
from mmasc.encoders.clap_files import (
    AUDIO_KEYS,
    BUILT_IN,
    SAMPLES,
    TEXT_KEYS,
    ClapTokens,
    build_model,
    check_front_end,
    read_json,
    read_state,
)
from mmasc.encoders.htsat_fast import FastHtsat, fits
from mmasc.encoders.identity import identity_digest
from mmasc.encoders.spec import EncoderSpec
from mmasc.encoders.text_memory import TextMemory
from mmasc.errors import MmascError
from mmasc.features import CLAP, CLAP_FUSED, LogMel, LogMelConfig
from mmasc.weights.store import find

# Texts that a working text side tells apart; of a broken one (larger_clap_music) all vectors are the same except for
# 1 - cosine = 7e-4
_PROBE_TEXTS = ("a dog barking", "heavy rain on a tin roof", "violin", "an engine that idles, then silence")
_BROKEN_COSINE = 0.998


class Clap(Encoder):
    """Sounds and texts in one space of unit vectors.

    Args:
        spec: Specification from the registry; `spec.weights` names what `mmasc models fetch` brings.
        path: A folder as the hub has it (config.json, preprocessor_config.json, model.safetensors or
            pytorch_model.bin, vocab.json with merges.txt or tokenizer.json); default: the fetched weights.
        device: Device on which the networks run.
    Raises:
        MmascError: If the weights are missing, damaged, of another shape or front end, or if their text side is
            broken; if windows longer than 10 s are asked for.
    """

    many_threads = True

    def __init__(self, spec: EncoderSpec, path: str | None = None, device: str = "cpu") -> None:
        super().__init__(spec, path, device)
        if self.window_samples > SAMPLES:
            raise MmascError(f"{spec.name} hears at most 10 seconds at once, got {spec.window_seconds:g}: use --window")
        folder = find(spec.weights) if path is None else Path(path)
        about = read_json(folder, "config.json")
        self.fused = bool((about.get("audio_config") or {}).get("enable_fusion", False))
        check_front_end(folder, self.fused)
        self.model = build_model(about, folder)
        self.model.load_state_dict(read_state(folder, self.model), strict=False)
        self.model = self.model.float().eval().requires_grad_(False).to(self.device)
        self._hear: Callable[[Tensor], Tensor] = self._network()
        self.front_end = LogMel(_front_end(self.fused)).to(self.device).eval()
        self.tokenizer = ClapTokens(folder, self.model.config.text_config)
        self._known_texts = TextMemory(self._new_texts, spec.dim)
        dim = self.model.config.projection_dim
        if dim != spec.dim:
            raise MmascError(f"{folder} gives vectors of {dim} numbers, {spec.name} has {spec.dim}; name another model")
        self.logit_scale = math.exp(float(self.model.logit_scale_a))
        self._refuse_broken_text(folder)
        self.identity = identity_digest(spec, self._shaping_state(), self._constants())

    @property
    def context_tokens(self) -> int:
        """Tokens that a text may have, begin and end counted."""
        return self.tokenizer.context

    def parameter_counts(self) -> tuple[int, int]:
        """Parameters of both networks, and all numbers of the state dict."""
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        return parameters, sum(tensor.numel() for tensor in self.model.state_dict().values())

    def features(self, waveforms: Float[Tensor, "batch time"]) -> Float32[Tensor, "batch channel frame mel"]:
        """Log-mel spectrograms in decibels as the network takes them, 1001 frames; four equal channels if fused.

        Args:
            waveforms: Exactly 10 s at 48 kHz.
        """
        decibels = self.front_end(waveforms).transpose(1, 2)[:, None]
        return decibels.expand(-1, 4, -1, -1) if self.fused else decibels

    def pooled(self, features: Float32[Tensor, "batch channel frame mel"]) -> Float32[Tensor, "batch hidden"]:
        """What the audio network gives before its projection.

        `is_longer` is false for every window, because no window is longer than what the network hears: the fusion
        of whole and parts is for recordings squeezed into one vector, and here they are cut instead.
        """
        return self._hear(features)

    def _run_by_onnx(self, identity: str) -> None:
        from mmasc.networks.onnx import OnnxPart

        network = self._network()
        if not isinstance(network, FastHtsat):
            raise MmascError(f"{self.spec.name} has no onnx backend for a network of this shape; leave it out")
        with torch.inference_mode():
            example = network.pictures(self.features(torch.zeros(1, SAMPLES))).clone()
        trunk = OnnxPart(network, "pool", example, identity)
        self._hear = lambda features: trunk(network.pictures(features))

    def _network(self) -> nn.Module:
        """What hears features: on a CPU the faster of two ways to the same numbers."""
        audio_model = self.model.audio_model
        fast = self.device.type == "cpu" and fits(audio_model)
        return FastHtsat(audio_model).eval() if fast else _Hear(audio_model)

    def pooled_text(self, tokens: Int64[Tensor, "text token"]) -> Float32[Tensor, "text hidden"]:
        """What the text network gives before its projection, for texts of equal length."""
        mask = torch.ones_like(tokens)
        return self.model.text_model(input_ids=tokens, attention_mask=mask).pooler_output

    def _fill(self, windows: Float[Tensor, "batch time"]) -> Float[Tensor, "batch filled"]:
        length = windows.shape[1]
        if length > self.window_samples:
            raise ValueError(f"{self.spec.name} takes windows of {self.window_samples} samples, got {length}: cut them")
        # Whole repetitions, then zeros, up to 10 s even where windows are shorter: the network hears nothing else.
        windows = windows.repeat(1, SAMPLES // length)
        return torch.nn.functional.pad(windows, (0, SAMPLES - windows.shape[1]))

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        projected = self.model.audio_projection(self.pooled(self.features(waveforms)))
        return torch.nn.functional.normalize(projected, dim=-1)

    def _text(self, texts: list[str]) -> Float32[np.ndarray, "text dim"]:
        return self._known_texts(texts)

    def _new_texts(self, texts: list[str]) -> Float32[np.ndarray, "text dim"]:
        tokens = [self.tokenizer(text, self.spec.name) for text in texts]
        vectors = np.empty((len(texts), self.spec.dim), np.float32)
        # Without padding no text depends on the length of its neighbours.
        for length in sorted({len(one) for one in tokens}):
            alike = [item for item, one in enumerate(tokens) if len(one) == length]
            for first in range(0, len(alike), self.windows_at_once):
                part = alike[first : first + self.windows_at_once]
                ids = torch.tensor([tokens[item] for item in part], device=self.device)
                projected = self.model.text_projection(self.pooled_text(ids))
                vectors[part] = torch.nn.functional.normalize(projected, dim=-1).float().cpu().numpy()
        return vectors

    def _refuse_broken_text(self, folder: Path) -> None:
        with torch.inference_mode():
            vectors = self._new_texts(list(_PROBE_TEXTS))
        cosines = (vectors @ vectors.T)[~np.eye(len(vectors), dtype=bool)]
        if not np.isfinite(cosines).all() or cosines.mean() > _BROKEN_COSINE:
            raise MmascError(
                f"the text side of {folder} is broken: it gives all texts the same vector (mean cosine "
                f"{cosines.mean():.4f}), as laion/larger_clap_music does; use clap, clap-general or clap-music-speech"
            )

    def _shaping_state(self) -> dict[str, Tensor]:
        state = self.model.state_dict()
        return {
            name: tensor
            for name, tensor in state.items()
            if not name.endswith(BUILT_IN) and not name.startswith("logit_scale")
        }

    def _constants(self) -> dict[str, Any]:
        config = self.model.config
        return {
            "front_end": asdict(self.front_end.config),
            "samples": SAMPLES,
            "audio": {key: getattr(config.audio_config, key, None) for key in AUDIO_KEYS},
            "text": {key: getattr(config.text_config, key, None) for key in TEXT_KEYS},
            "tokens": self.tokenizer.digest,
            "context_tokens": self.context_tokens,
        }


class _Hear(nn.Module):
    """The audio network of features alone: no window is longer than what it hears."""

    def __init__(self, audio_model: nn.Module) -> None:
        super().__init__()
        self.audio_model = audio_model

    def forward(self, features: Float32[Tensor, "batch channel frame mel"]) -> Float32[Tensor, "batch hidden"]:
        longer = torch.zeros(len(features), 1, dtype=torch.bool, device=features.device)
        return self.audio_model(input_features=features, is_longer=longer).pooler_output


def _front_end(fused: bool) -> LogMelConfig:
    return CLAP_FUSED if fused else CLAP
