"""Say what recordings are from prompts: one `Classification` per recording, in order, while they come.

Recordings are files, which are embedded first, or those of a collection, of which nothing is decoded.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmasc.audio.memory import Sound, find_sounds
from mmasc.collection import Collection
from mmasc.collection.query import QueryEncoders
from mmasc.collection.space import SpaceReader
from mmasc.encoders.identity import require_identity
from mmasc.encoders.registry import full_name_of, load_encoder, spec_of
from mmasc.encoders.spec import DEFAULT_ENCODER
from mmasc.encoders.text_encoder import TextEncoder
from mmasc.errors import MmascError, show_path
from mmasc.heads.background import STANDS_OUT, BackgroundZeroShot
from mmasc.heads.calibration_file import Calibration
from mmasc.heads.shifted import CentredZeroShot, PriorMatchedZeroShot
from mmasc.heads.zeroshot import MULTI_LABEL_THRESHOLD, ZeroShotClassifier
from mmasc.labelling.own_background import OWN, OwnBackground
from mmasc.labelling.sources import (
    collection_or_sounds,
    heard_in_collection,
    heard_in_files,
    is_to_embed,
    unlabelled_vectors,
)
from mmasc.labelling.timelines import Answers, Classification, Heard, Measures, Wanted
from mmasc.labelling.unlike import Mark, mark_of_encoder
from mmasc.prompts.prompts import Prompts, as_prompts

if TYPE_CHECKING:
    from mmasc.encoders.base import Encoder

__all__ = ["Classification", "PromptLabeller", "classify"]

_FILES_ENCODER = DEFAULT_ENCODER


class PromptLabeller:
    """A fitted zero-shot classifier as a `Labeller`: it measures probabilities and cosines.

    Args:
        classifier: The classifier.
        mark: What marks sounds that the encoder knows nothing of.
        own: In timelines, a label must stand out from what is usual in its own recording.
    """

    def __init__(
        self, classifier: ZeroShotClassifier, mark: Mark | None = None, own: OwnBackground | None = None
    ) -> None:
        self.classifier, self.mark, self.own = classifier, mark, own
        self.labels = self.names = [str(label) for label in classifier.classes_]
        self.multi_label = classifier.multi_label

    def scores(self, vectors: np.ndarray) -> Measures:
        """Probabilities and cosines `[item class]`."""
        cosines = self.classifier.decision_function(vectors)
        return self.classifier.probabilities_of(cosines), cosines

    def accept(self, *scores: np.ndarray) -> np.ndarray:
        """Which labels hold, see `ZeroShotClassifier.accept`."""
        accepted = self.classifier.accept(*scores[:2])
        return accepted & (scores[2] >= self.own.stands_out) if self.own is not None and len(scores) > 2 else accepted

    def against_own(self, measures: Measures, bounds: np.ndarray) -> Measures:
        """Probabilities, cosines, and how far these stand out in their recordings."""
        return measures if self.own is None else (*measures, self.own.measure(measures[1], bounds))

    @property
    def remarks(self) -> list[str]:
        """What could not be done."""
        return [] if self.own is None else self.own.remarks

    def onsets(self) -> np.ndarray | None:
        """Least probability of each label `[class]`; None where there is none."""
        threshold = self.classifier.threshold
        if threshold is None and self.multi_label:
            threshold = MULTI_LABEL_THRESHOLD
        if isinstance(threshold, Mapping):
            return np.array([threshold[label] for label in self.classifier.classes_.tolist()], np.float64)
        return None if threshold is None else np.full(len(self.names), float(threshold))

    def loosened(self, offsets: np.ndarray) -> "PromptLabeller":
        """The same with these least probabilities `[class]`."""
        looser = copy.copy(self.classifier)
        looser.threshold = dict(zip(self.classifier.classes_.tolist(), offsets.tolist(), strict=True))
        return PromptLabeller(looser, own=self.own)


def classify(
    paths: Sound | Iterable[Sound] | Collection,
    prompts: Prompts | Mapping[str, str | Sequence[str]] | str | Path,
    encoder: "str | Encoder | None" = None,
    timeline: bool = False,
    hop_seconds: float | None = None,
    window_seconds: float | None = None,
    channels: str | None = None,
    threshold: float | None = None,
    multi_label: bool = False,
    top: int | None = None,
    minimum_cosine: float | None = None,
    temperature: float | None = None,
    gap_seconds: float = 0.0,
    minimum_seconds: float = 0.0,
    strict: bool = False,
    device: str = "cpu",
    backend: str | None = None,
    centre_on: str | Path | Collection | Sequence[str | Path] | None = None,
    match_on: str | Path | Collection | Sequence[str | Path] | None = None,
    calibration: str | Path | Calibration | None = None,
    space: str | None = None,
    where: str | None = None,
    offset_threshold: float | None = None,
    smooth_seconds: float | None = None,
    background: str | Path | Collection | Sequence[str | Path] | None = None,
    trim_seconds: float = 0.0,
) -> Answers:
    """Classify recordings with prompts, one after the other as they are decoded, or from a collection's vectors.

    Args:
        paths: Files, folders, patterns or lists of them, as `find_audio` takes them; also the bytes of a sound file, or
            an open binary file. Or a collection (folder or opened): its recordings, sorted by path; nothing is decoded.
        prompts: `Prompts`, a mapping of labels to phrases, a bundled name or the path of a prompt file.
        encoder: A name for `load_encoder`, or an encoder whose space has text. Default: `DEFAULT_ENCODER`;
            for a collection the encoder of its space.
        timeline: Also find events and seconds of every label.
        hop_seconds: Seconds from one window's start to the next; default: the window, no overlap.
        window_seconds: Another window than the encoder's own, for an encoder that is given by name.
        channels: "mix", "left", "right", "each" or "mid-side"; with several lanes scores are means over them. Default:
            "mix". A collection has hop, window, channels and backend of its own.
        threshold: Least probability, see `ZeroShotClassifier`.
        multi_label: Judge every label by itself: several can hold at once.
        top: Keep only this many labels in `scores`; default: all.
        minimum_cosine: Least cosine, see `ZeroShotClassifier`.
        temperature: What softmax divides cosines by; default: one over the encoder's scale.
        gap_seconds: Gaps of a label up to this long are bridged in the timeline.
        minimum_seconds: Events shorter than this are dropped.
        strict: Raise at the first file that cannot be read instead of giving it as failed.
        device: Device on which an encoder that is given by name runs.
        backend: What runs it: "eager" (the default) or "onnx", see `load_encoder`.
        centre_on: Unlabelled sounds, a collection or recordings: what each label's prompt attracts by itself, its mean
            cosine over their windows, is taken out, see `CentredZeroShot`. They should hold all labels in about equal
            shares.
        match_on: Instead of `centre_on`: on these sounds all labels get the same mean probability, see
            `PriorMatchedZeroShot`.
        background: Instead of `centre_on` and `match_on`: unlabelled sounds that mostly hold none of the labels; a
            label must stand out from what its cosine usually is there, see `BackgroundZeroShot`. "own": each
            recording is the background of its own timeline, for long recordings in which the labels are rare.
        calibration: A file of `mmasc.studies.prompt_tuning.tune_prompts` (or what it holds), made for these prompts and
            this encoder: it says shifts, temperature, thresholds and least cosine, which are then not given here.
        space: Space of the collection; default: the oldest of this encoder, or that knows texts.
        where: SQL on columns of the collection; recordings are judged by the windows that pass.
        offset_threshold: An event of the timeline goes on while the label's probability is at least this, which is at
            most the threshold that lets it begin; default: the same. Labels with lower thresholds keep theirs.
        smooth_seconds: Moments of the timeline shorter than this are judged together with those after them, see
            `joined_cells`; default: none, and with `offset_threshold` the hop.
        trim_seconds: Both edges of an event are moved inwards by this, at most a quarter of it, see `trimmed_events`.
    Returns:
        One `Classification` per recording, as they are worked out.
    Raises:
        MmascError: If no file is found, prompts, encoder, space or calibration cannot be used, or, with `strict`, a
            file is bad.
        ValueError: If an argument is out of range, `calibration` comes with what it says itself, or something is given
            that a collection has of its own, or that only a collection has.
    """
    wanted = Wanted(
        timeline, gap_seconds, minimum_seconds, top, offset_threshold, smooth_seconds, threshold, trim_seconds
    )
    if isinstance(encoder, TextEncoder) and window_seconds is not None:
        raise ValueError("a loaded encoder has its window already: load_encoder(name, window_seconds=...)")
    if sum(one is not None for one in (centre_on, match_on, background)) > 1:
        raise ValueError("centre_on, match_on and background exclude each other: give one of them")
    own = isinstance(background, str) and background == OWN
    if own and not timeline:
        raise ValueError(f"background={OWN!r} is about timelines: timeline=True")
    said = (threshold, minimum_cosine, temperature, centre_on, match_on, background)
    if calibration is not None and (multi_label or any(one is not None for one in said)):
        raise ValueError(
            "a calibration says threshold, minimum_cosine, temperature, multi_label and what to centre or match on: "
            "leave these out"
        )
    prompts = as_prompts(prompts)
    loaded = (
        calibration if calibration is None or isinstance(calibration, Calibration) else Calibration.load(calibration)
    )
    collection, sounds = collection_or_sounds(paths)
    if collection is not None:
        if any(one is not None for one in (hop_seconds, window_seconds, channels, backend)):
            raise ValueError("a collection has hop_seconds, window_seconds, channels and backend of its own")
        embeds = not own and any(is_to_embed(one) for one in (centre_on, match_on, background))
        reader, side = _space_with_text(collection, space, encoder, device, embeds)
        name = reader.space.encoder
        hop_seconds, channels = reader.space.hop_seconds, reader.space.channels
        heard: Iterator[Heard] = heard_in_collection(collection, reader, where)
    elif space is not None or where is not None:
        raise ValueError("space and where are for a collection, these are recordings")
    else:
        files, channels = find_sounds(sounds), channels or "mix"
        name = encoder.spec.name if isinstance(encoder, TextEncoder) else encoder_of(None, None, encoder, calibration)
        if not isinstance(encoder, TextEncoder):
            made_for = None if loaded is None else loaded.identity
            encoder = load_encoder(name, device, window_seconds, backend or "eager", made_for)
        heard, side = heard_in_files(files, encoder, hop_seconds, channels, strict), encoder
    if loaded is not None:
        classifier: ZeroShotClassifier = loaded.classifier(side, prompts)
    else:
        options = (side, temperature, multi_label, threshold, minimum_cosine)
        unlabelled = {
            CentredZeroShot: centre_on,
            PriorMatchedZeroShot: match_on,
            BackgroundZeroShot: None if own else background,
        }
        classifier = _classifier(options, prompts, unlabelled, (hop_seconds, channels))
    hop = side.spec.hop if hop_seconds is None else hop_seconds
    mark = mark_of_encoder(name, side.spec)
    labeller = PromptLabeller(classifier, mark, OwnBackground(STANDS_OUT) if own else None)
    return Answers(heard, labeller, wanted.with_hop(hop), name)


def _classifier(
    options: tuple[Any, ...], prompts: Prompts, unlabelled: Mapping[Any, Any], cut: tuple[float | None, str]
) -> ZeroShotClassifier:
    """A classifier of these prompts, calibrated on unlabelled sounds where there are some.

    Args:
        options: Arguments of `ZeroShotClassifier`, the encoder first.
        prompts: What is asked.
        unlabelled: Kind of classifier → sounds that it is calibrated on; one at most.
        cut: Hop and channels of sounds that are embedded here.
    """
    for kind, sounds in unlabelled.items():
        if sounds is not None:
            return kind(*options).fit(prompts).calibrate(unlabelled_vectors(sounds, options[0], *cut))
    return ZeroShotClassifier(*options).fit(prompts)


def _space_with_text(
    collection: Collection, space: str | None, encoder: str | TextEncoder | None, device: str, embeds: bool
) -> tuple[SpaceReader, TextEncoder]:
    """The space that prompts are compared with, and the encoder that made it, loaded and checked.

    Words, and vectors that are stored, need no network: unless it `embeds` sounds too, the side that reads texts is
    enough, where an encoder has it alone.

    Raises:
        MmascError: If there is no such space, none of this encoder, or none that knows texts.
    """
    reader = collection.space(space or _fitting_space(collection, encoder))
    folder, made_by = collection.store.location, (reader.space.encoder, reader.space.identity)
    what = f"space {reader.name!r} of {folder}"
    if isinstance(encoder, TextEncoder):
        here = (encoder.spec.name, encoder.identity)
        require_identity(made_by, here, what, "use the encoder that made its vectors, or embed again")
        return reader, encoder
    if encoder is not None and full_name_of(encoder) != reader.space.encoder:
        raise MmascError(f"{what} belongs to encoder {made_by[0]}, not to {encoder}; name another space or encoder")
    of = QueryEncoders(device).of_space if embeds else QueryEncoders(device).of_words
    return reader, of(reader.name, reader.space, folder)


def encoder_of(
    collection: Collection | None,
    space: str | None,
    encoder: str | None,
    calibration: "Calibration | str | Path | None" = None,
) -> str:
    """Name of the encoder that prompts will be compared by: that of the space, or of files.

    Args:
        collection: Whose recordings are labelled; None for files.
        space, encoder, calibration: As for `classify`, by name; files are heard by the encoder of a calibration.
    Raises:
        MmascError: If there is no such space, none that knows texts, or nobody knows the calibration's encoder.
    """
    if collection is None and encoder is None and calibration is not None:
        made = calibration if isinstance(calibration, Calibration) else Calibration.load(calibration)
        if spec_of(made.encoder) is None:
            what = "the calibration" if made is calibration else show_path(str(calibration))
            raise MmascError(f"{what} belongs to encoder {made.encoder!r}, which is not known here: name yours")
        return made.encoder
    if collection is None:
        return encoder or _FILES_ENCODER
    return collection.space(space or _fitting_space(collection, encoder)).space.encoder


def _fitting_space(collection: Collection, encoder: str | TextEncoder | None) -> str | None:
    """Name of the oldest space of an encoder, or of one that knows texts; None in an empty collection."""
    spaces = collection.head.spaces
    if isinstance(encoder, TextEncoder):
        asked = f"of {encoder.spec.name} {encoder.identity}"
        fit = [name for name, one in spaces.items() if one.identity == encoder.identity]
    elif encoder is not None:
        asked = f"of {encoder}"
        fit = [name for name, one in spaces.items() if one.encoder == full_name_of(encoder)]
    else:
        asked = "that knows texts"
        specs = {name: spec_of(one.encoder) for name, one in spaces.items()}
        fit = [name for name, spec in specs.items() if spec is None or "text" in spec.modalities]
    if spaces and not fit:
        has = ", ".join(f"{name} ({one.encoder})" for name, one in spaces.items())
        raise MmascError(
            f"{collection.store.location} has no space {asked}; it has: {has}; add one with: "
            "mmasc embed PATH --into ... --encoder NAME"
        )
    return fit[0] if fit else None
