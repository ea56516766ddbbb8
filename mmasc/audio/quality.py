"""Remarks on recordings that were read to the end: digital silence, and channels that cancel each other in the mix.

Both are measured block by block at the rate of the file, before resampling makes ripples of an edge.
"""

import numpy as np
from jaxtyping import Bool, Float

# Full scale is 1: -140 dBFS, below the least step of 24 bits. Quieter than this nothing was recorded.
SILENCE = 1e-7
# The constant that converters of a muted input give: -40 dBFS at most
OFFSET = 0.01
_SHORTEST_SECONDS = 0.05  # stretches that are kept; shorter ones are in any loud recording that clips
_LOOK = 8  # samples that are looked at in each place, to see soon that there is no silence
_TOLD_SHARE = 0.5  # of a recording that is silent before it is told
# Energy of the mix, times the number of channels, over the mean energy of the channels: 1 if they have nothing in
# common, their number if they are alike; two channels of equal energy with a correlation of -0.9 have 0.1
_CANCELLED = 0.1
# What the reason of a recording says that is lost in the mix of its channels
CANCELLED = "its channels cancel each other in the mix"
# What the reason of a recording says of which less was read than there was
CUT = " s could be read"


class SilenceMeter:
    """Stretches of a recording in which no sample differs from the one before: zeros, or another small constant.

    Args:
        sample_rate: Sample rate in Hz.
        n_lanes: Lanes of the blocks.
    """

    def __init__(self, sample_rate: int, n_lanes: int) -> None:
        self._rate = sample_rate
        self._least = max(round(_SHORTEST_SECONDS * sample_rate), 4 * _LOOK)
        self._position = 0
        self._last = np.full(n_lanes, np.nan, np.float32)
        self._open = [0] * n_lanes  # where the stretch of the last sample began
        self._found: list[list[tuple[int, int]]] = [[] for _ in range(n_lanes)]

    def push(self, block: Float[np.ndarray, "lane time"]) -> None:
        """Take the next samples."""
        if not block.shape[1]:
            return
        for lane, samples in enumerate(block):
            self._push_lane(lane, samples)
        self._last = block[:, -1].copy()
        self._position += block.shape[1]

    def stretches(self, lane: int) -> Float[np.ndarray, "stretch 2"]:
        """Start and end of the silent stretches of a lane, in seconds, in order."""
        found = list(self._found[lane])
        if self._position - self._open[lane] >= self._least:
            found.append((self._open[lane], self._position))
        return np.array(found, np.float64).reshape(-1, 2) / self._rate

    @property
    def seconds(self) -> float:
        """Silent time of the lane that has least of it."""
        return min((float(np.diff(self.stretches(lane)).sum()) for lane in range(len(self._found))), default=0.0)

    @property
    def remark(self) -> str:
        """Half a sentence where half of the recording or more is silent; else ""."""
        silent, duration = self.seconds, self._position / self._rate
        if not duration or silent < _TOLD_SHARE * duration:
            return ""
        if self.is_whole:
            return "all of it is digital silence"
        return f"{min(silent / duration, 0.99):.0%} of it is digital silence"

    @property
    def is_whole(self) -> bool:
        """Whether nothing at all is heard in any lane; a recording shorter than a stretch counts too."""
        quiet = bool((np.abs(self._last) <= OFFSET).all())
        return self._position > 0 and quiet and not any(self._found) and not any(self._open)

    def _push_lane(self, lane: int, samples: Float[np.ndarray, " time"]) -> None:
        count, least = len(samples), self._least
        previous = np.concatenate([self._last[lane : lane + 1], samples[:least]])
        head = _same(previous[:-1], previous[1:])
        head[0] |= not self._position
        if count > 4 * least and not self._may_hold_a_stretch(samples):
            # Most of sound is this: only its ends can belong to stretches that go on in other blocks
            tail = _same(samples[-least - 1 : -1], samples[-least:])
            self._close(lane, self._open[lane], self._position + int(head.argmin()))
            self._open[lane] = self._position + count - 1 - int(tail[::-1].argmin())
            return
        same = np.concatenate([head[:1], _same(samples[:-1], samples[1:])])
        edges = np.flatnonzero(~same) + self._position
        if not len(edges):
            return
        self._close(lane, self._open[lane], int(edges[0]))
        for edge in np.flatnonzero(np.diff(edges) >= least):
            self._close(lane, int(edges[edge]), int(edges[edge + 1]))
        self._open[lane] = int(edges[-1])

    def _may_hold_a_stretch(self, samples: Float[np.ndarray, " time"]) -> bool:
        """Whether some samples are alike at one of the places that every stretch that is long enough holds."""
        places = np.arange(1, len(samples) - _LOOK, self._least // 2)
        some = samples[places[:, None] + np.arange(-1, _LOOK)]
        return bool(_same(some[:, :-1], some[:, 1:]).all(axis=1).any())

    def _close(self, lane: int, start: int, end: int) -> None:
        if end - start >= self._least:
            self._found[lane].append((start, end))


class PhaseMeter:
    """Whether the mix of channels has far less energy than they have: channels of opposite polarity."""

    def __init__(self) -> None:
        self._count, self._own, self._mix = 0, 0.0, 0.0  # sums of squares, of all channels and of their mean
        self._sums = np.zeros(0)

    def push(self, block: Float[np.ndarray, "channel time"], mix: Float[np.ndarray, " time"]) -> None:
        """Take the next samples, and their mean over channels."""
        flat = block.ravel(order="K")  # as it lies in memory: a fifth of the time
        self._own += float(np.vdot(flat, flat))
        self._mix += float(np.vdot(mix, mix))
        sums = (np.ones(len(mix), np.float32) @ block.T).astype(np.float64)
        self._sums = self._sums + sums if self._count else sums
        self._count += len(mix)

    @property
    def remark(self) -> str:
        """Half a sentence with the way out where the channels cancel each other; else ""."""
        if not self._count:
            return ""
        # Variances: a constant is not sound
        means = self._sums / self._count
        energy = self._own / self._count / len(means)
        own = energy - float(np.mean(means**2))
        mix = self._mix / self._count - float(means.mean()) ** 2
        # Small compared with a constant, a variance is rounding
        if own <= max(SILENCE**2, 1e-3 * energy) or mix * len(means) >= _CANCELLED * own:
            return ""
        return f"{CANCELLED} (opposite polarity): use --channels left, or each"


def fault_of(reason: str) -> str:
    """What is wrong with a recording that is not whole or not heard, in a word or two, from its reason."""
    return "lost in the mix" if CANCELLED in reason and CUT not in reason else "truncated"


def _same(before: Float[np.ndarray, "*any"], after: Float[np.ndarray, "*any"]) -> Bool[np.ndarray, "*any"]:
    """Where silence continues from a sample to the next."""
    level, following = np.abs(before), np.abs(after)
    return ((before == after) & (following <= OFFSET)) | ((level <= SILENCE) & (following <= SILENCE))
