"""Names to specifications, and `load_encoder`. Listing loads nothing."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmasc.encoders.adapters import ADAPTERS
from mmasc.encoders.earlier import by_rules_of
from mmasc.encoders.hearing import AskedWindow, split_hearing
from mmasc.encoders.licences import say_licence
from mmasc.encoders.own_vectors import is_own, own_spec, refuse_own
from mmasc.encoders.plugin import EncoderPlugin, spec_of_plugin
from mmasc.encoders.plugin_files import find_plugin, full_name, installed_plugins, is_plugin
from mmasc.encoders.spec import EncoderSpec, Origin
from mmasc.encoders.specs import ENCODERS
from mmasc.encoders.training_data import AUDIOSET
from mmasc.errors import MmascError
from mmasc.networks.registry import NETWORKS
from mmasc.progress import current

if TYPE_CHECKING:
    from mmasc.encoders.base import Encoder
    from mmasc.encoders.text_encoder import TextEncoder

SPECS = ENCODERS  # its name in version 0.1.0; goes with the next release

_AUDIOSET_CLASSES = (521, 527)
_PLUGGED = "mmasc.encoders.plugged:PluggedEncoder"
# How a network is run: by torch, or by ONNX Runtime (the extra `onnx`; CPU only)
BACKENDS = ("eager", "onnx")


def load_encoder(
    name: "str | EncoderPlugin | type[EncoderPlugin]",
    device: str = "cpu",
    window_seconds: float | None = None,
    backend: str = "eager",
    identity: str | None = None,
) -> "Encoder":
    """Load an encoder in evaluation mode.

    Args:
        name: A name of the registry, or "name:path" for weights of your own ("mini:runs/align"); an adapter with its
            model ("transformers:FOLDER"); an encoder that somebody wrote ("FILE.py:Class", the name of an installed
            one, or an `EncoderPlugin` itself). "+speed=0.1" and "+band=LOW-HIGH" after it change how recordings are
            heard, see `mmasc.encoders.hearing`.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the best present.
        window_seconds: Another window length than the encoder's own, in seconds of the recording; part of the identity.
        backend: "eager", or "onnx" for ONNX Runtime on the CPU: faster there, another identity, vectors at a cosine
            above 0.99999 to those of "eager".
        identity: Identity of stored vectors: where the rules of this encoder have changed since then, those that gave
            them are taken. With an identity that none of its rules gave, the encoder is as it is without.
    Returns:
        The encoder; its `identity` names the space of its vectors.
    Raises:
        MmascError: If the name is unknown (the names are listed), the weights are missing or broken, a file is not
            trusted, or the encoder has no such backend here.
        ValueError: If there is no such backend at all.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {list(BACKENDS)}, got {backend!r}")
    if isinstance(name, EncoderPlugin) or (isinstance(name, type) and issubclass(name, EncoderPlugin)):
        return _with_licence_remark(_class_at(_PLUGGED)(name, device, AskedWindow(window_seconds)))
    plain, hearing = split_hearing(_checked_name(name))
    if _target_of_own(plain) is not None:
        return _with_licence_remark(build_encoder(Origin(full_name_of(name), device, window_seconds), backend))
    spec, path = _asked_spec(plain, AskedWindow(window_seconds, hearing))
    origin = Origin(full_name_of(name), device, window_seconds, spec, path)
    encoder: Encoder = by_rules_of(identity, spec, lambda one: build_encoder(origin._replace(spec=one)))
    if backend == "onnx":
        encoder.use_onnx()
    return _with_licence_remark(encoder)


def build_encoder(origin: Origin, backend: str = "eager") -> "Encoder":
    """An encoder in evaluation mode from what is known of one that was loaded: by the same rules, in any process.

    Args:
        origin: That of the loaded encoder.
        backend: As for `load_encoder`.
    Raises:
        MmascError: As `load_encoder` does.
    """
    plain, hearing = split_hearing(origin.name)
    with current().phase(f"loading {plain.partition(':')[0]}"):
        encoder: Encoder
        if origin.spec is not None:
            encoder = _class_at(origin.spec.target)(origin.spec, path=origin.path, device=origin.device)
        else:
            window = AskedWindow(origin.window_seconds, hearing)
            encoder = _class_at(_target_of_own(plain) or _PLUGGED)(plain, origin.device, window)
        if not hearing.is_plain:
            encoder.hear(hearing)
        encoder.origin, encoder.loaded_as = origin, origin.name
        if backend == "onnx":
            encoder.use_onnx()
    return encoder


