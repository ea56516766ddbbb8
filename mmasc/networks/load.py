"""Networks made fresh or from files. Files run no code: safetensors, torch files with `weights_only=True`, Keras's."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mmasc.devices import resolve_device
from mmasc.errors import MmascError
from mmasc.features import load_front_end
from mmasc.networks.building import building
from mmasc.networks.network import Network
from mmasc.networks.registry import NETWORKS, network_class
from mmasc.networks.spec import NetworkSpec
from mmasc.storage.keras import read_keras
from mmasc.storage.tensors import best_weights, read_pickled
from mmasc.storage.texts import listed, parse_json

# What a file of a training run says about itself, in its metadata under "config"
_KEYS = ("network", "classes", "features", "arguments")


def build(
    spec: NetworkSpec,
    n_classes: int | None = None,
    classes: Sequence[str] = (),
    features: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    arguments: Mapping[str, Any] | None = None,
) -> Network:
    """A network with fresh weights of a seed; torch's own random state is left as it was.

    Channels and bands follow the features where other ones than the definition's own are named, unless they are given.
    """
    if classes and n_classes not in (None, len(classes)):
        raise ValueError(f"n_classes must be the number of classes, {len(classes)}, got {n_classes}")
    outputs = len(classes) or n_classes or spec.n_classes
    chosen = {**spec.arguments, **(_fitting(spec, features) if features else {}), **(arguments or {})}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = network_class(spec)(outputs, **chosen)
    names = tuple(classes) or (spec.classes if len(spec.classes) == outputs else ())
    return Network(spec, features or spec.features, body, names).to(resolve_device(device)).eval()


def _fitting(spec: NetworkSpec, features: str) -> dict[str, Any]:
    """Arguments of a definition that other features than its own decide: how many channels and bands come in."""
    front_end = load_front_end(features)
    bands = front_end.n_bands
    fitting = {"n_channels": spec.channels * front_end.n_features, "n_mels": bands, "standardise": bands}
    # 0 bands to standardise means none, for all features
    return {name: value for name, value in fitting.items() if spec.arguments.get(name)}


def read_network(spec: NetworkSpec, path: str | Path, device: str = "cpu") -> Network:
    """A network with the weights of a file, or of a run (`best.safetensors` where there is one, else the last).

    Raises:
        MmascError: If the file is missing, damaged, or belongs to another network.
    """
    path = Path(path)
    if path.is_dir():
        found = best_weights(path)
        if found is None:
            raise MmascError(
                f"{path} holds no weights (best.safetensors or last.safetensors); name a run of mmasc train"
            )
        path = found
    state, about = read_state(path)
    if about and about["network"] != spec.name:
        raise MmascError(f"{path} holds {about['network']}, not {spec.name}; say {about['network']}:{path}")
    cls = network_class(spec)
    own = cls.own_state(state)
    try:
        with building(path, spec.name, about.get("arguments", {})):
            arguments = {**about.get("arguments", {}), **cls.arguments_from(own)}
            network = build(
                spec, arguments.pop("n_classes"), about.get("classes", ()), about.get("features"), 0, "cpu", arguments
            )
    except (KeyError, IndexError) as error:
        raise MmascError(f"{path} does not hold {spec.name}: {error} is missing") from error
    _fill(network, own, path)
    return network.to(resolve_device(device)).eval()


def read_state(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state dict of a file, without "module." before its names, and what the file says about it (may be empty).

    Raises:
        MmascError: If the file is missing, damaged, or holds anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise MmascError(f"{path} does not exist; name a file of weights or a run folder of mmasc train")
    state: Any
    try:
        if path.suffix in (".h5", ".hdf5"):
            state, about = {name: torch.from_numpy(one) for name, one in read_keras(path).items()}, {}
        elif path.suffix == ".safetensors":
            with safe_open(str(path), "pt") as stored:
                state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
                about = parse_json((stored.metadata() or {}).get("config", "{}"))
        else:
            state, about = read_pickled(path), {}
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise MmascError(
            f"{path} cannot be read as weights ({' '.join(str(error).split())[:100]}); files that hold more than "
            "tensors are refused: take another, or save it as safetensors"
        ) from error
    for entry in ("model", "state_dict", "model_state_dict"):
        if isinstance(state, dict) and isinstance(state.get(entry), dict):
            state = state[entry]
    if (
        not isinstance(state, dict)
        or not state
        or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items())
    ):
        raise MmascError(f"{path} holds no state dict of tensors; save the network's state_dict")
    if about != {} and not (isinstance(about, dict) and set(_KEYS) <= set(about)):
        raise MmascError(f"{path} was not written by mmasc train of a network: its record lacks {', '.join(_KEYS)}")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}, about


def _kind(tensor: Tensor) -> str:
    """Numbers that may stand for one another: floating point of any width, or whole numbers of any."""
    if tensor.is_floating_point():
        return "floating"
    return "other" if tensor.is_complex() or tensor.dtype == torch.bool else "whole"


def _fill(network: Network, state: Mapping[str, Tensor], path: Path) -> None:
    """Put weights into a network; every name and shape must be its own."""
    wanted = network.body.state_dict()
    # Counters of batches are in newer files only, and nothing reads them in evaluation
    optional = {name for name in wanted if name.endswith("num_batches_tracked")}
    missing = sorted(set(wanted) - set(state) - optional)
    strange = sorted(set(state) - set(wanted))
    shapes = [name for name in wanted if name in state and wanted[name].shape != state[name].shape]
    # Copying would round or cut numbers of another kind without a word
    kinds = [name for name in wanted if name in state and _kind(wanted[name]) != _kind(state[name])]
    if missing or strange or shapes or kinds:
        faults = {"missing": missing, "unknown": strange, "of another shape": shapes, "of another type": kinds}
        said = "; ".join(
            f"{len(names)} names {word} ({listed(names[:3])}{' ...' if len(names) > 3 else ''})"
            for word, names in faults.items()
            if names
        )
        raise MmascError(f"{path} does not hold {network.spec.name}: {said}")
    network.body.load_state_dict(dict(state), strict=False)


def load_network(
    name: str,
    n_classes: int | None = None,
    classes: Sequence[str] = (),
    features: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    arguments: dict[str, Any] | None = None,
) -> "Network":
    """A supervised network with its front end, in evaluation mode.

    Args:
        name: A name of the registry for fresh weights; "name:path" for weights of a file (.safetensors, or a released
            .pt, .pth or .h5, which is read without running code) or of the folder of a training run.
        n_classes: Outputs of fresh weights; default: what the definition has.
        classes: Their names.
        features: Another front end than the network's own, by name; for weights of a file, where it does not say it.
        seed: Random seed of fresh weights.
        device: "cpu", "cuda", "auto" ...
        arguments: Arguments of the definition, by name, where they should differ from the registry's.
    Raises:
        MmascError: If the name is unknown (names are listed), or the weights are missing, damaged, or those of
            another network (what differs is named).
    """
    base, _, path = name.partition(":")
    if base not in NETWORKS:
        raise MmascError(f"unknown network {base!r}; there are: {', '.join(sorted(NETWORKS))}")

    spec = NETWORKS[base]
    if path:
        return read_network(replace(spec, features=features) if features else spec, path, device)
    return build(spec, n_classes, classes, features, seed, device, arguments)
