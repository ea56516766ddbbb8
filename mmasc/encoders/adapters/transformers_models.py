"""`transformers:FOLDER`: models of the package transformers: CLAP and PE-AV, AST and the Wav2Vec2 family.

Windows go one by one through the package's own feature extractor and model, so that vectors are those of its own call.
Sound and text of CLAP and PE-AV are in one space; of the others the vector is the pooled state (AST), or the mean of
the last layer's states over time.

Papers: Wu et al. 2023 (CLAP), Gong et al. 2021 (AST), Baevski et al. 2020 (wav2vec 2.0), Hsu et al. 2021 (HuBERT), Chen
et al. 2022 (WavLM), Vyas et al. 2025 (perception encoders of sound and film).
"""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from mmasc.devices import resolve_device
from mmasc.encoders.adapters.adapter import AdapterEncoder, as_array, package_errors, without_chatter
from mmasc.encoders.adapters.files import file_digests
from mmasc.encoders.adapters.transformers_files import ModelFolder, read_folder
from mmasc.encoders.hearing import AskedWindow
from mmasc.errors import MmascError
from mmasc.ivf.pictures import read_film

# Weights that only training uses, and constants that some files keep: that they are missing changes nothing
_NOT_NEEDED = ("masked_spec_embed", "position_ids", "token_type_ids", "num_batches_tracked", "relative_position_index")
_DIGESTED = ("*.safetensors", "*.bin", "tokenizer*.json", "vocab.*", "merges.txt", "*.model")
_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
_FRAMES_PER_SECOND, _MOST_FRAMES = 2.0, 600  # five minutes of film
_COPY = "copy the folder again, or choose another model"


