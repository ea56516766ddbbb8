"""One set of prompts on the sounds of a study → calibrations learnt from some of the sounds, and their worth on others.

The order of the parts: shifts from the cosines without the labels (even shares: at the encoder's own scale), the
temperature from the shifted cosines, then thresholds from the probabilities and the least cosine from the shifted
cosines.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mmasc.heads.calibration import fit_temperature
from mmasc.heads.calibration_file import Calibration, digest_of
from mmasc.heads.thresholds import FEW, fit_minimum_against, fit_minimum_cosine, fit_thresholds
from mmasc.heads.unlabelled_shifts import centring_shifts, prior_biases
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.metrics.functions import calibration_error, log_loss, macro_tag_scores
from mmasc.studies.study import Study
from mmasc.windows.units import unit_as_normalizer


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


class TunedSet:
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
