"""Whether an encoder was trained on the recordings that it is measured on, or on others of their data set.

There are two ways to know: names of files (published data sets name their clips by rules, `mmasc.datasets.known`), and
vectors: the package keeps a vector of every recording that a bundled encoder learned from, and a recording with nearly
the same vector is that recording, also under another name or in another format. "Not known" promises nothing.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Literal

import numpy as np
from jaxtyping import Float

from mmasc.datasets.known import FAMILIES, clip_ids
from mmasc.encoders.learned import BUNDLED, same_recordings
from mmasc.encoders.registry import spec_of
from mmasc.printing import counted
from mmasc.storage.texts import parse_json

State = Literal["recordings", "set", "unknown"]

_ESC = "karolpiczak/ESC-10"  # in the table of what the bundled encoders heard


@dataclass(frozen=True)
class Heard:
    """What is known of an encoder's training and the recordings that it is measured on.

    Attributes:
        encoder: Its name; of weights of your own the file or folder, not where it lies: tables are handed on.
        state: "recordings": it learned from some of these very recordings; "set": from data of the set that they
            belong to; "unknown": neither is known.
        data: The data set; empty where it is not known.
        learned: How many of the recordings it learned from, as far as known.
        recordings: How many there are.
        sentence: All of it in one sentence for people; empty where nothing is known.
    """

    encoder: str
    state: State
    data: str
    learned: int
    recordings: int
    sentence: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentence", self._sentence())

    def _sentence(self) -> str:
        if self.state == "recordings":
            which = f" ({self.data})" if self.data else ""
            return (
                f"{self.encoder} learned from {self.learned} of {'this' if self.recordings == 1 else 'these'} "
                f"{counted(self.recordings, 'recording')}{which}: expect "
                "lower figures on new recordings"
            )
        if self.state == "set":
            return (
                f"{self.encoder} learned from {self.data}, to which these recordings belong: figures on other "
                "recordings may be lower"
            )
        return ""


def heard(
    encoder: str,
    paths: Sequence[str],
    vectors: Float[np.ndarray, "item dim"] | None = None,
    dataset: str = "",
) -> Heard:
    """What is known about whether an encoder was trained on some recordings.

    Args:
        encoder: "name" or "name:path"; of weights of your own only what the run that they lie in says, of published
            weights in a file what is published.
        paths: Paths or names of the recordings.
        vectors: Their vectors in the encoder's own space, any length; what a bundled encoder learned from is then
            recognised by its sound.
        dataset: Kind of the data set (`mmasc.datasets.DATASETS`), where it is known.
    """
    name, _, path = encoder.partition(":")
    spec = spec_of(encoder)
    shown = f"{name}:{PurePath(path).name}" if path else name
    families = clip_ids(paths)
    asked = [FAMILIES.get(dataset, ""), *families]
    trained = _dataset_of_run(path) if path else ""
    if trained:
        state: State = "set" if FAMILIES.get(trained, trained) in asked else "unknown"
        return Heard(shown, state, trained if state == "set" else "", 0, len(paths))
    if spec is None or not spec.trained_on or (path and spec.weights == "bundled"):
        return Heard(shown, "unknown", "", 0, len(paths))
    of_set = {one.family: one for one in spec.trained_on if one.family}
    learned = np.zeros(len(paths), bool)
    if name in BUNDLED and "esc" in of_set:
        for place, clip in families.get("esc", {}).items():
            learned[place] = clip in _esc_clips()
    if vectors is not None and len(vectors):
        learned |= same_recordings(name, vectors)
    named = [family for family in asked if family in of_set]
    data = of_set[named[0]].name if named else ""
    if learned.any():
        return Heard(shown, "recordings", data, int(learned.sum()), len(paths))
    return Heard(shown, "set" if data else "unknown", data, 0, len(paths))


def _dataset_of_run(path: str) -> str:
    """Kind of the data set of the run that a path names, or whose weights it names; empty where there is none."""
    given = Path(path)
    config = (given if given.is_dir() else given.parent) / "config.json"
    try:
        values = parse_json(config.read_text("utf-8")) if config.is_file() else {}
    except (OSError, ValueError):
        return ""  # a damaged configuration says nothing of what was learned
    kind = values.get("dataset") if isinstance(values, dict) else None
    return kind if isinstance(kind, str) and kind in FAMILIES else ""


@cache
def _esc_clips() -> frozenset[str]:
    """The clips of ESC that `mini` learned from, as the package's table of credits names them."""
    text = (files("mmasc.encoders") / "weights" / "mini_attribution.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return frozenset(row["file"].removesuffix(".ogg") for row in rows if row["collection"] == _ESC)
