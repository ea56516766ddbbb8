"""A few labelled recordings and a set of prompts → a `Calibration`, and what it is worth on recordings it has not seen.

The order of the parts: shifts from the cosines without the labels (even shares: at the encoder's own scale), the
temperature from the shifted cosines, then thresholds from the probabilities and the least cosine from the shifted
cosines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from mmasc.collection import Collection
from mmasc.encoders.base import Encoder
from mmasc.errors import MmascError
from mmasc.heads.calibration import fit_temperature
from mmasc.heads.calibration_file import Calibration, digest_of
from mmasc.heads.thresholds import FEW, fit_minimum_against, fit_minimum_cosine, fit_thresholds
from mmasc.heads.unlabelled_shifts import MINIMUM_UNLABELLED, centring_shifts, prior_biases
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.labelling.folds import make_folds
from mmasc.labelling.sources import unlabelled_vectors
from mmasc.metrics.functions import calibration_error, log_loss, macro_tag_scores
from mmasc.prompts.prompts import Prompts
from mmasc.studies.study import Study, load_study
from mmasc.windows.units import unit_as_normalizer

SHIFTS = ("none", "centre", "prior")


@dataclass(frozen=True)
class TuningRow:
    """What a way of asking is worth.

    Attributes:
        way: "as written" or "calibrated".
        accuracy: Share of sounds whose best label is the true one, before any threshold.
        log_loss, calibration_error: Log loss and calibration error of the probabilities, one label per sound; see
            `mmasc.metrics.functions`.
        answered: Share of sounds that get a label at all, after thresholds and the least cosine.
        right_of_answered: Share of these whose label is right (several labels: whose true label holds); None if none
            is answered.
        macro_f1: F1 of the labels that hold, mean over labels.
        background: Share of the windows of background that get a label; None without background.
    """

    way: str
    accuracy: float
    log_loss: float
    calibration_error: float
    answered: float
    right_of_answered: float | None
    macro_f1: float
    background: float | None = None


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
    """Learn how a set of prompts is to be asked, from labelled recordings of a collection.

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
            f"{len(others)} windows of background are too few to learn from and to test on; give {2 * folds} or more"
        )
    tuning = _Tuning(study, (shift, by_label, lost, multi_label), others)
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


class _Tuning:
    """One set of prompts on the sounds of a study; `learn` and `row` take positions of sounds."""

    def __init__(
        self, study: Study, asked: tuple[str, bool, float | None, bool], background: np.ndarray | None
    ) -> None:
        self.study = study
        self.shift, self.thresholds, self.lost, self.multi_label = asked
        self.prompts = study.prompts[0]
        plain = ZeroShotClassifier(study.encoder).fit(self.prompts)
        self.labels = [str(name) for name in plain.classes_]
        self.background = None if background is None else unit_as_normalizer(background)
        self.others: Float[np.ndarray, "window class"] = (
            np.zeros((0, len(self.labels))) if self.background is None else plain.decision_function(self.background)
        )
        self.cosines: Float[np.ndarray, "item class"] = plain.decision_function(study.vectors)
        number = {name: place for place, name in enumerate(self.labels)}
        self.codes: Int[np.ndarray, " item"] = np.array([number[name] for name in study.true(0).tolist()], np.int64)

    def plain(self) -> Calibration:
        """The prompts as they are, with the encoder's own temperature."""
        return self._calibration(1 / self.study.scale, np.zeros(len(self.labels)), None, None, len(self.codes))

    def learn(self, items: Int[np.ndarray, " some"], others: Int[np.ndarray, " _"] | None = None) -> Calibration:
        """A calibration from some of the sounds, and some of the background (default: all of it)."""
        cosines, codes = self.cosines[items], self.codes[items]
        shifts = np.zeros(len(self.labels))
        if self.shift == "centre":
            shifts = centring_shifts(cosines)
        elif self.shift == "prior":
            shifts = -prior_biases(cosines * self.study.scale) / self.study.scale
        shifted = cosines - shifts
        other = (self.others if others is None else self.others[others]) - shifts
        temperature = fit_temperature(shifted, codes)
        by_label: tuple[float, ...] | None = None
        if self.thresholds:
            probabilities = self._probabilities(np.concatenate([shifted, other]), temperature, self.multi_label)
            true = np.append(codes, np.full(len(other), -1))[:, None] == np.arange(len(self.labels))
            found = fit_thresholds(probabilities, true, self.labels, FEW)
            by_label = tuple(found[name] for name in self.labels)
        least = None
        if self.background is not None:
            least = fit_minimum_against(shifted, codes, other, 1.0 if self.lost is None else self.lost)
        elif self.lost is not None:
            least = fit_minimum_cosine(shifted, codes, self.lost)
        return self._calibration(temperature, shifts, by_label, least, len(items))

    def row(
        self,
        way: str,
        calibrations: Sequence[Calibration],
        parts: Sequence[Int[np.ndarray, " _"]],
        blocks: Sequence[Int[np.ndarray, " _"]],
    ) -> TuningRow:
        """What calibrations are worth, each on its own part of the sounds and block of the background."""
        n_items, n_labels = self.cosines.shape
        probabilities, held = np.zeros((n_items, n_labels)), np.zeros((n_items, n_labels), bool)
        passing = np.zeros(len(self.others), bool)
        for calibration, items, block in zip(calibrations, parts, blocks, strict=True):
            tuned = calibration.classifier(self.study.encoder, self.prompts)
            if self.background is not None and len(block):
                own = self.background[block]
                passing[block] = tuned.accept(tuned.predict_proba(own), tuned.decision_function(own)).any(axis=1)
            vectors = self.study.vectors[items]
            held[items] = tuned.accept(tuned.predict_proba(vectors), tuned.decision_function(vectors))
            probabilities[items] = self._probabilities(tuned.decision_function(vectors), calibration.temperature, False)
        tested = np.sort(np.concatenate(parts))
        probabilities, held, codes = probabilities[tested], held[tested], self.codes[tested]
        true = codes[:, None] == np.arange(n_labels)
        answered = held.any(axis=1)
        names = np.array(self.labels)[codes]
        return TuningRow(
            way=way,
            accuracy=float((probabilities.argmax(axis=1) == codes).mean()),
            log_loss=log_loss(names, probabilities, self.labels),
            calibration_error=calibration_error(names, probabilities, self.labels),
            answered=float(answered.mean()),
            right_of_answered=float((held & true).any(axis=1)[answered].mean()) if answered.any() else None,
            macro_f1=macro_tag_scores(true, held).f1,
            background=None if self.background is None else float(passing.mean()),
        )

    def _calibration(
        self,
        temperature: float,
        shifts: Float[np.ndarray, " class"],
        thresholds: tuple[float, ...] | None,
        minimum_cosine: float | None,
        recordings: int,
    ) -> Calibration:
        space = self.study.recordings.space
        return Calibration(
            encoder=space.encoder,
            identity=space.identity,
            prompts=self.prompts.name,
            texts=digest_of(self.prompts),
            labels=tuple(self.labels),
            temperature=float(temperature),
            shifts=tuple(float(number) for number in shifts),
            thresholds=thresholds,
            minimum_cosine=minimum_cosine,
            multi_label=self.multi_label,
            recordings=recordings,
        )

    def _probabilities(
        self, shifted: Float[np.ndarray, "item class"], temperature: float, multi_label: bool
    ) -> Float[np.ndarray, "item class"]:
        """As `ZeroShotClassifier.predict_proba` makes them, from cosines that are there already."""
        return ZeroShotClassifier(temperature=temperature, multi_label=multi_label).probabilities_of(shifted)
