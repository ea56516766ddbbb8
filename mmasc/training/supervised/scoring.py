"""Trained networks on whole clips: fragments or windows, lanes, speeds and passes, averaged into one answer.

A clip is scored by itself, so its answer does not depend on its neighbours in a batch. Training and evaluation both
use `score_clips`.

Paper: Zhou, Bai, Du (mean of posteriors over fragments, then over channels).
"""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import soxr
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor

from mmasc.networks.network import Network
from mmasc.networks.spec_augment import augmented_probabilities
from mmasc.training.supervised.config import Hearing
from mmasc.training.supervised.fragments import fragment_edges, loudness_of, window_edges
from mmasc.training.supervised.hearing import (
    check_length,
    finish,
    frames_a_second,
    hear,
    least_frames,
    masks_of,
    raw_features,
)

# Pieces of a clip that go through the body at once
_PIECES_AT_ONCE = 16


def score_clips(
    network: Network,
    waveforms: Iterable[Float[np.ndarray, "_channel _time"]],
    hearing: Hearing,
    names: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    tags: Float32[np.ndarray, "clip tag"] | None = None,
) -> Float32[np.ndarray, "clip class"]:
    """Logits of whole clips.

    Args:
        network: Network in evaluation mode.
        waveforms: Waveforms at the network's rate, with their channels as `load_clips` gives them.
        hearing: How clips are heard: channels, fragments, test windows, speeds, passes, fusion.
        names: What to call the clips in messages.
        progress: Called with the number done and the total (0 where that is not known).
        tags: Tags of the clips, for a network that reads them.
    Returns:
        A single piece's own logits; of several, logits whose softmax (sigmoid for "bce") is the mean posterior.
    Raises:
        MmascError: If a clip is shorter than the network or a fragment needs (the least length is named), or tags are
            missing, or of another number than the network reads.
    """
    return _for_each_clip(network, waveforms, names, progress, tags, network.body.n_classes, hearing, _score_clip)


def clip_codes(
    network: Network,
    waveforms: Iterable[Float[np.ndarray, "_channel _time"]],
    hearing: Hearing,
    names: Sequence[str] | None = None,
    tags: Float32[np.ndarray, "clip tag"] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Float32[np.ndarray, "clip dim"]:
    """The layer before last of whole clips, heard as `score_clips` hears them: the mean over what is averaged there.

    Args:
        network, waveforms, hearing, names, tags, progress: See `score_clips`; masks are off in every pass.
    Raises:
        MmascError: As `score_clips`.
    """
    return _for_each_clip(network, waveforms, names, progress, tags, network.body.dim, hearing, _code_clip)


def _for_each_clip(
    network: Network,
    waveforms: Iterable[Float[np.ndarray, "_channel _time"]],
    names: Sequence[str] | None,
    progress: Callable[[int, int], None] | None,
    tags: Float32[np.ndarray, "clip tag"] | None,
    width: int,
    hearing: Hearing,
    ask: Callable[..., Float32[np.ndarray, " number"]],
) -> Float32[np.ndarray, "clip number"]:
    """One clip after the other."""
    network.eval()
    device = next(network.body.parameters()).device
    rows = []
    total = len(waveforms) if isinstance(waveforms, Sequence) else 0
    for number, waveform in enumerate(waveforms):
        name = names[number] if names is not None else f"clip {number + 1}"
        own = None if tags is None else torch.from_numpy(np.ascontiguousarray(tags[number])).to(device)[None]
        rows.append(ask(network, waveform, hearing, name, own))
        if progress is not None:
            progress(number + 1, total)
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0, width), np.float32)


def measure(
    logits: Float[np.ndarray, "clip class"], targets: Float[np.ndarray, "clip class"], several: bool
) -> tuple[float, float]:
    """Accuracy and log loss.

    Args:
        logits: Logits of clips.
        targets: 1 where a clip has a label.
        several: A clip can have several labels: accuracy is then over pairs of clip and class, at a posterior of one
            half.
    """
    given, wanted = torch.from_numpy(np.ascontiguousarray(logits)), torch.from_numpy(np.ascontiguousarray(targets))
    if several:
        loss = F.binary_cross_entropy_with_logits(given, wanted)
        return float(((given > 0) == (wanted > 0.5)).float().mean()), float(loss)
    loss = -(wanted * given.log_softmax(1)).sum(1).mean()
    return float((given.argmax(1) == wanted.argmax(1)).float().mean()), float(loss)


def _score_clip(
    network: Network,
    waveform: Float[np.ndarray, "channel time"],
    hearing: Hearing,
    name: str,
    tags: Float[Tensor, "1 tag"] | None,
) -> Float32[np.ndarray, " class"]:
    device = next(network.body.parameters()).device
    by_speed, n_answers = [], 0
    single = None
    for speed in hearing.test_speeds:
        played = _play(waveform, network.sample_rate, speed)
        by_lane = []
        for lane in hear(played, network, hearing):
            check_length(network, lane.shape[1], hearing, name)
            with torch.inference_mode(), torch.autocast(device.type, enabled=False):
                answers, single = _answers(network, torch.from_numpy(lane.copy()).to(device), hearing, tags)
            n_answers += len(answers)
            by_lane.append(answers.mean(0))
        by_speed.append(torch.stack(by_lane).mean(0))
    if n_answers == 1 and not hearing.test_passes and single is not None:
        return single.cpu().numpy()
    mean = torch.stack(by_speed).mean(0)
    if hearing.fusion == "logits":
        return mean.float().cpu().numpy()
    tiny = torch.finfo(torch.float32).tiny
    log_p = mean.clamp_min(tiny).log()
    if hearing.loss == "bce":
        log_p = log_p - (1 - mean).clamp_min(tiny).log()
    return log_p.float().cpu().numpy()


