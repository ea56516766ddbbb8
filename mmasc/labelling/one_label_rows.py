"""Annotated windows → rows of one label each, for heads whose classes exclude each other."""

import numpy as np

from mmasc.errors import MmascError
from mmasc.heads.zeroshot import NONE
from mmasc.labelling.carrying import ABSENT, PRESENT
from mmasc.labelling.moments import AnnotatedWindows
from mmasc.labelling.recordings import LabelledRecordings


def one_label_each(windows: AnnotatedWindows, background: bool) -> tuple[LabelledRecordings, int]:
    """Windows as rows of one label each, groups being recordings (or what was asked for).

    Args:
        windows: From `annotated_windows`.
        background: Whether windows that carry nothing are a class of their own, "none of these".
    Returns:
        The rows, and how many windows were left out because they carry several labels or none.
    Raises:
        MmascError: If fewer than two classes are left.
    """
    present = windows.truth == PRESENT
    one = (present.sum(axis=1) == 1) & ~windows.others
    nothing = (windows.truth == ABSENT).all(axis=1) & background
    codes = np.where(one, present.argmax(axis=1), len(windows.classes))[one | nothing]
    names = (*windows.classes, *[NONE] * bool(nothing.any()))
    used = np.unique(codes)
    if len(used) < 2:
        only = repr(names[used[0]]) if len(used) else "nothing"
        raise MmascError(
            f"the annotated windows hold {only} alone, so there is nothing to tell apart; annotate other sounds, or "
            "take windows without annotations as background"
        )
    rows = np.flatnonzero(one | nothing)
    return (
        LabelledRecordings(
            paths=[str(row) for row in rows],
            vectors=windows.vectors[rows],
            codes=np.searchsorted(used, codes),
            classes=tuple(names[code] for code in used),
            groups=windows.groups[rows],
            folds=None,
            fold_names=(),
            unlabelled=0,
            without_vectors=0,
            space_name=windows.space_name,
            space=windows.space,
            unit="windows",
            background=NONE if NONE in names else None,
        ),
        len(windows) - len(rows),
    )
