"""A question to a space: texts, sounds, pictures and vectors, for and against, become one vector; hits come back."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmasc.collection.clock import begin_of, clock_at
from mmasc.collection.filters import passing_windows
from mmasc.collection.head import SpaceHead
from mmasc.collection.hits import Hit
from mmasc.collection.moments import Wanted, find_moments
from mmasc.collection.query_items import mean_of
from mmasc.collection.question import Query, query_vectors
from mmasc.collection.snapshot import Snapshot
from mmasc.collection.space import SpaceReader
from mmasc.encoders.identity import backend_identity, require_identity, require_loaded
from mmasc.encoders.registry import load_encoder, load_text_encoder, window_of
from mmasc.errors import MmascError
from mmasc.windows.units import unit_float32

if TYPE_CHECKING:
    from mmasc.encoders.base import Encoder
    from mmasc.encoders.text_encoder import TextEncoder

# Equal to float32 rounding: the same window of the same sound
_DUPLICATE_COSINE = 1 - 1e-5


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
        asked = reader.name, reader.space, reader.store.location
        if encoder is None and not query.modalities:
            return None
        if encoder is None and query.modalities == {"text"}:
            return self.of_words(*asked)
        return self.of_space(*asked, encoder)

    def of_words(self, name: str, space: SpaceHead, folder: str) -> "TextEncoder":
        """What reads texts for a space: the text side alone where it needs no torch, else the encoder; loaded once.

        Args:
            name, space, folder: As for `of_space`.
        Raises:
            MmascError: As `of_space`.
        """
        side = self._text_side(name, space, folder) if self._device == "cpu" else None
        return self.of_space(name, space, folder) if side is None else side

    def of_space(self, name: str, space: SpaceHead, folder: str, encoder: "Encoder | None" = None) -> "Encoder":
        """The encoder of a space, run by the backend that made it; loaded once.

        Args:
            name: Name of the space in its collection.
            space: What the head says of it.
            folder: Where the collection lies, for messages: its folder or address.
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

    def _text_side(self, name: str, space: SpaceHead, folder: str) -> "TextEncoder | None":
        """The text side alone; None where it cannot be had without the rest, or the whole is there already."""
        key = (space.encoder, space.window_seconds, space.identity)
        if key in self._loaded:
            return None
        if key not in self._text_sides:
            with naming_space(name, folder):
                window = window_of(space.encoder, space.window_seconds)
                side = load_text_encoder(space.encoder, window, space.identity)
            # The backend runs the network of sounds; words are read alike
            if side is not None and backend_identity(side.identity, "onnx") == space.identity:
                side.identity = space.identity
            self._text_sides[key] = side
        side = self._text_sides[key]
        return None if side is None else _checked(name, space, folder, side)


@contextmanager
def naming_space(name: str, folder: str) -> Iterator[None]:
    """What an encoder complains of while it is loaded, with the space and the collection that asked for it."""
    try:
        yield
    except MmascError as error:
        raise MmascError(f"the encoder of space {name!r} of {folder} cannot be loaded: {error}") from error


def _checked(name: str, space: SpaceHead, folder: str, encoder: Any) -> Any:
    require_loaded(encoder)
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
    asked_for, sound_windows = query_vectors(query, collection, reader, encoder, against=False)
    unwanted, _ = query_vectors(query, collection, reader, encoder, against=True)
    target = mean_of(asked_for, query.weights, (len(query.texts), len(query.sounds), len(query.images)))
    if len(unwanted):
        sizes = len(query.not_texts), len(query.not_sounds), len(query.not_images)
        target = target - mean_of(unwanted, query.not_weights, sizes)
    if not target.any():
        raise MmascError("the queries for and against cancel out; use others")
    allowed = None if where is None else passing_windows(where, collection.recordings, reader)
    # Digital silence is the answer to no word and no picture, only to a sound
    wanted = replace(wanted, text="text" in query.modalities, silence_too=query.by_sound)
    columns = {name: collection.recordings.column(name) for name in ["path", *collection.metadata_columns]}

    def place(position: int) -> tuple[str, float, int]:
        """Windows of equal scores come by path and start."""
        row = collection.row_of[int(reader.recording[position])]
        return columns["path"][row].as_py(), float(reader.start[position]), int(reader.lane[position])

    moments = find_moments(reader, target, wanted, allowed, place)
    if not moments:
        return []
    same_vector = np.zeros(len(moments), bool)
    if len(sound_windows):
        vectors = unit_float32(reader.vectors(np.array([moment.best for moment in moments])))
        same_vector = (vectors @ unit_float32(sound_windows).T).max(axis=1) >= _DUPLICATE_COSINE
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
                bool(same_vector[rank - 1]) or (bool(query_files) and os.path.realpath(path) in query_files),
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
