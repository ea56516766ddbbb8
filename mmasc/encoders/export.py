"""Encoders and networks as ONNX files with the front end inside: waveform in, vector and class scores out.

Next to FILE.onnx lies FILE.yaml, with which `onnx:FILE.onnx` is an encoder here; the same stands in the metadata of the
file, so that a colleague needs nothing but numpy and ONNX Runtime. A file gets its name once it was compared with what
it was made from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from jaxtyping import Float32

from mmasc.encoders.hearing import split_hearing
from mmasc.encoders.in_graph import NetworkGraph, encoder_graph
from mmasc.encoders.names import Names
from mmasc.encoders.network import shortest_seconds
from mmasc.encoders.registry import load_encoder
from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError
from mmasc.networks.load import load_network
from mmasc.networks.merging import example_waveforms
from mmasc.networks.network import Network
from mmasc.networks.onnx import export_module, exporting, open_session
from mmasc.networks.registry import NETWORKS
from mmasc.storage.files import replacing
from mmasc.version import __version__

INPUT, VECTOR, SCORES = "waveform", "vector", "logits"
_BATCH = 3  # a batch of one would be taken for a constant
# Of the largest number (at least 1): float32 sums in another order differ by less, a wrong operator by far more
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class ExportedEncoder:
    """An ONNX file that was compared with what it was made from.

    Attributes:
        path, about: The file, and the YAML file next to it.
        sample_rate: In Hz.
        samples: Samples of a recording that it reads; None for any number from `minimum_samples` on.
        minimum_samples: The fewest.
        outputs: "vector", and "logits" of networks, with how many numbers each has.
        largest_difference: From the encoder or network, over all recordings tried.
        tried: Seconds of the recordings that were tried, one by one and in batches.
        bytes: Size of the file.
    """

    path: str
    about: str
    sample_rate: int
    samples: int | None
    minimum_samples: int
    outputs: dict[str, int]
    largest_difference: float
    tried: tuple[float, ...]
    bytes: int


@dataclass(frozen=True)
class _Source:
    """What is exported: its module, the expected output, and its description."""

    module: torch.nn.Module
    answer: Callable[[np.ndarray], list[np.ndarray]]
    spec: EncoderSpec
    identity: str
    classes: Sequence[str]
    outputs: tuple[str, ...]
    any_length: bool


def export_encoder(name: str, path: str | Path, seconds: float | None = None) -> ExportedEncoder:
    """Write an encoder, or a network with its classes, as one ONNX file from waveform to answer.

    The file's input is `waveform` float32 `[batch time]`, mono in [-1, 1] at the rate that its metadata says; its
    outputs are `vector` `[batch dim]` and, of networks, `logits` `[batch class]`. Encoders take recordings of any
    length (of one length with `seconds`), networks and the names of their classes those of one length.

    Args:
        name: `base`, `mini` and their kind, `classic`, "name:PATH", "names:TAGGER" of a network, or a network:
            "NETWORK:RUN".
        path: The file, replaced if there is one; FILE.yaml is written next to it.
        seconds: Length of the recordings; default: any, of networks what they were made for.
    Raises:
        MmascError: If the extra onnx is missing, this kind cannot be exported, or the file's answers differ; then no
            file is left, and an older one stays as it was.
        ValueError: If `seconds` is less than the network can take.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise MmascError(f"{path.parent} is not a folder; make it first, or name another file")
    if path.suffix == ".yaml":
        raise MmascError(f"{path}: the YAML file is written next to the ONNX file; name a file that ends in .onnx")
    source = _network(name, seconds) if name.partition(":")[0] in NETWORKS else _encoder(name)
    lengths = _lengths(source.spec, seconds, source.any_length and seconds is None)
    with replacing(path) as beside:
        difference = _write(source, beside, lengths)
        widths = {
            one: len(part[0]) for one, part in zip(source.outputs, source.answer(_noise(1, lengths[0])), strict=True)
        }
        size = beside.stat().st_size
        about = _about(source, widths, None if len(lengths) > 1 else lengths[0])
        with replacing(path.with_suffix(".yaml")) as text:
            text.write_text(yaml.safe_dump(about, sort_keys=False, allow_unicode=True), "utf-8")
    rate = source.spec.sample_rate
    return ExportedEncoder(
        path=str(path),
        about=str(path.with_suffix(".yaml")),
        sample_rate=rate,
        samples=None if len(lengths) > 1 else lengths[0],
        minimum_samples=_minimum(source.spec) if len(lengths) > 1 else lengths[0],
        outputs=widths,
        largest_difference=difference,
        tried=tuple(length / rate for length in lengths),
        bytes=size,
    )


def _encoder(name: str) -> _Source:
    if split_hearing(name)[1].has_band:
        raise MmascError(f"{name} hears a band alone, which ONNX files do not: export it without +band")
    encoder = load_encoder(name)
    graph = encoder_graph(encoder)
    free = not isinstance(encoder, Names)  # what a network hears of a sound may hang on the length it is exported for
    return _Source(graph, lambda one: [encoder.embed(one)], encoder.spec, encoder.identity, (), (VECTOR,), free)


