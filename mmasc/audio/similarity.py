"""Whether two recordings hold the same sound: where one lies in the other, and how alike they are there.

Both are compared as `comparable` makes them (mono, 8 kHz, low notes turned down), by normalised cross-correlation: the
answer does not change with level, polarity, offset, sample rate or what was cut off, and hardly with lossy coding. Two
takes of one thing are far apart. Waveforms are read a part at a time, so they may be maps of files.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mmasc.audio.stream import stream_audio

RATE = 8_000  # what telephones and low bit rates leave, 4 kHz, is in it
# Without it, two recordings with the same hum would be alike. First-order pre-emphasis as speech coders have it
_EMPHASIS = 0.95
_PROBE = 20 * RATE  # the longest piece that is looked for in one go
_PROBES = (0.25, 0.5, 0.75)  # where the pieces of a longer recording lie: one of them is inside any half of it
_BLOCK = 1 << 18  # samples that are transformed at once
_NEAR = 4  # samples around the best whole lag among which the best offset is looked for
_AROUND = 24  # lags around it from which the correlation between samples is worked out
_STEPS = 16  # per sample
# Peaks below this are of sounds that have nothing in common: between samples the peak is at most twice as high
_HOPELESS = 0.25
_ROUNDING = 1e-4  # of squared correlations in float32
_EXACT_LAGS = 64
_LEAST_SHARE = 0.5  # of the shorter recording, in time and in energy, that must be in both
_QUIET = 1e-12  # energy per sample, relative to full scale, below which there is nothing to compare


@dataclass(frozen=True)
class Match:
    """Where two recordings hold the same.

    Attributes:
        similarity: Absolute value of the normalised cross-correlation where they overlap, 0 to 1.
        offset: Where in the first one the second one begins, in seconds; below 0 if it begins before.
        overlap: Length of what both have, in seconds.
        share: The overlap as a share of the shorter one's duration, 0 to 1.
    """

    similarity: float
    offset: float
    overlap: float
    share: float

    def turned(self) -> "Match":
        """The same, seen from the second one."""
        return replace(self, offset=-self.offset)


NO_MATCH = Match(0.0, 0.0, 0.0, 0.0)


class Compared:
    """A waveform of `comparable` with what comparing needs of it, worked out once for all that it is compared with.

    Args:
        waveform: float32 `[time]`; may be a map of a file.
    """

    def __init__(self, waveform: Float[np.ndarray, " time"]) -> None:
        self.waveform = waveform
        self._spectra: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.waveform)

    @property
    def short(self) -> bool:
        """Whether it is looked for, and looked through, in one go."""
        return len(self.waveform) <= _PROBE

    @property
    def nbytes(self) -> int:
        """Bytes that it keeps in memory."""
        energy = self.__dict__.get("energy")
        return sum(one.nbytes for one in self._spectra.values()) + (0 if energy is None else energy.nbytes)

    @cached_property
    def energy(self) -> Float[np.ndarray, " edge"]:
        """Energy of the first 0, 1, 2, … samples."""
        return _energy(self.waveform)

    def spectrum(self, size: int) -> np.ndarray:
        """Its transform with zeros behind it up to `size`, in float32, which finds lags up to its rounding."""
        if size not in self._spectra:
            self._spectra[size] = np.fft.rfft(np.asarray(self.waveform, np.float32), size)
        return self._spectra[size]


def comparable(path: str | Path) -> Iterator[Float[np.ndarray, " time"]]:
    """A recording as it is compared, block by block: float32, mono, 8 kHz, x[n] − 0.95 x[n−1].

    Raises:
        MmascError: If it cannot be read.
    """
    before = np.zeros(1, np.float32)
    with stream_audio(path, RATE, "mix") as stream:
        for block in stream:
            samples = np.concatenate([before, block[0]])
            before = samples[-1:]
            yield samples[1:] - np.float32(_EMPHASIS) * samples[:-1]


def match_waveforms(first: Float[np.ndarray, " time"], second: Float[np.ndarray, " other"]) -> Match:
    """Where the second waveform lies in the first (or the first in the second) and how alike they are there.

    Args:
        first, second: Waveforms of `comparable`.
    Returns:
        The best match among those that cover half of the shorter one's duration and energy; similarity 0 if one of
        them is silent or there is no such match.
    Source: normalised cross-correlation as in Lewis 1995, "Fast template matching", with both sides normalised over
    the overlap.
    """
    return match_compared(Compared(first), Compared(second))


def match_compared(first: Compared, second: Compared) -> Match:
    """The same as `match_waveforms`, for waveforms that are compared with many others."""
    if len(first) < len(second):
        return match_compared(second, first).turned()
    if not len(second):
        return NO_MATCH
    lag, found = _where(first, second)
    if not found:
        return NO_MATCH
    begin, end = max(lag, 0), min(lag + len(second), len(first))
    similarity = _similarity(first.waveform, second.waveform, lag) if found > _HOPELESS else found
    overlap = max(end - begin, 0)
    share = overlap / len(second)
    if share < _LEAST_SHARE:
        return NO_MATCH
    return Match(similarity, lag / RATE, overlap / RATE, share)


def _where(first: Compared, second: Compared) -> tuple[int, float]:
    """The lag at which the second waveform is most like the first, and how much."""
    if first.short and second.short:
        found, lag = _best_lag_of_short(first, second, max(round(len(second) * _LEAST_SHARE), 1))
        return lag, found
    lag, found = 0, 0.0
    for start, stop in _probes(len(second)):
        probe = np.asarray(second.waveform[start:stop], np.float32)
        least = round(len(probe) * _LEAST_SHARE) if len(probe) == len(second) else len(probe)
        peak, at = _best_lag(first.waveform, probe, max(least, 1))
        if peak > found:
            lag, found = at - start, peak
    return lag, found


def _best_lag_of_short(reference: Compared, probe: Compared, least: int) -> tuple[float, int]:
    """As `_best_lag`, where both are transformed whole: of a pair only the way back is left to do."""
    n, length = len(probe), len(reference)
    if probe.energy[-1] <= _QUIET * n:
        return 0.0, 0
    size = _fast_size(length + 2 * (n - least))
    products = np.fft.irfft(reference.spectrum(size) * probe.spectrum(size).conj(), size)
    first, last = least - n, length - least + 1
    # Lags below 0 stand at the end
    products = np.concatenate([products[size + first :], products[:last]]).astype(np.float64)
    energy = _energy_inside(reference.energy, -last + 1, last - first, n)[::-1]
    own = _energy_inside(probe.energy, first, last - first, length)
    fits = (own >= _LEAST_SHARE * probe.energy[-1]) & (energy > _QUIET * n)
    products *= products
    products /= np.where(fits, energy * own, np.inf)
    top = int(products.argmax())
    if products[top] > _HOPELESS**2:
        # Which of those that are equal up to rounding it is, float64 decides
        near = np.flatnonzero(products >= (1 - _ROUNDING) * products[top])
        for one in sorted(near[np.argsort(np.abs(near - top), kind="stable")[:_EXACT_LAGS]].tolist()):
            low, high = max(first + one, 0), min(first + one + n, length)
            part = probe.waveform[low - first - one : high - first - one].astype(np.float64)
            product = float(reference.waveform[low:high].astype(np.float64) @ part)
            products[one] = product * product / (energy[one] * own[one])
        top = int(products.argmax())
    return (float(np.sqrt(products[top])), first + top) if products[top] > 0 else (0.0, 0)


def _energy_inside(edges: Float[np.ndarray, " edge"], first: int, count: int, length: int) -> Float[np.ndarray, " lag"]:
    """Energy of what of a waveform lies inside another one of this length, where it begins at lags from `first` on.

    `edges` is the energy of its first 0, 1, 2, … samples.
    """
    n = len(edges) - 1
    inside = np.full(count, edges[n])
    early = min(max(-first, 0), count)  # lags below 0: what lies before the other one is missing
    inside[:early] -= edges[-first - early + 1 : -first + 1][::-1]
    late = min(max(length - n - first, 0), count)  # from here on what lies behind it is
    inside[late:] -= edges[n] - edges[length - first - count + 1 : length - first - late + 1][::-1]
    return inside


def _probes(length: int) -> list[tuple[int, int]]:
    if length <= _PROBE:
        return [(0, length)]
    starts = [round(place * length) - _PROBE // 2 for place in _PROBES]
    starts = [min(max(start, 0), length - _PROBE) for start in starts]
    return [(start, start + _PROBE) for start in dict.fromkeys(starts)]


def _best_lag(
    reference: Float[np.ndarray, " time"], probe: Float[np.ndarray, " probe"], least: int
) -> tuple[float, int]:
    """The largest absolute normalised correlation, and the lag of it: where in `reference` the probe begins.

    Of the probe, `least` samples must lie inside the reference.
    """
    n = len(probe)
    inside = _energy(probe)  # of the first k samples, k from 0 to n
    if inside[-1] <= _QUIET * n:
        return 0.0, 0
    size = _fast_size(min(max(_BLOCK, 2 * n), len(reference) + 2 * (n - least) + n))
    step = size - n + 1
    spectrum = np.fft.rfft(probe, size).conj()
    best, where = 0.0, 0
    for first in range(least - n, len(reference) - least + 1, step):
        piece = np.zeros(size, np.float32)
        begin, end = max(first, 0), min(first + size, len(reference))
        piece[begin - first : end - first] = reference[begin:end]
        products = np.fft.irfft(np.fft.rfft(piece) * spectrum, size)[:step]
        total = _energy(piece)
        energy = total[n : n + step] - total[:step]
        # What of the probe lies inside the reference, at every lag
        lags = np.arange(first, first + step)
        low, high = np.clip(-lags, 0, n), np.clip(len(reference) - lags, 0, n)
        own = np.where(high > low, inside[high] - inside[low], 0.0)
        fits = (high - low >= least) & (own >= _LEAST_SHARE * inside[-1]) & (energy > _QUIET * n)
        values = np.abs(products) / np.sqrt(np.where(fits, energy * own, np.inf))
        top = int(values.argmax())
        if values[top] > best:
            best, where = float(values[top]), first + top
    return best, where


def _similarity(first: Float[np.ndarray, " time"], second: Float[np.ndarray, " other"], lag: int) -> float:
    """Absolute normalised correlation over the whole overlap, at the best offset within a few samples of `lag`.

    Between samples the correlation is a band-limited function: it is interpolated by sinc from those around.
    """
    products, energies = np.zeros(2 * _AROUND + 1), np.zeros(2)
    begin, end = max(lag, 0), min(lag + len(second), len(first))
    for start in range(begin, end, _BLOCK):
        stop = min(start + _BLOCK, end)
        part = np.asarray(second[start - lag : stop - lag], np.float64)
        low, high = max(start - _AROUND, 0), min(stop + _AROUND, len(first))
        around = np.zeros(stop - start + 2 * _AROUND)
        around[low - start + _AROUND : high - start + _AROUND] = first[low:high]
        products += np.correlate(around, part, "valid")
        energies += (around[_AROUND : _AROUND + len(part)] @ around[_AROUND : _AROUND + len(part)], part @ part)
    if energies.min() <= _QUIET * max(end - begin, 1):
        return 0.0
    places = np.arange(-_NEAR * _STEPS, _NEAR * _STEPS + 1) / _STEPS
    between = np.sinc(places[:, None] - np.arange(-_AROUND, _AROUND + 1)[None]) @ products
    return float(min(np.abs(between).max() / np.sqrt(energies.prod()), 1.0))


def _fast_size(least: int) -> int:
    """The smallest 2^i, 3 · 2^i or 5 · 2^i from `least` on: lengths that are transformed fast."""
    return min(factor << max(-(-least // factor) - 1, 0).bit_length() for factor in (1, 3, 5))


def _energy(samples: Float[np.ndarray, " time"]) -> Float[np.ndarray, " edge"]:
    """Energy of the first 0, 1, 2, … samples."""
    return np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
