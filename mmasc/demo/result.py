"""What the demo found: records that its page is made from."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.collection.report import EmbedReport
from mmasc.encoders.base import Encoder
from mmasc.prompts.prompts import Prompts

HITS = 4  # shown for every question
MOST_SHOWN = 100  # sounds with their preview inside the page: of 8 s each, it stays below 15 MB
MOST_LABELS = 20  # kept of each sound where there are many: the best


@dataclass(frozen=True)
class Asked:
    """A question and its hits, as `Collection.search` gives them, with `name`: the path under the collection's root.

    Attributes:
        path: The sound that asked, else None.
    """

    question: str
    hits: list[dict[str, Any]]
    path: Path | None = None


@dataclass(frozen=True)
class Labelled:
    """One recording with what the prompt file makes of it.

    Attributes:
        path: As the collection has it; file: where it lies.
        duration: Duration in seconds.
        vector: Vector of the whole recording, float `[dim]`.
        label: The best; scores and cosines: of every label, in the order of the prompt file.
        truth: The right label, where it is known.
    """

    path: str
    file: Path
    duration: float
    vector: np.ndarray
    label: str
    scores: dict[str, float]
    cosines: dict[str, float]
    truth: str | None = None


@dataclass
class DemoResult:
    """What the demo found; the page shows this.

    Attributes:
        page: The HTML file; page_bytes: its size.
        collection: Folder of the collection that was made.
        sounds: The folder or file that was given, or the one with the synthesised sounds.
        made: Whether the sounds were synthesised.
        report: What `embed` did.
        texts, by_sound: Questions and hits.
        labelled: Every recording, in the order of the files.
        prompts: The prompt file; word_vectors: unit vectors of its labels `[label dim]`.
        shown: How many sounds have their preview inside the page.
    """

    page: Path
    collection: Path
    sounds: Path
    made: bool
    encoder: Encoder
    report: EmbedReport
    prompts: Prompts
    word_vectors: np.ndarray
    texts: list[Asked] = field(default_factory=list)
    by_sound: list[Asked] = field(default_factory=list)
    labelled: list[Labelled] = field(default_factory=list)
    shown: int = 0
    page_bytes: int = 0

    @property
    def known(self) -> int:
        """Recordings whose right label is known."""
        return sum(one.truth is not None for one in self.labelled)

    @property
    def right(self) -> int:
        """Recordings that were labelled right."""
        return sum(one.truth == one.label for one in self.labelled if one.truth is not None)

    @property
    def seconds(self) -> float:
        """Length of all recordings together."""
        return sum(one.duration for one in self.labelled)
