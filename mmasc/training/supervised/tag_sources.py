"""What networks that read tags are told of recordings: the probabilities of a tagger, computed once and kept.

A source is named in a line: `tagging:RUN` (a tagger of your own), `cnn14:FILE` (any network with several labels per
clip: PANNs' 527 sounds of AudioSet), or `prompts:NAME@ENCODER` (zero-shot: every label of a prompt file is a tag,
judged by itself; the encoder is mini where none is named). Its identity is a digest of all that decides its tags.

What a source has learned from, it knows: tags of a tagger or an encoder that heard the test clips tell their labels. On
ESC-10 take prompts:NAME@mini-strict, which has heard none of it, and not mini.

Papers: Jung et al. 2020, "Acoustic Scene Classification using Audio Tagging" (a tagger's probabilities). Zero-shot
probabilities as tags are a step of our own beyond it.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from mmasc.devices import Session
from mmasc.encoders.earlier import by_rules_of, specs_by_rules
from mmasc.encoders.identity import require_identity
from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError
from mmasc.printing import counted
from mmasc.storage.texts import parse_json
from mmasc.training.supervised.kept_tags import ClipTags, clip_names

if TYPE_CHECKING:
    from mmasc.encoders.base import Encoder
    from mmasc.prompts.prompts import Prompts

PROMPTS = "prompts"
_ENCODER = "mini"
_FORMS = "tagging:RUN, prompts:NAME@ENCODER, cnn14:FILE"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TagSource:
    """What gives tags, loaded.

    Attributes:
        name: The line that names it.
        identity: Hex digest of all that decides its tags.
        vocabulary: What they mean, in order; empty where nobody said it.
        n_tags: How many they are.
        tell: Recordings to tags in [0, 1]; takes a folder of decoded waveforms (or None) and what is told of progress.
    """

    name: str
    identity: str
    vocabulary: tuple[str, ...]
    n_tags: int
    tell: Callable[[Sequence[Path], Path | None, Progress | None], Float32[np.ndarray, "clip tag"]]


def load_source(name: str, device: str = "cpu", identity: str = "") -> TagSource:
    """A source of tags by its line; see the head of this module.

    Args:
        name: Its line.
        device: Where it runs.
        identity: Identity of tags that are kept: where the rules of their source have changed since then, those that
            gave them are taken, see `mmasc.encoders.earlier`; "" for the rules of now.
    Raises:
        MmascError: If there is none of that name, or its weights, prompts or encoder cannot be used.
    """
    spec, load = _rules(name, device)
    return load(None) if spec is None else by_rules_of(identity or None, spec, load)


def source_identities(name: str, device: str = "cpu") -> list[str]:
    """Identities of a source: by the rules of now, then by each of its earlier ones.

    Raises:
        MmascError: As `load_source` does.
    """
    spec, load = _rules(name, device)
    return [load(one).identity for one in ([None] if spec is None else specs_by_rules(spec))]


def _rules(name: str, device: str) -> tuple[EncoderSpec | None, Callable[[Any], TagSource]]:
    """What decides a source's rules, and what loads it by such; None where nothing of it may change."""
    from mmasc.encoders.registry import network_spec
    from mmasc.networks.registry import NETWORKS

    kind, sign, rest = name.partition(":")
    if not sign or not rest or (kind != PROMPTS and kind not in NETWORKS):
        raise MmascError(f"{name!r} names no source of tags; there are: {_FORMS}")
    if kind == PROMPTS:
        return _prompts(name, rest, device)
    return network_spec(kind), lambda spec: _network(name, spec, rest, device)


def clip_tags(
    source: TagSource | str,
    paths: Sequence[Path],
    root: Path,
    kept: Iterable[Path] = (),
    identity: str = "",
    session: Session | None = None,
) -> ClipTags:
    """Tags of recordings: as they were kept, else asked of the source.

    Args:
        source: Loaded, or its line: then it is loaded only where nothing kept suffices.
        paths: Paths of the recordings.
        root: Folder (or table) of their data set.
        kept: Files where they may stand already; those that do not exist are passed over.
        identity: Identity that is wanted where the source is not loaded.
        session: Device of a source that is loaded here, cache and progress of recordings; hears where the source is
            asked, or a kept file could not be read.
    Raises:
        MmascError: If the source does not exist, or is another than what is wanted.
    """
    session = session or Session()
    wanted = source.identity if isinstance(source, TagSource) else identity
    names = clip_names(paths, root)
    for path in kept:
        if path.is_file():
            try:
                found = ClipTags.load(path)
            except MmascError as error:
                session.say(f"{error}: asked again")
                continue
            rows = found.of(names) if found.identity == wanted else None
            if rows is not None:
                return ClipTags(found.source, found.identity, found.vocabulary, names, rows)
    loaded = source if isinstance(source, TagSource) else load_source(source, session.device, wanted)
    if wanted:
        require_identity(
            (loaded.name, wanted),
            (loaded.name, loaded.identity),
            "the network",
            "give the source the weights or prompts that it had in training, or train again",
            kind="tag source",
        )
    session.say(f"tags of {counted(len(paths), 'recording')} by {loaded.name}: {loaded.n_tags} each")
    rows = loaded.tell(paths, Path(session.cache) if session.cache is not None else None, session.progress)
    return ClipTags(loaded.name, loaded.identity, loaded.vocabulary, names, rows)


