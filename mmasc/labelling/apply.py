"""Apply a fitted head, or a trained network: to the recordings of a collection, or to files that are embedded first."""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmasc.audio import find_audio
from mmasc.collection import Collection
from mmasc.encoders.identity import require_loaded
from mmasc.encoders.registry import load_encoder, window_of
from mmasc.heads.background import STANDS_OUT, logits_of
from mmasc.heads.fitted import FittedHead
from mmasc.labelling.network_head import NetworkHead, accepted, is_network, onsets_of
from mmasc.labelling.own_background import OWN, OwnBackground
from mmasc.labelling.sources import collection_or_sounds, heard_in_collection, heard_in_files
from mmasc.labelling.timelines import Answers, Classification, Heard, Measures, Wanted
from mmasc.labelling.unlike import mark_of_head

if TYPE_CHECKING:
    from mmasc.encoders.base import Encoder

HeadAnswer = Classification  # its name in version 0.1.0


class HeadLabeller:
    """A fitted head as a `Labeller`.

    Args:
        fitted: The head.
        threshold: Least probability of all labels; default: those of the head, where it has some.
        own: In timelines, a label's logit must stand out from what is usual in its own recording.
        one_at_a_time: Whether of several labels only the one holds whose logit is farthest above its threshold.
    """

    def __init__(
        self,
        fitted: FittedHead,
        threshold: float | None = None,
        own: OwnBackground | None = None,
        one_at_a_time: bool = False,
    ) -> None:
        self.fitted, self.own, self._one = fitted, own, one_at_a_time
        self.labels = fitted.classes_.tolist()
        self.names = list(fitted.stamp.classes)
        self.multi_label = fitted.stamp.thresholds is not None
        of_head = np.array(fitted.stamp.thresholds) if fitted.stamp.thresholds is not None else None
        self.threshold: Any = of_head if threshold is None else threshold
        self.mark = mark_of_head(fitted)
        self._counts = np.array([name != fitted.stamp.background for name in self.names])

    def scores(self, vectors: np.ndarray) -> Measures:
        """Probabilities `[item class]`."""
        return (self.fitted.predict_proba(vectors),)

    def accept(self, *scores: np.ndarray) -> np.ndarray:
        """Which labels hold; the background is none."""
        said = accepted(scores[0], self.multi_label, self.threshold) & self._counts
        if self.own is not None and len(scores) > 1:
            said &= scores[1] >= self.own.stands_out
        onsets = self.onsets()
        if self._one and self.multi_label and onsets is not None:
            margins = np.where(said, logits_of(scores[0]) - logits_of(onsets), -np.inf)
            said &= np.arange(said.shape[1]) == margins.argmax(axis=1)[:, None]
        return said

    def against_own(self, measures: Measures, bounds: np.ndarray) -> Measures:
        """Probabilities, and how far their logits stand out in their recordings."""
        return measures if self.own is None else (*measures, self.own.measure(logits_of(measures[0]), bounds))

    @property
    def remarks(self) -> list[str]:
        """What could not be done."""
        return [] if self.own is None else self.own.remarks

    def onsets(self) -> np.ndarray | None:
        """Least probability of each label `[class]`; None where there is none."""
        return onsets_of(self.threshold, self.multi_label, len(self.names))

    def loosened(self, offsets: np.ndarray) -> "HeadLabeller":
        """The same with these least probabilities `[class]`."""
        looser = copy.copy(self)
        looser.threshold = offsets
        return looser


