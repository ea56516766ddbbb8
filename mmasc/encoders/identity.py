"""Identities: which vectors may be compared. Works without torch, so that stored vectors are asked without it."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError
from mmasc.storage.digests import state_digest


def backend_identity(identity: str, backend: str) -> str:
    """The identity of a space whose vectors another backend made.

    Args:
        identity: Identity of the same encoder with backend "eager".
        backend: What runs the network.
    """
    return identity if backend == "eager" else hashlib.sha256(f"{identity} {backend}".encode()).hexdigest()[:32]


def require_loaded(encoder: Any) -> None:
    """Refuse what is not a loaded encoder, such as the name of one.

    Raises:
        ValueError: If it has no identity.
    """
    if not (hasattr(encoder, "spec") and hasattr(encoder, "identity")):
        name = repr(encoder) if isinstance(encoder, str) else "'base'"
        raise ValueError(f"encoder must be a loaded encoder, mmasc.load_encoder({name}), got {type(encoder).__name__}")


def require_identity(
    wanted: tuple[str, str], found: tuple[str, str], what: str, advice: str, kind: str = "encoder"
) -> None:
    """Refuse what another encoder made: vectors of different identities are never compared.

    Args:
        wanted: Name and identity that `what` was made for.
        found: Name and identity at hand.
        what: The space, head, calibration or network that is asked, for the message.
        advice: What to do, for the message.
        kind: What both are, for the message.
    Raises:
        MmascError: If the identities differ.
    """
    if wanted[1] != found[1]:
        raise MmascError(
            f"{what} belongs to {kind} {wanted[0]} with identity {wanted[1]}, not to {found[0]} with identity "
            f"{found[1]}; {advice}"
        )


def identity_digest(spec: EncoderSpec, state: Mapping[str, Any], constants: dict[str, Any]) -> str:
    """Name of a space: 32 hex digits of SHA-256 over weights, preprocessing constants and window policy.

    Args:
        spec: Rate, window, padding and amplitude of it are part of the space; its name and licence are not.
        state: Everything that shapes a vector, by name: torch tensors or NumPy arrays.
        constants: Preprocessing constants, JSON types only.
    """
    policy = {
        key: value
        for key, value in asdict(spec).items()
        if key in ("sample_rate", "window_seconds", "dim", "padding", "minimum_seconds", "amplitude")
    }
    return state_digest(policy, state, constants)
