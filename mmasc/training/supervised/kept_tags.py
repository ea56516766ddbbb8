"""Tags of recordings as a run stores them: one row each, with their source and its identity."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from mmasc.errors import MmascError
from mmasc.storage.contents import digest_of
from mmasc.storage.tensors import load_tensors, save_tensors

TAGS = "tags.safetensors"
_KIND = "mmasc-tags"


@dataclass(frozen=True)
class ClipTags:
    """Tags of recordings.

    Attributes:
        source, identity, vocabulary: Source, identity and vocabulary of what gave them.
        clips: Names of the recordings under their data set's folder, with their sizes in bytes and digests of their
            contents; files of version 0.1.0 have no digests.
        rows: float32 in [0, 1], a row for each.
    """

    source: str
    identity: str
    vocabulary: tuple[str, ...]
    clips: tuple[str, ...]
    rows: Float32[np.ndarray, "clip tag"]

    def save(self, path: Path) -> None:
        """Into a file, completely or not at all."""
        about = {
            "kind": _KIND,
            "source": self.source,
            "identity": self.identity,
            "vocabulary": self.vocabulary,
            "clips": self.clips,
        }
        save_tensors(path, {"tags": torch.from_numpy(self.rows)}, about)

    @classmethod
    def load(cls, path: Path) -> "ClipTags":
        """From a file.

        Raises:
            MmascError: If it is missing, damaged, or holds no tags.
        """
        tensors, about = load_tensors(path)
        try:
            found = cls(
                source=about["source"],
                identity=about["identity"],
                vocabulary=tuple(about["vocabulary"]),
                clips=tuple(about["clips"]),
                rows=tensors["tags"].numpy(),
            )
        except (KeyError, TypeError) as error:
            raise MmascError(f"{path} holds no tags ({error!r}); delete it, and they are computed again") from error
        if found.rows.ndim != 2 or len(found.rows) != len(found.clips) or found.rows.dtype != np.float32:
            raise MmascError(f"{path} holds no tags (its parts do not fit together); delete it")
        return found

    def of(self, names: Sequence[str]) -> Float32[np.ndarray, "clip tag"] | None:
        """Rows of recordings; None where one is not among them."""
        row = {name: number for number, name in enumerate(self.clips)}
        found = [row.get(name, row.get(name.rpartition(" ")[0])) for name in names]
        known = [number for number in found if number is not None]
        return self.rows[known] if len(known) == len(found) else None


def kept_identity(name: str, kept: Iterable[Path]) -> str:
    """Identity of the tags of a source in the first of some files that holds any; "" where none does.

    Args:
        name: Line of the source.
        kept: Files where its tags may stand; those that do not exist or cannot be read are passed over.
    """
    for path in kept:
        with contextlib.suppress(MmascError):  # `clip_tags` says it
            found = ClipTags.load(path)
            if found.source == name:
                return found.identity
    return ""


def clip_names(paths: Sequence[Path], root: Path) -> tuple[str, ...]:
    """What recordings are called in kept tags: place in the data set, size and a digest of their content."""
    folder = root if root.is_dir() else root.parent
    names = []
    for path in paths:
        place = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
        names.append(f"{place} {path.stat().st_size} {digest_of(path).hex()}")
    return tuple(names)
