"""Vectors and scores of windows → those of their recording: each window counts for the time that it adds.

Time is counted once: a window weighs as much as it adds to what earlier windows covered, so the last window, which is
moved back to end with the recording, does not count its overlap twice.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from mmasc.printing import counted


def checked_edges(
    starts: Real[np.ndarray, " item"] | Sequence[float], ends: Real[np.ndarray, " item"] | Sequence[float]
) -> tuple[Float[np.ndarray, " item"], Float[np.ndarray, " item"]]:
    """Starts and ends as float64, of equal length and in order."""
    begin, end = np.asarray(starts, np.float64), np.asarray(ends, np.float64)
    check_finite("starts", begin)
    check_finite("ends", end)
    if (end < begin).any():
        wrong = int(np.argmax(end < begin))
        raise ValueError(f"a window must not end before it starts, got {begin[wrong]:g} to {end[wrong]:g}")
    return begin, end


def check_finite(name: str, values: Float[np.ndarray, "*any"]) -> None:
    """Refuse NaN and infinity."""
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")


def added_seconds(
    starts: Real[np.ndarray, " item"] | Sequence[float], ends: Real[np.ndarray, " item"] | Sequence[float]
) -> Float[np.ndarray, " item"]:
    """The time each window adds to what the windows that start earlier covered.

    Args:
        starts: Where windows start, in seconds, in any order.
        ends: Where they end, in seconds.
    Returns:
        Seconds as float64, in the order given; they sum to the covered duration.
    Raises:
        ValueError: If a window ends before it starts, or a number is not finite.
    """
    begin, end = checked_edges(starts, ends)
    if len(begin) == 0:
        return np.zeros(0)
    order = np.lexsort((end, begin))
    covered = np.concatenate([[-np.inf], np.maximum.accumulate(end[order])[:-1]])
    added = np.empty(len(begin))
    added[order] = np.maximum(end[order] - np.maximum(begin[order], covered), 0.0)
    return added


def recording_vector(
    vectors: Float[np.ndarray, "item dim"],
    starts: Real[np.ndarray, " item"] | Sequence[float],
    ends: Real[np.ndarray, " item"] | Sequence[float],
    lanes: Int[np.ndarray, " item"] | None = None,
    heard: Bool[np.ndarray, " item"] | None = None,
) -> Float[np.ndarray, " dim"]:
    """Vector of a recording: the mean of its windows' vectors, weighted by the time that each adds; lanes count alike.

    Files, collections, heads and prompts all take the vector of a recording from here, so that they agree to the last
    digit.

    Args:
        vectors: Vectors of the windows of one recording.
        starts: Where they start, in seconds.
        ends: Where they end, in seconds.
        lanes: Which lane of the channel policy each window comes from; default: all from one.
        heard: In which windows there is sound. Digital silence does not count where there is sound; where there is
            none at all, every window counts. Default: sound in all.
    Returns:
        The mean, worked out and returned in float64; not normalised.
    Raises:
        ValueError: If there is no window, or the windows of a lane cover no time.
    """
    wide, begin, end = np.asarray(vectors, np.float64), np.asarray(starts), np.asarray(ends)
    counts = np.ones(len(wide), bool) if heard is None or not heard.any() else heard
    if lanes is None:
        return _mean_by_time(wide[counts], begin[counts], end[counts])
    of_lanes = [counts & (lanes == lane) for lane in np.unique(lanes[counts])]
    if not of_lanes:
        raise ValueError("windows must cover some time, got 0 windows that cover none")
    return np.mean([_mean_by_time(wide[lane], begin[lane], end[lane]) for lane in of_lanes], axis=0)


def recording_scores(
    scores: Float[np.ndarray, "item class"],
    starts: Real[np.ndarray, " item"] | Sequence[float],
    ends: Real[np.ndarray, " item"] | Sequence[float],
) -> Float[np.ndarray, " class"]:
    """Scores of a recording: the mean of its windows' scores, weighted by the time that each adds.

    Args:
        scores: Scores of the windows of one recording.
        starts: Where they start, in seconds.
        ends: Where they end, in seconds.
    Returns:
        The mean in the type of `scores`; rows that sum to 1 give a mean that does.
    Raises:
        ValueError: If there is no window, or the windows cover no time.
    """
    return _mean_by_time(scores, starts, ends)


def _mean_by_time(
    values: Float[np.ndarray, "item number"],
    starts: Real[np.ndarray, " item"] | Sequence[float],
    ends: Real[np.ndarray, " item"] | Sequence[float],
) -> Float[np.ndarray, " number"]:
    added = added_seconds(starts, ends)
    if not added.sum() > 0:
        raise ValueError(
            f"windows must cover some time, got {counted(len(added), 'window that covers', 'windows that cover')} none"
        )
    return (added / added.sum() @ values.astype(np.float64)).astype(values.dtype)