def load_text_encoder(
    name: str, window_seconds: float | None = None, identity: str | None = None
) -> "TextEncoder | None":
    """Load the text side of an encoder alone, without torch: the same vectors and identity as the whole encoder's.

    Args:
        name: As for `load_encoder`.
        window_seconds: As for `load_encoder`.
        identity: As for `load_encoder`.
    Returns:
        None where an encoder has no such side: `load_encoder` loads it whole.
    Raises:
        MmascError: As `load_encoder` does.
    """
    plain, hearing = split_hearing(_checked_name(name))
    if _target_of_own(plain) is not None:
        return None
    spec, path = _asked_spec(plain, AskedWindow(window_seconds, hearing))
    if not spec.text_target:
        return None

    def side_of(spec: EncoderSpec) -> "TextEncoder":
        side: TextEncoder = _class_at(spec.text_target)(spec, path=path)
        if not hearing.is_plain:
            side.spec, side.identity = hearing.spec(side.spec), hearing.identity(side.identity)
        return side

    say_licence(full_name_of(name), spec)
    found: TextEncoder = by_rules_of(identity, spec, side_of)
    return found


def _with_licence_remark(encoder: "Encoder") -> "Encoder":
    """The same encoder, after a remark if its licence forbids commercial use."""
    say_licence(encoder.loaded_as or encoder.spec.name, encoder.spec)
    return encoder


def full_name_of(name: str) -> str:
    """The name of an encoder as collections store it: files of plug-ins and models of adapters by their whole paths.

    Args:
        name: As for `load_encoder`.
    """
    if is_own(name):
        return name
    plain, hearing = split_hearing(name)
    base, colon, path = plain.partition(":")
    if base in ADAPTERS:
        plain = f"{base}{colon}{os.path.abspath(path) if path and os.path.exists(path) else path}"
    elif _target_of_own(plain) is not None:
        plain = full_name(plain)
    return plain if hearing.is_plain else f"{plain}{hearing.suffix}"


def _target_of_own(name: str) -> str | None:
    """What loads an adapter or a plug-in; None for the names of mmasc itself."""
    base = name.partition(":")[0]
    if base in ADAPTERS:
        return ADAPTERS[base].target
    if base in ENCODERS or base in NETWORKS:
        return None
    return _PLUGGED if is_plugin(name) else None


def _checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError(f"encoder must be a name like 'mini', got {type(name).__name__}")
    if is_own(name):
        refuse_own(name)
    return name


def _class_at(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def _asked_spec(name: str, window: AskedWindow) -> tuple[EncoderSpec, str | None]:
    """Specification and path to weights of "name" or "name:path"."""
    base, _, path = name.partition(":")
    spec = _registered(base)
    if spec is None:
        from mmasc.weights.table import refuse

        refuse(base)
        plugins = sorted(installed_plugins())
        raise MmascError(
            f"unknown encoder {base!r}; there are: {', '.join(sorted(ENCODERS) + plugins)}; and, with weights of your "
            "own, networks (mmasc models list)"
        )
    return window.of(spec), path or None


def spec_of(encoder: str) -> EncoderSpec | None:
    """What is known of an encoder (as `load_encoder` takes it) without loading its weights; networks are encoders too.

    Returns:
        None for a name that nobody knows, or of which nothing is known before it is loaded.
    """
    if is_own(encoder):
        return own_spec(encoder)
    try:
        plain, hearing = split_hearing(encoder)
        spec = _known(plain)
        return None if spec is None else hearing.spec(spec)
    except MmascError:
        return None  # `load_encoder` says what is wrong with it


def _registered(base: str) -> EncoderSpec | None:
    return ENCODERS[base] if base in ENCODERS else network_spec(base)


def _known(name: str) -> EncoderSpec | None:
    """The specification of a name without speed and band."""
    base, _, path = name.partition(":")
    own = _target_of_own(name)
    if own is None:
        return _registered(base)
    if base in ADAPTERS:
        return _class_at(ADAPTERS[base].describe)(path) if ADAPTERS[base].describe else None
    kind, _ = find_plugin(name)
    return spec_of_plugin(kind) if hasattr(kind, "spec") else None


def window_of(encoder: str, window_seconds: float) -> float | None:
    """The window to pass to `load_encoder`: None if it is the encoder's own."""
    spec = spec_of(encoder)
    return None if spec is not None and spec.window_seconds == window_seconds else window_seconds


def network_spec(name: str) -> EncoderSpec | None:
    """A network of the registry as the registry of encoders would have it; None where there is none of that name."""
    if name not in NETWORKS:
        return None
    known = NETWORKS[name]
    return EncoderSpec(
        known.name,
        "mmasc.encoders.network:NetworkEncoder",
        sample_rate=known.sample_rate,
        window_seconds=known.seconds,
        dim=known.dim,
        padding="minimum",
        licence=known.licence,
        weights=known.weights or "your own",
        description=known.description,
        # Official weights with these classes are those of PANNs (Kong et al. 2020)
        trained_on=(AUDIOSET,) if known.n_classes in _AUDIOSET_CLASSES else None,
    )
