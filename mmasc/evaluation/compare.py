"""One table of systems on the same data: networks trained from runs, heads on collections, next to published figures.

A row is a system over all its folds and seeds. What was published on the same data stands next to it with what it was
measured on; where folds or splits differ the figures are not comparable, and the table says so.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.encoders.heard import Heard
from mmasc.errors import MmascError
from mmasc.evaluation.cost import Cost, machine, network_cost
from mmasc.evaluation.evaluate import evaluate
from mmasc.evaluation.pooling import Evaluation, evaluation_object
from mmasc.evaluation.provenance import commit, versions
from mmasc.evaluation.published import Published, published_beside, published_for
from mmasc.labelling.fit import fit_head
from mmasc.labelling.head_report import HeadReport
from mmasc.labelling.sources import is_collection

# Length of a clip, in seconds, for counting and timing; of other kinds it is what a network was made for
_CLIP_SECONDS = {"esc10": 5.0, "esc50": 5.0, "urbansound8k": 4.0, "tau2022": 1.0}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Arguments of a definition that nobody says: they come from the tags or the labels
_FROM_THE_DATA = ("n_tags", "vocabulary", "noisy_head")


@dataclass(frozen=True)
class Row:
    """A system.

    Attributes:
        system: Network with what was said of its definition, or "encoder+head".
        features: Front end; the space's name for a head.
        recipe: Recipe of training; empty for a head.
        dataset: Kind; empty for a collection that stands by itself.
        accuracy, interval: Over all clips of all folds and seeds, and its 95 % interval over recordings.
        fold_names, folds: Accuracy of every fold, the mean over seeds.
        seeds: How many.
        spread: Standard deviation (n - 1) over seeds; None for one.
        clips: Clips that were tested.
        metrics: All metrics by name.
        cost: Numbers, bytes, products and speed; None for a head.
        fold_seconds: Seconds of training a fold, the mean; None where it was not noted.
        clips_per_second: Clips per second of training, the median.
        trained_on: Machine and versions, as the runs noted them.
        published: What was published of this system on this kind of data.
        detail: The whole evaluation or report, for the JSON file.
        heard: What the system learned from the clips that it is tested on, outside its folds; empty where nothing is
            known.
        tested_on: Digest of the clips and folds, see `mmasc.datasets.known.clips_digest`.
    """

    system: str
    features: str
    recipe: str
    dataset: str
    accuracy: float
    interval: tuple[float, float] | None
    fold_names: list[str]
    folds: list[float]
    seeds: int
    spread: float | None
    clips: int
    metrics: dict[str, float]
    cost: Cost | None
    fold_seconds: float | None
    clips_per_second: float | None
    trained_on: str
    published: list[Published]
    detail: dict[str, Any] = field(repr=False)
    heard: tuple[Heard, ...] = ()
    tested_on: str = ""


@dataclass(frozen=True)
class Comparison:
    """All rows and where they were made.

    Attributes:
        rows: The best first.
        published: Everything published on the kinds of data of the rows.
        machine: What speed was measured on.
        versions: Package → version.
        commit: Commit of mmasc, "+" behind it where files were changed; empty where it is not a git checkout.
        date: Date of the comparison, UTC.
    """

    rows: list[Row]
    published: list[Published]
    machine: str
    versions: dict[str, str]
    commit: str
    date: str


def compare(
    paths: Iterable[str | Path],
    label: str | None = None,
    heads: Sequence[str] = ("logistic",),
    groups: str | None = None,
    folds_column: str | None = None,
    measure: bool = True,
    progress: Callable[[int, int, str], None] | None = None,
    **testing: Any,
) -> Comparison:
    """Compare runs of networks and heads on collections.

    Args:
        paths: Runs (or folders that hold them) and collections, in any order.
        label: Column of the collections with the labels.
        heads: Fitted to every space of every collection, one row each.
        groups: Column of the collections whose values stay on one side of a fold, and are drawn whole.
        folds_column: Column of the collections with official folds; default: "fold" where there is one, else five
            stratified folds.
        measure: Also time every network on this machine.
        progress: Called with the amount done, the total, and what it is.
        testing: `data`, `cache`, `device` and `remark` of `mmasc.evaluation.evaluate.evaluate`, which tests the runs.
    Raises:
        MmascError: If there is nothing to compare, or a part cannot be tested.
    """
    given = [Path(path) for path in paths]
    collections = [path for path in given if is_collection(path)]
    runs = [path for path in given if path not in collections]
    if not given:
        raise MmascError("nothing to compare: name runs of mmasc train, or collections")
    if collections and label is None:
        raise MmascError(f"{collections[0]} is a collection: name the column of its labels with --label")
    evaluations = evaluate(runs, progress=progress, **testing) if runs else []
    rows = [_network_row(found, measure) for found in evaluations]
    kinds = list(dict.fromkeys(row.dataset for row in rows))
    for path in collections:
        assert label is not None
        dataset = kinds[0] if len(kinds) == 1 else ""
        rows += _head_rows(path, label, heads, groups, folds_column, dataset, progress)
    rows.sort(key=lambda row: (row.dataset, -row.accuracy))
    return Comparison(
        rows=rows,
        published=[item for kind in kinds for item in published_for(kind)],
        machine=machine(),
        versions=versions(),
        commit=commit(),
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
    )


def tests_of(rows: Sequence[Row]) -> list[str]:
    """A letter for every row: rows with the same letter were tested on the same clips in the same folds."""
    order = list(dict.fromkeys(row.tested_on for row in rows))
    return [_LETTERS[order.index(row.tested_on) % len(_LETTERS)] for row in rows]


def comparison_object(found: Comparison) -> dict[str, Any]:
    """The machine-readable object of a comparison: keys may be added, never renamed."""
    rows = [asdict(row) for row in found.rows]
    return asdict(found) | {"rows": rows}


def _network_row(found: Evaluation, measure: bool) -> Row:
    from mmasc.networks.load import load_network
    from mmasc.networks.registry import NETWORKS

    run = found.sources[0]
    network = load_network(f"{found.network}:{run.folder}")
    seconds = _CLIP_SECONDS.get(found.dataset)
    if seconds is not None and seconds * network.sample_rate < network.minimum_samples:
        seconds = None
    times = [result.seconds for result in found.runs if result.seconds is not None]
    speeds = [result.clips_per_second for result in found.runs if result.clips_per_second is not None]
    return Row(
        system=system_name(found.network, run.config.arguments),
        features=found.features,
        recipe=found.recipe,
        dataset=found.dataset,
        accuracy=found.metrics["accuracy"].value,
        interval=found.metrics["accuracy"].interval,
        fold_names=found.fold_names,
        folds=found.folds,
        seeds=len(found.seeds),
        spread=found.spread,
        clips=sum(found.fold_sizes),
        metrics={name: metric.value for name, metric in found.metrics.items()},
        cost=network_cost(network, seconds, measure),
        fold_seconds=float(np.mean(times)) if times else None,
        clips_per_second=float(np.median(speeds)) if speeds else None,
        trained_on=_trained_on(found),
        published=published_beside(
            found.dataset, found.network, found.features, own_features=NETWORKS[found.network].features
        ),
        detail=evaluation_object(found),
        heard=found.learned,
        tested_on=found.tested_on,
    )


def system_name(network: str, arguments: Mapping[str, Any]) -> str:
    """A network with its arguments: the cell of the published tables if it is one, else name=value."""
    from mmasc.networks.tag_presets import TAG_PRESETS

    stated = {name: value for name, value in arguments.items() if name not in _FROM_THE_DATA}
    cells = [name for name, preset in TAG_PRESETS.items() if preset.arguments == stated]
    # Equal systems have two names where two tables share them: the first
    words = cells[:1] or [f"{name}={value}" for name, value in stated.items()]
    return " ".join([network, *words])


def _trained_on(found: Evaluation) -> str:
    """Machine and versions of the runs, each different one once."""
    lines = []
    for run in found.sources:
        about = run.machine
        if about:
            threads = f", {about.get('threads', '?')} threads" if about.get("device", "cpu") == "cpu" else ""
            lines.append(
                f"{about.get('device', '?')} of {about.get('machine', '?')}, {about.get('cores', '?')} cores{threads}, "
                f"torch {about.get('torch', '?')}, mmasc {about.get('mmasc', '?')}"
            )
    return "; ".join(dict.fromkeys(lines))


def _head_rows(
    path: Path,
    label: str,
    heads: Sequence[str],
    groups: str | None,
    folds_column: str | None,
    dataset: str,
    progress: Callable[[int, int, str], None] | None,
) -> list[Row]:
    from mmasc.collection import Collection

    collection = Collection(path)
    if folds_column is None and "fold" in collection.metadata_columns:
        folds_column = "fold"
    rows = []
    for space in collection.spaces:
        for head in heads:

            def show(done: int, total: int, name: str = f"{space}, {head}") -> None:
                if progress is not None:
                    progress(done, total, name)

            report = fit_head(collection, label, head, groups, folds_column, space=space, progress=show)
            rows.append(_head_row(report, dataset))
    return rows


def _head_row(report: HeadReport, dataset: str) -> Row:
    if report.accuracy is None or report.interval is None:
        raise MmascError(f"{report.label!r} of {dataset} has too few recordings of each label to test a head on")
    name, _, weights = report.encoder.partition(":")
    system = f"{name}+{report.head}"
    # A table is handed on: the file of the weights is named, not where it lies
    encoder = f"{name}:{Path(weights).name}" if weights else name
    hidden = ("fitted", "out", "shots")
    return Row(
        system=system,
        features=report.space,
        recipe="",
        dataset=dataset,
        accuracy=report.accuracy,
        interval=report.interval,
        fold_names=report.fold_names,
        folds=report.folds,
        seeds=1,
        spread=None,
        clips=report.recordings,
        metrics={
            name: value
            for name in ("accuracy", "balanced_accuracy", "log_loss", "macro_f1", "calibration_error")
            if (value := getattr(report, name)) is not None
        },
        cost=None,
        fold_seconds=None,
        clips_per_second=None,
        trained_on="",
        published=published_beside(dataset, system),
        detail={item: getattr(report, item) for item in report.__dataclass_fields__ if item not in hidden}
        | {"encoder": encoder, "heard": asdict(report.heard)},
        heard=(report.heard,) if report.heard.sentence else (),
        tested_on=report.tested_on,
    )
