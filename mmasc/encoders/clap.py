"""`clap`: LAION's contrastive language-audio models, in the form that transformers gives them, with our own front end.

Windows of at most 10 s → log-mel → HTSAT → 512 numbers; text → byte pairs → RoBERTa → 512 numbers, unit vectors
both. The extractor that comes with the models draws a random crop of anything longer than 10 s and, for the fused
models, marks a random clip of a batch as longer; here neither can happen. Everything is read from a local folder.

Papers: Wu et al. 2023, "Large-scale contrastive language-audio pretraining with feature fusion and keyword-to-caption
augmentation", arXiv:2211.06687; Chen et al. 2022, "HTS-AT"; Liu et al. 2019, "RoBERTa".
"""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mmasc.encoders.base import Encoder
from mmasc.encoders.htsat_fast import FastHtsat, fits
from mmasc.encoders.identity import identity_digest
from mmasc.encoders.spec import EncoderSpec
from mmasc.encoders.text_memory import TextMemory
from mmasc.errors import MmascError
from mmasc.features import CLAP, CLAP_FUSED, LogMel, LogMelConfig
from mmasc.storage.tensors import read_pickled
from mmasc.storage.texts import parse_json
from mmasc.weights.store import find

# Every CLAP hears exactly this: 10 s at 48 kHz, 1001 frames
SAMPLES = 480_000
# Tokens that the models were trained on, begin and end of the sentence counted (laion_clap pads and cuts to it)
CONTEXT_TOKENS = 77
# Texts that a working text side tells apart; of a broken one (larger_clap_music) all vectors are the same except for
# 1 - cosine = 7e-4
_PROBE_TEXTS = ("a dog barking", "heavy rain on a tin roof", "violin", "an engine that idles, then silence")
_BROKEN_COSINE = 0.998
# Of the configuration, what shapes the networks; anything else in the file is not looked at
_SHARED_KEYS = ("projection_dim", "projection_hidden_act", "hidden_size", "num_hidden_layers", "num_attention_heads")
_TEXT_KEYS = (
    *_SHARED_KEYS,
    "vocab_size",
    "intermediate_size",
    "hidden_act",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
)
_AUDIO_KEYS = (
    *_SHARED_KEYS,
    "window_size",
    "num_mel_bins",
    "spec_size",
    "hidden_act",
    "patch_size",
    "patch_stride",
    "num_classes",
    "depths",
    "enable_fusion",
    "fusion_type",
    "patch_embed_input_channels",
    "flatten_patch_embeds",
    "patch_embeds_hidden_size",
    "enable_patch_layer_norm",
    "qkv_bias",
    "mlp_ratio",
    "aff_block_r",
    "layer_norm_eps",
)
# Constants that networks are built with; some files keep them, some do not, and none is taken from a file
_BUILT_IN = ("position_ids", "token_type_ids", "relative_position_index", "num_batches_tracked")
# What the released models were trained on, as their preprocessor_config.json calls it
_FRONT_END = {
    "sampling_rate": CLAP.sample_rate,
    "feature_size": CLAP.n_mels,
    "fft_window_size": CLAP.n_fft,
    "hop_length": CLAP.hop_length,
    "frequency_min": CLAP.f_min,
    "frequency_max": CLAP.f_max,
    "nb_max_samples": SAMPLES,
    "padding": "repeatpad",
    "top_db": None,
}


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
        about = _read_json(folder, "config.json")
        self.fused = bool((about.get("audio_config") or {}).get("enable_fusion", False))
        _check_front_end(folder, self.fused)
        self.model = _build_model(about, folder)
        self.model.load_state_dict(_read_state(folder, self.model), strict=False)
        self.model = self.model.float().eval().requires_grad_(False).to(self.device)
        self._hear: Callable[[Tensor], Tensor] = self._network()
        self.front_end = LogMel(_front_end(self.fused)).to(self.device).eval()
        self.tokenizer = _Tokenizer(folder, self.model.config.text_config)
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
            if not name.endswith(_BUILT_IN) and not name.startswith("logit_scale")
        }

    def _constants(self) -> dict[str, Any]:
        config = self.model.config
        return {
            "front_end": asdict(self.front_end.config),
            "samples": SAMPLES,
            "audio": {key: getattr(config.audio_config, key, None) for key in _AUDIO_KEYS},
            "text": {key: getattr(config.text_config, key, None) for key in _TEXT_KEYS},
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


class _Tokenizer:
    """Texts to token ids, begin and end of the sentence included; byte-level byte pairs as RoBERTa has them.

    Args:
        folder: Folder with vocab.json and merges.txt, or tokenizer.json.
        config: Configuration of the text network.
    """

    def __init__(self, folder: Path, config: Any) -> None:
        from tokenizers import Tokenizer, models, pre_tokenizers

        pairs, whole = (folder / "vocab.json", folder / "merges.txt"), folder / "tokenizer.json"
        try:
            if all(file.is_file() for file in pairs):
                bytes_to_words = pre_tokenizers.ByteLevel(add_prefix_space=False)
                self._tokens = Tokenizer(models.BPE.from_file(*map(str, pairs), unk_token="<unk>"))  # noqa: S106
                self._tokens.pre_tokenizer = bytes_to_words
            elif whole.is_file():
                self._tokens = Tokenizer.from_file(str(whole))
                self._tokens.no_padding()
                self._tokens.no_truncation()
            else:
                raise MmascError(f"{folder} lacks vocab.json and merges.txt (or tokenizer.json); copy them there")
            vocabulary = self._tokens.get_vocab()
            self._begin, self._end = vocabulary["<s>"], vocabulary["</s>"]
            model = parse_json(self._tokens.to_str())["model"]
            merges = [pair.split(" ") if isinstance(pair, str) else list(pair) for pair in model["merges"]]
        except MmascError:
            raise
        except Exception as error:  # the tokenizers library raises bare exceptions
            raise MmascError(f"the tokens in {folder} cannot be read ({error}); copy the folder again") from error
        if max(vocabulary.values()) >= config.vocab_size:
            raise MmascError(
                f"the tokens in {folder} are of another model: {len(vocabulary)} instead of {config.vocab_size}; "
                "copy the folder again"
            )
        # Positions begin after the padding token's, so that so many are lost
        self.context = min(CONTEXT_TOKENS, config.max_position_embeddings - config.pad_token_id - 1)
        self.digest = hashlib.sha256(json.dumps([sorted(vocabulary.items()), merges]).encode()).hexdigest()

    def __call__(self, text: str, name: str) -> list[int]:
        ids = [self._begin, *self._tokens.encode(text, add_special_tokens=False).ids, self._end]
        if len(ids) > self.context:
            shown = text if len(text) <= 60 else f"{text[:57]}..."
            raise MmascError(
                f"{shown!r} has {len(ids) - 2} tokens, {name} was trained on {self.context - 2}; shorten it"
            )
        return ids


def _front_end(fused: bool) -> LogMelConfig:
    return CLAP_FUSED if fused else CLAP


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MmascError(f"{path} does not exist; name a folder with a CLAP model as the hub has it") from error
    except ValueError as error:
        raise MmascError(f"{path} is not JSON ({error}); copy the folder again") from error
    if not isinstance(value, dict):
        raise MmascError(f"{path} holds no object; copy the folder again")
    return value


def _check_front_end(folder: Path, fused: bool) -> None:
    """Refuse models that were trained on other features than ours: their vectors would be wrong without a word."""
    nested = not (folder / "preprocessor_config.json").is_file() and (folder / "processor_config.json").is_file()
    name = "processor_config.json" if nested else "preprocessor_config.json"
    said = _read_json(folder, name)
    if nested:
        said = said.get("feature_extractor") or {}
    for key, value in {**_FRONT_END, "truncation": "fusion" if fused else "rand_trunc"}.items():
        if said.get(key, "nothing") != value:
            raise MmascError(
                f"{folder / name} says {key} {said.get(key, 'nothing')}, mmasc computes {value}: "
                "choose a model that was trained on these features"
            )


def _build_model(about: dict[str, Any], folder: Path) -> Any:
    """transformers' ClapModel of a configuration, its weights not yet set."""
    from transformers.initialization import no_init_weights
    from transformers.models.clap.configuration_clap import ClapConfig
    from transformers.models.clap.modeling_clap import ClapModel

    arguments = {key: about[key] for key in ("projection_dim", "projection_hidden_act") if about.get(key) is not None}
    for part, keys in (("text_config", _TEXT_KEYS), ("audio_config", _AUDIO_KEYS)):
        given = about.get(part) or {}
        # null stands for the default in old files
        arguments[part] = {key: given[key] for key in keys if given.get(key) is not None}
    try:
        with no_init_weights():
            return ClapModel(ClapConfig(**arguments))
    except (TypeError, ValueError, KeyError, RuntimeError, ZeroDivisionError) as error:
        reason = " ".join(str(error).split())
        raise MmascError(f"{folder / 'config.json'} describes no CLAP model ({reason}); copy it again") from error


def _read_state(folder: Path, model: Any) -> dict[str, Tensor]:
    """The weights in a folder, float32, exactly those that the model has."""
    safe, pickled = folder / "model.safetensors", folder / "pytorch_model.bin"
    file = safe if safe.is_file() else pickled
    try:
        if file == safe:
            state = load_file(str(file))
        else:
            state = read_pickled(file, mapped=True)
    except FileNotFoundError as error:
        raise MmascError(f"{folder} holds neither model.safetensors nor pytorch_model.bin; copy one there") from error
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise MmascError(f"{file} cannot be read as weights ({reason}); copy or fetch it again") from error
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise MmascError(f"{file} holds no named tensors; copy or fetch it again")
    mine = {key: tensor for key, tensor in model.state_dict().items() if not key.endswith(_BUILT_IN)}
    state = {key: tensor for key, tensor in state.items() if not key.endswith(_BUILT_IN)}
    odd = sorted(set(mine) ^ set(state)) or sorted(key for key in mine if mine[key].shape != state[key].shape)
    if odd:
        raise MmascError(
            f"{file} does not fit {folder / 'config.json'}: {len(odd)} tensors differ, the first is {odd[0]}; "
            "copy the folder again"
        )
    return state
