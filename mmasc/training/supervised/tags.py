"""Networks that read tags, in training and in tests: which source, which vocabulary, and where tags are stored.

A run keeps the tags of all clips of its data next to its weights (tags.safetensors), and the vocabulary in them. Tests
take the same source: by its identity, not by its name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from mmasc.datasets.dataset import Dataset
from mmasc.devices import Session
from mmasc.errors import MmascError
from mmasc.networks.network import Network
from mmasc.networks.registry import NETWORKS
from mmasc.networks.tag_presets import tag_preset
from mmasc.networks.tagger import pseudo_labels
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.kept_tags import TAGS, ClipTags, clip_names, kept_identity
from mmasc.training.supervised.tag_sources import clip_tags, load_source

_SOURCES = "--tags tagging:RUN, --tags prompts:NAME or --tags cnn14:FILE"


def tags_for(
    network: str,
    source: str | ClipTags,
    table: Dataset,
    out: Path,
    session: Session,
) -> ClipTags | None:
    """Tags of all clips of a data set for a network that reads them; None for one that does not.

    Args:
        network: A name of the registry.
        source: Its line, empty for none; or tags of these clips.
        table: The data set.
        out: Folder of the run or runs: tags that one of them kept are taken again.
        session: See `clip_tags`.
    Raises:
        MmascError: If a network that reads tags has no source, or one that reads none has one.
    """
    reads = network in NETWORKS and "n_tags" in NETWORKS[network].arguments
    if not source:
        if reads:
            raise MmascError(f"{network} reads tags in addition to the sound: say where they come from with {_SOURCES}")
        return None
    if not reads:
        tagged = ", ".join(name for name, spec in NETWORKS.items() if "n_tags" in spec.arguments)
        raise MmascError(f"{network} reads no tags: leave out --tags, or train one of {tagged}")
    if isinstance(source, ClipTags):
        names = clip_names(table.paths, table.root)
        rows = source.of(names)
        if rows is None:
            raise MmascError(f"the tags given are not of the clips of {table.root}; give the source's name")
        return ClipTags(source.source, source.identity, source.vocabulary, names, rows)
    kept = [out / TAGS, *sorted(out.glob(f"fold-*/{TAGS}"))]
    # A run that was begun by earlier rules goes on by them
    loaded = load_source(source, session.device, kept_identity(source, kept))
    return clip_tags(loaded, table.paths, table.root, kept, session=replace(session, progress=None))


def tag_arguments(tags: ClipTags | None, preset: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a network's definition with its tags and, where one is named, those of a cell of the tables.

    Raises:
        MmascError: If there is no such cell, it is for a network without tags, or the arguments contradict the tags.
    """
    if tags is None:
        if preset:
            raise MmascError(f"{preset} is a network that reads tags: train one whose name ends in -tags")
        return dict(arguments)
    own = {"n_tags": tags.rows.shape[1], "vocabulary": list(tags.vocabulary)}
    for name, value in own.items():
        if name in arguments and arguments[name] != value:
            raise MmascError(f"{name} comes from the source of tags, {tags.source}: leave out --argument {name}")
    return {**(tag_preset(preset).arguments if preset else {}), **arguments, **own}


def check_vocabulary(network: Network, tags: ClipTags | None, where: str) -> None:
    """Refuse tags of another vocabulary than a network learned.

    Args:
        network: Trained.
        tags: Tags that it would be told.
        where: What to call it.
    Raises:
        MmascError: If they differ in number or in words (the first that differs is named).
    """
    if tags is None:
        return
    body, n_tags = network.body, tags.rows.shape[1]
    if body.n_tags != n_tags:
        raise MmascError(
            f"{where} reads {body.n_tags} tags, {tags.source} gives {n_tags}: take the source that it was trained with"
        )
    differ = [pair for pair in zip(body.vocabulary, tags.vocabulary, strict=False) if pair[0] != pair[1]]
    if differ:
        raise MmascError(
            f"{where} learned another vocabulary of tags than that of {tags.source}: {differ[0][0]!r} stands where it "
            f"has {differ[0][1]!r}; take the source that it was trained with"
        )


def tags_of_run(
    folder: Path,
    config: SupervisedConfig,
    network: Network,
    paths: Sequence[Path],
    root: Path,
    session: Session,
) -> Float32[np.ndarray, "clip tag"] | None:
    """Tags of recordings by the source that a run was trained with; None for a network that reads none.

    Args:
        folder: Folder of the run: tags that it kept are taken again, then the source need not be there.
        config: Configuration of the run.
        network: Network of the run.
        paths: Paths of the recordings.
        root: Folder (or table) of their data set.
        session: See `clip_tags`; its progress is not for tags.
    Raises:
        MmascError: If the source no longer exists, or became another.
    """
    if not network.body.n_tags:
        return None
    if not config.tags:
        raise MmascError(f"{folder} does not say where its tags came from; train it again with {_SOURCES}")
    try:
        asking = replace(session, progress=None)
        found = clip_tags(config.tags, paths, root, [folder / TAGS], config.tags_identity, asking)
    except MmascError as error:
        raise MmascError(f"{folder} needs tags of {len(paths)} recordings by {config.tags}: {error}") from error
    check_vocabulary(network, found, str(folder))
    return found.rows


def pseudo_labels_of(
    sources: Sequence[str],
    paths: Sequence[Path],
    classes: Sequence[str],
    power: float,
    session: Session | None = None,
    identities: Sequence[str] = (),
) -> Float32[np.ndarray, "clip class"]:
    """Soft labels of clips by taggers that are trained already: their mean, sharpened, rows of sum 1.

    Args:
        sources: Taggers ("tagging:RUN"), of other folds or seeds.
        paths: Paths of the clips.
        classes: Classes in the order of the columns.
        power: See `mmasc.networks.tagger.pseudo_labels`.
        session: Device of the taggers, and cache.
        identities: Identities of the taggers, see `load_source`; default: by the rules of now.
    Raises:
        MmascError: If a tagger does not exist or does not know a class.
    """
    session = session or Session()
    posteriors = []
    for name, identity in zip(sources, identities or [""] * len(sources), strict=True):
        source = load_source(name, session.device, identity)
        lacking = [item for item in classes if item not in source.vocabulary]
        if lacking:
            raise MmascError(f"{name} does not know the tags {', '.join(lacking[:3])}: it can give no pseudo labels")
        columns = [source.vocabulary.index(item) for item in classes]
        cache = Path(session.cache) if session.cache is not None else None
        posteriors.append(source.tell(paths, cache, None)[:, columns])
    return pseudo_labels(np.stack(posteriors), power).astype(np.float32)