def _code_clip(
    network: Network,
    waveform: Float[np.ndarray, "channel time"],
    hearing: Hearing,
    name: str,
    tags: Float[Tensor, "1 tag"] | None,
) -> Float32[np.ndarray, " dim"]:
    device = next(network.body.parameters()).device
    by_speed = []
    for speed in hearing.test_speeds:
        by_lane = []
        for lane in hear(_play(waveform, network.sample_rate, speed), network, hearing):
            check_length(network, lane.shape[1], hearing, name)
            with torch.inference_mode(), torch.autocast(device.type, enabled=False):
                pieces = _pieces(network, torch.from_numpy(lane.copy()).to(device), hearing)
                parts = [part for item in pieces for part in item.split(_PIECES_AT_ONCE)]
                codes = torch.cat([network.body.embedding(*_inputs(part, tags)).double() for part in parts])
            by_lane.append(codes.mean(0))
        by_speed.append(torch.stack(by_lane).mean(0))
    return torch.stack(by_speed).mean(0).float().cpu().numpy()


def _inputs(pieces: Tensor, tags: Float[Tensor, "1 tag"] | None) -> tuple[Tensor, ...]:
    """What a body is given: features of pieces, and the tags of their clip where there are any."""
    return (pieces,) if tags is None else (pieces, tags.expand(len(pieces), -1))


def _answers(
    network: Network,
    lane: Float[Tensor, "channel time"],
    hearing: Hearing,
    tags: Float[Tensor, "1 tag"] | None,
) -> tuple[Float[Tensor, "piece class"], Float[Tensor, " class"] | None]:
    """What is averaged, of every piece of a lane in float64; and the logits of the first piece as they came."""
    rows, first = [], None
    for pieces in _pieces(network, lane, hearing):
        for some in pieces.split(_PIECES_AT_ONCE):
            if hearing.test_passes:
                masks = masks_of(hearing)
                given = (
                    augmented_probabilities(network.body, some, masks, hearing.test_passes, hearing.seed).double().log()
                )
            else:
                logits = network.body(*_inputs(some, tags))
                first = logits[0] if first is None else first
                given = logits.double()
            if hearing.loss == "bce":
                rows.append(given.sigmoid() if hearing.fusion == "posteriors" else given)
            else:
                rows.append(given.softmax(1) if hearing.fusion == "posteriors" else given.log_softmax(1))
    return torch.cat(rows), first


def _pieces(
    network: Network, lane: Float[Tensor, "channel time"], hearing: Hearing
) -> list[Float[Tensor, "piece *feature"]]:
    """Features of the pieces that a lane is heard in, in batches of equal length."""
    front_end, rate = network.front_end, network.sample_rate
    hop_seconds = hearing.test_hop_seconds or hearing.test_seconds / 2
    if hearing.crop_from == "waveform" and hearing.test_seconds:
        length = max(round(hearing.test_seconds * rate), network.minimum_samples)
        edges = window_edges(lane.shape[1], length, max(1, round(hop_seconds * rate)))
        edges = _sounding(lane, rate, edges, rate, hearing.quiet_decibels)
        return [front_end(torch.stack([lane[:, start:end] for start, end in edges]))]
    raw = raw_features(front_end, lane[None])
    n_frames, pace = raw.shape[2], frames_a_second(front_end)
    if hearing.fragments:
        edges = fragment_edges(n_frames, hearing.fragments)
    elif hearing.test_seconds:
        length = max(round(hearing.test_seconds * pace), least_frames(network))
        edges = window_edges(n_frames, length, max(1, round(hop_seconds * pace)))
        edges = _sounding(lane, rate, edges, pace, hearing.quiet_decibels)
    else:
        return [finish(front_end, raw)]
    by_length: dict[int, list[Tensor]] = {}
    for start, end in edges:
        by_length.setdefault(end - start, []).append(raw[:, :, start:end])
    return [finish(front_end, torch.cat(pieces)) for pieces in by_length.values()]


def _sounding(
    lane: Float[Tensor, "channel time"], rate: int, edges: list[tuple[int, int]], pace: float, decibels: float
) -> list[tuple[int, int]]:
    """Windows that overlap sound, as crops in training do; all of them where none does."""
    if decibels == 0:
        return edges
    loudness = loudness_of(lane.cpu().numpy(), rate)
    loud = loudness >= loudness.max() - decibels
    pieces_a_unit = len(loud) / (lane.shape[1] / rate * pace)
    kept = [
        (start, end)
        for start, end in edges
        if loud[math.floor(start * pieces_a_unit) : max(math.ceil(end * pieces_a_unit), 1)].any()
    ]
    return kept or edges


def _play(waveform: Float[np.ndarray, "channel time"], rate: int, speed: float) -> Float[np.ndarray, "channel played"]:
    if speed == 1:
        return waveform
    return np.ascontiguousarray(soxr.resample(waveform.T, rate, round(rate / speed), quality="HQ").T, np.float32)
