"""Another collection's annotations taken over: those of recordings that both have, or that come with the merge."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmasc.collection.history import Event, History
from mmasc.collection.journal import Journal


def merge_annotations(
    folder: Path,
    other: Path,
    ids: Mapping[int, int],
    paths: Callable[[Sequence[int]], Sequence[str]],
    there: Container[int],
) -> tuple[int, int]:
    """Append the annotations that are missing here; one whose id was ever set here is not added again.

    Called before the head that names the new recordings counts: until then their annotations are of no recording, and
    if it never counts, a later merge gives these recordings other ids and takes the annotations over again.

    Args:
        folder, other: The two collections.
        ids: Ids of recordings there → here.
        paths: Ids of recordings here → their paths under the root, in equal order.
        there: Ids of all recordings here.
    Returns:
        How many were added, and how many are here with other values, which stay.
    """
    theirs = [one for one in History(Journal(other).read().events).state.values() if one.recording in ids]
    if not theirs:
        return 0, 0
    theirs = [replace(one, recording=ids[one.recording]) for one in theirs]
    with Journal(folder).writing() as journal:
        ours = History(journal.read().events)
        known = {
            one.id
            for event in ours.events
            if event.id not in ours.undone
            for one in event.annotations
            if one.recording in there
        }
        added = tuple(one for one in theirs if one.id not in known)
        if added:
            journal.append([Event.make("set", annotations=added, paths=tuple(paths([one.recording for one in added])))])
    differ = sum(one.id in known and one.id in ours.state and one != ours.state[one.id] for one in theirs)
    return len(added), differ
