"""`open_clip:FOLDER`: the towers of texts and pictures of an open_clip model, a space without sound.

Pictures are found by texts in it next to the sounds of a collection, and `names:TAGGER@open_clip:FOLDER` takes its text
tower for a tagger's class names.

Papers: Radford et al. 2021, "Learning transferable visual models from natural language
supervision"; Cherti et al. 2023.
"""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from mmasc.devices import resolve_device
from mmasc.encoders.adapters.adapter import AdapterEncoder, as_array, package_errors
from mmasc.encoders.adapters.files import file_digests, find_folder, licence_of, read_config
from mmasc.encoders.hearing import AskedWindow
from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError

_WHAT = "a model of open_clip"
_FIX = "copy the folder again, or choose another model"
_DIGESTED = ("*.safetensors", "*.bin", "tokenizer*.json", "vocab.*", "merges.txt", "*.model")


class OpenClipEncoder(AdapterEncoder):
    """Text and picture towers of open_clip; vectors as `encode_text` and `encode_image` give them, of length 1.

    Args:
        name: "open_clip:FOLDER" or "open_clip:REPO@REVISION"; the folder holds open_clip_config.json and weights.
        device: Device on which it runs.
        window: Not used: there is no sound.
    Raises:
        MmascError: If the folder is not here, or open_clip cannot load it.
    """

    def __init__(self, name: str, device: str = "cpu", window: AskedWindow | None = None) -> None:
        import open_clip

        self.device = resolve_device(device)
        self.folder = find_folder("open_clip", name.partition(":")[2])
        about = read_config(self.folder, "open_clip_config.json", _WHAT)
        if not any(self.folder.glob("*.safetensors")):
            raise MmascError(
                f"{self.folder} holds no weights as safetensors (open_clip_model.safetensors); copy them there"
            )
        place = f"local-dir:{self.folder}"
        with package_errors(f"{self.folder} cannot be loaded by open_clip", _FIX):
            model, _, self.pictures = open_clip.create_model_and_transforms(
                place, precision="fp32", device=str(self.device), weights_only=True
            )
            self.tokens = open_clip.get_tokenizer(place)
        self.model = model.eval().requires_grad_(False)
        dim = int(about["model_cfg"]["embed_dim"])
        spec = EncoderSpec(
            "open_clip",
            "mmasc.encoders.adapters.open_clip_models:OpenClipEncoder",
            sample_rate=48_000,
            window_seconds=10.0,
            dim=dim,
            modalities=("text", "image"),
            licence=licence_of(self.folder),
            weights="your own",
            description="texts and pictures of an open_clip model",
        )
        self.logit_scale = math.exp(float(self.model.logit_scale))
        shaping = {"package": "open_clip", "files": file_digests(self.folder, _DIGESTED), "config": about}
        self.settle(spec, AskedWindow(), shaping)

    def _one_text(self, text: str) -> Float32[np.ndarray, " dim"]:
        count = len(self.tokens.encode(text)) + 2 if hasattr(self.tokens, "encode") else 0
        if count > self.tokens.context_length:
            raise MmascError(
                f"{text[:57]!r} has {count} tokens, open_clip reads {self.tokens.context_length}; shorten it"
            )
        with package_errors(f"{self.folder} cannot embed {text[:57]!r}", _FIX):
            vector = self.model.encode_text(self.tokens([text]).to(self.device), normalize=True)
        return as_array(vector, self.spec.dim, str(self.folder))[0]

    def _image(self, images: list[Any]) -> Float32[np.ndarray, "image dim"]:
        from PIL import Image

        opened = [one if hasattr(one, "convert") else Image.fromarray(one) for one in images]
        with package_errors(f"{self.folder} cannot embed pictures", _FIX):
            vectors = [
                self.model.encode_image(self.pictures(one.convert("RGB"))[None].to(self.device), normalize=True)
                for one in opened
            ]
        return as_array(torch.cat(vectors), self.spec.dim, str(self.folder))
