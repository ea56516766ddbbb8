"""A question (texts, sounds, pictures, vectors, stored moments, for and against) and the vectors that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.audio.find import VIDEO_EXTENSIONS
from mmasc.audio.memory import MemorySound
from mmasc.collection.query_items import as_pictures, as_sounds, as_weights
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.collection.stored_moments import StoredMoment, as_moments, vectors_of_moment
from mmasc.encoders.registry import spec_of
from mmasc.errors import MmascError
from mmasc.inputs import as_texts, as_vectors
from mmasc.storage.pictures import as_shown, opened_picture

_FILMS = frozenset(f".{extension}" for extension in VIDEO_EXTENSIONS)


@dataclass(frozen=True)
class Query:
    """The queries for and against, by modality.

    Attributes:
        weights, not_weights: Of texts, sounds, pictures, vectors and stored moments, in this order; None: all are
            alike.
    """

    texts: tuple[str, ...] = ()
    sounds: tuple[Path | MemorySound, ...] = ()
    images: tuple[Any, ...] = ()
    vectors: np.ndarray | None = None
    not_texts: tuple[str, ...] = ()
    not_sounds: tuple[Path | MemorySound, ...] = ()
    not_images: tuple[Any, ...] = ()
    not_vectors: np.ndarray | None = None
    like: tuple[StoredMoment, ...] = ()
    not_like: tuple[StoredMoment, ...] = ()
    weights: tuple[float, ...] | None = None
    not_weights: tuple[float, ...] | None = None

    @classmethod
    def of(cls, asked: Mapping[str, Any], against: Mapping[str, Any]) -> "Query":
        """From one or several of each.

        Args:
            asked, against: Queries for and against: text, audio, image, vectors, like, as
                `Collection.search` takes them.
        Raises:
            MmascError: If nothing is asked for, a text is empty, or vectors are not finite.
            ValueError: If something else than a text, a sound or a picture stands where one should.
        """
        query = cls(
            as_texts(asked["text"]),
            as_sounds(asked["audio"]),
            as_pictures(asked["image"]),
            _vectors(asked["vectors"]),
            as_texts(against["text"], "not_text"),
            as_sounds(against["audio"]),
            as_pictures(against["image"]),
            _vectors(against["vectors"]),
            as_moments(asked["like"], "like"),
            as_moments(against["like"], "not_like"),
        )
        if any(not one.strip() for one in query.texts + query.not_texts):
            raise MmascError("the query is empty; give a text, a sound file or a picture")
        if not (query.texts or query.sounds or query.images or query.like or query.vectors is not None):
            raise MmascError("nothing to look for; give a text, a sound file or a picture")
        return query

    def weighed(self, weights: Any, not_weights: Any) -> "Query":
        """The same query with weights.

        Raises:
            ValueError: If there is not one for each item, or one is not above 0.
        """
        asked = [self.texts, self.sounds, self.images, self.vectors, self.like]
        against = [self.not_texts, self.not_sounds, self.not_images, self.not_vectors, self.not_like]
        return replace(
            self,
            weights=as_weights(weights, _count(asked), "weights"),
            not_weights=as_weights(not_weights, _count(against), "not_weights"),
        )

    @property
    def modalities(self) -> set[str]:
        """Which of "text", "audio", "image", "film" a space must understand."""
        asked = {"text": self.texts + self.not_texts, "audio": self.sounds + self.not_sounds}
        shown = {"film" if _is_film(one) else "image" for one in self.images + self.not_images}
        return shown | {name for name, items in asked.items() if items}

    @property
    def by_sound(self) -> bool:
        """Whether it is asked with sounds, or with what was made of some."""
        return bool(self.sounds or self.like) or self.vectors is not None

    def fits(self, encoder: str) -> bool:
        """Whether the encoder of a space (its name, as stored) understands the query."""
        spec = spec_of(encoder)
        return spec is None or self.modalities <= set(spec.modalities)

    def has_width(self, dim: int) -> bool:
        """Whether all vectors of the query have as many numbers as those of a space."""
        return all(one is None or one.shape[1] == dim for one in (self.vectors, self.not_vectors))


def query_vectors(
    query: Query, collection: Snapshot, reader: SpaceReader, encoder: Any, against: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A vector each for what is asked (or not asked) `[item dim]`, and the windows of the sounds among it.

    Args:
        query: The question.
        collection, reader: Where its moments are stored, and the space that is asked.
        encoder: That of the space, loaded; None where the query has vectors and stored moments alone.
        against: Whether what is not asked for is wanted.
    Raises:
        MmascError: If vectors have another width than those of the space, or a stored moment does not exist.
    """
    texts = query.not_texts if against else query.texts
    sounds = query.not_sounds if against else query.sounds
    images = query.not_images if against else query.images
    vectors = query.not_vectors if against else query.vectors
    dim = reader.space.dim
    parts, windows = [np.zeros((0, dim), np.float32)], [np.zeros((0, dim), np.float32)]
    if vectors is not None:
        if vectors.shape[1] != dim:
            raise MmascError(f"vectors of space {reader.name!r} have {dim} numbers, got {vectors.shape[1]}")
        parts.append(vectors)
    for moment in query.not_like if against else query.like:
        vector, own = vectors_of_moment(collection, reader, moment)
        parts.append(vector[None])
        windows.append(own)
    if texts or sounds or images:
        assert encoder is not None
        if texts:
            parts.append(encoder.embed_text(list(texts)))
        parts += [
            encoder.embed_film([image]) if _is_film(image) else encoder.embed_image([_picture(image)])
            for image in images
        ]
        if sounds:
            from mmasc.encoders.embedding import embed_file  # late: it loads torch, which words do without
        for path in sounds:
            encoded = embed_file(path, encoder)
            parts.append(encoded.vector[None])
            windows.append(encoded.vectors)
    return np.concatenate(parts), np.concatenate(windows)


def _count(parts: list[Any]) -> int:
    return sum(len(one) for one in parts if one is not None)


def _is_film(image: Any) -> bool:
    """Whether it is a file that ends as films do."""
    return isinstance(image, str | Path) and Path(image).suffix.lower() in _FILMS


def _picture(image: Any) -> Any:
    if not isinstance(image, str | Path):
        return image
    with opened_picture(image) as opened:
        return as_shown(opened)


def _vectors(vectors: Any) -> np.ndarray | None:
    """Vectors as float32 `[item dim]`; None where there are none."""
    found = None if vectors is None else as_vectors(vectors)
    return found if found is not None and len(found) else None
