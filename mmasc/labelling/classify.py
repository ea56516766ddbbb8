"""Say what recordings are from prompts: files in, one `Classification` per recording out, in order, while they come.

A recording is judged by its vector (the mean of its windows' weighted by the time that each adds), its timeline by the
probabilities of its windows: a moment's score is the mean over the windows that hear it. Windows of digital silence
are not judged.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.audio import AudioStatus
from mmasc.audio.memory import Sound, find_sounds
from mmasc.collection import Collection
from mmasc.encoders.base import Encoder
from mmasc.encoders.embedding import FileVectors, embed_files
from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.heads.calibration_file import Calibration
from mmasc.heads.shifted import CentredZeroShot, PriorMatchedZeroShot
from mmasc.heads.zeroshot import MULTI_LABEL_THRESHOLD, NONE, ZeroShotClassifier
from mmasc.labelling.recordings import unlabelled_vectors
from mmasc.prompts.prompts import Prompts, as_prompts
from mmasc.windows.timeline import Event, class_seconds, find_events, joined_cells, timeline_cells


@dataclass(frozen=True)
class Classification:
    """What a recording is.

    Attributes:
        path: As it was found.
        label: The best label, or "none of these" where it does not pass the thresholds or the recording is nothing but
            digital silence; None if the file failed.
        score: Probability of the best label, even where it did not pass; None if the file failed.
        scores: Label to probability; in the order of the prompts, or the `top` best first.
        cosines: Label to cosine, the same labels in the same order; with `centre_on` less the label's shift.
        labels: All labels that hold: at most one, except with `multi_label`.
        events: With a timeline: which label holds from when to when, in the order of time; windows of digital silence
            have none.
        seconds: With a timeline: label to covered seconds, in the order of the prompts.
        windows: With a timeline: label to number of windows; overlapping windows count each.
        status: Whether the file was read to its end, and what is odd in it; a failed file has none of the above.
        duration: Decoded seconds.
        sample_rate: Sample rate of the file, in Hz.
    """

    path: str
    label: str | None
    score: float | None
    scores: dict[str, float]
    cosines: dict[str, float]
    labels: tuple[str, ...]
    status: AudioStatus
    duration: float = 0.0
    sample_rate: int = 0
    events: list[Event] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    windows: dict[str, int] = field(default_factory=dict)


def classify(
    paths: Sound | Iterable[Sound],
    prompts: Prompts | Mapping[str, str | Sequence[str]] | str | Path,
    encoder: str | Encoder = "mini",
    timeline: bool = False,
    hop_seconds: float | None = None,
    window_seconds: float | None = None,
    channels: str = "mix",
    threshold: float | None = None,
    multi_label: bool = False,
    top: int | None = None,
    minimum_cosine: float | None = None,
    temperature: float | None = None,
    gap_seconds: float = 0.0,
    minimum_seconds: float = 0.0,
    strict: bool = False,
    device: str = "cpu",
    backend: str = "eager",
    centre_on: str | Path | Collection | Sequence[str | Path] | None = None,
    match_on: str | Path | Collection | Sequence[str | Path] | None = None,
    calibration: str | Path | Calibration | None = None,
    offset_threshold: float | None = None,
    smooth_seconds: float | None = None,
) -> Iterator[Classification]:
    """Classify recordings with prompts, one after the other as they are decoded.

    Args:
        paths: Files, folders, patterns or lists of them, as `find_audio` takes them; also the bytes of a sound file, or
            an open binary file.
        prompts: `Prompts`, a mapping of labels to phrases, a bundled name or the path of a prompt file.
        encoder: A name for `load_encoder`, or an encoder whose space has text.
        timeline: Also find events and seconds of every label.
        hop_seconds: Seconds from one window's start to the next; default: the window, no overlap.
        window_seconds: Another window than the encoder's own, for an encoder that is given by name.
        channels: "mix", "left", "right", "each" or "mid-side"; with several lanes scores are means over them.
        threshold: Least probability, see `ZeroShotClassifier`.
        multi_label: Judge every label by itself: several can hold at once.
        top: Keep only this many labels in `scores`; default: all.
        minimum_cosine: Least cosine, see `ZeroShotClassifier`.
        temperature: What softmax divides cosines by; default: one over the encoder's scale.
        gap_seconds: Gaps of a label up to this long are bridged in the timeline.
        minimum_seconds: Events shorter than this are dropped.
        strict: Raise at the first file that cannot be read instead of giving it as failed.
        device: Device on which an encoder that is given by name runs.
        backend: What runs it: "eager" or "onnx", see `load_encoder`.
        centre_on: Unlabelled sounds, a collection or recordings: what each label's prompt attracts by itself, its mean
            cosine over them, is taken out, see `CentredZeroShot`. They should hold all labels in about equal shares.
        match_on: Instead of `centre_on`: on these sounds all labels get the same mean probability, see
            `PriorMatchedZeroShot`.
        calibration: A file of `mmasc.studies.prompt_tuning.tune_prompts` (or what it holds), made for these prompts and
            this encoder: it says shifts, temperature, thresholds and least cosine, which are then not given here.
        offset_threshold: An event of the timeline goes on while the label's probability is at least this, which is at
            most the threshold that lets it begin; default: the same. Labels with lower thresholds keep theirs.
        smooth_seconds: Moments of the timeline shorter than this are judged together with those after them, see
            `joined_cells`; default: none, and with `offset_threshold` the hop.
    Raises:
        MmascError: If no file is found, prompts, encoder or calibration cannot be used, or, with `strict`, a file is
            bad.
        ValueError: If an argument is out of range, or `calibration` comes with what it says itself.
    """
    if top is not None and top < 1:
        raise ValueError(f"top must be at least 1, got {top}")
    if isinstance(encoder, Encoder) and window_seconds is not None:
        raise ValueError("a loaded encoder has its window already: load_encoder(name, window_seconds=...)")
    if not gap_seconds >= 0 or not minimum_seconds >= 0:
        raise ValueError(f"gap_seconds and minimum_seconds must be 0 or more, got {gap_seconds}, {minimum_seconds}")
    if offset_threshold is not None and threshold is not None and offset_threshold > threshold:
        raise ValueError(f"offset_threshold must be at most threshold, got {offset_threshold} and {threshold}")
    if offset_threshold is not None and threshold is None and calibration is None and not multi_label:
        raise ValueError("offset_threshold needs a threshold that lets events begin")
    if smooth_seconds is not None and not smooth_seconds >= 0:
        raise ValueError(f"smooth_seconds must be 0 or more, got {smooth_seconds}")
    if centre_on is not None and match_on is not None:
        raise ValueError("centre_on and match_on exclude each other: give one of them")
    said = (threshold, minimum_cosine, temperature, centre_on, match_on)
    if calibration is not None and (multi_label or any(one is not None for one in said)):
        raise ValueError(
            "a calibration says threshold, minimum_cosine, temperature, multi_label and what to centre or match on: "
            "leave these out"
        )
    prompts = as_prompts(prompts)
    loaded = (
        calibration if calibration is None or isinstance(calibration, Calibration) else Calibration.load(calibration)
    )
    files = find_sounds(paths)
    if isinstance(encoder, str):
        encoder = load_encoder(encoder, device, window_seconds, backend)
    options = (encoder, temperature, multi_label, threshold, minimum_cosine)
    if loaded is not None:
        classifier: ZeroShotClassifier = loaded.classifier(encoder, prompts)
    elif centre_on is None and match_on is None:
        classifier = ZeroShotClassifier(*options).fit(prompts)
    else:
        shifted = CentredZeroShot(*options) if match_on is None else PriorMatchedZeroShot(*options)
        shifted.fit(prompts)
        heard = centre_on if match_on is None else match_on
        assert heard is not None
        classifier = shifted.calibrate(unlabelled_vectors(heard, encoder, hop_seconds, channels))

    if smooth_seconds is None:
        hop = encoder.spec.window_seconds if hop_seconds is None else hop_seconds
        smooth_seconds = 0.0 if offset_threshold is None else hop
    shaping = _Shaping(gap_seconds, minimum_seconds, offset_threshold, smooth_seconds)

    def results() -> Iterator[Classification]:
        for file in embed_files(files, encoder, hop_seconds, channels):
            if file.status.state == "failed":
                if strict:
                    raise MmascError(file.status.reason)
                yield Classification(str(file.path), None, None, {}, {}, (), file.status)
                continue
            yield _classify_file(file, classifier, top, shaping if timeline else None)

    return results()


@dataclass(frozen=True)
class _Shaping:
    """How cells of a timeline become events."""

    gap_seconds: float
    minimum_seconds: float
    offset_threshold: float | None
    smooth_seconds: float


def _classify_file(
    file: FileVectors, classifier: ZeroShotClassifier, top: int | None, shaping: _Shaping | None
) -> Classification:
    vector = file.vector[None]
    scores, cosines = classifier.predict_proba(vector), classifier.decision_function(vector)
    accepted = classifier.accept(scores, cosines)[0] & file.heard.any()
    names = [str(label) for label in classifier.classes_]
    ranking = np.argsort(-scores[0], kind="stable")
    kept = range(len(names)) if top is None else ranking[:top]
    found: dict[str, Any] = {}
    if shaping is not None:
        found = _timeline(file, classifier, names, shaping)
    return Classification(
        path=str(file.path),
        label=names[ranking[0]] if accepted[ranking[0]] else NONE,
        score=float(scores[0, ranking[0]]),
        scores={names[column]: float(scores[0, column]) for column in kept},
        cosines={names[column]: float(cosines[0, column]) for column in kept},
        labels=tuple(names[column] for column in ranking if accepted[column]),
        status=file.status,
        duration=file.duration,
        sample_rate=file.sample_rate,
        **found,
    )


def _timeline(file: FileVectors, classifier: ZeroShotClassifier, names: list[str], shaping: _Shaping) -> dict[str, Any]:
    """`events`, `seconds` and `windows` of a recording."""
    heard = file.heard
    vectors, window_starts, window_ends = file.vectors[heard], file.starts[heard], file.ends[heard]
    scores, cosines = classifier.predict_proba(vectors), classifier.decision_function(vectors)
    starts, ends, cell_scores = timeline_cells(scores, window_starts, window_ends)
    _, _, cell_cosines = timeline_cells(cosines, window_starts, window_ends)
    if shaping.smooth_seconds > 0:
        _, _, cell_cosines = joined_cells(cell_cosines, starts, ends, shaping.smooth_seconds)
        starts, ends, cell_scores = joined_cells(cell_scores, starts, ends, shaping.smooth_seconds)
    # The classifier decides what holds in a cell, in one place for recordings and cells; what does not hold is put
    # below every threshold, and an event's score is the mean over cells that hold only.
    onsets: float | dict[str, float] = 0.0
    offsets, looser = None, classifier
    if shaping.offset_threshold is not None:
        onsets, offsets = _thresholds(classifier, names, shaping.offset_threshold)
        looser = copy.copy(classifier)
        looser.threshold = offsets
    held = np.where(looser.accept(cell_scores, cell_cosines), cell_scores, -1.0)
    events = find_events(
        held,
        starts,
        ends,
        names,
        onsets,
        classifier.multi_label,
        shaping.gap_seconds,
        shaping.minimum_seconds,
        offsets,
    )
    counts = classifier.accept(scores, cosines).sum(axis=0)
    return {
        "events": events,
        "seconds": class_seconds(events, names),
        "windows": {name: int(count) for name, count in zip(names, counts, strict=True)},
    }


def _thresholds(
    classifier: ZeroShotClassifier, names: list[str], offset: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Label → least probability to begin, and to go on."""
    threshold = MULTI_LABEL_THRESHOLD if classifier.threshold is None else classifier.threshold
    onsets = {name: float(threshold[name] if isinstance(threshold, Mapping) else threshold) for name in names}
    return onsets, {name: min(offset, onset) for name, onset in onsets.items()}
