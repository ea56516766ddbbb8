"""What other packages hand over together: an encoder or its name; texts, sounds and pictures."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from mmasc.audio.find import AUDIO_EXTENSIONS, VIDEO_EXTENSIONS
from mmasc.encoders.base import Encoder
from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.integrations.sounds import sound_vectors

_ENDINGS = tuple(f".{one}" for one in AUDIO_EXTENSIONS + VIDEO_EXTENSIONS)
KINDS = ("text", "audio", "image")


def loaded(encoder: str | Encoder, device: str = "cpu", identity: str | None = None) -> Encoder:
    """An encoder: the one that is given, or that of a name as `load_encoder` takes it."""
    return encoder if isinstance(encoder, Encoder) else load_encoder(encoder, device, identity=identity)


def vectors_of(encoder: Encoder, kind: str, items: Sequence[Any]) -> Float[np.ndarray, "item dim"]:
    """Vectors of items of one of `KINDS`.

    Raises:
        MmascError: If the space does not understand them, or a sound cannot be read.
    """
    if kind == "audio":
        return sound_vectors(encoder, items)
    return encoder.embed_text(list(items)) if kind == "text" else encoder.embed_image(list(items))


def kind_of(item: Any) -> str:
    """Which of `KINDS` an item is: a text, the name of a sound file or another sound, or a picture of PIL.

    Raises:
        MmascError: If a text is the name of a sound file that does not exist.
    """
    if hasattr(item, "convert"):
        return "image"
    return "text" if isinstance(item, str) and not is_sound_name(item) else "audio"


def is_sound_name(text: str) -> bool:
    """Whether a text is the name of a sound file, by its ending.

    Raises:
        MmascError: If it is, and there is no such file.
    """
    if not text.lower().endswith(_ENDINGS) or text.strip() != text or "\n" in text:
        return False
    if not os.path.isfile(text):
        raise MmascError(f"{text} is the name of a sound file that does not exist; check it")
    return True
