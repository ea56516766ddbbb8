"""The zero-shot study of a labelled collection in one folder: numbers, figures and a page.

The analysis is that of Barberteguy 2023, "Audio Scene Classification" (accuracy and confusions of prompt sets,
principal components of texts, of sounds and of both), for any encoder with text, with what it leaves open: intervals,
which prompts attract everything, what centring changes, how far apart the two modalities lie.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mmasc import __version__
from mmasc.collection import Collection
from mmasc.encoders.base import Encoder
from mmasc.errors import MmascError
from mmasc.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    class_scores,
    confusion_matrix,
    log_loss,
    macro_scores,
)
from mmasc.evaluation.study import Study, accuracy_interval, load_study
from mmasc.evaluation.study_plots import principal_components
from mmasc.heads.calibration import (
    MINIMUM_UNLABELLED,
    Reliability,
    centring_shifts,
    prior_biases,
    reliability_curve,
    softmax,
)
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.prompts import Prompts
from mmasc.storage.files import write_atomically

_PAIRS = 200_000  # pairs of sounds at most, for the distribution of their cosines
_SEED = 0


@dataclass(frozen=True)
class Attraction:
    """What a label's prompts draw in.

    Attributes:
        label: Of the prompt set.
        said, true: Share of the sounds that are called so, and that are so.
        mean_cosine, standard_deviation: Of all sounds to the label; a label far above the others attracts by itself.
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
        distance: Of the mean of the sounds' unit vectors to that of the labels' (0 to 2).
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
        name, labels: Of the set; rows and columns below are in the order of its labels.
        matched_exactly, matched_similarly, unused: Labels of the collection found to the letter, and but for case and
            underscores; labels that no sound has.
        accuracy, interval: Share of sounds that get their label, with its 95 % bootstrap interval.
        balanced_accuracy, macro_f1, log_loss, calibration_error: See `mmasc.evaluation.metrics`.
        centred, prior_matched: Accuracy and interval after calibration on the same sounds without their labels, None
            with fewer than 20 sounds; see `mmasc.heads.calibration`. Prior matched to even shares, and None too where
            the set has labels that no sound has: their share is not even.
        confusion: How many of each label (rows, true) were called what (columns).
        per_class: Label → precision, recall, f1, recordings.
        attraction: Every label, most said first.
        gap: Of sounds and labels.
        prompt_cosines: Of the labels' vectors with each other.
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
        collection, label, space, encoder, identity: What was asked of what.
        recordings, unlabelled, without_vectors: Sounds used, and left out for having no label or no vector.
        classes: Labels of the collection.
        largest_class, chance: Accuracy of always saying the most frequent label, and of guessing among a set's labels.
        interval_over: What intervals draw: "recordings" or "groups of COLUMN".
        results: One a prompt set.
        components: "texts", "sounds", "joint" → share of the variance on the two axes that are drawn.
        page, figures: Files written, figures by name.
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


def report(
    collection: str | Path | Collection,
    label: str,
    prompts: Sequence[Prompts | Mapping[str, str | Sequence[str]] | str | Path],
    to: str | Path,
    space: str | None = None,
    where: str | None = None,
    groups: str | None = None,
    encoder: Encoder | None = None,
    device: str = "cpu",
) -> StudyReport:
    """Study prompt sets on a labelled collection and write `report.json`, `index.html` and figures (PNG).

    Args:
        collection: Folder, or opened.
        label: Column with the labels.
        prompts: One or more sets, as `as_prompts` takes them.
        to: Folder, made if it is not there; files of an earlier report in it are replaced.
        space, where, groups, encoder, device: See `mmasc.evaluation.study.load_study`.
    Returns:
        The numbers, and the files.
    Raises:
        MmascError: As `load_study`; if `to` is a file.
    """
    folder = Path(to)
    if folder.exists() and not folder.is_dir():
        raise MmascError(f"{folder} is a file; give the name of a folder for the report")
    study = load_study(collection, label, prompts, space, where, groups, encoder, device)
    classifiers = [ZeroShotClassifier(study.encoder).fit(one) for one in study.prompts]
    results, pairs = [], []
    for number, classifier in enumerate(classifiers):
        result, distributions = _result(study, number, classifier)
        results.append(result)
        pairs.append(distributions)
    recordings = study.recordings
    texts = [classifier.class_vectors_ for classifier in classifiers]
    positions = {
        name: principal_components(vectors)
        for name, vectors in (
            ("texts", np.concatenate(texts)),
            ("sounds", study.vectors),
            ("joint", np.concatenate([study.vectors, *texts])),
        )
    }
    from mmasc.evaluation.report_figures import draw_figures
    from mmasc.evaluation.report_page import render_report

    folder.mkdir(parents=True, exist_ok=True)
    figures = draw_figures(study, results, {name: places for name, (places, _) in positions.items()}, pairs, folder)
    found = StudyReport(
        collection=str(collection.store.folder if isinstance(collection, Collection) else collection),
        label=label,
        space=recordings.space_name,
        encoder=recordings.space.encoder,
        identity=recordings.space.identity,
        recordings=len(recordings),
        unlabelled=recordings.unlabelled,
        without_vectors=recordings.without_vectors,
        classes=list(recordings.classes),
        largest_class=float(np.bincount(recordings.codes).max() / len(recordings)),
        chance=[1 / len(one.labels) for one in study.prompts],
        interval_over="recordings" if groups is None else f"groups of {groups}",
        results=results,
        components={name: (float(shares[0]), float(shares[1])) for name, (_, shares) in positions.items()},
        page=folder / "index.html",
        figures=figures,
    )
    text = json.dumps(report_object(found), indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / "report.json", text.encode())
    write_atomically(found.page, render_report(found).encode())
    return found


def report_object(found: StudyReport) -> dict[str, Any]:
    """A report in the types of JSON; empty bins of reliability are null, files by their names."""
    value = asdict(found) | {
        "mmasc": __version__,
        "page": found.page.name,
        "figures": {name: path.name for name, path in found.figures.items()},
    }
    for one, result in zip(value["results"], found.results, strict=True):
        one["reliability"] = {
            name: [None if number != number else number for number in np.asarray(values).tolist()]
            if isinstance(values, np.ndarray)
            else values
            for name, values in vars(result.reliability).items()
        }
    return value


def _result(
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
