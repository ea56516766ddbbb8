"""Data sets that are recognised by their file names, in any folder and in any sound format.

Published data sets name their clips by rules of their own: fold-upload-take-class in ESC,
scene-city-place-segment-device in TAU Urban Acoustic Scenes, upload-class-occurrence-slice in UrbanSound8K, the video's
ID in AudioSet. A file that was renamed is not recognised.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

# Kinds of `DATASETS` that hold the same clips
FAMILIES = {
    "esc10": "esc",
    "esc50": "esc",
    "urbansound8k": "urbansound8k",
    "audioset": "audioset",
    "fsdkaggle2019": "fsdkaggle2019",
    **{f"tau{year}": "tau" for year in (2018, 2019, 2020, 2021, 2022)},
}
_SCENES = (
    "airport|bus|metro|metro_station|park|public_square|shopping_mall|street_pedestrian|street_traffic|tram"
    "|beach|car|city_center|forest_path|grocery_store|home|library|office|residential_area|train|cafe_restaurant"
)
_NAMES = {
    "esc": re.compile(r"([1-5]-\d+-[A-Z])(?:-\w+)?"),
    "urbansound8k": re.compile(r"(\d+-[0-9]-\d+-\d+)"),
    "tau": re.compile(rf"((?:{_SCENES})-[a-z]+-\d+-\d+(?:-\d+)?-[a-z0-9]+)"),
    # Eleven characters of the video's ID, then where the clip begins (and ends) in it; or a Y and the ID alone
    "audioset": re.compile(r"(Y[\w-]{11}|Y?[\w-]{11}_\d+(?:\.\d+)?(?:_\d+(?:\.\d+)?)?)"),
}
_MOSTLY = 0.8  # an ID of AudioSet is eleven characters only: most names must look like it


def clip_ids(paths: Sequence[str]) -> dict[str, dict[int, str]]:
    """Data sets that names of files belong to.

    Args:
        paths: Paths or names of recordings.
    Returns:
        Family of data sets (values of `FAMILIES`) → position in `paths` → the clip's name in that data set, without
        what conversions change: "1-100032-A" for "dogs/1-100032-A-0.wav". Families that no file belongs to are left
        out; a file belongs to one at most.
    """
    stems = [PurePath(path).stem for path in paths]
    found: dict[str, dict[int, str]] = {}
    for place, stem in enumerate(stems):
        for family, pattern in _NAMES.items():
            match = pattern.fullmatch(stem)
            if match is not None and (family != "audioset" or _is_random(stem)):
                found.setdefault(family, {})[place] = match[1]
                break
    if len(found.get("audioset", {})) < _MOSTLY * len(paths):
        found.pop("audioset", None)
    return found


def clips_digest(clips: Iterable[tuple[str, str]]) -> str:
    """What tells whether two figures were measured on the same clips in the same folds: 16 hex digits.

    Args:
        clips: Path or name of each clip (folder and extension are not looked at), and the fold that it was tested in.
    """
    lines = sorted(f"{PurePath(path).stem}\t{fold}" for path, fold in clips)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _is_random(stem: str) -> bool:
    """Whether a name has capitals and small letters, as IDs drawn at random have and words seldom."""
    return stem.lower() != stem and stem.upper() != stem
