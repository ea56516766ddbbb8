"""Files that are given by another way than the root of their collection: a link, or a folder that is mounted twice."""

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from pathlib import Path

from mmasc.collection.known import stored_path
from mmasc.remote.addresses import is_address
from mmasc.remote.paths import RemotePath


def by_the_root(files: Sequence[Path], root: str, known: Callable[[], Collection[str]]) -> list[Path]:
    """Files as the root of their collection leads to them, each once, so that none is a second recording.

    `/disk/rec/a.wav` is the `rec/a.wav` of the root `/data` where `/data` is a link to `/disk`: so it is found after
    `cd /data`, where the current folder is known as `/disk`. The same holds where one of them is mounted on the other.

    Args:
        files: Absolute.
        root: Absolute, or an address.
        known: Gives the stored paths of the recordings; those that are stored by the other way stay so.
    """
    if is_address(root):
        return list(files)
    inside, found, ways = root.rstrip(os.sep) + os.sep, list[Path](), Ways(root, known)
    for file in files:
        other = None if isinstance(file, RemotePath) or str(file).startswith(inside) else ways.of(str(file.parent))
        if other is not None:
            file = file if (stored_path(file, root) or "") in ways.known else Path(other, file.name)
        found.append(file)
    return list(dict.fromkeys(found))


def folders_by_the_root(folders: Iterable[str], root: str, known: Callable[[], Collection[str]]) -> list[str]:
    """The same for folders, absolute or addresses."""
    if is_address(root):
        return list(folders)
    ways = Ways(root, known)
    return [folder if is_address(folder) else ways.of(folder) or folder for folder in folders]


def place_by_the_root(place: str, root: str) -> str:
    """The same for one file or folder that is a recording, or holds some, under the root or nowhere."""
    if is_address(root) or is_address(place):
        return place
    ways, whole = Ways(root, list), os.path.abspath(place)
    if os.path.isdir(whole):
        return ways.of(whole) or place
    folder, name = os.path.split(whole)
    other = ways.of(folder)
    return place if other is None else os.path.join(other, name)


class Ways:
    """Folders as the root of a collection leads to them.

    Args:
        root: Absolute.
        known: Gives the stored paths of the recordings; asked for a folder that does not lie under the root.

    Attributes:
        known: What that gives.
    """

    def __init__(self, root: str, known: Callable[[], Collection[str]]) -> None:
        self._root, self._real, self._known = root, os.path.realpath(root), known
        self._found: dict[str, str | None] = {}

    def of(self, folder: str) -> str | None:
        """A folder by way of the root; None where it does not lie there."""
        if folder not in self._found:
            self._found[folder] = self._way(folder)
        return self._found[folder]

    @cached_property
    def known(self) -> Collection[str]:
        return self._known()

    def _way(self, folder: str) -> str | None:
        place = os.path.realpath(folder)
        if place == self._real or place.startswith(self._real.rstrip(os.sep) + os.sep):
            return os.path.normpath(os.path.join(self._root, os.path.relpath(place, self._real)))
        # What is mounted twice (mount --bind) has one number in both places
        above = [place, *map(str, Path(place).parents)]
        for numbers in ({number_of(self._root): self._root}, self._mounted):
            for one in above:
                number = number_of(one)
                if number is not None and number in numbers:
                    return os.path.normpath(os.path.join(numbers[number], os.path.relpath(place, one)))
        return None

    @cached_property
    def _mounted(self) -> dict[tuple[int, int] | None, str]:
        """The folders under the root in which recordings lie, by their numbers."""
        below = {os.path.dirname(path) for path in self.known if not is_address(path)}
        places = [os.path.join(self._root, path) for path in sorted(below) if path and path.split("/")[0] != ".."]
        return {number: place for place in places if (number := number_of(place)) is not None}


def number_of(folder: str) -> tuple[int, int] | None:
    """What tells a folder from all others of this machine; None where it cannot be looked at."""
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found.st_ino else None  # some file systems give no numbers
