"""Timelines of several recordings at once: what `timeline.py` does for one, without starting again for each.

Recordings lie on one axis, one after the other, far enough apart that nothing reaches from one into the next. Where an
event begins and ends is then read from the cells of its own recording, so nothing is rounded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from mmasc.windows.pooling import check_finite, checked_edges
from mmasc.windows.timeline import Event, find_events, joined_cells, timeline_cells

# Seconds on one axis at most: positions are then exact to 4 ns, far below the tolerance of edges
_AXIS_SECONDS = 2.0**24


@dataclass(frozen=True)
class Cells:
    """Cells of the timelines of recordings, one recording after the other.

    Attributes:
        starts, ends: Seconds in their own recording, float64 `[cell]`.
        bounds: Where the cells of a recording begin, and where the last ones end, int64 `[recording+1]`.
        measures: Means over the windows of a cell, `[cell class]` each.
    """

    starts: Float[np.ndarray, " cell"]
    ends: Float[np.ndarray, " cell"]
    bounds: Int[np.ndarray, " edge"]
    measures: tuple[Float[np.ndarray, "cell class"], ...]


def cells_of_several(
    measures: Sequence[Float[np.ndarray, "item class"]],
    starts: Real[np.ndarray, " item"],
    ends: Real[np.ndarray, " item"],
    bounds: Int[np.ndarray, " edge"],
) -> Cells:
    """Cells of the timelines of recordings, see `timeline_cells`.

    Args:
        measures: What was measured of the windows, `[item class]` each; windows lie recording by recording.
        starts, ends: Where windows start and end in their recording, in seconds.
        bounds: Where the windows of a recording begin, and where the last ones end `[recording+1]`.
    Raises:
        ValueError: As `timeline_cells`.
    """
    begin, end = checked_edges(starts, ends)
    for values in measures:
        check_finite("scores", values)
    # A recording whose windows come in order and share no time is divided by its windows: each is a cell
    shared = np.zeros(len(begin), bool)
    shared[1:] = begin[1:] < end[:-1]
    shared |= end <= begin
    firsts = bounds[:-1][bounds[:-1] < len(begin)]
    shared[firsts] = end[firsts] <= begin[firsts]
    before = np.concatenate([[0], np.cumsum(shared)])
    counts = np.diff(bounds)
    mixed = np.flatnonzero(before[bounds[1:]] > before[bounds[:-1]])
    made = {}
    for one in mixed:
        own = slice(bounds[one], bounds[one + 1])
        parts = [timeline_cells(values[own], begin[own], end[own]) for values in measures]
        made[one] = (*parts[0][:2], [part[2] for part in parts])
        counts[one] = len(parts[0][0])
    edges = np.concatenate([[0], np.cumsum(counts)])
    wide = tuple(np.empty((edges[-1], values.shape[1])) for values in measures)
    cell_starts, cell_ends = np.empty(edges[-1]), np.empty(edges[-1])
    plain = np.repeat(~np.isin(np.arange(len(counts)), mixed), counts)
    windows = np.repeat(~np.isin(np.arange(len(counts)), mixed), np.diff(bounds))
    cell_starts[plain], cell_ends[plain] = begin[windows], end[windows]
    for into, values in zip(wide, measures, strict=True):
        into[plain] = values[windows]
    for one, (own_starts, own_ends, means) in made.items():
        own = slice(edges[one], edges[one + 1])
        cell_starts[own], cell_ends[own] = own_starts, own_ends
        for into, mean in zip(wide, means, strict=True):
            into[own] = mean
    return Cells(cell_starts, cell_ends, edges, wide)


def joined_of_several(cells: Cells, seconds: float) -> Cells:
    """Cells of each recording, short ones judged together with those after them, see `joined_cells`."""
    starts, ends, bounds = [np.zeros(0)], [np.zeros(0)], [0]
    measures = [[np.zeros((0, values.shape[1]))] for values in cells.measures]
    for first, last in zip(cells.bounds[:-1], cells.bounds[1:], strict=True):
        own = slice(first, last)
        parts = [joined_cells(values[own], cells.starts[own], cells.ends[own], seconds) for values in cells.measures]
        starts.append(parts[0][0])
        ends.append(parts[0][1])
        bounds.append(bounds[-1] + len(parts[0][0]))
        for into, part in zip(measures, parts, strict=True):
            into.append(part[2])
    joined = tuple(np.concatenate(values) for values in measures)
    return Cells(np.concatenate(starts), np.concatenate(ends), np.array(bounds), joined)


def events_of_several(
    scores: Float[np.ndarray, "cell class"], cells: Cells, labels: Sequence[str], gap_seconds: float = 0.0, **how: Any
) -> list[list[Event]]:
    """Events of each recording, as `find_events` finds them in one.

    Args:
        scores: Scores of the cells, columns in the order of `labels`.
        cells: Where the cells lie.
        labels: Names of the classes.
        gap_seconds: Gaps up to this long are bridged.
        how: What else `find_events` takes.
    Raises:
        ValueError: As `find_events`.
    """
    found: list[list[Event]] = [[] for _ in range(len(cells.bounds) - 1)]
    # Farther than any gap that is bridged
    apart = gap_seconds + 1.0
    for first, last, offsets in _axes(cells, apart):
        own = slice(cells.bounds[first], cells.bounds[last])
        lengths = np.diff(cells.bounds[first : last + 1])
        shift = np.repeat(offsets, lengths)
        starts, ends = cells.starts[own], cells.ends[own]
        begin, end = starts + shift, ends + shift
        recordings = np.repeat(np.arange(first, last), lengths)
        events = find_events(scores[own], begin, end, labels, gap_seconds=gap_seconds, **how)
        froms = np.searchsorted(begin, [event.start for event in events])
        tos = np.searchsorted(end, [event.end for event in events])
        for event, at, to in zip(events, froms.tolist(), tos.tolist(), strict=True):
            found[recordings[at]].append(Event(float(starts[at]), float(ends[to]), event.label, event.score))
    return found


def _axes(cells: Cells, apart: float) -> Iterator[tuple[int, int, Float[np.ndarray, " recording"]]]:
    """Runs of recordings that fit on one axis: first, one after the last, and where each begins on it."""
    count = len(cells.bounds) - 1
    begins, lengths = np.zeros(count), np.zeros(count)
    there = np.flatnonzero(np.diff(cells.bounds) > 0)
    begins[there] = cells.starts[cells.bounds[there]]
    lengths[there] = cells.ends[cells.bounds[there + 1] - 1] - begins[there] + apart
    after = np.cumsum(lengths)
    first = 0
    while first < count:
        done = after[first - 1] if first else 0.0
        last = max(first + 1, int(np.searchsorted(after, done + _AXIS_SECONDS, side="right")))
        # The first lies where it is: a single recording is not shifted at all
        offsets = np.concatenate([[0.0], after[first : last - 1] - done + begins[first]]) - begins[first:last]
        offsets[0] = 0.0
        yield first, last, offsets
        first = last


def heard_seconds(events: Sequence[Event], labels: Sequence[str]) -> dict[str, float]:
    """Label to seconds, for the events of one call of `find_events`: those of a label share no time.

    `class_seconds` takes events from anywhere.
    """
    seconds = dict.fromkeys(labels, 0.0)
    for event in events:
        seconds[event.label] += event.end - event.start
    return seconds


def bounds_of(chosen: Bool[np.ndarray, " item"], bounds: Int[np.ndarray, " edge"]) -> Int[np.ndarray, " edge"]:
    """Bounds of recordings after only the chosen items are left."""
    return np.concatenate([[0], np.cumsum(chosen)])[bounds]
