"""Which folders may become a collection: those without other files in them."""

from pathlib import Path

from mmasc.collection.head import HEAD_NAME
from mmasc.errors import MmascError

# What systems put into folders unasked; it blocks nothing and is never deleted
_STRAYS = ("thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "lost+found")


def refuse_other_things(folder: Path) -> None:
    """A folder that holds anything of the user's is not made a collection."""
    entries = list(folder.iterdir()) if folder.is_dir() else []
    if any(entry.name in ("recordings.lance", "spaces") for entry in entries):
        raise MmascError(
            f"{folder} holds tables of a collection but no {HEAD_NAME}; restore it from a backup, "
            "or copy the newest file of its folder heads to it"
        )
    if any(not _is_stray(entry) for entry in entries):
        raise MmascError(f"{folder} holds other things and no collection; give a new or empty folder")


def _is_stray(entry: Path) -> bool:
    """Whether an entry may be ignored: hidden files, files of the system, copies of heads of a killed writer."""
    return entry.name.startswith(".") or entry.name.lower() in _STRAYS or entry.name == "heads"
