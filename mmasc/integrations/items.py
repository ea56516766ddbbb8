"""Arguments that other packages pass: an encoder or its name; texts, sounds and pictures."""

import os
from typing import Any

from mmasc.audio.find import AUDIO_EXTENSIONS, VIDEO_EXTENSIONS
from mmasc.encoders.base import Encoder
from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError

_ENDINGS = tuple(f".{one}" for one in AUDIO_EXTENSIONS + VIDEO_EXTENSIONS)
KINDS = ("text", "audio", "image")


def loaded(encoder: str | Encoder, device: str = "cpu", identity: str | None = None, hears: bool = False) -> Encoder:
    """An encoder: the one that is given, or that of a name as `load_encoder` takes it.

    Raises:
        MmascError: As `load_encoder` does; with `hears`, if it hears no sound.
    """
    found = encoder if isinstance(encoder, Encoder) else load_encoder(encoder, device, identity=identity)
    if hears and not found.supports("audio"):
        raise MmascError(f"{found.spec.name} does not embed sound; choose another encoder")
    return found


def require_same(encoder: Encoder, identity: str, since: str) -> None:
    """Raises:
    MmascError: If an encoder is another one than that of an identity; `since` ends the message.
    """
    if encoder.identity != identity:
        raise MmascError(f"encoder {encoder.loaded_as or encoder.spec.name} has changed since {since}")


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
