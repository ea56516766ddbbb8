"""Given files against a collection: which are in it already, and whether all recordings have moved to another root."""

import contextlib
import os
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from mmasc.collection.known_recordings import Known
from mmasc.collection.looks import Looks
from mmasc.collection.stamps import Stamp
from mmasc.errors import MmascError, show_path
from mmasc.remote.addresses import place_of, under
from mmasc.remote.paths import RemotePath
from mmasc.remote.sightings import gone

_DIGESTS_LOOKED_AT = 3


def _all_gone(known: Mapping[str, Known], root: str) -> bool:
    """Whether no recording lies where it lay; a few are looked at before very many are."""
    paths, few = iter(known), 16
    while some_paths := list(islice(paths, few)):
        if not all(gone([place_of(root, stored) for stored in some_paths])):
            return False
        few = 4_096
    return True


def refuse_another_root(folder: Path, root: str, known: Mapping[str, Known], files: Sequence[Path]) -> None:
    """Stop where all recordings are gone and the files given are these recordings under another root.

    Raises:
        MmascError: It names the command that says where they lie now.
    """
    if not known or not _all_gone(known, root):
        return
    roots: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for path in [path for path in files if not isinstance(path, RemotePath)]:
        for number in range(1, len(path.parts)):
            stored = "/".join(path.parts[number:])
            if stored in known and _size(path) == known[stored].stamp.size:
                roots[str(Path(*path.parts[:number]))].append((stored, path))
    if not roots:
        return
    here, found = max(roots.items(), key=lambda item: (len(item[1]), len(item[0])))
    if 2 * len(found) < min(len(files), len(known)) or not _same_contents(known, found):
        return
    command = f"mmasc collection move-root {shlex.quote(str(folder))} {shlex.quote(here)}"
    raise MmascError(
        f"none of the {len(known)} recordings of {show_path(folder)} is under its root {show_path(root)} any more, and "
        f"{len(found)} of the files given are such recordings under {show_path(here)}; set the new root, "
        f"so that nothing is embedded twice: {command}"
    )


def _same_contents(known: Mapping[str, Known], found: Sequence[tuple[str, Path]]) -> bool:
    """Whether the first few files are what was embedded, as far as that is known."""
    told = [(known[stored].stamp, path) for stored, path in found if known[stored].stamp.digest is not None]
    looks = Looks()
    now = [(stamp, looks.at(path)) for stamp, path in told[:_DIGESTS_LOOKED_AT]]
    return all(other is not None and stamp.same_content(other) for stamp, other in now)


def _size(path: Path) -> int | None:
    """In bytes; None where the file cannot be looked at: embedding it says why."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def some(names: Sequence[str], count: int = 3) -> str:
    """The first few names."""
    return ", ".join(show_path(name) for name in names[:count]) + (", ..." if len(names) > count else "")


def not_untouched(known: Mapping[str, Known], root: str, files: Sequence[Path]) -> list[Path]:
    """The files that are not certainly as they were embedded: new ones, and others that must be looked at."""
    left = []
    for path in files:
        one = known.get(stored_path(path, root) or "")
        if one is None or not one.embedded:
            left.append(path)
            continue
        with contextlib.suppress(OSError):
            if not one.stamp.untouched(Stamp.of(path.stat())):
                left.append(path)
    return left


def stored_path(path: Path, root: str) -> str | None:
    """Path under the root with `/`, whole on another server than the root; None where the name is not UTF-8."""
    text, before = str(path), root if root.endswith(os.sep) else root + os.sep
    # `under` takes ten times as long, and this is asked several times of every file
    plain = not isinstance(path, RemotePath) and text.startswith(before) and f"{os.sep}.." not in text
    stored = text[len(before) :].replace(os.sep, "/") if plain else under(root, path)
    try:
        stored.encode()
    except UnicodeEncodeError:
        return None
    return stored


def changed_while_read(path: Path, before: os.stat_result) -> str:
    """What happened to a file between a look at it and now, for people; "" for nothing."""
    try:
        now = path.stat()
    except FileNotFoundError:
        return f"{show_path(path)}: was removed while it was read"
    if Stamp.of(before).untouched(Stamp.of(now)):
        return ""
    return f"{show_path(path)}: was changed while it was read; embed it again when it is complete"
