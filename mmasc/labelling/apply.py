"""Apply a fitted head: to the recordings of a collection, or to files that the head's encoder embeds first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.audio import AudioStatus, find_audio
from mmasc.collection import Collection
from mmasc.collection.filters import passing_windows
from mmasc.collection.vectors import recording_vectors
from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import embed_files
from mmasc.encoders.registry import load_encoder, window_of
from mmasc.errors import MmascError
from mmasc.heads.fitted import FittedHead
from mmasc.heads.zeroshot import NONE
from mmasc.labelling.recordings import is_collection

_RECORDINGS_AT_ONCE = 4_096


@dataclass(frozen=True)
class HeadAnswer:
    """What a head says of a recording.

    Attributes:
        path: As it was found; in a collection its root and path.
        label: The most probable one, of the type that it had where the head was fitted; "none of these" if the file is
            nothing but digital silence; None if it failed.
        score: Probability of the most probable one; None if the file failed.
        scores: Label to probability; in the order of the classes, or the `top` best first.
        status: Whether the recording was read to its end.
        duration: Decoded seconds.
    """

    path: str
    label: Any
    score: float | None
    scores: dict[Any, float]
    status: AudioStatus
    duration: float = 0.0


def apply_head(
    head: str | Path | FittedHead,
    paths: str | Path | Collection | Sequence[str | Path],
    top: int | None = None,
    space: str | None = None,
    where: str | None = None,
    encoder: Encoder | None = None,
    device: str = "cpu",
    strict: bool = False,
) -> Iterator[HeadAnswer]:
    """Label recordings with a head.

    Args:
        head: A file of `fit_head`, or the head itself.
        paths: A collection (folder or opened), or recordings: files, folders, patterns.
        top: Keep only this many labels in `scores`; default: all.
        space: Space of the collection; default: the one that the head was fitted to.
        where: SQL on columns of the collection.
        encoder: Encoder for recordings, loaded, to save loading it.
        device: Device on which an encoder that is loaded here runs.
        strict: Raise at the first file that cannot be read instead of giving it as failed.
    Returns:
        One answer per recording: those of a collection sorted by path, files in the order found, while they are read.
    Raises:
        MmascError: If the head's file is broken, the vectors are of another encoder, nothing is found, or (strict) a
            file cannot be read.
        ValueError: If `top` is below 1, or `space` or `where` come with recordings.
    """
    if top is not None and top < 1:
        raise ValueError(f"top must be at least 1, got {top}")
    fitted = head if isinstance(head, FittedHead) else FittedHead.load(head)
    given = [paths] if isinstance(paths, str | Path | Collection) else list(paths)
    collections = [one for one in given if isinstance(one, Collection) or is_collection(one)]
    if collections:
        if len(given) > 1:
            raise MmascError("give one collection alone, or recordings; not both, nor several collections")
        first = collections[0]
        return _label_collection(
            fitted, first if isinstance(first, Collection) else Collection(first), top, space, where
        )
    if space is not None or where is not None:
        raise ValueError("space and where are for a collection, these are recordings")
    return _label_files(
        fitted, find_audio([one for one in given if not isinstance(one, Collection)]), top, encoder, device, strict
    )


def _label_collection(
    fitted: FittedHead, collection: Collection, top: int | None, space: str | None, where: str | None
) -> Iterator[HeadAnswer]:
    spaces = collection.head.spaces
    if space is None:
        same = [name for name, one in spaces.items() if one.identity == fitted.stamp.identity]
        space = same[0] if same else None
    reader = collection.space(space)
    fitted.check_space(
        reader.space.identity, reader.space.encoder, f"space {reader.name!r} of {collection.store.folder}"
    )
    allowed = None if where is None else passing_windows(where, collection.recordings, reader)
    ids, vectors = recording_vectors(reader, allowed)
    rows = [collection.row_of[int(one)] for one in ids]
    recordings = collection.recordings
    paths = [collection.path_of(path) for path in recordings.column("path").to_pylist()]
    duration = recordings.column("duration").to_pylist()
    states, reasons = recordings.column("status").to_pylist(), recordings.column("reason").to_pylist()
    order = sorted(range(len(rows)), key=lambda item: paths[rows[item]])

    def answers() -> Iterator[HeadAnswer]:
        for first in range(0, len(order), _RECORDINGS_AT_ONCE):
            some = order[first : first + _RECORDINGS_AT_ONCE]
            for item, probabilities in zip(some, fitted.predict_proba(vectors[some]), strict=True):
                row = rows[item]
                status = AudioStatus(states[row], reasons[row] or "", None, duration[row])
                yield _answer(fitted, paths[row], probabilities, top, status, duration[row])

    return answers()


def _label_files(
    fitted: FittedHead, files: list[Path], top: int | None, encoder: Encoder | None, device: str, strict: bool
) -> Iterator[HeadAnswer]:
    stamp = fitted.stamp
    if encoder is None:
        encoder = load_encoder(stamp.encoder, device, window_of(stamp.encoder, stamp.window_seconds))
    fitted.check_space(encoder.identity, encoder.spec.name, "the encoder here")
    ready = encoder

    def answers() -> Iterator[HeadAnswer]:
        for file in embed_files(files, ready, stamp.hop_seconds, stamp.channels):
            if file.status.state == "failed":
                if strict:
                    raise MmascError(file.status.reason)
                yield HeadAnswer(str(file.path), None, None, {}, file.status)
                continue
            probabilities = fitted.predict_proba(file.vector[None])[0]
            answer = _answer(fitted, str(file.path), probabilities, top, file.status, file.duration)
            yield answer if file.heard.any() else replace(answer, label=NONE)

    return answers()


def _answer(
    fitted: FittedHead, path: str, probabilities: np.ndarray, top: int | None, status: AudioStatus, duration: float
) -> HeadAnswer:
    classes, ranking = fitted.classes_.tolist(), np.argsort(-probabilities, kind="stable")
    kept = range(len(classes)) if top is None else ranking[:top]
    return HeadAnswer(
        path=path,
        label=classes[ranking[0]],
        score=float(probabilities[ranking[0]]),
        scores={classes[column]: float(probabilities[column]) for column in kept},
        status=status,
        duration=duration,
    )
