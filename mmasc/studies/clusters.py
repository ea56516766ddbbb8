"""Kinds of sounds in a collection, found without labels: dense regions of the space, with the words nearest to each.

Vectors → unit vectors → principal components → HDBSCAN (Campello et al. 2013, "Density-based clustering based on
hierarchical density estimates"). Sounds between the dense regions belong to none of them.
The same collection gives the same clusters.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from mmasc.collection.query import naming_space
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.vectors import vectors_with_labels
from mmasc.encoders.base import Encoder
from mmasc.encoders.default_prompts import words_of
from mmasc.encoders.identity import require_identity
from mmasc.encoders.registry import load_encoder, spec_of, window_of
from mmasc.errors import MmascError, show_path
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.printing import counted
from mmasc.progress import current
from mmasc.prompts.prompts import Prompts, as_prompts
from mmasc.storage.csv_lines import csv_writer
from mmasc.storage.files import write_atomically
from mmasc.windows.units import unit_float64

NOISE = -1  # the number of what belongs to no cluster
_MOST_ITEMS = 100_000  # time grows with the square


@dataclass(frozen=True)
class Cluster:
    """A dense region.

    Attributes:
        number: From 1, the largest first.
        size: Number of recordings (or windows) in it.
        words: The nearest words, best first, with the cosine of each to the cluster's mean direction.
        central: Path of the most central recording: the nearest to that direction; start, end: of its window, in
            seconds, else None.
    """

    number: int
    size: int
    words: tuple[tuple[str, float], ...]
    central: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Clusters:
    """The clusters of a collection.

    Attributes:
        clusters: The largest first.
        labels: Number of its cluster for each row of `items`, or -1 (int64 `[item]`).
        items: Table with a row per recording (or window) in the order of paths, see `Collection.vectors`.
        prompts: Name of the prompt file with the words; "" where the space holds no text.
        noise: Number of rows in no cluster.
    """

    clusters: list[Cluster]
    labels: np.ndarray
    items: pa.Table
    prompts: str
    noise: int

    def by_recording(self) -> dict[str, int]:
        """Path to cluster, in the order of paths; of windows the most frequent cluster, the larger one of two."""
        votes: dict[str, Counter[int]] = {}
        for path, number in zip(self.items.column("path").to_pylist(), self.labels.tolist(), strict=True):
            votes.setdefault(path, Counter())[number] += 1
        return {
            path: min(counts, key=lambda number: (-counts[number], number == NOISE, number))
            for path, counts in votes.items()
        }


def find_clusters(
    collection: Snapshot,
    space: str | None = None,
    windows: bool = False,
    minimum_size: int = 5,
    components: int = 16,
    prompts: Any = None,
    where: str | None = None,
    encoder: Encoder | None = None,
    top: int = 3,
) -> Clusters:
    """Find the kinds of sounds that a collection holds.

    Args:
        collection: Opened.
        space: Space to look at; default: the oldest that holds text, else the oldest.
        windows: Cluster windows instead of whole recordings.
        minimum_size: Least number of recordings (or windows) in a cluster, 2 or more.
        components: Principal components that are kept; 0 for none, all numbers of the vectors count then.
        prompts: Words to name clusters with, as for `as_prompts`; default: those that the encoder was trained with.
        where: SQL on columns of recordings and windows: only those that pass are looked at.
        encoder: Loaded encoder of that space, to save loading it.
        top: Number of words per cluster.
    Raises:
        MmascError: If there are fewer than two clusters' worth of items or too many, the space or `where` cannot be
            used, or `prompts` are given for a space without text.
        ValueError: If a number is out of range.
    """
    if minimum_size < 2 or components < 0 or top < 1:
        raise ValueError(
            f"minimum_size must be 2 or more, components 0 or more, top 1 or more, got {minimum_size}, {components}, "
            f"{top}"
        )
    reader = collection.space(space or _with_text(collection))
    vectors, _, items = vectors_with_labels(collection, reader, None, where, windows)
    what = "windows" if windows else "recordings"
    if len(vectors) < 2 * minimum_size:
        raise MmascError(
            f"{counted(len(vectors), f'{what[:-1]} is', f'{what} are')} too few for clusters of {minimum_size}; "
            "take a lower --minimum-size"
        )
    if len(vectors) > _MOST_ITEMS:
        raise MmascError(f"{len(vectors):,} {what} are too many ({_MOST_ITEMS:,} at most): choose with --where")
    unit = unit_float64(vectors)
    with current().phase("finding dense regions"):
        labels = _largest_first(dense_regions(reduce(unit, components), minimum_size))
    with current().phase("words for clusters"):
        words, name = _words(reader.space, collection, prompts, encoder)
    paths = items.column("path").to_pylist()
    clusters = []
    for number in range(1, labels.max(initial=0) + 1):
        members = np.flatnonzero(labels == number)
        direction = unit_float64(unit[members].mean(axis=0, keepdims=True))
        central = int(members[(unit[members] @ direction[0]).argmax()])
        span = {key: float(items.column(key)[central].as_py()) for key in ("start", "end")} if windows else {}
        clusters.append(Cluster(number, len(members), words(direction, top), paths[central], **span))
    return Clusters(clusters, labels, items, name, int((labels == NOISE).sum()))


def reduce(unit: Float[np.ndarray, "item dim"], components: int) -> Float[np.ndarray, "item component"]:
    """The first principal components of vectors, and all of what they hold where there are no more; 0 keeps all.

    An exact decomposition: no random start.
    """
    if components == 0 or components >= min(unit.shape):
        return unit
    centred = unit - unit.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    return centred @ directions[:, ::-1][:, :components]


def dense_regions(points: Float[np.ndarray, "item component"], minimum_size: int) -> Int[np.ndarray, " item"]:
    """Numbers of clusters by HDBSCAN, -1 for points in none."""
    from sklearn.cluster import HDBSCAN

    found = HDBSCAN(min_cluster_size=minimum_size, min_samples=max(2, minimum_size // 2), copy=True).fit(points)
    return np.asarray(found.labels_, np.int64)


def _largest_first(labels: Int[np.ndarray, " item"]) -> Int[np.ndarray, " item"]:
    """Clusters numbered from 1 by size; of equal ones the one with the earlier member first."""
    found, first, counts = np.unique(labels, return_index=True, return_counts=True)
    order = sorted((-count, at, number) for number, at, count in zip(found, first, counts, strict=True) if number >= 0)
    renamed = {int(number): place for place, (_, _, number) in enumerate(order, 1)}
    return np.array([renamed.get(int(number), NOISE) for number in labels], np.int64)


def _with_text(collection: Snapshot) -> str | None:
    """The oldest space that holds text."""
    for name, space in collection.head.spaces.items():
        spec = spec_of(space.encoder)
        if spec is not None and "text" in spec.modalities:
            return name
    return None


def _words(
    space: Any, collection: Snapshot, prompts: Any, encoder: Encoder | None
) -> tuple[Callable[[np.ndarray, int], tuple[tuple[str, float], ...]], str]:
    """What gives the nearest words of a direction, and the name of the prompt file."""
    spec = encoder.spec if encoder is not None else spec_of(space.encoder)
    if spec is None or "text" not in spec.modalities:
        if prompts is not None:
            raise MmascError(
                f"the space of {space.encoder} holds no text: leave out --prompts, or choose another space"
            )
        return lambda direction, top: (), ""
    asked: Prompts = words_of(space.encoder) if prompts is None else as_prompts(prompts)
    if encoder is None:
        with naming_space(space.encoder, collection.store.location):
            window = window_of(space.encoder, space.window_seconds)
            encoder = load_encoder(space.encoder, window_seconds=window, identity=space.identity)
    require_identity(
        (space.encoder, space.identity),
        (encoder.spec.name, encoder.identity),
        f"the space of {collection.store.location}",
        "use the encoder that made its vectors, or embed again",
    )
    classifier = ZeroShotClassifier(encoder).fit(asked)

    def nearest(direction: np.ndarray, top: int) -> tuple[tuple[str, float], ...]:
        cosines = classifier.decision_function(direction)[0]
        best = np.argsort(-cosines, kind="stable")[:top]
        return tuple((str(classifier.classes_[place]), float(cosines[place])) for place in best)

    return nearest, asked.name


def write_clusters(found: Clusters, target: str | Path, root: str) -> None:
    """Write a CSV that `mmasc embed --metadata` reads: path under the root, cluster (empty for none), its words.

    Args:
        found: The clusters.
        target: File to write.
        root: Root of the collection.
    """
    import io
    import os

    named = {cluster.number: "; ".join(word for word, _ in cluster.words) for cluster in found.clusters}
    text = io.StringIO()
    writer = csv_writer(text)
    writer.writerow(["path", "cluster", "cluster_words"])
    for path, number in found.by_recording().items():
        row: Sequence[Any] = ("", "") if number == NOISE else (number, named[number])
        writer.writerow([os.path.relpath(path, root), *row])
    try:
        write_atomically(Path(target), text.getvalue().encode("utf-8", "surrogateescape"))
    except IsADirectoryError as error:
        raise MmascError(f"{show_path(target)} is a folder; name a CSV file") from error
