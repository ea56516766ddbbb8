"""Which files are meant: names, folders, patterns and lists of them become one ordered list of files."""

import codecs
import glob
import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from mmasc.errors import MmascError, show_path
from mmasc.inputs import as_paths
from mmasc.remote.addresses import absolute, checked, is_address, without_secrets
from mmasc.remote.paths import as_path
from mmasc.remote.sightings import find_objects

AUDIO_EXTENSIONS = (
    "aac", "ac3", "aif", "aifc", "aiff", "alac", "amr", "ape", "au", "caf", "dsf", "eac3", "flac", "gsm", "m4a",
    "m4b", "mka", "mp2", "mp3", "mpc", "oga", "ogg", "opus", "ra", "rf64", "snd", "spx", "tta", "voc", "w64", "wav",
    "wave", "weba", "wma", "wv",
)  # fmt: skip
VIDEO_EXTENSIONS = (
    "3gp", "asf", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv", "ts", "vob",
    "webm", "wmv",
)  # fmt: skip
# Characters: as long as any path; time to read a pattern grows with the square of its brackets
_LONGEST_PATTERN = 4_096


def find_audio(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], extensions: Iterable[str] | None = None
) -> list[Path]:
    """Files meant by paths, in the order given; those of one folder or pattern sorted by name.

    Args:
        paths: One or several of: a file (with any extension), a folder (with all folders in it; hidden files and
            folders are skipped, links followed, each folder entered once), a pattern ("**" is any number of folders;
            files must have a known extension unless the pattern ends in a literal one), and "@list.txt", a text file
            with one of these per line (relative to the working directory, as if typed; no further lists). Also an
            address: s3://bucket/key or gs://bucket/key, a prefix of these for all below it, https://host/file. What
            exists under exactly that name is never read as a pattern or a list.
        extensions: Extensions with or without dot, any case; default: AUDIO_EXTENSIONS and VIDEO_EXTENSIONS.
    Returns:
        Paths as they were written (a relative path stays relative), each file once; addresses as `RemotePath`.
    Raises:
        MmascError: If a path does not exist, a pattern matches nothing, a folder cannot be listed, or nothing at all is
            found.
    """
    given = as_paths(paths)
    known = _known(extensions)
    found: dict[str, Path] = {}
    for item in given:
        for path in _expand(os.fspath(item), known, lists=True):
            found.setdefault(absolute(path), as_path(path))
    if not found:
        shown = ", ".join(without_secrets(os.fsdecode(item)) for item in given) or "no path given"
        raise MmascError(
            f"{shown}: no audio found; looked for files that end in {' '.join(sorted(known))}; give the path of a "
            "file itself to read it with any extension"
        )
    return list(found.values())


def _known(extensions: Iterable[str] | None) -> frozenset[str]:
    if extensions is None:
        return frozenset("." + extension for extension in AUDIO_EXTENSIONS + VIDEO_EXTENSIONS)
    if isinstance(extensions, str):
        raise ValueError(f"extensions must be a list of them, got the text {extensions!r}")
    known = frozenset("." + extension.lower().lstrip(".") for extension in extensions)
    if not known or "." in known:
        raise ValueError(f"extensions must be names like 'wav', got {sorted(known)}")
    return known


def _expand(item: str, known: frozenset[str], lists: bool) -> Iterator[str]:
    if not item or "\0" in item:
        raise MmascError(f"{item!r} is not a path; name a file, a folder or a pattern")
    if is_address(item):
        address = checked(item.rstrip("/")) + "/" * item.endswith("/")
        yield from find_objects(address, lambda one: _extension(one) in known)
    elif os.path.isdir(item):
        yield from (path for path in _walk(item)[1] if _extension(path) in known)
    elif os.path.exists(item):
        yield item
    elif lists and item.startswith("@"):
        for number, line in _lines(item[1:]):
            try:
                yield from _expand(line, known, lists=False)
            except MmascError as error:
                raise MmascError(f"line {number} of {show_path(item[1:])}: {error}") from error
    elif glob.has_magic(item):
        if len(item) > _LONGEST_PATTERN:
            raise MmascError(
                f"{show_path(item[:80])}...: a pattern of {len(item):,} characters, more than {_LONGEST_PATTERN:,}; "
                "name the folder instead"
            )
        yield from _match(item, known)
    else:
        try:
            os.stat(item)
        except PermissionError:
            raise MmascError(f"{show_path(item)}: its folder may not be entered; check its permissions") from None
        except OSError:
            pass
        raise MmascError(f"{show_path(item)}: no such file or folder; check the name")