def _network(name: str, spec: EncoderSpec, path: str, device: str) -> TagSource:
    """A tagger, or any other network whose labels do not exclude each other; `spec` names it and its front end."""
    from mmasc.datasets import WaveformCache
    from mmasc.encoders.identity import identity_digest
    from mmasc.features.registry import front_end_constants
    from mmasc.networks.load import load_network
    from mmasc.networks.tagger import PADDINGS, tag_probabilities

    kind = spec.name
    with _named(name):
        network = load_network(name, features=spec.features or None, device=device)
    if network.body.n_tags:
        raise MmascError(f"{name} reads tags itself: a source of tags hears sound alone; there are: {_FORMS}")
    _check_several(name, Path(path))
    # Frames at both ends, as the authors of the tagger add them; other networks hear a clip as it is
    paddings = PADDINGS if kind == "tagging" else (0,)
    constants = {
        "network": kind,
        "features": network.features,
        "front_end": front_end_constants(network.features),
        "paddings": paddings,
        "classes": network.classes,
    }

    def tell(paths: Sequence[Path], cache: Path | None, progress: Progress | None) -> Float32[np.ndarray, "clip tag"]:
        rate, least = network.sample_rate, network.minimum_samples
        clips = WaveformCache(cache, rate, "mix" if network.spec.channels == 1 else "each").load(paths)
        rows = []
        for number, clip in enumerate(clips, 1):
            samples = np.array(clip, np.float32)
            samples = np.pad(samples, ((0, 0), (0, max(0, least - samples.shape[1]))))
            rows.append(tag_probabilities(network, samples, rate, paddings))
            if progress is not None:
                progress(number, len(paths))
        return np.stack(rows).astype(np.float32)

    identity = identity_digest(spec, dict(network.body.state_dict()), constants)
    return TagSource(name, identity, network.classes, network.n_classes, tell)


def _check_several(name: str, path: Path) -> None:
    """Refuse a run whose labels exclude each other: its logits are not tags."""
    config = (path if path.is_dir() else path.parent) / "config.json"
    if not config.is_file():
        return
    try:
        about: Any = parse_json(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MmascError(f"{config} is damaged ({error}); train {name} again") from error
    if isinstance(about, Mapping) and about.get("loss", "bce") != "bce":
        raise MmascError(
            f"{name} learned labels that exclude each other (loss {about['loss']}); tags come from a network with "
            "several labels per clip (loss bce)"
        )


def _prompts(name: str, rest: str, device: str) -> tuple[EncoderSpec | None, Callable[[Any], TagSource]]:
    """Labels of a prompt file, each judged by itself in a space that has text; see `_rules`."""
    from mmasc.encoders.registry import build_encoder, load_encoder
    from mmasc.prompts.prompts import as_prompts

    prompts_name, _, encoder_name = rest.partition("@")

    def by(spec: EncoderSpec | None) -> TagSource:
        with _named(name):
            if origin is None or spec is None or spec == origin.spec:
                return _zero_shot(name, encoder, prompts)
            return _zero_shot(name, build_encoder(origin._replace(spec=spec)), prompts)

    with _named(name):
        prompts = as_prompts(prompts_name)
        encoder = load_encoder(encoder_name or _ENCODER, device)
    origin = encoder.origin
    return (None if origin is None else origin.spec), by


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Faults name their source."""
    try:
        yield
    except MmascError as error:
        raise MmascError(f"source of tags {name}: {error}") from error


def _zero_shot(name: str, encoder: "Encoder", prompts: "Prompts") -> TagSource:
    """Labels of prompts in the space of an encoder."""
    from mmasc.heads.zeroshot import ZeroShotClassifier
    from mmasc.training.supervised.teacher import clip_vectors

    classifier = ZeroShotClassifier(encoder, multi_label=True).fit(prompts)
    vocabulary = tuple(str(label) for label in classifier.classes_)
    if len(vocabulary) < 2:
        raise MmascError(f"two labels are needed, the file has {len(vocabulary)}")
    decides = [PROMPTS, encoder.identity, encoder.logit_scale, prompts.expand()]

    def tell(paths: Sequence[Path], cache: Path | None, progress: Progress | None) -> Float32[np.ndarray, "clip tag"]:
        return classifier.predict_proba(clip_vectors(encoder, paths, cache, progress)).astype(np.float32)

    identity = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:32]
    return TagSource(name, identity, vocabulary, len(vocabulary), tell)
