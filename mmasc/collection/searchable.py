"""A collection as it stood when it was opened, asked with words, sounds, pictures and vectors."""

import numbers
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmasc.collection.hits import Hit
from mmasc.collection.index import IndexPolicy
from mmasc.collection.moments import Wanted
from mmasc.collection.query import Query, QueryEncoders, search_space
from mmasc.collection.snapshot import Snapshot
from mmasc.encoders.identity import require_loaded
from mmasc.encoders.registry import ENCODERS
from mmasc.encoders.words import remarks_on_words
from mmasc.errors import MmascError
from mmasc.inputs import as_count

if TYPE_CHECKING:
    from mmasc.collection.space import SpaceReader
    from mmasc.encoders.base import Encoder
    from mmasc.encoders.text_encoder import TextEncoder


class Searchable(Snapshot):
    """A collection that is asked; what changes it is in `mmasc.collection.Collection`.

    Args:
        folder: Folder with a collection in it.
        policy: When the index changes its kind; the default follows the machine's memory.
        device: Device on which encoders of queries run.
    """

    def __init__(self, folder: str | Path, policy: IndexPolicy | None = None, device: str = "cpu") -> None:
        super().__init__(folder, policy)
        self._encoders = QueryEncoders(device)

    def search(
        self,
        text: Any = (),
        audio: Any = (),
        image: Any = (),
        vectors: Any = None,
        *,
        not_text: Any = (),
        not_audio: Any = (),
        not_image: Any = (),
        like: Any = (),
        not_like: Any = (),
        not_vectors: Any = None,
        k: int | np.integer = 10,
        where: str | None = None,
        space: str | None = None,
        encoder: "Encoder | None" = None,
        per_recording: bool = False,
        windows: bool = False,
        spread: int | np.integer | None = None,
        gap: float | None = None,
        weights: Any = None,
        not_weights: Any = None,
    ) -> list[Hit]:
        """Moments nearest to texts, sounds, pictures or vectors, and far from others.

        A moment is one window, or good neighbouring windows of one recording together: those around the best that
        touch, overlap or lie within `gap`, and whose score is at least half way from the usual score (the median of
        up to 1,000 windows spread over the space) to the best. The score of a window is the mean cosine to what is
        asked for minus the mean cosine to what is not (weighted means, where weights are given); that of a moment is
        that of its best window.

        Args:
            text, audio, image: Asked for: texts; sound files (or their bytes, or open binary files); picture files, PIL
                images or uint8 arrays [height, width, 3], or films, by their pictures alone; one or several of each in
                any container.
            vectors: Asked for, as vectors of the space, `[dim]` or `[item dim]`, any type of number.
            not_text, not_audio, not_image, not_vectors: Not asked for.
            like, not_like: Recordings of the collection, or moments of them, as they are stored, asked for and not: a
                path, (path, start, end) in seconds, or a hit of a search; one or several. They need no encoder.
            k: Hits, at most; fewer come back where fewer are there or pass.
            where: SQL on columns of recordings and windows (start, end, lane), applied inside the search.
            space: Name of the space; default: the oldest that understands the query.
            encoder: Loaded encoder of that space, to save loading it.
            per_recording: The best hit of every recording alone: the same as `spread=1`.
            windows: Whether hits are single windows, as in version 0.1.0, instead of moments.
            spread: Hits of one recording, at most; default: no limit.
            gap: Longest gap in seconds between windows of one moment; default: the hop of the space.
            weights, not_weights: One for each text, sound, picture, vector and stored moment, in this order;
                default: all are alike.
        Returns:
            Hits, best first: rank, path, start, end (seconds), score, duplicate (whether the hit is the query itself
            or a copy of it), best_start and best_end (the best window, in seconds), lane where there are several, and
            the recording's own columns. A `Hit` has attributes and
            reads as a mapping; `pandas.DataFrame(hits)` makes a table.
        Raises:
            MmascError: If nothing is asked, the space does not understand the query, another encoder made the
                space, or `where` cannot be read.
            ValueError: If `k` or `spread` is not a whole number of 1 or more, `gap` is not 0 or more, a text, sound
                or picture is none, or weights are not one above 0 for each.
        """
        if gap is not None and not (isinstance(gap, numbers.Real) and gap >= 0):
            raise ValueError(f"gap must be 0 seconds or more, got {gap!r}")
        most = 1 if per_recording else None if spread is None else as_count(spread, "spread")
        wanted = Wanted(as_count(k, "k"), windows, most, gap)
        asked = {"text": text, "audio": audio, "image": image, "vectors": vectors, "like": like}
        against = {"text": not_text, "audio": not_audio, "image": not_image, "vectors": not_vectors, "like": not_like}
        query = Query.of(asked, against).weighed(weights, not_weights)
        name = self.space_for(query, encoder) if space is None else space
        reader = self.space(name)
        ready = self._encoders.of(reader, encoder, query)
        if ready is not None:
            for line in remarks_on_words(ready, query.texts + query.not_texts):
                self.store.remark(line)
        return search_space(self, reader, query, ready, wanted, where)

    def text_side(self, reader: "SpaceReader") -> "TextEncoder | None":
        """What makes vectors of words in a space; None where it understands none.

        Raises:
            MmascError: If it cannot be loaded, or another one made the space.
        """
        query = Query(texts=("sound",))
        return self._encoders.of(reader, None, query) if query.fits(reader.space.encoder) else None

    def space_for(self, query: Query, encoder: "Encoder | None" = None) -> str:
        """Name of the space that a query without one is put to: the encoder's, or the oldest that understands it.

        Raises:
            MmascError: If there is none.
        """
        if encoder is not None:
            require_loaded(encoder)
            same = [name for name, space in self.head.spaces.items() if space.identity == encoder.identity]
            if self.head.spaces and not same:
                raise MmascError(
                    f"{self.store.location} has no vectors of {encoder.spec.name} {encoder.identity}; "
                    f"it has: {', '.join(f'{name} {space.identity}' for name, space in self.head.spaces.items())}"
                )
            return same[0] if same else ""
        fitting = [name for name in self.spaces if query.fits(self.head.spaces[name].encoder)]
        if self.spaces and not fitting:
            asked = " and ".join(sorted(query.modalities))
            able = [name for name, spec in ENCODERS.items() if query.modalities <= set(spec.modalities)]
            add = f"; add one with: mmasc embed PATH --into ... --encoder {able[0]}" if able else ""
            raise MmascError(
                f"no space of {self.store.location} understands {asked}; it has: {', '.join(self.spaces)}{add}"
            )
        wide = [name for name in fitting if query.has_width(self.head.spaces[name].dim)]
        return (wide or fitting)[0] if fitting else self.space().name