def _extension(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _lines(path: str) -> list[tuple[int, str]]:
    """Lines of a list of files with their numbers, from 1; blank ones are left out."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise MmascError(f"{show_path(path)}: the list of files cannot be read ({error.strerror})") from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # what `>` writes in Windows PowerShell
        try:
            content = content.decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise MmascError(f"{show_path(path)}: the list of files is damaged ({error}); save it as UTF-8") from error
    if b"\0" in content:
        raise MmascError(f"{show_path(path)}: is not a list of files but holds other data; write one path per line")
    lines = [os.fsdecode(line) for line in content.removeprefix(codecs.BOM_UTF8).splitlines()]
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _walk(folder: str) -> tuple[list[str], list[str]]:
    """A folder with all below it, and the files in them, both sorted; hidden ones are left out.

    Every folder is entered once, linked folders last: a file is found under its real name where it has one in here,
    and links that lead in a circle end.
    """
    folders: list[str] = []
    files: list[str] = []
    entered: set[tuple[int, int]] = set()
    real, linked = deque([folder]), deque[str]()
    while real or linked:
        here = (real or linked).popleft()
        try:
            stat = os.stat(here)
            if (stat.st_dev, stat.st_ino) in entered:
                continue
            entered.add((stat.st_dev, stat.st_ino))
            folders.append(here)
            with os.scandir(here) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            raise MmascError(
                f"{show_path(here)}: the folder cannot be listed ({error.strerror}); check its permissions, or name "
                "the folders next to it"
            ) from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            # What is not a link is known without another look at the disk; of links that lead nowhere or in a circle
            # os.path says False, where an entry raises
            is_link = entry.is_symlink()
            if os.path.isdir(entry.path) if is_link else entry.is_dir():
                (linked if is_link else real).append(entry.path)
            elif os.path.isfile(entry.path) if is_link else entry.is_file():
                files.append(entry.path)
    return _sorted(folders), _sorted(files)


def _match(pattern: str, known: frozenset[str]) -> list[str]:
    """Files that a pattern matches, sorted; folders that it matches are walked."""
    extension = os.path.splitext(pattern)[1]
    literal = bool(extension) and not glob.has_magic(extension)
    files: set[str] = set()
    matches = _glob(pattern)
    for path in matches:
        if os.path.isdir(path):
            files.update(file for file in _walk(path)[1] if _extension(file) in known)
        elif literal or _extension(path) in known:
            files.add(path)
    if not files:
        raise MmascError(
            f"{show_path(pattern)}: the pattern matches {'nothing' if not matches else 'no audio'}; looked for files "
            f"that end in {extension if literal else ' '.join(sorted(known))}"
        )
    return _sorted(files)


def _sorted(paths: Iterable[str]) -> list[str]:
    """Folder by folder: "a/z" before "a b/c", as a reader of paths expects."""
    return sorted(paths, key=lambda path: path.split(os.sep))


def _glob(pattern: str, folder: str = "") -> list[str]:
    """`glob.glob`, but "**" enters every folder once, so that links in a circle end.

    Args:
        pattern: Relative to `folder`.
        folder: Prefix of the results, taken literally; "" for the working directory.
    """
    parts = pattern.split(os.sep)
    if "**" not in parts:
        return [os.path.join(folder, path) for path in glob.glob(pattern, root_dir=folder or None)]
    place = parts.index("**")
    head, tail = os.sep.join(parts[:place]), os.sep.join(parts[place + 1 :])
    if pattern.startswith(os.sep) and not head:
        head = os.sep
    bases = [folder or os.curdir] if not head else _glob(head, folder)
    matches: list[str] = []
    for base in bases:
        if not os.path.isdir(base):
            continue
        if tail:
            for here in _walk(base)[0]:
                matches += _glob(tail, here)
        else:
            matches.append(base)
    return [path.removeprefix(os.curdir + os.sep) for path in matches]
