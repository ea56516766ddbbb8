"""A question to a space: texts, sounds, pictures and vectors, for and against, become one vector; hits come back."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmasc.audio.memory import MemorySound
from mmasc.collection.clock import begin_of, clock_at
from mmasc.collection.filters import passing_windows
from mmasc.collection.head import SpaceHead
from mmasc.collection.hits import Hit
from mmasc.collection.moments import Wanted, find_moments
from mmasc.collection.query_items import as_pictures, as_sounds, as_weights, mean_of
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.encoders.identity import backend_identity, require_identity
from mmasc.encoders.registry import load_encoder, load_text_encoder, spec_of, window_of
from mmasc.errors import MmascError
from mmasc.inputs import as_texts, as_vectors
from mmasc.storage.pictures import opened_picture
from mmasc.windows.units import unit_float32

if TYPE_CHECKING:
    from mmasc.encoders.base import Encoder
    from mmasc.encoders.text_encoder import TextEncoder

# Equal to float32 rounding: the same window of the same sound
_DUPLICATE_COSINE = 1 - 1e-5


@dataclass(frozen=True)
class Query:
    """What is asked for and what is not, by modality.

    Attributes:
        weights, not_weights: Numbers for texts, sounds, pictures and vectors, in this order; None: all are alike.
    """

    texts: tuple[str, ...] = ()
    sounds: tuple[Path | MemorySound, ...] = ()
    images: tuple[Any, ...] = ()
    vectors: np.ndarray | None = None
    not_texts: tuple[str, ...] = ()
    not_sounds: tuple[Path | MemorySound, ...] = ()
    not_images: tuple[Any, ...] = ()
    weights: tuple[float, ...] | None = None
    not_weights: tuple[float, ...] | None = None

    @classmethod
    def of(
        cls, text: Any, audio: Any, image: Any, vectors: Any, not_text: Any, not_audio: Any, not_image: Any
    ) -> "Query":
        """From one or several of each.

        Raises:
            MmascError: If nothing is asked for, a text is empty, or vectors are not finite.
            ValueError: If something else than a text, a sound or a picture stands where one should.
        """
        query = cls(
            as_texts(text),
            as_sounds(audio),
            as_pictures(image),
            None if vectors is None else as_vectors(vectors),
            as_texts(not_text, "not_text"),
            as_sounds(not_audio),
            as_pictures(not_image),
        )
        if any(not one.strip() for one in query.texts + query.not_texts):
            raise MmascError("the query is empty; give a text, a sound file or a picture")
        if not (query.texts or query.sounds or query.images or (query.vectors is not None and len(query.vectors))):
            raise MmascError("nothing to look for; give a text, a sound file or a picture")
        return query

    def weighed(self, weights: Any, not_weights: Any) -> "Query":
        """The same with weights.

        Raises:
            ValueError: If there is not one for each item, or one is not above 0.
        """
        counts = [len(self.texts), len(self.sounds), len(self.images), 0 if self.vectors is None else len(self.vectors)]
        against = len(self.not_texts) + len(self.not_sounds) + len(self.not_images)
        return replace(
            self,
            weights=as_weights(weights, sum(counts), "weights"),
            not_weights=as_weights(not_weights, against, "not_weights"),
        )

    @property
    def modalities(self) -> set[str]:
        """Which of "text", "audio", "image" a space must understand."""
        asked = {"text": self.texts + self.not_texts, "audio": self.sounds + self.not_sounds}
        return {name for name, items in {**asked, "image": self.images + self.not_images}.items() if items}

    def fits(self, encoder: str) -> bool:
        """Whether the encoder of a space (its name, as stored) understands the query."""
        spec = spec_of(encoder)
        return spec is None or self.modalities <= set(spec.modalities)


class QueryEncoders:
    """Encoders of queries, loaded when first needed and checked against the space that they are to query."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._loaded: dict[tuple[str, float, str], Encoder] = {}
        self._text_sides: dict[tuple[str, float, str], TextEncoder | None] = {}

    def of(self, reader: SpaceReader, encoder: "Encoder | None", query: Query) -> "TextEncoder | None":
        """The encoder of a space, run by the backend that made it; None where the query has vectors alone.

        Of an encoder whose text side needs no torch, a query of words loads this side alone.

        Raises:
            MmascError: If the encoder of that name has another identity now than when it made the space.
        """
        asked = reader.name, reader.space, reader.store.folder
        if encoder is None and not query.modalities:
            return None
        if encoder is None and query.modalities == {"text"}:
            return self.of_words(*asked)
        return self.of_space(*asked, encoder)

    def of_words(self, name: str, space: SpaceHead, folder: Path) -> "TextEncoder":
        """What reads texts for a space: the text side alone where it needs no torch, else the encoder; loaded once.

        Args:
            name, space, folder: As for `of_space`.
        Raises:
            MmascError: As `of_space`.
        """
        side = self._text_side(name, space, folder) if self._device == "cpu" else None
        return self.of_space(name, space, folder) if side is None else side

    def of_space(self, name: str, space: SpaceHead, folder: Path, encoder: "Encoder | None" = None) -> "Encoder":
        """The encoder of a space, run by the backend that made it; loaded once.

        Args:
            name: Name of the space in its collection.
            space: What the head says of it.
            folder: Folder of the collection, for messages.
            encoder: Loaded encoder, to be checked alone.
        Raises:
            MmascError: If the encoder cannot be loaded, or that of this name has another identity now than when it made
                the space; the line names the collection.
        """
        if encoder is not None:
            return _checked(name, space, folder, encoder)
        key = (space.encoder, space.window_seconds, space.identity)
        if key not in self._loaded:
            with naming_space(name, folder):
                window = window_of(space.encoder, space.window_seconds)
                self._loaded[key] = load_encoder(space.encoder, self._device, window, identity=space.identity)
            if backend_identity(self._loaded[key].identity, "onnx") == space.identity:
                self._loaded[key].use_onnx()
        return _checked(name, space, folder, self._loaded[key])

    def _text_side(self, name: str, space: SpaceHead, folder: Path) -> "TextEncoder | None":
        """The text side alone; None where it cannot be had without the rest, or the whole is there already."""
        key = (space.encoder, space.window_seconds, space.identity)
        if key in self._loaded:
            return None
        if key not in self._text_sides:
            with naming_space(name, folder):
                side = load_text_encoder(space.encoder, window_of(space.encoder, space.window_seconds))
            # The backend runs the network of sounds; words are read alike
            if side is not None and backend_identity(side.identity, "onnx") == space.identity:
                side.identity = space.identity
            self._text_sides[key] = side
        side = self._text_sides[key]
        return None if side is None else _checked(name, space, folder, side)


