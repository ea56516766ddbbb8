"""The figures of a study, drawn into its folder as PNG."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mmasc.metrics.figures import draw_confusion, draw_reliability, save_figure
from mmasc.studies.plots import draw_attraction, draw_cosine_distributions, draw_cosines, draw_sounds, draw_texts
from mmasc.studies.report_numbers import PromptResult
from mmasc.studies.study import Study

_NAMED = 40  # labels up to which they are written into maps


def draw_figures(
    study: Study,
    results: Sequence[PromptResult],
    positions: Mapping[str, Float[np.ndarray, "_ 2"]],
    pairs: Sequence[Mapping[str, Float[np.ndarray, " _"]]],
    folder: Path,
) -> dict[str, Path]:
    """Draw all figures of a study into a folder.

    Args:
        study: Sounds and prompt sets.
        results: One per prompt set.
        positions: "texts", "sounds" and "joint" (sounds, then texts), texts set after set.
        pairs: For each set the cosines by kind of pair.
        folder: Folder to write into.
    Returns:
        Name of the figure → file; names of one set end in its number, from 1.
    """
    classes, codes = study.recordings.classes, study.recordings.codes
    n_sounds = len(codes)
    names = [result.labels for result in results]
    edges = np.cumsum([0, *map(len, names)])
    own_codes = [_codes_of(study, number) for number in range(len(results))]
    sets = [result.name for result in results]
    named = len(classes) <= _NAMED

    def split(texts: np.ndarray) -> list[np.ndarray]:
        return [texts[low:high] for low, high in pairwise(edges)]

    def texts(ax: Any) -> None:
        draw_texts(ax, split(positions["texts"]), names, own_codes, len(classes), sets, named)

    def joint(ax: Any) -> None:
        draw_sounds(ax, positions["joint"][:n_sounds], codes, classes, named=False)
        draw_texts(ax, split(positions["joint"][n_sounds:]), names, own_codes, len(classes), sets, named)

    drawn: dict[str, tuple[tuple[float, float], Callable[[Any], None]]] = {
        "pca-texts": ((6.4, 5.2), texts),
        "pca-sounds": ((6.4, 5.2), lambda ax: draw_sounds(ax, positions["sounds"], codes, classes, named)),
        "pca-joint": ((6.4, 5.2), joint),
    }
    for number, (result, own_pairs) in enumerate(zip(results, pairs, strict=True), 1):
        side, seen_side = (min(3.0 + 0.32 * count, 14.0) for count in (len(result.labels), len(_seen(result))))
        drawn |= {
            f"confusion-{number}": ((seen_side + 0.4, seen_side), _confusion(result)),
            f"attraction-{number}": ((6.0, 1.2 + 0.3 * len(_seen(result))), _attraction(result)),
            f"reliability-{number}": ((4.2, 4.0), _reliability(result)),
            f"cosines-{number}": ((side + 0.4, side), _cosines(result)),
            f"gap-{number}": ((6.0, 3.4), _gap(own_pairs)),
        }
    return {name: _save(folder / f"{name}.png", size, draw) for name, (size, draw) in drawn.items()}


def _codes_of(study: Study, number: int) -> list[int | None]:
    """For each label of a set the number of a class that it stands for."""
    match, classes = study.matches[number], study.recordings.classes
    code = {match.labels[name]: place for place, name in enumerate(classes)}
    return [code.get(label) for label in study.prompts[number].labels]


def _confusion(result: PromptResult) -> Callable[[Any], None]:
    whole, seen = np.array(result.confusion, np.int64), _seen(result)
    return lambda ax: draw_confusion(ax, whole[np.ix_(seen, seen)], [result.labels[place] for place in seen])


def _seen(result: PromptResult) -> list[int]:
    """Labels that are true or said somewhere: a set of fifty on sounds of ten is mostly empty rows."""
    whole = np.array(result.confusion, np.int64)
    return np.flatnonzero(whole.sum(axis=0) + whole.sum(axis=1)).tolist()


def _cosines(result: PromptResult) -> Callable[[Any], None]:
    return lambda ax: draw_cosines(ax, np.array(result.prompt_cosines), result.labels)


def _attraction(result: PromptResult) -> Callable[[Any], None]:
    seen = [one for one in result.attraction if one.said or one.true]
    said, true = (np.array([getattr(one, name) for one in seen]) for name in ("said", "true"))
    return lambda ax: draw_attraction(ax, said, true, [one.label for one in seen])


def _reliability(result: PromptResult) -> Callable[[Any], None]:
    return lambda ax: draw_reliability(ax, result.reliability)


def _gap(pairs: Mapping[str, Float[np.ndarray, " _"]]) -> Callable[[Any], None]:
    return lambda ax: draw_cosine_distributions(ax, pairs)


def _save(path: Path, size: tuple[float, float], draw: Callable[[Any], None]) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(figure.add_subplot())
    return save_figure(figure, path)
