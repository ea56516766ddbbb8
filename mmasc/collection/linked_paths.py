"""Files that are given by another way than the root of their collection: a link, or a folder mounted twice by name."""

import os
from collections.abc import Callable, Container, Iterable, Sequence
from functools import cache
from pathlib import Path

from mmasc.collection.known import stored_path
from mmasc.remote.addresses import is_address
from mmasc.remote.paths import RemotePath


def by_the_root(files: Sequence[Path], root: str, known: Callable[[], Container[str]]) -> list[Path]:
    """Files as the root of their collection leads to them, each once, so that none is a second recording.

    `/disk/rec/a.wav` is the `rec/a.wav` of the root `/data` where `/data` is a link to `/disk`: so it is found after
    `cd /data`, where the current folder is known as `/disk`.

    Args:
        files: Absolute.
        root: Absolute, or an address.
        known: Gives the stored paths of the recordings; those that are stored by the other way stay so.
    """
    if is_address(root):
        return list(files)
    through = _ways_to(root)
    inside, found, there = root.rstrip(os.sep) + os.sep, list[Path](), None
    for file in files:
        other = None if isinstance(file, RemotePath) or str(file).startswith(inside) else through(str(file.parent))
        if other is not None:
            there = known() if there is None else there
            file = file if (stored_path(file, root) or "") in there else Path(other, file.name)
        found.append(file)
    return list(dict.fromkeys(found))


def folders_by_the_root(folders: Iterable[str], root: str) -> list[str]:
    """The same for folders, absolute or addresses."""
    if is_address(root):
        return list(folders)
    through = _ways_to(root)
    return [folder if is_address(folder) else through(folder) or folder for folder in folders]


def _ways_to(root: str) -> Callable[[str], str | None]:
    """Folder → the same folder under the root; None where it does not lie there."""
    real = os.path.realpath(root)

    @cache
    def through(folder: str) -> str | None:
        place = os.path.realpath(folder)
        if place != real and not place.startswith(real.rstrip(os.sep) + os.sep):
            return None
        return os.path.normpath(os.path.join(root, os.path.relpath(place, real)))

    return through
