"""Scores of a head that the page kept, for every window of a space; cached for the next question."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from mmasc.collection.space import SpaceReader
from mmasc.web.cache import file_stamp
from mmasc.web.faults import Refused
from mmasc.web.state import HEADS_FOLDER, Session

if TYPE_CHECKING:
    from mmasc.heads.fitted import FittedHead

_AT_ONCE = 65_536  # windows whose vectors are read together
_KEPT = 4  # heads of a space


def window_scores(
    session: Session, reader: SpaceReader, fitted: "FittedHead", column: int, tell: Callable[[], None] = lambda: None
) -> Float32[np.ndarray, " window"]:
    """Probability of one label of a head in each window; 0 where a vector is not finite. Not for the worker's thread.

    Args:
        session, reader: Whose windows.
        fitted: The head.
        column: Place of the label among its classes.
        tell: Called before each piece; may end the work by raising.
    """
    found = np.zeros(len(reader), np.float32)
    for first in range(0, len(reader), _AT_ONCE):
        tell()
        some = np.arange(first, min(first + _AT_ONCE, len(reader)))
        vectors = session.vectors(reader, some)
        finite = np.isfinite(vectors).all(axis=1)
        if finite.any():
            found[some[finite]] = fitted.predict_proba(vectors[finite])[:, column]
    return found


def head_scores(session: Session, reader: SpaceReader, name: str, label: str | None) -> Float32[np.ndarray, " window"]:
    """What a kept head says of a label in each window. Not for the worker's thread.

    Raises:
        Refused: If there is no such head, or it has no such label, or several and none is named.
        MmascError: If it was fitted to another space.
    """
    from mmasc.heads.fitted import FittedHead  # late: it loads torch, which the first page does without

    folder = session.folder / HEADS_FOLDER
    path = next((one for one in folder.glob("*.head") if one.stem == name), None)  # a name is never made a path
    if path is None:
        raise Refused(404, "there is no head of this name")
    fitted = FittedHead.load(path)
    fitted.check_space(reader.space.identity, reader.space.encoder, f"space {reader.name!r}")
    classes = [str(one) for one in fitted.stamp.classes]
    if label is None and len(classes) > 1:
        raise Refused(422, f"say which label of the head: {', '.join(classes)}")
    if label is not None and label not in classes:
        raise Refused(404, f"the head has no label {label!r}; it has: {', '.join(classes)}")
    column = 0 if label is None else classes.index(label)
    kept = session.head_scores.setdefault(reader, {})
    key = (name, file_stamp(path), column)
    if key not in kept:
        scores = window_scores(session, reader, fitted, column)
        for old in list(kept)[: max(len(kept) - _KEPT + 1, 0)]:
            kept.pop(old, None)
        kept[key] = scores
    return kept[key]
