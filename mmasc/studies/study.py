"""A labelled collection and prompt files → one study: vectors, true labels and the encoder that reads the prompts.

Labels of a collection and of prompt files are matched exactly, otherwise ignoring case, underscores and hyphens; what
does not match is an error that names it, because a sound whose label nobody offers can only be wrong.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from mmasc.collection import Collection
from mmasc.collection.query import Query, QueryEncoders
from mmasc.encoders.base import Encoder
from mmasc.errors import MmascError
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.labelling.recordings import LabelledRecordings, Selection, labelled_recordings
from mmasc.metrics.functions import bootstrap_interval
from mmasc.prompts.prompts import Prompts, as_prompts
from mmasc.windows.units import unit_as_normalizer


@dataclass(frozen=True)
class Study:
    """Labelled sounds of one space and the prompt sets that are asked of them.

    Attributes:
        recordings: The sounds with their labels.
        vectors: Unit vectors of the sounds `[item dim]`.
        encoder: Encoder of their space; it has text.
        prompts: The sets, at least one; their names differ.
        matches: For each set how the collection's labels stand in it.
    """

    recordings: LabelledRecordings
    vectors: Float[np.ndarray, "item dim"]
    encoder: Encoder
    prompts: tuple[Prompts, ...]
    matches: tuple["Match", ...]

    @property
    def scale(self) -> float:
        """What softmax multiplies cosines by.

        Raises:
            MmascError: If the space has no such number.
        """
        if self.encoder.logit_scale is None:
            name = self.encoder.spec.name
            raise MmascError(f"{name} has no scale for probabilities of prompts; choose a space of another encoder")
        return float(self.encoder.logit_scale)

    def true(self, number: int) -> np.ndarray:
        """The true labels `[item]` as the set `number` spells them."""
        names = [self.matches[number].labels[name] for name in self.recordings.classes]
        return np.array(names)[self.recordings.codes]


@dataclass(frozen=True)
class Match:
    """How labels of a collection stand in a prompt set.

    Attributes:
        labels: The collection's label to the set's.
        exact: How many are identical.
        similar: How many are the same ignoring case, underscores and hyphens.
        unused: Labels of the set that no sound has; they can only be wrong answers.
    """

    labels: dict[str, str]
    exact: int
    similar: int
    unused: tuple[str, ...]


def load_study(
    collection: str | Path | Collection,
    label: str,
    prompts: Sequence[Prompts | Mapping[str, str | Sequence[str]] | str | Path],
    space: str | None = None,
    where: str | None = None,
    groups: str | None = None,
    encoder: Encoder | None = None,
    device: str = "cpu",
) -> Study:
    """Read sounds and prompts, match their labels and load the encoder.

    Args:
        collection: Folder, or opened.
        label: Column with the labels; recordings without one are left out.
        prompts: One or more sets, as `as_prompts` takes them.
        space: Default: the oldest that understands text.
        where: SQL on columns of recordings and windows.
        groups: Column of what intervals draw as a whole.
        encoder: Loaded, to save loading it.
        device: Device on which an encoder that is loaded here runs.
    Raises:
        MmascError: If a column, prompt file or space does not exist, labels do not match, all sounds have one label, or
            the space has no text; every line says the fix.
        ValueError: If there are no prompts.
    """
    if not prompts:
        raise ValueError("at least one set of prompts is needed, got none")
    sets = _named(prompts)
    opened = collection if isinstance(collection, Collection) else Collection(collection)
    text = Query(texts=("sound",))
    if space is None:
        fitting = [name for name in opened.spaces if text.fits(opened.head.spaces[name].encoder)]
        space = fitting[0] if fitting else None
    reader = opened.space(space)
    if not text.fits(reader.space.encoder):
        raise MmascError(
            f"space {reader.name!r} of {opened.store.location} has no text ({reader.space.encoder}), prompts "
            "cannot be asked of it; add one that has: mmasc embed PATH --into ... --encoder mini"
        )
    recordings = labelled_recordings(opened, Selection(label, groups, space=reader.name, where=where))
    matches = tuple(match_labels(recordings, one) for one in sets)
    ready = QueryEncoders(device).of_space(reader.name, reader.space, opened.store.location, encoder)
    return Study(recordings, unit_as_normalizer(recordings.vectors), ready, sets, matches)


def match_labels(recordings: LabelledRecordings, prompts: Prompts) -> Match:
    """Find the collection's labels in a prompt set.

    Raises:
        MmascError: If some are not in it (they are named with their recordings, and so is how the others match), or
            the set has one label alone.
    """
    if len(prompts.labels) < 2:
        raise MmascError(f"prompts {prompts.name!r} have one label only, so every answer is the same; add others")
    similar: dict[str, list[str]] = {}
    for name in prompts.labels:
        similar.setdefault(_plain(name), []).append(name)
    found: dict[str, str] = {}
    missing: list[str] = []
    for name in recordings.classes:
        near = similar.get(_plain(name), [])
        if name in prompts.labels:
            found[name] = name
        elif len(near) == 1:
            found[name] = near[0]
        else:
            missing.append(name)
    exact = sum(name == same for name, same in found.items())
    if missing:
        counts = Counter(recordings.classes[code] for code in recordings.codes.tolist())
        named = ", ".join(f"{name!r} ({counts[name]})" for name in missing)
        raise MmascError(
            f"prompts {prompts.name!r} have no label for {len(missing)} of the collection's {len(recordings.classes)} "
            f"labels (recordings): {named}; {exact} match exactly, {len(found) - exact} ignoring case, "
            f"underscores and hyphens; the file has: {', '.join(prompts.labels)}; add them to it or leave them out "
            f"with {recordings.where_not(*missing)}"
        )
    unused = tuple(name for name in prompts.labels if name not in found.values())
    return Match(found, exact, len(found) - exact, unused)


def text_vectors(
    prompts: Prompts, encoder: Encoder, templates: Sequence[str] | None = None
) -> Float[np.ndarray, "variant class dim"]:
    """Unit vectors of labels, one variant for every template and every place in the lists of phrases.

    Variant (template t, place k) says the k-th phrase of each label through t; a label with fewer phrases begins
    again.

    Args:
        prompts: Prompts with C labels.
        encoder: Encoder with text.
        templates: Default: those of the prompts.
    """
    chosen = prompts.templates if templates is None else tuple(templates)
    n_places = max(len(phrases) for phrases in prompts.labels.values())
    labels = list(prompts.labels)
    variants = []
    for template in chosen:
        for place in range(n_places):
            texts = [template.replace("{}", phrases[place % len(phrases)]) for phrases in prompts.labels.values()]
            variants.append(ZeroShotClassifier().fit(encoder.embed_text(texts), labels).class_vectors_)
    return np.stack(variants)


def accuracy_interval(right: Bool[np.ndarray, " item"], groups: np.ndarray | None) -> tuple[float, float]:
    """95 % bootstrap interval of a share of right answers, over items or whole groups."""
    values = right.astype(np.float64)
    return bootstrap_interval(lambda items: float(values[items].mean()), len(right), groups)


def _named(prompts: Sequence[Prompts | Mapping[str, str | Sequence[str]] | str | Path]) -> tuple[Prompts, ...]:
    sets = tuple(as_prompts(one) for one in prompts)
    doubles = [name for name, count in Counter(one.name for one in sets).items() if count > 1]
    if doubles:
        raise MmascError(f"two sets of prompts are called {doubles[0]!r}; give each file a name: of its own")
    return sets


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()