def apply_head(
    head: str | Path | FittedHead,
    paths: str | Path | Collection | Sequence[str | Path],
    top: int | None = None,
    space: str | None = None,
    where: str | None = None,
    encoder: "Encoder | None" = None,
    device: str = "cpu",
    strict: bool = False,
    timeline: bool = False,
    threshold: float | None = None,
    gap_seconds: float = 0.0,
    minimum_seconds: float = 0.0,
    hop_seconds: float | None = None,
    window_seconds: float | None = None,
    channels: str | None = None,
    offset_threshold: float | None = None,
    smooth_seconds: float | None = None,
    background: str | None = None,
    one_at_a_time: bool = False,
    trim_seconds: float = 0.0,
) -> Answers:
    """Label recordings with a head, or with a trained network.

    Args:
        head: A file of `fit_head`, or the head itself; or a network, "NETWORK:PATH" or the folder of a run, whose last
            layer answers.
        paths: A collection (folder or opened), or recordings: files, folders, patterns.
        top: Keep only this many labels in `scores`; default: all.
        space: Space of the collection; default: the one that the head was fitted to, or that the network made.
        where: SQL on columns of the collection; recordings are judged by the windows that pass.
        encoder: Encoder for recordings, loaded, to save loading it.
        device: Device on which an encoder or network that is loaded here runs.
        strict: Raise at the first file that cannot be read instead of giving it as failed.
        timeline: Also find events and seconds of every label.
        threshold: Least probability of a label; below it the answer is "none of these".
        gap_seconds: Gaps of a label up to this long are bridged in the timeline.
        minimum_seconds: Events shorter than this are dropped.
        hop_seconds, window_seconds, channels: How a network hears recordings: see `classify`. Heads hear as they were
            fitted.
        offset_threshold, smooth_seconds: How events go on, and short moments are judged: see `classify`.
        trim_seconds: Both edges of an event are moved inwards by this: see `classify`.
        background: "own": a label must stand out from what is usual in its own recording, as in `classify`; of heads
            alone.
        one_at_a_time: Whether of the labels of a head that knows several at once only the one holds that is farthest
            above its threshold, at every moment and for every recording: for sounds that rarely overlap.
    Returns:
        One answer per recording: those of a collection sorted by path, files in the order found, while they are read.
    Raises:
        MmascError: If the head's file is broken, the vectors are of another encoder, nothing is found, or (strict) a
            file cannot be read.
        ValueError: If a number is out of range, `space` or `where` come with recordings, or a cut comes with a head or
            a collection.
    """
    wanted = Wanted(
        timeline, gap_seconds, minimum_seconds, top, offset_threshold, smooth_seconds, threshold, trim_seconds
    )
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"threshold is a probability in [0, 1], got {threshold}")
    if background not in (None, OWN) or (background is not None and not timeline):
        raise ValueError(f"background can be {OWN!r}, with timeline=True, got {background!r}")
    cut = (hop_seconds, window_seconds, channels)
    of_network = not isinstance(head, FittedHead) and is_network(head)
    fitted = None if of_network else head if isinstance(head, FittedHead) else FittedHead.load(head)
    if fitted is not None and any(one is not None for one in cut):
        raise ValueError("a head hears recordings as it was fitted: leave out hop_seconds, window_seconds and channels")
    if of_network and (background is not None or one_at_a_time):
        raise ValueError("background and one_at_a_time are for heads, this is a network")
    collection, sounds = collection_or_sounds(paths)
    if collection is None and (space is not None or where is not None):
        raise ValueError("space and where are for a collection, these are recordings")
    if collection is not None and any(one is not None for one in cut):
        raise ValueError("a collection has hop_seconds, window_seconds and channels of its own")
    if fitted is not None:
        if collection is None:
            heard = _files_for_head(fitted, find_audio(sounds), encoder, device, strict)
        else:
            heard = _collection_for_head(fitted, collection, space, where)
        own = None if background is None else OwnBackground(STANDS_OUT)
        wanted = wanted.with_hop(fitted.stamp.hop_seconds)
        return Answers(heard, HeadLabeller(fitted, threshold, own, one_at_a_time), wanted, fitted.stamp.encoder)
    if collection is None:
        files = find_audio(sounds)
        network = NetworkHead(str(head), device, window_seconds, threshold)
        heard = heard_in_files(files, network.network, hop_seconds, channels or "mix", strict)
    else:
        network, heard = _network_on_collection(str(head), device, threshold, collection, space, where)
    return Answers(heard, network, wanted.with_hop(hop_seconds or network.hop_seconds), network.name)


def _network_on_collection(
    name: str, device: str, threshold: float | None, collection: Collection, space: str | None, where: str | None
) -> tuple[NetworkHead, Iterator[Heard]]:
    network = NetworkHead(name, device, threshold=threshold)
    chosen, seconds = network.windows_of(collection, space)
    if seconds is not None and seconds != network.network.spec.window_seconds:
        network = NetworkHead(name, device, seconds, threshold)
    reader = collection.space(chosen)
    network.on_space(reader, collection.store.location)
    return network, heard_in_collection(collection, reader, where)


def _collection_for_head(
    fitted: FittedHead, collection: Collection, space: str | None, where: str | None
) -> Iterator[Heard]:
    if space is None:
        same = [name for name, one in collection.head.spaces.items() if one.identity == fitted.stamp.identity]
        space = same[0] if same else None
    reader = collection.space(space)
    fitted.check_space(
        reader.space.identity, reader.space.encoder, f"space {reader.name!r} of {collection.store.location}"
    )
    return heard_in_collection(collection, reader, where)


def _files_for_head(
    fitted: FittedHead, files: list[Path], encoder: "Encoder | None", device: str, strict: bool
) -> Iterator[Heard]:
    stamp = fitted.stamp
    if encoder is None:
        window = window_of(stamp.encoder, stamp.window_seconds)
        encoder = load_encoder(stamp.encoder, device, window, identity=stamp.identity)
    require_loaded(encoder)
    fitted.check_space(encoder.identity, encoder.spec.name, "the encoder here")
    return heard_in_files(files, encoder, stamp.hop_seconds, stamp.channels, strict)
