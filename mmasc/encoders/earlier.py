"""Rules and weights of encoders in earlier versions: what was stored with them is searched and continued with them.

What changes a vector changes the identity of its encoder. A collection, a head or a calibration holds the identity of
its vectors, so the rules that gave it can be found again.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from mmasc.encoders.identity import backend_identity
from mmasc.encoders.spec import EncoderSpec

# Encoder → what its specification was instead, latest first
EARLIER_RULES: dict[str, tuple[dict[str, Any], ...]] = {
    # A narrower network that learned for a third of the time
    "base": ({"weights": "bundled, first"},),
    "base-features": ({"weights": "bundled, first"},),
    # 0.1.0 filled short windows with zeros at the end
    "audioclip": ({"padding": "zeros"},),
    "audioclip-partial": ({"padding": "zeros"},),
    # 0.1.0 put zeros before the first and behind the last frame; files of training runs say which features they read
    "tagging": ({"features": "tagging"},),
    "tagging-scores": ({"features": "tagging"},),
    "names": ({"features": "tagging"},),
}


def specs_by_rules(spec: EncoderSpec) -> Iterator[EncoderSpec]:
    """Specifications of an encoder: that of now, then by its earlier rules, latest first."""
    yield spec
    for changes in EARLIER_RULES.get(spec.name, ()):
        yield replace(spec, **changes)


def by_rules_of(identity: str | None, spec: EncoderSpec, load: Callable[[EncoderSpec], Any]) -> Any:
    """An encoder by the rules that gave an identity.

    Args:
        identity: Identity of stored vectors, by any backend; None for the rules of now.
        spec: Specification of now.
        load: Makes the encoder of a specification.
    Returns:
        By the rules of now where no rules gave this identity: its user then says that they differ.
    """
    specs = specs_by_rules(spec)
    encoder = load(next(specs))
    if identity is None or gave(encoder.identity, identity):
        return encoder
    for earlier in map(load, specs):
        if gave(earlier.identity, identity):
            return earlier
    return encoder


def gave(eager: str, identity: str) -> bool:
    """Whether an encoder of the identity `eager` gave vectors of another identity, by any backend."""
    return identity in (eager, backend_identity(eager, "onnx"))
