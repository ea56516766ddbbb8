"""Recordings whose sounds lie in other files now: renamed, exchanged with each other, or replaced by other sounds.

Labels of a sound belong to the sound, not to the name of its file. Which file holds what is known from
digests alone; where several recordings or several files have one content, nobody can say which became which.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmasc.collection.known import some
from mmasc.collection.known_recordings import Known, KnownRecordings
from mmasc.collection.looks import Looks
from mmasc.collection.stamps import Stamp
from mmasc.printing import counted
from mmasc.progress import with_progress
from mmasc.remote.addresses import is_address, place_of
from mmasc.remote.paths import as_path
from mmasc.remote.sightings import gone

# Appended to the path of a recording whose file holds another recording's sound, and whose own sound is nowhere
REPLACED = ".replaced"

Content = tuple[int, bytes]  # size in bytes, digest


@dataclass(frozen=True)
class Moves:
    """Where recordings lie now.

    Attributes:
        found: New stored path → (old stored path, the file now).
        replaced: Stored path of a file that holds another recording's sound now → where the recording is kept that lay
            there: its own sound is in no file that was looked at.
        planned: What was known of all these paths.
    """

    found: dict[str, tuple[str, Stamp]] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    planned: dict[str, Known | None] = field(default_factory=dict)

    def hold(self, known: Mapping[str, Known]) -> bool:
        """Whether nobody has changed any of these recordings meanwhile."""
        return all(known.get(path) == one for path, one in self.planned.items())

    def after(self, known: Mapping[str, Known]) -> dict[str, Known | None]:
        """Recordings by path once they are moved; None where none is left."""
        moved = {to: known[old]._replace(stamp=now) for to, (old, now) in self.found.items()}
        kept = {to: known[old] for old, to in self.replaced.items()}
        left = [old for old, _ in self.found.values()] + list(self.replaced)
        return {**dict.fromkeys(left), **moved, **kept}

    def remarks(self, named: bool) -> list[str]:
        """What users must know of it, a line each; `named` says whether a table or folders speak of the names."""
        lines = []
        if self.replaced:
            count = len(self.replaced)
            lines.append(
                f"{counted(count, 'file holds', 'files hold')} the sound of another recording now "
                f"({some(list(self.replaced))}): what was said of the sound that lay there before is kept as "
                f"{some(list(self.replaced.values()))}, and comes back with that sound"
            )
        exchanged = [to for to in self.found if self.planned[to] is not None]
        if exchanged and named:
            lines.append(
                f"{counted(len(exchanged), 'file has', 'files have')} the name that another recording had "
                f"({some(exchanged)}): what the table or the folders say of a name counts for the sound that has it now"
            )
        return lines


def find_moves(
    known: KnownRecordings, root: str, given: Mapping[str, Path], maybe: Iterable[str], looks: Looks
) -> Moves:
    """Which recordings lie under other paths now.

    Args:
        known: Recordings by stored path.
        root: Root of the stored paths.
        given: Files by the path that they are or would be stored under; only these can be new paths.
        maybe: Those of `given` that are not certainly as they were embedded.
        looks: Reads the files.
    """
    if not known:  # nothing can have been moved: no file need be looked at
        return Moves()
    new, changed = _sizes(known, given, maybe)
    alike: dict[int, list[tuple[str, Known]]] = defaultdict(list)
    for stored, one in known.of_sizes({*new.values(), *changed.values()}):
        if one.stamp.digest is not None:
            alike[one.stamp.size].append((stored, one))
    # A changed file holds what no recording has, unless some recording has its size
    worth = [stored for stored, size in changed.items() if size in alike]
    now = {stored: looks.at(given[stored]) for stored in _with_progress("reading changed files", worth)}
    others = {stored for stored, look in now.items() if look is None or not _is(known[stored], look)}
    elsewhere = _not_in_place(alike, root, given, {*others, *(changed.keys() - now.keys())})
    sizes = {one.stamp.size for one in elsewhere.values()}
    fresh = [stored for stored, size in new.items() if size in sizes]
    now = {stored: look for stored, look in now.items() if stored in others}
    now |= {stored: looks.at(given[stored]) for stored in _with_progress("reading new files", fresh)}
    targets: dict[Content, list[str]] = defaultdict(list)
    for stored, look in now.items():
        if look is not None and look.digest is not None:
            targets[look.size, look.digest].append(stored)
    contents = {_content(one): one for some in alike.values() for _, one in some}
    sources: dict[Content, list[str]] = defaultdict(list)
    for stored, one in elsewhere.items():
        if _content(one) in targets and (stored in given or _has_left(root, stored, one, looks)):
            sources[_content(one)].append(stored)
    found = {
        to[0]: (sources[content][0], look)
        for content, to in targets.items()
        if len(to) == len(sources[content]) == 1 and (look := now[to[0]]) is not None
    }
    moved = {old for old, _ in found.values()}
    taken = [to for content, some in targets.items() if content in contents for to in some if to in changed]
    replaced = {to: _free(to, known, root) for to in taken if to not in moved}
    concerned = [*found, *moved, *replaced, *replaced.values()]
    return Moves(found, replaced, {path: known.get(path) for path in concerned})


def _with_progress(name: str, stored: list[str]) -> Iterable[str]:
    return with_progress(name, stored, len(stored), "files") if stored else stored


def _sizes(
    known: Mapping[str, Known], given: Mapping[str, Path], maybe: Iterable[str]
) -> tuple[dict[str, int], dict[str, int]]:
    """Sizes in bytes of the files that are new, and of those that may hold something else than they did."""
    new, changed = dict[str, int](), dict[str, int]()
    for stored in maybe:
        try:
            now, one = Stamp.of(given[stored].stat()), known.get(stored)
        except OSError:
            continue  # embedding it says why
        if one is None:
            new[stored] = now.size
        elif not one.stamp.unseen and one.stamp.digest is not None and not one.stamp.untouched(now):
            changed[stored] = now.size
    return new, changed


def _not_in_place(
    alike: Mapping[int, list[tuple[str, Known]]], root: str, given: Mapping[str, Path], others: set[str]
) -> dict[str, Known]:
    """Recordings of some sizes whose files are gone or hold something else, or, where not given, may do so."""
    some = [pair for pairs in alike.values() for pair in pairs if pair[0] not in given or pair[0] in others]
    away = gone([place_of(root, stored) for stored, _ in some if stored not in given])
    is_gone = dict(zip([stored for stored, _ in some if stored not in given], away, strict=True))
    return {
        stored: one
        for stored, one in some
        if stored in given or is_gone[stored] or _is_touched(place_of(root, stored), one)
    }


def _is_touched(place: str, one: Known) -> bool:
    """Whether something was done to a file that is there; objects on servers would have to be fetched to know more."""
    if is_address(place):
        return False
    try:
        return not one.stamp.untouched(Stamp.of(as_path(place).stat()))
    except OSError:
        return False


def _has_left(root: str, stored: str, one: Known, looks: Looks) -> bool:
    """Whether a file that was not given does not hold the sound of its recording any more."""
    place = place_of(root, stored)
    if gone([place])[0]:
        return True
    now = looks.at(as_path(place))
    return now is not None and not _is(one, now)


def _free(stored: str, known: Mapping[str, Known], root: str) -> str:
    """A path that no recording and no file has."""
    number, path = 1, f"{stored}{REPLACED}"
    while path in known or not gone([place_of(root, path)])[0] or os.path.isdir(place_of(root, path)):
        number += 1
        path = f"{stored}{REPLACED}{number}"
    return path


def _is(one: Known, now: Stamp) -> bool:
    return one.stamp.same_content(now) is True


def _content(one: Known) -> Content:
    assert one.stamp.digest is not None  # others are left out
    return one.stamp.size, one.stamp.digest
