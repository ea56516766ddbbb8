"""The numbers of a report on prompts, and how they are made."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mmasc.encoders.heard import Heard
from mmasc.heads.calibration import Reliability, reliability_curve
from mmasc.heads.unlabelled_shifts import MINIMUM_UNLABELLED, centring_shifts, prior_biases, softmax
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.metrics.functions import accuracy, balanced_accuracy, class_scores, confusion_matrix, log_loss, macro_scores
from mmasc.studies.study import Study, accuracy_interval

_PAIRS = 200_000  # pairs of sounds at most, for the distribution of their cosines
_SEED = 0


@dataclass(frozen=True)
class Attraction:
    """What a label's prompts draw in.

    Attributes:
        label: Label of the prompt set.
        said, true: Share of the sounds that are called so, and that are so.
        mean_cosine, standard_deviation: Mean cosine and standard deviation of all sounds to the label; a label far
            above the others attracts by itself.
    """

    label: str
    said: float
    true: float
    mean_cosine: float
    standard_deviation: float


@dataclass(frozen=True)
class Gap:
    """How sounds and texts lie to each other.

    Attributes:
        distance: Distance of the mean of the sounds' unit vectors to that of the labels' (0 to 2).
        matching, other: Mean cosine of sounds to their own label and to the other ones.
        sounds, texts: Mean cosine of different sounds, and of different labels.

    Source: Liang et al. 2022, "Mind the gap", section 2 (distance of the means).
    """

    distance: float
    matching: float
    other: float
    sounds: float
    texts: float


@dataclass(frozen=True)
class PromptResult:
    """What one prompt set is worth on these sounds.

    Attributes:
        name, labels: Name and labels of the set; rows and columns below are in the order of its labels.
        matched_exactly, matched_similarly, unused: Labels of the collection found exactly, and ignoring case and
            underscores; labels that no sound has.
        accuracy, interval: Share of sounds that get their label, with its 95 % bootstrap interval.
        balanced_accuracy, macro_f1, log_loss, calibration_error: See `mmasc.metrics.functions`.
        centred, prior_matched: Accuracy and interval after calibration on the same sounds without their labels, None
            with fewer than 20 sounds; see `mmasc.heads.calibration`. Prior matched to even shares, and None too where
            the set has labels that no sound has: their share is not even.
        confusion: How many of each label (rows, true) were called what (columns).
        per_class: Label → precision, recall, f1, recordings.
        attraction: Every label, most said first.
        gap: Gap of sounds and labels.
        prompt_cosines: Cosines of the labels' vectors with each other.
        reliability: Shares right by probability.
    """

    name: str
    labels: list[str]
    matched_exactly: int
    matched_similarly: int
    unused: list[str]
    accuracy: float
    interval: tuple[float, float]
    balanced_accuracy: float
    macro_f1: float
    log_loss: float
    calibration_error: float
    centred: tuple[float, tuple[float, float]] | None
    prior_matched: tuple[float, tuple[float, float]] | None
    confusion: list[list[int]]
    per_class: dict[str, dict[str, float]]
    attraction: list[Attraction]
    gap: Gap
    prompt_cosines: list[list[float]]
    reliability: Reliability


@dataclass(frozen=True)
class StudyReport:
    """A study and where it was written.

    Attributes:
        collection, label, space, encoder, identity: The collection, its label column, and the space.
        recordings, unlabelled, without_vectors: Sounds used, and left out for having no label or no vector.
        classes: Labels of the collection.
        largest_class, chance: Accuracy of always saying the most frequent label, and of guessing among a set's labels.
        interval_over: What intervals draw: "recordings" or "groups of COLUMN".
        results: One per prompt set.
        components: "texts", "sounds", "joint" → share of the variance on the two axes that are drawn.
        page, figures: Files written, figures by name.
        heard: What the encoder learned from these recordings before.
    """

    collection: str
    label: str
    space: str
    encoder: str
    identity: str
    recordings: int
    unlabelled: int
    without_vectors: int
    classes: list[str]
    largest_class: float
    chance: list[float]
    interval_over: str
    results: list[PromptResult]
    components: dict[str, tuple[float, float]]
    page: Path
    figures: dict[str, Path]
    heard: Heard


def prompt_result(
    study: Study, number: int, classifier: ZeroShotClassifier
) -> tuple[PromptResult, dict[str, Float[np.ndarray, " _"]]]:
    """The numbers of one prompt set, and the cosines of pairs that its gap is the means of."""
    recordings, match = study.recordings, study.matches[number]
    labels = [str(name) for name in classifier.classes_]
    true = study.true(number)
    cosines = classifier.decision_function(study.vectors)
    scaled = cosines * study.scale
    probabilities = softmax(scaled)
    confusion = confusion_matrix(true, np.array(labels)[cosines.argmax(axis=1)], labels)
    scores = class_scores(confusion)
    reliability = reliability_curve(true, probabilities, labels)

    def scored(shifted: Float[np.ndarray, "item class"]) -> tuple[float, tuple[float, float]]:
        right = np.array(labels)[shifted.argmax(axis=1)] == true
        return float(right.mean()), accuracy_interval(right, recordings.groups)

    enough = len(recordings) >= MINIMUM_UNLABELLED
    said, there = confusion.sum(axis=0) / len(true), confusion.sum(axis=1) / len(true)
    pairs = _pairs(study.vectors, classifier.class_vectors_, cosines, true[:, None] == np.array(labels))
    return PromptResult(
        name=study.prompts[number].name,
        labels=labels,
        matched_exactly=match.exact,
        matched_similarly=match.similar,
        unused=list(match.unused),
        accuracy=accuracy(confusion),
        interval=scored(cosines)[1],
        balanced_accuracy=balanced_accuracy(confusion),
        macro_f1=macro_scores(confusion).f1,
        log_loss=log_loss(true, probabilities, labels),
        calibration_error=reliability.error,
        centred=scored(cosines - centring_shifts(cosines)) if enough else None,
        prior_matched=scored(scaled + prior_biases(scaled)) if enough and not match.unused else None,
        confusion=confusion.tolist(),
        per_class={
            name: {
                "precision": float(scores.precision[row]),
                "recall": float(scores.recall[row]),
                "f1": float(scores.f1[row]),
                "recordings": int(confusion[row].sum()),
            }
            for row, name in enumerate(labels)
        },
        attraction=[
            Attraction(
                labels[row],
                float(said[row]),
                float(there[row]),
                float(cosines[:, row].mean()),
                float(cosines[:, row].std()),
            )
            for row in np.argsort(-said, kind="stable")
        ],
        gap=Gap(
            float(np.linalg.norm(study.vectors.mean(axis=0) - classifier.class_vectors_.mean(axis=0))),
            *(float(values.mean()) for values in pairs.values()),
        ),
        prompt_cosines=(classifier.class_vectors_ @ classifier.class_vectors_.T).tolist(),
        reliability=reliability,
    ), pairs


def _pairs(
    sounds: Float[np.ndarray, "item dim"],
    texts: Float[np.ndarray, "class dim"],
    cosines: Float[np.ndarray, "item class"],
    own: np.ndarray,
) -> dict[str, Float[np.ndarray, " _"]]:
    """Cosines by kind of pair; of sounds with sounds a fixed draw where there are very many."""
    n_items = len(sounds)
    if n_items * (n_items - 1) // 2 <= _PAIRS:
        first, second = np.triu_indices(n_items, 1)
    else:
        generator = np.random.default_rng(_SEED)
        first = generator.integers(0, n_items, _PAIRS)
        second = (first + generator.integers(1, n_items, _PAIRS)) % n_items
    return {
        "sound and own label": cosines[own],
        "sound and other label": cosines[~own],
        "sound and sound": np.einsum("id,id->i", sounds[first], sounds[second]),
        "label and label": (texts @ texts.T)[np.triu_indices(len(texts), 1)],
    }
