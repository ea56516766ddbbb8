"""Clips as items to draw from: lanes at every speed, where their sound is, and pieces of their waveforms or features.

An item is one lane of a clip. Waveforms are decoded once; where crops are taken from features, those are computed once
as well and kept as long as they fit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from mmasc.networks.network import Network
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.fragments import (
    LOUDNESS_SECONDS,
    fragment_edges,
    longest_fragment,
    loudness_of,
    sounding_starts,
)
from mmasc.training.supervised.hearing import (
    check_length,
    frames_a_second,
    hear,
    least_frames,
    load_clips,
    raw_features,
    raw_frames,
)

# Features of all items are kept up to so many bytes; beyond, they are computed for every batch again
_KEPT_BYTES = 4 << 30


@dataclass(frozen=True)
class Draw:
    """Which items and fragments of them, at which speed, and where between their first (0) and last (1) start."""

    items: Int64[np.ndarray, " batch"]
    parts: Int64[np.ndarray, " batch"]
    speeds: Int64[np.ndarray, " batch"]
    places: Float[np.ndarray, " batch"]

    def rows(self, chosen: slice | Int64[np.ndarray, " row"]) -> "Draw":
        """Some of it."""
        return Draw(self.items[chosen], self.parts[chosen], self.speeds[chosen], self.places[chosen])


class Items:
    """Lanes of clips at every speed, their loudness and, where crops are taken from them, their features.

    Args:
        network: Whose front end and rate.
        config: Configuration of the run.
        paths: Paths of the clips to learn from.
        targets: Their labels.
        device: Where features are computed and kept.
        cache: Folder of decoded waveforms.
        progress: Called with the number done and the total.
    Raises:
        MmascError: If a clip is too short.
    """

    def __init__(
        self,
        network: Network,
        config: SupervisedConfig,
        paths: Sequence[Path],
        targets: Float32[np.ndarray, "clip class"],
        device: torch.device,
        cache: str | Path | None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.network, self.config, self.device = network, config, device
        self.waveforms = [load_clips(paths, network, config.hearing, cache, speed, progress) for speed in config.speeds]
        self.rate = network.sample_rate
        self.clip_targets = targets
        clips: list[int] = []
        lanes: list[int] = []
        self._starts: list[dict[int, Int64[np.ndarray, " start"]]] = [{} for _ in config.speeds]
        longest = 0
        for clip, path in enumerate(paths):
            for number, waveforms in enumerate(self.waveforms):
                clip_lanes = hear(waveforms[clip], network, config.hearing)
                if number == 0:
                    check_length(network, clip_lanes[0].shape[1], config.hearing, str(path))
                    clips += [clip] * len(clip_lanes)
                    lanes += range(len(clip_lanes))
                longest = max(longest, clip_lanes[0].shape[1])
        self.clips, self.lanes = np.array(clips, np.int64), np.array(lanes, np.int64)
        pace = frames_a_second(network.front_end)
        wanted = round(config.crop_seconds * self.rate) if config.crop_seconds else longest
        # The features of a padded lane must hold the crop, also where the front end loses frames at the edges.
        self.crop_samples = max(wanted, network.minimum_samples)
        self.crop_frames = raw_frames(network.front_end, self.crop_samples)
        if config.crop_seconds and config.crop_from == "features":
            self.crop_frames = max(min(round(config.crop_seconds * pace), self.crop_frames), least_frames(network))
        self.least = self.crop_samples
        if config.crop_from == "waveform":
            self.least = int(np.ceil(self.crop_samples * config.speed_range[1])) + 1
        self.parts = config.fragments or 1
        self._kept: dict[tuple[int, int], Tensor] = {}
        self._kept_bytes = 0

    @property
    def targets(self) -> Float32[np.ndarray, "item class"]:
        """Labels of items."""
        return self.clip_targets[self.clips]

    def __len__(self) -> int:
        return len(self.clips)

    def lane(self, item: int, speed: int) -> Float32[np.ndarray, "channel time"]:
        """An item's waveform, at least as long as a crop."""
        waveform = self.waveforms[speed][self.clips[item]]
        return hear(waveform, self.network, self.config.hearing, self.least)[self.lanes[item]]

    def starts(self, item: int, speed: int, lane: Float32[np.ndarray, "channel time"]) -> Int64[np.ndarray, " start"]:
        """Where crops may begin, in pieces of 10 ms."""
        known = self._starts[speed]
        if item not in known:
            pieces = max(1, round(self.least / self.rate / LOUDNESS_SECONDS))
            known[item] = sounding_starts(loudness_of(lane, self.rate), pieces, self.config.quiet_decibels)
        return known[item]

    def waveform_crops(self, draw: Draw) -> Float[Tensor, "batch channel time"]:
        """Pieces of waveforms, on the device."""
        crops = []
        for item, speed, place in zip(draw.items.tolist(), draw.speeds.tolist(), draw.places.tolist(), strict=True):
            lane = self.lane(item, speed)
            start = round(self._start_seconds(item, speed, lane, place) * self.rate)
            start = min(start, lane.shape[1] - self.least)
            crops.append(lane[:, start : start + self.least])
        return torch.from_numpy(np.stack(crops)).to(self.device)

    def feature_crops(self, draw: Draw) -> Float[Tensor, "batch *feature"]:
        """Pieces of power (of features, where the front end has none) of whole lanes, on the device."""
        crops = []
        each = zip(*(values.tolist() for values in (draw.items, draw.parts, draw.speeds, draw.places)), strict=True)
        for item, part, speed, place in each:
            raw = self.raw(item, speed)
            n_frames = raw.shape[1]
            if self.config.fragments:
                length = longest_fragment(n_frames, self.config.fragments)
                start = min(fragment_edges(n_frames, self.config.fragments)[part][0], n_frames - length)
            else:
                length = min(self.crop_frames, n_frames)
                start = 0
                if n_frames > length:
                    lane = None if item in self._starts[speed] else self.lane(item, speed)
                    seconds = self._start_seconds(item, speed, lane, place)
                    start = min(round(seconds * frames_a_second(self.network.front_end)), n_frames - length)
            crops.append(raw[:, start : start + length])
        return torch.stack(crops)

    def raw(self, item: int, speed: int) -> Float[Tensor, "channel *feature"]:
        """Power (or features) of a whole lane."""
        key = (item, speed)
        if key in self._kept:
            return self._kept[key]
        lane = torch.from_numpy(self.lane(item, speed).copy()).to(self.device)
        with torch.inference_mode():
            raw = raw_features(self.network.front_end, lane[None])[0].contiguous()
        # A plain tensor again, which gradients may pass by
        raw = raw.clone()
        if self._kept_bytes + raw.nbytes <= _KEPT_BYTES:
            self._kept[key] = raw
            self._kept_bytes += raw.nbytes
        return raw

    def _start_seconds(
        self, item: int, speed: int, lane: Float32[np.ndarray, "channel time"] | None, place: float
    ) -> float:
        if lane is None:
            starts = self._starts[speed][item]
        else:
            starts = self.starts(item, speed, lane)
        return float(starts[int(place * len(starts))]) * LOUDNESS_SECONDS
