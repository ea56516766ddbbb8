"""When things were heard: detections by day and hour of the day, next to how long was recorded at that time.

An hour in which nothing was recorded says nothing, and does not count as zero: counts go with the hours recorded, and
rates are detections per recorded hour.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mmasc.collection import Collection
from mmasc.collection.clock import begins
from mmasc.collection.filters import passing_recordings
from mmasc.errors import MmascError, show_path
from mmasc.printing import counted

MINUTES_A_DAY = 1440
_MOST_DAYS = 36_525  # between the first and the last recording: more is a clock that is wrong
_EDGE = 1e-6  # seconds by which rounding may be off at the edges of bins


class Detection(NamedTuple):
    """Something that was heard: the id of the recording, seconds from its begin, and what it was."""

    recording: int
    start: float
    end: float
    label: str


@dataclass(frozen=True)
class Activity:
    """Detections and hours recorded, by day and time of day.

    Attributes:
        labels: What was counted, in alphabetical order.
        first_day: The first day; the others follow without gaps.
        bin_minutes: Minutes of a bin of the day.
        counts: Detections that begin in each bin.
        recorded: Hours recorded in each bin; recordings made at the same time add up.
        without_clock: Detections in recordings whose clock is not known: they are in no bin.
        recordings: Recordings with a clock, and those without.
    """

    labels: tuple[str, ...]
    first_day: date
    bin_minutes: int
    counts: Int[np.ndarray, "label day bin"]
    recorded: Float[np.ndarray, "day bin"]
    without_clock: int
    recordings: tuple[int, int]

    @property
    def days(self) -> list[date]:
        """All days, from the first to the last."""
        return [self.first_day + timedelta(days=number) for number in range(len(self.recorded))]

    @property
    def rates(self) -> Float[np.ndarray, "label day bin"]:
        """Detections per recorded hour; NaN where nothing was recorded."""
        return rates_of(self.counts, self.recorded)

    def clock_of(self, number: int) -> str:
        """When a bin of the day begins, as "04:30"."""
        return f"{number * self.bin_minutes // 60:02d}:{number * self.bin_minutes % 60:02d}"

    def rows(self, by: str = "hour") -> list[dict[str, Any]]:
        """A row for each label and bin in which anything was recorded.

        Args:
            by: "hour" adds the days up, "day" the times of the day, "both" nothing.
        Returns:
            Columns label, day and time (as far as they are told apart), detections, recorded_hours, per_hour.
        """
        axis = {"hour": (0,), "day": (1,), "both": ()}[by]
        recorded = self.recorded.sum(axis=axis, keepdims=True)
        counts = self.counts.sum(axis=tuple(one + 1 for one in axis), keepdims=True)
        rates = rates_of(counts, recorded)
        days = self.days
        return [
            {
                "label": label,
                **({"day": str(days[day])} if by != "hour" else {}),
                **({"time": self.clock_of(number)} if by != "day" else {}),
                "detections": int(counts[place, day, number]),
                "recorded_hours": round(float(recorded[day, number]), 4),
                "per_hour": round(float(rates[place, day, number]), 4),
            }
            for place, label in enumerate(self.labels)
            for day, number in np.argwhere(recorded > 0).tolist()
        ]


def rates_of(counts: Any, recorded: Any) -> Any:
    """Detections per recorded hour, NaN where nothing was recorded; arrays of any shapes that go together."""
    counts, recorded = np.broadcast_arrays(np.asarray(counts, np.float64), np.asarray(recorded, np.float64))
    return np.divide(counts, recorded, out=np.full(counts.shape, np.nan), where=recorded > 0)


def activity(
    collection: str | Path | Collection,
    detections: Iterable[Detection | tuple[int, float, float, str]],
    *,
    bin_minutes: int = 60,
    where: str | None = None,
    labels: Sequence[str] = (),
) -> Activity:
    """Count detections by day and time of day, next to the hours recorded.

    A detection counts once, at the clock of its start.

    Args:
        collection: Opened, or its folder; its recordings need clocks, see `Collection.read_clocks`.
        detections: Recording id, start and end in seconds, label; see `mmasc.studies.detections`.
        bin_minutes: Minutes of a bin; a divisor of 1440.
        where: SQL on columns of the recordings: others are neither counted nor are their hours.
        labels: Labels that are counted also if nothing has them.
    Raises:
        MmascError: If no recording has a clock, or recordings are more than a century apart.
        ValueError: If days cannot be divided into bins of that many minutes.
    """
    if not 1 <= bin_minutes <= MINUTES_A_DAY or MINUTES_A_DAY % bin_minutes:
        raise ValueError(f"bin_minutes must divide the {MINUTES_A_DAY} minutes of a day, got {bin_minutes}")
    opened = collection if isinstance(collection, Collection) else Collection(collection)
    recordings = opened.recordings
    if where is not None:
        chosen = np.isin(recordings.column("id").to_numpy(), passing_recordings(where, recordings))
        recordings = recordings.filter(chosen)
    begun = dict(zip(recordings.column("id").to_pylist(), begins(recordings), strict=True))
    lengths = dict(zip(recordings.column("id").to_pylist(), recordings.column("duration").to_pylist(), strict=True))
    known = {one: time for one, time in begun.items() if time is not None}
    if not known:
        raise MmascError(_no_clocks(opened, len(begun), where))
    first = min(known.values()).date()
    ends = [time + timedelta(seconds=_whole(lengths[one])) for one, time in known.items()]
    n_days = (max(ends).date() - first).days + 1
    if n_days > _MOST_DAYS:
        raise MmascError(
            f"recordings of {show_path(opened.store.location)} are {n_days} days apart; choose with --where"
        )
    shape = (n_days, MINUTES_A_DAY // bin_minutes)
    recorded = np.zeros(shape).reshape(-1)
    for one, time in known.items():
        _add_hours(recorded, _seconds(time, first), _whole(lengths[one]), 60.0 * bin_minutes)
    rows = [Detection(*one) for one in detections if one[0] in begun]
    names = tuple(sorted({*labels, *(one.label for one in rows)}))
    counts = np.zeros((len(names), recorded.size), np.int64)
    without = 0
    for one in rows:
        if one.recording not in known:
            without += 1
            continue
        # One that begins where its recording ends belongs to the hours that were recorded
        start = min(one.start, max(_whole(lengths[one.recording]) - 1e-3, 0.0))
        place = int((_seconds(known[one.recording], first) + start + _EDGE) // (60 * bin_minutes))
        counts[names.index(one.label), place] += 1
    return Activity(
        names,
        first,
        bin_minutes,
        counts.reshape(len(names), *shape),
        recorded.reshape(shape),
        without,
        (len(known), len(begun) - len(known)),
    )


def _whole(seconds: float | None) -> float:
    return float(seconds) if seconds and np.isfinite(seconds) else 0.0


def _seconds(time: datetime, first: date) -> float:
    """From the begin of the first day."""
    return (time - datetime(first.year, first.month, first.day)).total_seconds()


def _add_hours(recorded: np.ndarray, begin: float, seconds: float, width: float) -> None:
    """Add the hours of a recording to the bins that it lies in."""
    low, high = int(begin // width), int((begin + seconds) // width)
    edges = np.arange(low, min(high, len(recorded) - 1) + 1)
    shares = np.minimum((edges + 1) * width, begin + seconds) - np.maximum(edges * width, begin)
    recorded[edges] += np.maximum(shares, 0.0) / 3600


def _no_clocks(collection: Collection, count: int, where: str | None) -> str:
    folder = show_path(collection.store.location)
    if not count:
        return f"{folder} has no recordings" + (" that meet the condition" if where is not None else "")
    return (
        f"none of the {counted(count, 'recording')} of {folder} has a clock; read them with: mmasc collection "
        f"clock {folder}"
    )
