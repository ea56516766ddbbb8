"""Spaces of vectors that another program made; no encoder of mmasc can make more of them.

Their "encoder" is called `vectors:TEXT`, where TEXT is the identity that the user gave them. Loads no torch.
"""

import hashlib
import json
from typing import NoReturn

from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError

_BEFORE = "vectors:"
_LONGEST = 200  # characters of an identity


def own_name(identity: str) -> str:
    """The name of the encoder that a space with vectors of another program stores.

    Args:
        identity: The text that names what made the vectors, "birdnet 2.4 embeddings": vectors of one text are compared,
            those of two never.
    Raises:
        ValueError: If it is not one line of 1 to 200 printable characters.
    """
    if not isinstance(identity, str) or not identity.isprintable() or identity != identity.strip() or not identity:
        raise ValueError(f"identity must be one line of text that names what made the vectors, got {identity!r:.80}")
    if len(identity) > _LONGEST:
        raise ValueError(f"identity must have at most {_LONGEST} characters, got {len(identity)}")
    return f"{_BEFORE}{identity}"


def own_identity(identity: str, dim: int) -> str:
    """Identity of a space with vectors of another program, as heads and folders have it: 32 hex digits.

    Args:
        identity: The text, see `own_name`.
        dim: Numbers in a vector.
    """
    return hashlib.sha256(json.dumps([own_name(identity), dim]).encode()).hexdigest()[:32]


def is_own(encoder: object) -> bool:
    """Whether the stored name of an encoder is that of vectors of another program."""
    return isinstance(encoder, str) and encoder.startswith(_BEFORE)


def text_of(encoder: str) -> str:
    """The identity that was named, from the stored name of an encoder."""
    return encoder.removeprefix(_BEFORE)


def own_spec(encoder: str) -> EncoderSpec:
    """The specification of vectors of another program: no sound, text or picture can be embedded here."""
    return EncoderSpec(
        encoder,
        "",
        sample_rate=1,
        window_seconds=1,
        dim=1,
        modalities=(),
        licence="not said",
        weights="your own",
        description="vectors that another program made",
    )


def refuse_own(encoder: str) -> NoReturn:
    """Say that nothing can be turned into a vector of such a space.

    Raises:
        MmascError: Always; it says what can be asked instead.
    """
    raise MmascError(
        f"vectors of {text_of(encoder)!r} were made by another program, no encoder here makes more of them: ask with "
        "vectors (vectors=...) or with a stored recording or moment (like=...), and bring new ones with "
        "Collection.add_vectors"
    )
