"""A question to a space: texts, sounds, pictures and vectors, for and against, become one vector; hits come back."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.audio.memory import MemorySound, as_source, is_one
from mmasc.collection.filters import passing_windows
from mmasc.collection.head import SpaceHead
from mmasc.collection.hits import Hit
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.encoders.base import Encoder, backend_identity, require_identity
from mmasc.encoders.embedding import embed_file
from mmasc.encoders.registry import load_encoder, spec_of, window_of
from mmasc.errors import MmascError
from mmasc.inputs import as_texts, as_vectors, check_picture
from mmasc.storage.pictures import opened_picture
from mmasc.windows.units import unit_float32

# Candidates per hit whose scores are worked out again from the stored float32 vectors: fp16 may swap near ties
_CANDIDATES = 2
_MORE_CANDIDATES = 20
# Equal to float32 rounding: the same window of the same sound
_DUPLICATE_COSINE = 1 - 1e-5


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
            _sounds(audio),
            _pictures(image),
            None if vectors is None else as_vectors(vectors),
            as_texts(not_text, "not_text"),
            _sounds(not_audio),
            _pictures(not_image),
        )
        if any(not one.strip() for one in query.texts + query.not_texts):
            raise MmascError("the query is empty; give a text, a sound file or a picture")
        if not (query.texts or query.sounds or query.images or (query.vectors is not None and len(query.vectors))):
            raise MmascError("nothing to look for; give a text, a sound file or a picture")
        return query

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

    def of(self, reader: SpaceReader, encoder: Encoder | None, query: Query) -> Encoder | None:
        """The encoder of a space, run by the backend that made it; None where the query has vectors alone.

        Raises:
            MmascError: If the encoder of that name has another identity now than when it made the space.
        """
        if encoder is None:
            return self.of_space(reader.name, reader.space, reader.store.folder) if query.modalities else None
        return _checked(reader.name, reader.space, reader.store.folder, encoder)

    def of_space(self, name: str, space: SpaceHead, folder: Path) -> Encoder:
        """The encoder of a space, run by the backend that made it; loaded once.

        Args:
            name: Name of the space in its collection.
            space: What the head says of it.
            folder: Folder of the collection, for messages.
        Raises:
            MmascError: If the encoder cannot be loaded, or that of this name has another identity now than when it made
                the space; the line names the collection.
        """
        key = (space.encoder, space.window_seconds, space.identity)
        if key not in self._loaded:
            window = window_of(space.encoder, space.window_seconds)
            try:
                self._loaded[key] = load_encoder(space.encoder, self._device, window)
            except MmascError as error:
                raise MmascError(f"the encoder of space {name!r} of {folder} cannot be loaded: {error}") from error
            if backend_identity(self._loaded[key].identity, "onnx") == space.identity:
                self._loaded[key].use_onnx()
        return _checked(name, space, folder, self._loaded[key])


def _checked(name: str, space: SpaceHead, folder: Path, encoder: Encoder) -> Encoder:
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
    encoder: Encoder | None,
    k: int,
    where: str | None,
    per_recording: bool,
) -> list[Hit]:
    """Hits of one space, best first; see `Collection.search`."""
    wanted, sound_windows = _query_vectors(query, encoder, reader.space.dim, against=False)
    unwanted, _ = _query_vectors(query, encoder, reader.space.dim, against=True)
    target = unit_float32(wanted).mean(axis=0)
    if len(unwanted):
        target = target - unit_float32(unwanted).mean(axis=0)
    if not target.any():
        raise MmascError("what is asked for cancels out; ask for something else than what is not asked for")
    allowed = None if where is None else passing_windows(where, collection.recordings, reader)
    by_sound = bool(query.sounds) or query.vectors is not None
    positions, scores = _best(
        reader, target[None], k, allowed, "text" in query.modalities, per_recording, silence_too=by_sound
    )
    if not len(positions):
        return []
    vectors = unit_float32(reader.vectors(positions))
    same_vector = (
        (vectors @ unit_float32(sound_windows).T).max(axis=1) >= _DUPLICATE_COSINE
        if len(sound_windows)
        else np.zeros(len(positions), bool)
    )
    query_files = {os.path.realpath(path) for path in query.sounds if isinstance(path, Path)}
    columns = {name: collection.recordings.column(name) for name in ["path", *collection.metadata_columns]}
    several_lanes = bool(reader.lane.any())
    hits = []
    for rank, (position, score) in enumerate(zip(positions, scores, strict=True), 1):
        row = collection.row_of[int(reader.recording[position])]
        path = collection.path_of(columns["path"][row].as_py())
        hits.append(
            Hit(
                rank,
                path,
                float(reader.start[position]),
                float(reader.end[position]),
                float(score),
                bool(same_vector[rank - 1]) or os.path.realpath(path) in query_files,
                int(reader.lane[position]) if several_lanes else None,
                {name: columns[name][row].as_py() for name in collection.metadata_columns},
            )
        )
    return hits


def _best(
    reader: SpaceReader,
    target: np.ndarray,
    k: int,
    allowed: np.ndarray | None,
    text: bool,
    per_recording: bool,
    silence_too: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and scores, worked out again from the stored vectors; with `per_recording` one window of each.

    Digital silence is the answer to no word and no picture, only to a sound.
    """
    looked_at = _CANDIDATES * k + _MORE_CANDIDATES
    while True:
        _, found = reader.search(target, looked_at, allowed, text)
        positions = found[0]
        count = len(positions)
        vectors = reader.vectors(positions)
        scores = unit_float32(vectors) @ target[0]
        # Equal scores in the order of the store, so that the same question has the same answer
        order = np.lexsort((positions, -scores))
        answers = np.isfinite(vectors).all(axis=1)  # a damaged vector (NaN) answers nothing
        if not silence_too:
            answers &= ~reader.is_silence(vectors)
        order = order[answers[order]]
        positions, scores = positions[order], scores[order]
        first = np.arange(len(positions))
        if per_recording:
            first = np.sort(np.unique(reader.recording[positions], return_index=True)[1])
        if len(first) >= k or count < looked_at:
            return positions[first[:k]], scores[first[:k]]
        looked_at *= 4


def _query_vectors(query: Query, encoder: Encoder | None, dim: int, against: bool) -> tuple[np.ndarray, np.ndarray]:
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
