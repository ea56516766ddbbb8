"""A collection that grows: recordings are embedded into it, and vectors that other programs made are added."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmasc.collection.report import EmbedReport
from mmasc.collection.searchable import Searchable
from mmasc.collection.vector_rows import VectorRows, checked_probes
from mmasc.encoders.own_vectors import is_own
from mmasc.encoders.registry import full_name_of, window_of
from mmasc.inputs import require_name

if TYPE_CHECKING:
    from mmasc.collection.vector_intake import VectorsReport
    from mmasc.encoders.base import Encoder

# What `mmasc.embed` loads an encoder with
_LOADING = ("device", "backend", "window_seconds")


class Growing(Searchable):
    """A collection that recordings and vectors are added to."""

    def add(
        self, paths: str | Path | Sequence[str | Path], encoder: "str | Encoder | None" = None, **options: Any
    ) -> EmbedReport:
        """Embed more recordings: by default into the oldest space of an encoder, with its window, hop and channels.

        Args:
            paths: Files, folders (recursively), patterns.
            encoder: Name for `load_encoder`, or a loaded encoder. Where a space of this encoder is there (or one named
                `space`), it grows with the hop and channels that it has; else a new space begins.
            **options: Of `mmasc.embed`: space, metadata, folders, threads, strict, progress and others.
        Returns:
            What was done. The collection is refreshed: what was added can be searched at once.
        Raises:
            MmascError: As `mmasc.embed` does; also if there is no space yet and no encoder is given.
        """
        # late: they load torch, which asking for words does without
        from mmasc.collection.ingest import embed
        from mmasc.encoders.base import Encoder

        name = self._space_to_add_to(encoder, options)
        if name is not None:
            space = self.space(name).space
            options = {"hop_seconds": space.hop_seconds, "channels": space.channels, **options, "space": name}
            if not isinstance(encoder, Encoder) and not options.keys().isdisjoint(_LOADING):
                encoder = encoder or space.encoder
                options.setdefault("window_seconds", window_of(encoder, space.window_seconds))
            elif encoder is None or (isinstance(encoder, str) and full_name_of(encoder) == space.encoder):
                encoder = self._encoders.of_space(name, space, self.store.location)
        assert encoder is not None  # without one there is a space that names it
        try:
            return embed(paths, self.store.location, encoder, **options)
        finally:
            self.refresh()

    def add_vectors(
        self,
        vectors: Any,
        recordings: Any,
        starts: Any,
        ends: Any,
        space: str,
        identity: str | None = None,
        durations: Any = None,
        replace: bool = False,
        probes: Any = None,
    ) -> "VectorsReport":
        """Add vectors that another program made, in a space of their own; all of them or none.

        They are searched, labelled, checked, merged and exported like others; what needs the encoder that made them
        (words, sounds) is refused. A row at a moment that the space holds already (same recording and start) is passed
        over where its vector is the same to the last bit, so that a call may be repeated; another vector there is
        refused without `replace`. Ends behind the end of a recording, as of windows that were filled, are moved to it.

        Args:
            vectors: Numbers `[row dim]`, kept as float32; finite and none of them zero.
            recordings: The path of each row's recording, or one for all: whole, or from the root of the collection on.
            starts, ends: What each vector is of, in seconds `[row]`.
            space: Name of the space; begins where there is none.
            identity: The text that names what made the vectors, "birdnet 2.4 embeddings"; needed for a new space, and
                frozen from then on: vectors of two identities never meet.
            durations: Seconds of recordings that are new to the collection: by path, or a number per row; of a file
                that is there it may be left out.
            replace: Whether vectors take the place of others at the same moments.
            probes: Vectors `[item dim]` as the space will be asked, of texts for example: an approximate index measures
                its recall with them, too; without them with windows alone.
        Returns:
            How many vectors were added, replaced, or there already. The collection is refreshed.
        Raises:
            MmascError: If the name of the space is empty, a row cannot be used (the line names it), a recording is
                unknown and has no file and no duration, or the space holds vectors of another identity, width or
                encoder.
            ValueError: If shapes or types do not fit together.
        """
        from mmasc.collection.vector_intake import Target, add_vectors  # late: it reads sounds

        rows = VectorRows.checked(vectors, recordings, starts, ends)
        require_name(space, "the name of a space")
        target = Target(space, identity, replace, checked_probes(probes, rows.vectors.shape[1]))
        report = add_vectors(self.store, rows, rows.durations(durations), target)
        self.refresh()
        return report

    def _space_to_add_to(self, encoder: "str | Encoder | None", options: Mapping[str, Any]) -> str | None:
        """Name of the space that more recordings go to; None for a new one."""
        if (named := options.get("space")) is not None:
            return named if encoder is None or named in self.head.spaces else None
        if encoder is None:
            # Spaces with vectors of another program have no encoder
            growing = [name for name, space in self.head.spaces.items() if not is_own(space.encoder)]
            return growing[0] if growing else self.space().name
        if isinstance(encoder, str):
            alike = [name for name, space in self.head.spaces.items() if space.encoder == full_name_of(encoder)]
        else:
            identity = getattr(encoder, "identity", None)  # something else than an encoder is refused by `embed`
            alike = [name for name, space in self.head.spaces.items() if space.identity == identity]
        return alike[0] if alike else None
