"""The zero-shot study of a labelled collection in one folder: numbers, figures and a page.

The analysis is that of Barberteguy 2023, "Audio Scene Classification" (accuracy and confusions of prompt sets,
principal components of texts, of sounds and of both), for any encoder with text, with what it leaves open: intervals,
which prompts attract everything, what centring changes, how far apart the two modalities lie.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.collection import Collection
from mmasc.encoders.base import Encoder
from mmasc.errors import MmascError
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.progress import current
from mmasc.prompts.prompts import Prompts
from mmasc.storage.files import make_folders, write_atomically
from mmasc.studies.plots import principal_components
from mmasc.studies.report_numbers import StudyReport, prompt_result
from mmasc.studies.study import load_study
from mmasc.version import __version__


def report(
    collection: str | Path | Collection,
    label: str,
    prompts: Sequence[Prompts | Mapping[str, str | Sequence[str]] | str | Path],
    to: str | Path,
    space: str | None = None,
    where: str | None = None,
    groups: str | None = None,
    encoder: Encoder | None = None,
    device: str = "cpu",
) -> StudyReport:
    """Study prompt sets on a labelled collection and write `report.json`, `index.html` and figures (PNG).

    Args:
        collection: Folder, or opened.
        label: Column with the labels.
        prompts: One or more sets, as `as_prompts` takes them.
        to: Folder, created if it does not exist; files of an earlier report in it are replaced.
        space, where, groups, encoder, device: See `mmasc.studies.study.load_study`.
    Returns:
        The numbers, and the files.
    Raises:
        MmascError: As `load_study`; if `to` is a file.
    """
    folder = Path(to)
    if folder.exists() and not folder.is_dir():
        raise MmascError(f"{folder} is a file; give the name of a folder for the report")
    study = load_study(collection, label, prompts, space, where, groups, encoder, device)
    classifiers = [ZeroShotClassifier(study.encoder).fit(one) for one in study.prompts]
    answers = [prompt_result(study, number, classifier) for number, classifier in enumerate(classifiers)]
    results, pairs = [result for result, _ in answers], [distributions for _, distributions in answers]
    recordings = study.recordings
    texts = [classifier.class_vectors_ for classifier in classifiers]
    clouds = {
        "texts": np.concatenate(texts),
        "sounds": study.vectors,
        "joint": np.concatenate([study.vectors, *texts]),
    }
    with current().phase("principal components"):
        positions = {name: principal_components(vectors) for name, vectors in clouds.items()}
    from mmasc.studies.report_figures import draw_figures
    from mmasc.studies.report_page import render_report

    make_folders(folder)
    with current().phase("drawing figures"):
        figures = draw_figures(study, results, {name: places for name, (places, _) in positions.items()}, pairs, folder)
    found = StudyReport(
        collection=str(collection.store.location if isinstance(collection, Collection) else collection),
        label=label,
        space=recordings.space_name,
        encoder=recordings.space.encoder,
        identity=recordings.space.identity,
        recordings=len(recordings),
        unlabelled=recordings.unlabelled,
        without_vectors=recordings.without_vectors,
        classes=list(recordings.classes),
        largest_class=float(np.bincount(recordings.codes).max() / len(recordings)),
        chance=[1 / len(one.labels) for one in study.prompts],
        interval_over="recordings" if groups is None else f"groups of {groups}",
        results=results,
        components={name: (float(shares[0]), float(shares[1])) for name, (_, shares) in positions.items()},
        page=folder / "index.html",
        figures=figures,
        heard=recordings.heard(),
    )
    text = json.dumps(report_object(found), indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / "report.json", text.encode())
    write_atomically(found.page, render_report(found).encode())
    return found


def report_object(found: StudyReport) -> dict[str, Any]:
    """A report in the types of JSON; empty bins of reliability are null, files by their names."""
    value = asdict(found) | {
        "mmasc": __version__,
        "page": found.page.name,
        "figures": {name: path.name for name, path in found.figures.items()},
    }
    for one, result in zip(value["results"], found.results, strict=True):
        one["reliability"] = {
            name: [None if number != number else number for number in np.asarray(values).tolist()]
            if isinstance(values, np.ndarray)
            else values
            for name, values in vars(result.reliability).items()
        }
    return value