class TransformersEncoder(AdapterEncoder):
    """A model of the package transformers.

    Args:
        name: "transformers:FOLDER" or "transformers:REPO@REVISION".
        device: Device on which it runs.
        window: The window that users ask for.
    Raises:
        MmascError: If the folder is not here, damaged, without all weights, or of a type that gives no vectors.
    """

    def __init__(self, name: str, device: str = "cpu", window: AskedWindow | None = None) -> None:
        self.device = resolve_device(device)
        self.about = read_folder(name.partition(":")[2])
        self.longest_seconds = self.about.longest_seconds
        folder = str(self.about.folder)
        self.model = _load_model(self.about).to(self.device)
        from transformers import AutoFeatureExtractor

        with package_errors(f"the feature extractor of {folder} cannot be loaded", _COPY):
            self.extractor = AutoFeatureExtractor.from_pretrained(folder, **_LOCAL)
        spec = self.about.spec
        if "text" in spec.modalities:
            from transformers import AutoTokenizer

            with package_errors(f"the tokens of {folder} cannot be loaded", _COPY):
                self.tokenizer = AutoTokenizer.from_pretrained(folder, **_LOCAL)
            self.logit_scale = self._scale()
        shaping = {
            "package": "transformers",
            "files": file_digests(self.about.folder, _DIGESTED),
            "config": self.about.config,
            "extractor": self.about.extractor,
        }
        self.settle(spec, window or AskedWindow(), shaping)

    @property
    def context_tokens(self) -> int:
        """Tokens that a text may have, begin and end counted."""
        text = self.model.config.text_config
        positions = int(getattr(text, "max_position_embeddings", 512))
        if text.model_type == "roberta" or self.about.family.kind == "clap":  # positions begin after the padding
            positions -= int(text.pad_token_id or 0) + 1
        return min(positions, int(min(self.tokenizer.model_max_length, 1_000_000)))

    def _scale(self) -> float:
        if self.about.family.kind == "clap":
            return math.exp(float(self.model.logit_scale_a))
        scale = float(_sound_part(self.model).text_audio_logit_scale)
        return scale if scale > 0 else 1.0

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        what = f"{self.about.folder} cannot embed sound"
        with package_errors(what, "choose another window, or another model"):
            vectors = torch.cat([self._one_sound(window) for window in waveforms.cpu().numpy()])
        return torch.from_numpy(as_array(vectors, self.spec.dim, str(self.about.folder)))

    def _one_sound(self, window: Float32[np.ndarray, " time"]) -> Tensor:
        inputs = self.extractor(window, sampling_rate=self.about.sample_rate, return_tensors="pt")
        if self.about.family.kind == "clap":
            # The extractor of fused models calls one window of every batch longer, at random
            longer = torch.zeros(1, 1, dtype=torch.bool, device=self.device)
            return self.model.get_audio_features(inputs["input_features"].to(self.device), longer).pooler_output
        values = inputs["input_values"].to(self.device)
        if self.about.family.kind == "pe":
            sound = _sound_part(self.model)
            mask = inputs["padding_mask"].to(self.device) if "padding_mask" in inputs else None
            return sound.audio_head(sound.audio_encoder(values, padding_mask=mask).pooler_output)
        found = self.model(values)
        pooled = getattr(found, "pooler_output", None)
        return found.last_hidden_state.mean(1) if pooled is None else pooled

    def _one_text(self, text: str) -> Float32[np.ndarray, " dim"]:
        tokens = self.tokenizer(text, return_tensors="pt").to(self.device)
        count = tokens["input_ids"].shape[1]
        if count > self.context_tokens:
            raise MmascError(
                f"{text[:57]!r} has {count} tokens, {self.spec.name} reads {self.context_tokens}; shorten it"
            )
        with package_errors(f"{self.about.folder} cannot embed {text[:57]!r}", "choose another model"):
            ids, mask = tokens["input_ids"], tokens["attention_mask"]
            if self.about.family.kind == "clap":
                vector = self.model.get_text_features(input_ids=ids, attention_mask=mask).pooler_output
            else:
                states = self.model.text_model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
                vector = _sound_part(self.model).text_audio_head(states.hidden_states[-1][:, 0])
        return as_array(vector, self.spec.dim, str(self.about.folder))[0]

    def _image(self, images: list[Any]) -> Float32[np.ndarray, "image dim"]:
        """Pictures as films of one frame, in the space of sounds."""
        frames = [np.asarray(one.convert("RGB") if hasattr(one, "convert") else one)[None] for one in images]
        return np.concatenate([self._film(one) for one in frames])

    def _film(self, film: Any) -> Float32[np.ndarray, "one dim"]:
        """A film by so many of its frames, evenly spread, as the model's processor takes; by all where it says none."""
        from transformers import AutoVideoProcessor

        folder = str(self.about.folder)
        with package_errors(f"{folder} cannot embed pictures", "choose another model"):
            processor = AutoVideoProcessor.from_pretrained(folder, **_LOCAL)
            if isinstance(film, str | os.PathLike):
                film = _frames_of(Path(film), max(int(one) for one in dict(processor.size).values() if one))
                wanted = getattr(processor, "num_frames", None)
                film = film[np.linspace(0, len(film) - 1, wanted).astype(int)] if wanted else film
            inputs = processor(videos=[film], return_tensors="pt", do_sample_frames=False)
            part = self.model.video_model
            vector = part.video_head(part.video_encoder(inputs["pixel_values_videos"].to(self.device)).pooler_output)
        return as_array(vector, self.spec.dim, folder)


def _frames_of(path: Path, size: int) -> UInt8[np.ndarray, "frame size size 3"]:
    """The frames of a film, two per second."""
    frames, _, fault = read_film(path, size, _FRAMES_PER_SECOND, _MOST_FRAMES)
    if fault:
        raise MmascError(fault)
    return frames


def _sound_part(model: Any) -> Any:
    """The part for sound of a model of sound and film; other models as they are."""
    return getattr(model, "audio_model", model)


def _load_model(about: ModelFolder) -> Any:
    """The model, all its weights from the folder: nothing is filled in at random."""
    from transformers import AutoModel

    folder = about.folder
    safe = any(folder.glob("*.safetensors"))
    if not safe and not any(folder.glob("pytorch_model*.bin")):
        raise MmascError(f"{folder} holds no weights (model.safetensors); copy them there")
    with package_errors(f"{folder} cannot be loaded by transformers", _COPY), without_chatter():
        model, found = AutoModel.from_pretrained(
            str(folder),
            output_loading_info=True,
            dtype=torch.float32,
            use_safetensors=True if safe else None,
            weights_only=True,
            **_LOCAL,
        )
    lacking = sorted(key for key in found["missing_keys"] if not key.endswith(_NOT_NEEDED))
    lacking += sorted(str(key) for key in found.get("mismatched_keys", ()))
    if lacking:
        raise MmascError(
            f"{folder} lacks {len(lacking)} weights of its model, the first is {lacking[0]}; copy the folder again"
        )
    return model.float().eval().requires_grad_(False)
