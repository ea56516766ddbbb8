"""Which found event is which true one: those that begin and end near each other, in as many pairs as possible."""

from collections.abc import Iterable

import numpy as np

from mmasc.windows.timeline import Event


def order_of(event: Event) -> tuple[float, float, str]:
    """The order in which events are matched: of starts, ends and labels."""
    return event.start, event.end, event.label


def near_events(
    true: list[Event], said: list[Event], collar: float, share: float, with_offset: bool
) -> list[list[int]]:
    """For every true event the places of found ones that begin (and end) near enough; both sorted by start."""
    starts = np.array([event.start for event in said])
    ends = np.array([event.end for event in said])
    fits = []
    for event in true:
        # A little wider, then exactly: rounding must not decide twice
        low, high = np.searchsorted(starts, [event.start - 2 * collar, event.start + 2 * collar])
        near = np.abs(starts[low:high] - event.start) <= collar
        if with_offset:
            allowed = max(collar, share * (event.end - event.start))
            near &= np.abs(ends[low:high] - event.end) <= allowed
        fits.append((np.flatnonzero(near) + low).tolist())
    return fits


def largest_matching(fits: list[list[int]]) -> dict[int, int]:
    """A largest matching: true → found. First come, first served, then along augmenting paths."""
    pairs: dict[int, int] = {}
    taken: dict[int, int] = {}
    for one in range(len(fits)):
        other = next((other for other in fits[one] if other not in taken), None)
        if other is not None:
            pairs[one], taken[other] = other, one
    closed: set[int] = set()
    for one in range(len(fits)):
        if one not in pairs:
            _augment(one, fits, pairs, taken, closed)
    return pairs


def matchable(fits: list[list[int]], order: Iterable[int]) -> list[int]:
    """Which rows make a largest matching longer when they come in one after the other, in this order.

    As many as a largest matching of the rows so far has, at every point of the order: rows that can be matched at the
    same time are the independent sets of a matroid, in which what was refused once stays refused.

    Source: Edmonds and Fulkerson 1965, "Transversals and matroid partition".
    """
    pairs: dict[int, int] = {}
    taken: dict[int, int] = {}
    closed: set[int] = set()
    return [one for one in order if _augment(one, fits, pairs, taken, closed)]


def _augment(first: int, fits: list[list[int]], pairs: dict[int, int], taken: dict[int, int], closed: set[int]) -> bool:
    """Find a partner for one more row by moving others to other partners; breadth first, without recursion.

    Partners in `closed` lead nowhere: what a search without success has met is met in vain by every later one.
    """
    came_from: dict[int, int] = {}  # partner → the row from which it was reached
    queue = [first]
    for one in queue:
        for other in fits[one]:
            if other in came_from or other in closed:
                continue
            came_from[other] = one
            if other in taken:
                queue.append(taken[other])
                continue
            while True:
                before = pairs.get(came_from[other])
                pairs[came_from[other]], taken[other] = other, came_from[other]
                if before is None:
                    return True
                other = before
    closed.update(came_from)
    return False


def substituted(fits: list[list[int]], pairs: dict[int, int]) -> int:
    """Number of missed true events that have a found event without a partner at their place."""
    used = set(pairs.values())
    before = len(used)
    for one, columns in enumerate(fits):
        if one not in pairs:
            free = next((column for column in columns if column not in used), None)
            if free is not None:
                used.add(free)
    return len(used) - before
