"""A question (texts, sounds, pictures, vectors, stored moments, for and against) and the vectors that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.audio.memory import MemorySound, as_source, is_one
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.collection.stored_moments import StoredMoment, as_moments, vectors_of_moment
from mmasc.encoders.registry import spec_of
from mmasc.errors import MmascError
from mmasc.inputs import as_texts, as_vectors, check_picture
from mmasc.storage.pictures import opened_picture


@dataclass(frozen=True)
class Query:
    """What is asked for and what is not, by modality."""

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

    @classmethod
    def of(cls, asked: Mapping[str, Any], against: Mapping[str, Any]) -> "Query":
        """From one or several of each.

        Args:
            asked, against: What is asked for and what is not: text, audio, image, vectors, like, as
                `Collection.search` takes them.
        Raises:
            MmascError: If nothing is asked for, a text is empty, or vectors are not finite.
            ValueError: If something else than a text, a sound or a picture stands where one should.
        """
        query = cls(
            as_texts(asked["text"]),
            _sounds(asked["audio"]),
            _pictures(asked["image"]),
            _vectors(asked["vectors"]),
            as_texts(against["text"], "not_text"),
            _sounds(against["audio"]),
            _pictures(against["image"]),
            _vectors(against["vectors"]),
            as_moments(asked["like"], "like"),
            as_moments(against["like"], "not_like"),
        )
        if any(not one.strip() for one in query.texts + query.not_texts):
            raise MmascError("the query is empty; give a text, a sound file or a picture")
        if not (query.texts or query.sounds or query.images or query.like or query.vectors is not None):
            raise MmascError("nothing to look for; give a text, a sound file or a picture")
        return query

    @property
    def modalities(self) -> set[str]:
        """Which of "text", "audio", "image" a space must understand."""
        asked = {"text": self.texts + self.not_texts, "audio": self.sounds + self.not_sounds}
        return {name for name, items in {**asked, "image": self.images + self.not_images}.items() if items}

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
        if images:
            parts.append(encoder.embed_image([_picture(image) for image in images]))
        if sounds:
            from mmasc.encoders.embedding import embed_file  # late: it loads torch, which words do without
        for path in sounds:
            encoded = embed_file(path, encoder)
            parts.append(encoded.vector[None])
            windows.append(encoded.vectors)
    return np.concatenate(parts), np.concatenate(windows)


def _picture(image: Any) -> Any:
    if not isinstance(image, str | Path):
        return image
    with opened_picture(image) as opened:
        return opened.convert("RGB")


def _sounds(sounds: Any) -> tuple[Path | MemorySound, ...]:
    several = () if sounds is None else (sounds,) if is_one(sounds) else tuple(sounds)
    return tuple(as_source(sound) for sound in several)


def _pictures(pictures: Any) -> tuple[Any, ...]:
    if pictures is None:
        return ()
    array = isinstance(pictures, np.ndarray)
    one = isinstance(pictures, str | Path) or hasattr(pictures, "convert") or (array and pictures.ndim <= 3)
    several = (pictures,) if one and not (array and pictures.dtype.kind in "OU") else tuple(pictures)
    for picture in several:
        if not isinstance(picture, str | Path):
            check_picture(picture)
    return several


def _vectors(vectors: Any) -> np.ndarray | None:
    """Vectors as float32 `[item dim]`; None where there are none."""
    found = None if vectors is None else as_vectors(vectors)
    return found if found is not None and len(found) else None