def _network(name: str, seconds: float | None) -> _Source:
    network = load_network(name).requires_grad_(False)
    if network.body.n_tags:
        raise MmascError(f"{network.spec.name} reads tags in addition to the sound: export it with --without-front-end")
    example_waveforms(network, seconds)  # too short a length shows before anything is written
    identity = load_encoder(name).identity if ":" in name else ""
    graph = NetworkGraph(network).eval()

    def answer(waveforms: np.ndarray) -> list[np.ndarray]:
        sound = torch.from_numpy(waveforms)[:, None].expand(-1, network.spec.channels, -1)
        with torch.inference_mode():
            return [network.embedding(sound).numpy(), network(sound).numpy()]

    return _Source(graph, answer, _spec_of(network, seconds), identity, network.classes, (VECTOR, SCORES), False)


def _spec_of(network: Network, seconds: float | None) -> EncoderSpec:
    return EncoderSpec(
        network.spec.name,
        "",
        sample_rate=network.sample_rate,
        window_seconds=network.spec.seconds if seconds is None else seconds,
        dim=network.body.dim,
        licence=network.spec.licence,
        minimum_seconds=shortest_seconds(network),
        description=network.spec.description,
    )


def _minimum(spec: EncoderSpec) -> int:
    return max(round(spec.minimum_seconds * spec.sample_rate), 1)


def _lengths(spec: EncoderSpec, seconds: float | None, free: bool) -> list[int]:
    """Samples of the recordings that the file is tried on; one where it takes only these."""
    own = round((spec.window_seconds if seconds is None else seconds) * spec.sample_rate)
    least = max(_minimum(spec), spec.sample_rate // 2)
    return [own, least, 2 * own + 17] if free else [own]


def _noise(batch: int, samples: int, seed: int = 0) -> Float32[np.ndarray, "batch time"]:
    """Noise that grows louder, each recording more than the one before: what frames differ in shows."""
    noise = np.random.default_rng(seed).normal(size=(batch, samples)).astype(np.float32)
    return (0.1 * noise * np.linspace(0.01, 1, samples, dtype=np.float32) * np.arange(1, batch + 1)[:, None]).astype(
        "f4"
    )


def _write(source: _Source, path: Path, lengths: list[int]) -> float:
    """Write the file and compare it; returns the largest difference.

    Raises:
        MmascError: If the module cannot be written, or differs.
    """
    free = {0: "batch", 1: "time"} if len(lengths) > 1 else {0: "batch"}
    example = torch.from_numpy(_noise(_BATCH, lengths[0]))
    with exporting(source.spec.name):
        export_module(source.module, example, path, free, ([INPUT], source.outputs))
    _tell(source, path, None if len(lengths) > 1 else lengths[0])
    session, difference = open_session(path), 0.0
    for length in lengths:
        sound = _noise(_BATCH, length)
        wanted = source.answer(sound)
        found = session.run(list(source.outputs), {INPUT: sound})
        single = [np.concatenate(parts) for parts in zip(*(_one_by_one(session, source.outputs, sound)), strict=True)]
        for way in (found, single):
            for mine, theirs in zip(way, wanted, strict=True):
                apart = float(np.abs(mine - theirs).max())
                difference = max(difference, apart)
                if not apart <= _TOLERANCE * max(1.0, float(np.abs(theirs).max())):
                    raise MmascError(f"{source.spec.name} as ONNX differs by {apart:.2e}; no file was written")
    return difference


def _one_by_one(session: Any, outputs: Sequence[str], sound: np.ndarray) -> list[list[np.ndarray]]:
    return [session.run(list(outputs), {INPUT: one[None]}) for one in sound]


def _about(source: _Source, widths: dict[str, int], samples: int | None) -> dict[str, Any]:
    """What the YAML file says, as `mmasc.encoders.adapters.onnx_about` reads it."""
    spec = source.spec
    seconds = spec.window_seconds if samples is None else samples / spec.sample_rate
    said: dict[str, Any] = {
        "sample_rate": spec.sample_rate,
        "window_seconds": seconds,
        "input": ["batch", "time"],
        "vector": VECTOR,
        "dim": widths[VECTOR],
    }
    if samples is None:
        said |= {"padding": spec.padding, "minimum_seconds": spec.minimum_seconds}
    if spec.hop_seconds:
        said["hop_seconds"] = min(spec.hop_seconds, seconds)
    if SCORES in source.outputs and source.classes:
        said |= {"scores": SCORES, "scores_are": "logits", "classes": list(source.classes)}
    return {**said, "licence": spec.licence, "description": f"{spec.name} of mmasc {__version__}: {spec.description}"}


def _tell(source: _Source, path: Path, samples: int | None) -> None:
    """Put into the file what its readers must know."""
    import onnx

    spec = source.spec
    about = {
        "name": spec.name,
        "identity": source.identity,
        "licence": spec.licence,
        "sample_rate": str(spec.sample_rate),
        "window_seconds": repr(spec.window_seconds if samples is None else samples / spec.sample_rate),
        "minimum_seconds": repr(spec.minimum_seconds),
        "padding": spec.padding,
        "classes": "\n".join(source.classes),
        "mmasc": __version__,
    }
    model = onnx.load(str(path))
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, str(path))
