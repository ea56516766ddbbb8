"""Which words work: prompt files and templates against a labelled collection, each with its accuracy and interval.

The weighting without labels is after "Leveraging prediction entropy for automatic prompt weighting in zero-shot
audio-language classification" (2026, arXiv 2601.05011).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mmasc.collection import Collection
from mmasc.encoders.base import Encoder
from mmasc.encoders.heard import Heard
from mmasc.heads.unlabelled_shifts import MINIMUM_UNLABELLED, centring_shifts, prior_biases, softmax
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.progress import one_by_one
from mmasc.prompts.prompts import Prompts
from mmasc.prompts.reader import PLACE
from mmasc.studies.study import Study, accuracy_interval, load_study, text_vectors

_STEPS = 300
_CHANGE = 1e-10  # of the objective in a step, where the search for weights ends


@dataclass(frozen=True)
class SweepRow:
    """One way of asking.

    Attributes:
        prompts: Name of the prompt set.
        way: "as written" (all phrases and templates of the file averaged), "template" (one of the given templates),
            "variant" (one phrase of each label through one template), "mean of variants", "weighted by entropy",
            "centred" and "prior matched" (the file as written, shifted on the same sounds without their labels; the
            second where every label of the file has sounds: it supposes even shares).
        template: The template, or None where several are averaged.
        accuracy: Share of sounds that get their label.
        interval: 95 % bootstrap interval of it.
        weights: For "weighted by entropy": the variants' weights.
    """

    prompts: str
    way: str
    template: str | None
    accuracy: float
    interval: tuple[float, float]
    weights: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SweepReport:
    """What a sweep found.

    Attributes:
        rows: Rows in the order of files; all of the same sounds.
        best, worst: Highest and lowest accuracy among the rows that one could have written.
        spread: Their difference: what the choice of words is worth here.
        recordings, unlabelled, without_vectors: Sounds used and left out.
        classes: Number of labels among the sounds.
        largest_class: Accuracy of always saying the most frequent label.
        space, encoder, identity: Space, encoder and identity of the vectors.
        matches: Prompt set → how many labels match exactly, how many ignoring case and underscores.
        heard: What the encoder learned from these recordings before.
    """

    rows: list[SweepRow]
    best: float
    worst: float
    spread: float
    recordings: int
    unlabelled: int
    without_vectors: int
    classes: int
    largest_class: float
    space: str
    encoder: str
    identity: str
    matches: dict[str, dict[str, int]]
    heard: Heard


def sweep_prompts(
    collection: str | Path | Collection,
    label: str,
    prompts: Sequence[Prompts | Mapping[str, str | Sequence[str]] | str | Path],
    templates: Sequence[str] = (),
    space: str | None = None,
    where: str | None = None,
    groups: str | None = None,
    encoder: Encoder | None = None,
    device: str = "cpu",
) -> SweepReport:
    """Compare prompt sets and templates on a labelled collection.

    The labels serve for the accuracies alone: weights, centring and prior matching do not see them. The best row is
    chosen on the sounds that it is measured on, so another collection will rate it lower.

    Args:
        collection: Folder, or opened.
        label: Column with the labels.
        prompts: One or more sets, as `as_prompts` takes them.
        templates: Each is tried with the phrases of every set in the place of the set's own ones.
        space, where, groups, encoder, device: See `load_study`.
    Raises:
        MmascError: As `load_study`.
        ValueError: If a template has not exactly one `{}`, or there are no prompts.
    """
    wrong = [template for template in templates if template.count(PLACE) != 1]
    if wrong:
        raise ValueError(f"a template must hold {PLACE} exactly once, got {wrong[0]!r}")
    study = load_study(collection, label, prompts, space, where, groups, encoder, device)
    rows = [
        row
        for number in one_by_one("prompt file", range(len(study.prompts)))
        for row in _rows(study, number, templates)
    ]
    written = [row.accuracy for row in rows if row.way in ("as written", "template", "variant")]
    recordings = study.recordings
    return SweepReport(
        rows=rows,
        best=max(written),
        worst=min(written),
        spread=max(written) - min(written),
        recordings=len(recordings),
        unlabelled=recordings.unlabelled,
        without_vectors=recordings.without_vectors,
        classes=len(recordings.classes),
        largest_class=float(np.bincount(recordings.codes).max() / len(recordings)),
        space=recordings.space_name,
        encoder=recordings.space.encoder,
        identity=recordings.space.identity,
        matches={
            one.name: {"exact": match.exact, "similar": match.similar, "unused": len(match.unused)}
            for one, match in zip(study.prompts, study.matches, strict=True)
        },
        heard=recordings.heard(),
    )


def entropy_weights(
    logits: Float[np.ndarray, "variant item class"], regularisation: float = 0.1
) -> Float[np.ndarray, " variant"]:
    """Weights of prompt variants under which sounds without labels get surer answers.

    With p_i(w) = softmax(sum_v w_v logits_vi) and p_i(even) that of even weights, w on the simplex minimises
    mean_i [H(p_i(w)) + KL(p_i(even) || p_i(w))] + regularisation KL(w || even): low entropy, near the plain ensemble's
    answers, no variant thrown away lightly. Found by exponentiated gradient from even weights; every step lowers the
    objective.

    Args:
        logits: Scaled cosines; of a batch, or of one sound.
        regularisation: 0 or more; large: even weights.
    Returns:
        Positive weights that sum to 1.
    Raises:
        ValueError: If `regularisation` is negative.
    Source: arXiv 2601.05011 (entropy of the weighted mean of logits over a batch, held near
        the zero-shot answers, with an entropy term on the weights). The weights of the three terms are our choice.
    """
    if not regularisation >= 0:
        raise ValueError(f"regularisation must be 0 or more, got {regularisation}")
    logits = np.asarray(logits, np.float64)
    n_variants = len(logits)
    anchor = softmax(logits.mean(axis=0))

    def objective(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = np.tensordot(weights, logits, 1)
        p = softmax(mixed)
        log_p = np.log(np.maximum(p, np.finfo(np.float64).tiny))
        entropy = -(p * log_p).sum(axis=1, keepdims=True)
        ratio = np.log(np.maximum(anchor, np.finfo(np.float64).tiny)) - log_p
        value = float((entropy[:, 0] + (anchor * ratio).sum(axis=1)).mean())
        value += regularisation * float((weights * np.log(weights * n_variants)).sum())
        by_logit = -p * (log_p + entropy) + p - anchor  # of H(p) and of KL(anchor || p)
        slope = np.einsum("vic,ic->v", logits, by_logit) / logits.shape[1]
        return value, slope + regularisation * (np.log(weights * n_variants) + 1)

    weights = np.full(n_variants, 1 / n_variants)
    value, slope = objective(weights)
    rate = 1.0
    for _ in range(_STEPS):
        while True:
            exponents = -rate * (slope - slope.min())
            tried = np.maximum(weights * np.exp(exponents), 1e-300)
            tried /= tried.sum()
            new_value, new_slope = objective(tried)
            if new_value <= value or rate < 1e-12:
                break
            rate /= 2
        if rate < 1e-12 or value - new_value < _CHANGE:
            break
        weights, value, slope, rate = tried, new_value, new_slope, 2 * rate
    return weights


def _rows(study: Study, number: int, templates: Sequence[str]) -> list[SweepRow]:
    """All ways of asking with one prompt set."""
    one, encoder = study.prompts[number], study.encoder
    sounds, true = study.vectors, study.true(number)
    names = np.array(list(one.labels))

    def row(
        way: str, scores: np.ndarray, template: str | None = None, weights: dict[str, float] | None = None
    ) -> SweepRow:
        right = names[scores.argmax(axis=1)] == true
        return SweepRow(
            one.name,
            way,
            template,
            float(right.mean()),
            accuracy_interval(right, study.recordings.groups),
            weights or {},
        )

    written = ZeroShotClassifier(encoder).fit(one).decision_function(sounds)
    rows = [row("as written", written, one.templates[0] if len(one.templates) == 1 else None)]
    for template in templates:
        through = Prompts(one.name, one.description, (template,), one.labels)
        rows.append(row("template", ZeroShotClassifier(encoder).fit(through).decision_function(sounds), template))
    tried = list(dict.fromkeys([*one.templates, *templates]))
    vectors = text_vectors(one, encoder, tried)
    if len(vectors) > 1:
        cosines = np.einsum("id,vcd->vic", sounds, vectors)
        n_places = len(vectors) // len(tried)
        named = [f"phrase {place + 1}: {template}" for template in tried for place in range(n_places)]
        if n_places > 1:
            rows += [row("variant", own, name) for own, name in zip(cosines, named, strict=True)]
        weights = entropy_weights(cosines * study.scale)
        rows.append(row("mean of variants", cosines.mean(axis=0)))
        weighted = np.tensordot(weights, cosines, 1)
        rows.append(row("weighted by entropy", weighted, None, dict(zip(named, weights.tolist(), strict=True))))
    if len(sounds) >= MINIMUM_UNLABELLED:
        rows.append(row("centred", written - centring_shifts(written)))
        if not study.matches[number].unused:
            scaled = written * study.scale
            rows.append(row("prior matched", scaled + prior_biases(scaled)))
    return rows
