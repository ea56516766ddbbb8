"""A few labelled recordings and a set of prompts → a `Calibration`, and what it is worth on other recordings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmasc.collection import Collection
from mmasc.encoders.base import Encoder
from mmasc.errors import MmascError
from mmasc.heads.calibration_file import Calibration
from mmasc.heads.unlabelled_shifts import MINIMUM_UNLABELLED
from mmasc.labelling.folds import make_folds
from mmasc.labelling.sources import unlabelled_vectors
from mmasc.printing import counted
from mmasc.prompts.prompts import Prompts
from mmasc.studies.study import load_study
from mmasc.studies.tuned_sets import TunedSet, TuningRow

SHIFTS = ("none", "centre", "prior")


@dataclass(frozen=True)
class TuningReport:
    """A calibration and its worth.

    Attributes:
        calibration: Learnt from all recordings.
        rows: As written, and calibrated on the folds that the recording is not in.
        recordings, unlabelled: Used, and left out for having no label.
        folds: Number of folds.
        out: Where it was saved, if it was.
        not_tested: Labels of a single recording, which was learnt from.
    """

    calibration: Calibration
    rows: list[TuningRow]
    recordings: int
    unlabelled: int
    folds: int
    out: str | None
    not_tested: list[str] = field(default_factory=list)


def tune_prompts(
    collection: str | Path | Collection,
    label: str,
    prompts: Prompts | Mapping[str, str | Sequence[str]] | str | Path,
    shift: str = "centre",
    thresholds: bool = False,
    lost: float | None = None,
    multi_label: bool = False,
    groups: str | None = None,
    folds: int = 5,
    space: str | None = None,
    where: str | None = None,
    out: str | Path | None = None,
    encoder: Encoder | None = None,
    device: str = "cpu",
    background: str | Path | Collection | Sequence[str | Path] | None = None,
) -> TuningReport:
    """Learn shifts, temperature and thresholds for a set of prompts, from labelled recordings of a collection.

    Args:
        collection: Folder, or opened.
        label: Column with the labels; recordings without one are left out.
        prompts: The set, as `as_prompts` takes it.
        shift: "none"; "centre": each label's mean cosine is taken out; "prior": even shares of the labels. Both hear
            the sounds without their labels and want 20 or more.
        thresholds: A least probability for each label, with the best F1; always with `multi_label`. Of a label with
            fewer than 5 recordings it is drawn towards the threshold that all labels would share.
        lost: A least cosine for "none of these" that loses at most this share of the right answers; default: none.
        multi_label: Judge every label by itself.
        groups: Column of what must not lie on both sides of a fold.
        folds: Number of folds that the numbers are measured with; some test none of a label that has fewer recordings.
            A label with a single one is learnt from and not tested.
        space, where, encoder, device: See `mmasc.studies.study.load_study`.
        out: Save the calibration here.
        background: Recordings (files, folders, or a collection) in which none of the labels sounds: their windows set
            the least cosine, with the best difference of right answers kept and background kept (`lost` then bounds
            the first), and count against every label where thresholds are learnt.
    Raises:
        MmascError: As `load_study` and `mmasc.labelling.folds.make_folds`; if a label of the set has no sound where
            thresholds or even shares need one; if there are too few sounds for shifts.
        ValueError: If `shift`, `lost` or `folds` is out of range.
    """
    _check(shift, lost, out)
    study = load_study(collection, label, [prompts], space, where, groups, encoder, device)
    asked, unused = study.prompts[0], study.matches[0].unused
    by_label = thresholds or multi_label
    if unused and (shift == "prior" or by_label):
        raise MmascError(
            f"no recording has the labels {', '.join(map(repr, unused))} of prompts {asked.name!r}, so "
            "nothing can be learnt of them; take them out of a copy of the file, or ask for neither thresholds nor "
            "even shares"
        )
    others = None if background is None else unlabelled_vectors(background, study.encoder)
    if others is not None and len(others) < 2 * folds:
        raise MmascError(
            f"{counted(len(others), 'window')} of background {'is' if len(others) == 1 else 'are'} too few to learn "
            f"from and to test on; give {2 * folds} or more"
        )
    tuning = TunedSet(study, (shift, by_label, lost, multi_label), others)
    parts = make_folds(study.recordings, folds, set_aside=True, few=True)
    if not parts:
        raise MmascError(
            f"fewer than two labels in {label!r} have more than one recording, so nothing can be tested; label more"
        )
    tested = np.sort(np.concatenate([part.test for part in parts]))
    least = min(len(part.train) for part in parts)
    if shift != "none" and least < MINIMUM_UNLABELLED:
        raise MmascError(
            f"a fold leaves {least} of {len(study.vectors)} recordings to learn shifts from, {MINIMUM_UNLABELLED} are "
            "needed; label more, use more --folds, or use --shift none"
        )
    everything = np.arange(len(study.vectors))
    blocks = np.array_split(np.arange(0 if others is None else len(others)), len(parts))
    calibration = tuning.learn(everything)
    held_out = [
        tuning.learn(part.train, np.concatenate([own for own in blocks if own is not block]))
        for part, block in zip(parts, blocks, strict=True)
    ]
    plain = tuning.plain()
    rows = [
        tuning.row("as written", [plain], [tested], [np.concatenate(blocks)]),
        tuning.row("calibrated", held_out, [part.test for part in parts], blocks),
    ]
    alone = np.setdiff1d(study.recordings.codes, study.recordings.codes[tested])
    if out is not None:
        calibration.save(out)
    recordings = study.recordings
    return TuningReport(
        calibration,
        rows,
        len(recordings),
        recordings.unlabelled,
        len(parts),
        None if out is None else str(out),
        [recordings.classes[code] for code in alone.tolist()],
    )


def _check(shift: str, lost: float | None, out: str | Path | None) -> None:
    """Refuse before the first sound is heard what cannot be."""
    if shift not in SHIFTS:
        raise ValueError(f"shift must be one of {', '.join(SHIFTS)}, got {shift!r}")
    if lost is not None and not 0 <= lost < 1:
        raise ValueError(f"lost must be in [0, 1), got {lost}")
    if out is not None and Path(out).is_dir():
        raise MmascError(f"{out} is a folder; give the name of a file for the calibration")