@contextmanager
def naming_space(name: str, folder: Path) -> Iterator[None]:
    """What an encoder complains of while it is loaded, with the space and the collection that asked for it."""
    try:
        yield
    except MmascError as error:
        raise MmascError(f"the encoder of space {name!r} of {folder} cannot be loaded: {error}") from error


def _checked(name: str, space: SpaceHead, folder: Path, encoder: Any) -> Any:
    require_identity(
        (space.encoder, space.identity),
        (encoder.spec.name, encoder.identity),
        f"space {name!r} of {folder}",
        "use the encoder that made its vectors, or embed again",
    )
    return encoder


def search_space(
    collection: Snapshot,
    reader: SpaceReader,
    query: Query,
    encoder: Any,
    wanted: Wanted,
    where: str | None = None,
) -> list[Hit]:
    """Hits of one space, best first; see `Collection.search`."""
    asked_for, sound_windows = _query_vectors(query, encoder, reader.space.dim, against=False)
    unwanted, _ = _query_vectors(query, encoder, reader.space.dim, against=True)
    target = mean_of(asked_for, query.weights, (len(query.texts), len(query.sounds), len(query.images)))
    if len(unwanted):
        sizes = len(query.not_texts), len(query.not_sounds), len(query.not_images)
        target = target - mean_of(unwanted, query.not_weights, sizes)
    if not target.any():
        raise MmascError("what is asked for cancels out; ask for something else than what is not asked for")
    allowed = None if where is None else passing_windows(where, collection.recordings, reader)
    # Digital silence is the answer to no word and no picture, only to a sound
    by_sound = bool(query.sounds) or query.vectors is not None
    wanted = replace(wanted, text="text" in query.modalities, silence_too=by_sound)
    columns = {name: collection.recordings.column(name) for name in ["path", *collection.metadata_columns]}

    def place(position: int) -> tuple[str, float, int]:
        """Windows of equal scores come by path and start."""
        row = collection.row_of[int(reader.recording[position])]
        return columns["path"][row].as_py(), float(reader.start[position]), int(reader.lane[position])

    moments = find_moments(reader, target, wanted, allowed, place)
    if not moments:
        return []
    vectors = unit_float32(reader.vectors(np.array([moment.best for moment in moments])))
    same_vector = (
        (vectors @ unit_float32(sound_windows).T).max(axis=1) >= _DUPLICATE_COSINE
        if len(sound_windows)
        else np.zeros(len(moments), bool)
    )
    query_files = {os.path.realpath(path) for path in query.sounds if isinstance(path, Path)}
    several_lanes = reader.several_lanes
    hits = []
    for rank, moment in enumerate(moments, 1):
        row = collection.row_of[int(reader.recording[moment.best])]
        path = collection.path_of(columns["path"][row].as_py())
        hits.append(
            Hit(
                rank,
                path,
                moment.start,
                moment.end,
                moment.score,
                bool(same_vector[rank - 1]) or os.path.realpath(path) in query_files,
                int(reader.lane[moment.best]) if several_lanes else None,
                {name: _shown(columns[name][row].as_py()) for name in collection.metadata_columns},
                float(reader.start[moment.best]),
                float(reader.end[moment.best]),
                clock_at(begin_of(collection.recordings, row), moment.start),
            )
        )
    return hits


def _shown(value: Any) -> Any:
    """A value of an own column as hits have it: times are texts, so that JSON takes them."""
    return value.isoformat(" ") if isinstance(value, datetime) else value


def _query_vectors(query: Query, encoder: Any, dim: int, against: bool) -> tuple[np.ndarray, np.ndarray]:
    """A vector each for what is asked (or not asked) `[item dim]`, and the windows of the sounds among it."""
    texts = query.not_texts if against else query.texts
    sounds = query.not_sounds if against else query.sounds
    images = query.not_images if against else query.images
    parts, windows = [np.zeros((0, dim), np.float32)], [np.zeros((0, dim), np.float32)]
    if query.vectors is not None and not against:
        if query.vectors.shape[1] != dim:
            raise MmascError(f"vectors of this space have {dim} numbers, got {query.vectors.shape[1]}")
        parts.append(query.vectors)
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
