"""The text and picture towers of CLIP RN50, through open_clip; weights come from AudioCLIP's file, never from a net.

Paper: Radford et al. 2021, "Learning transferable visual models from natural language supervision".
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mmasc.errors import MmascError

# The activation is part of the name: the plain "RN50" has another one and is 4 % off
_ARCHITECTURE = "RN50-quickgelu"
CONTEXT_TOKENS = 77  # that a text may have, begin and end counted
_AT_ONCE = 32  # texts or pictures that go through a tower together on an accelerator


class ClipTowers:
    """Texts and pictures to vectors of one space.

    Args:
        state: By the names of OpenAI's CLIP RN50, float32.
        device: Device on which the towers run.
    """

    def __init__(self, state: dict[str, Tensor], device: torch.device) -> None:
        import open_clip
        from open_clip.model import CLIP
        from open_clip.transform import image_transform

        config = open_clip.get_model_config(_ARCHITECTURE)
        # Built without memory and filled by reference: no random numbers are drawn, no second copy is made
        with torch.device("meta"):
            model = CLIP(**config)
        model.load_state_dict(state, strict=True, assign=True)
        # A word sees those before it; the mask is not a weight and was left empty above
        model.attn_mask = torch.full((CONTEXT_TOKENS, CONTEXT_TOKENS), float("-inf")).triu(1)
        self.model: nn.Module = model.eval().requires_grad_(False).to(device)
        self.device = device
        self._tokenizer = open_clip.get_tokenizer(_ARCHITECTURE)
        self._transform = image_transform(config["vision_cfg"]["image_size"], is_train=False)

    def tokens(self, texts: list[str]) -> Int[Tensor, "text token"]:
        """Numbers of CLIP's byte pairs, between start and end mark, zeros behind.

        Raises:
            MmascError: If a text has more tokens than the tower reads; it would be cut without a word.
        """
        for text in texts:
            count = len(self._tokenizer.encode(text)) + 2
            if count > CONTEXT_TOKENS:
                start = text if len(text) <= 40 else f"{text[:40]}…"
                raise MmascError(f"the text {start!r} has {count} tokens, CLIP reads {CONTEXT_TOKENS}: shorten it")
        return self._tokenizer(texts)

    def text_features(self, tokens: Int[Tensor, "text token"]) -> Float[Tensor, "text 1024"]:
        """Vectors of token numbers, not normalised; a text at a time on a CPU."""
        return self._in_parts(self.model.encode_text, tokens)

    def pictures(self, images: list[Any]) -> Float[Tensor, "image 3 224 224"]:
        """CLIP's own preparation: short side to 224 (bicubic), middle cut out, colours standardised.

        Args:
            images: PIL images, or uint8 arrays `[height, width, 3]`.
        Raises:
            ValueError: If one is neither.
        """
        from PIL import Image

        prepared = []
        for image in images:
            if isinstance(image, np.ndarray):
                if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                    raise ValueError(
                        f"an array must be uint8 [height, width, 3], got {image.dtype} {list(image.shape)}"
                    )
                image = Image.fromarray(image)
            if not isinstance(image, Image.Image):
                raise ValueError(f"a picture must be a PIL image or an array, got {type(image).__name__}")
            prepared.append(self._transform(image.convert("RGB")))
        return torch.stack(prepared)

    def image_features(self, pictures: Float[Tensor, "image 3 224 224"]) -> Float[Tensor, "image 1024"]:
        """Vectors of prepared pictures, not normalised; a picture at a time on a CPU."""
        return self._in_parts(self.model.encode_image, pictures)

    def _in_parts(self, tower: Any, inputs: Tensor) -> Tensor:
        # One by one on a CPU, so that a vector does not depend on its neighbours
        parts = inputs.split(1 if self.device.type == "cpu" else _AT_ONCE)
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            return torch.cat([tower(part.to(self.device)).float().cpu() for part in parts])
