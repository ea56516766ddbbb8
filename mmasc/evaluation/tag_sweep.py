"""A grid of networks that read tags: every cell of a published table trained, tested, and set next to its figure.

A cell is a folder of runs, so a sweep that was stopped continues where it was, and `mmasc evaluate` and `mmasc compare`
read what it leaves. Tags are computed once for all cells.

Paper: Jung et al. 2020, "Acoustic Scene Classification using Audio Tagging", Tables 2 to 5.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmasc.devices import Session
from mmasc.errors import MmascError
from mmasc.evaluation.evaluate import evaluate
from mmasc.evaluation.pooling import Evaluation
from mmasc.metrics.predictions import measure_gain
from mmasc.networks.tag_presets import TAG_PRESETS, TagPreset
from mmasc.progress import one_by_one
from mmasc.storage.files import make_folders
from mmasc.training.supervised.data import DataChoice
from mmasc.training.supervised.kept_tags import TAGS, ClipTags

GRIDS = ("baseline", "table2", "table3", "table4", "table5")
_CELL = re.compile(r"(?P<table>table[345])/heads=(?P<heads>\d+)/layers=(?P<layers>.+)")


@dataclass(frozen=True)
class SweepCell:
    """A cell of a sweep.

    Attributes:
        name: As `mmasc.networks.tag_presets` has it.
        table, row, column: Where it stands.
        published: Accuracy of the paper in percent, of DCASE 2019 task 1a, fold 1.
        accuracy: Ours in percent, over all folds and seeds; None where no fold is tested.
        low, high: Its 95 % interval over recordings, in percent; None as well.
        folder: Folder of its runs.
        parameters: Trainable numbers of its network.
        gain: How many points it is above the baseline on the same clips and seeds; None where the sweep has none.
        gain_low, gain_high: Its 95 % interval, both drawn together; None as well.
    """

    name: str
    table: str
    row: str
    column: str
    published: float
    accuracy: float | None
    low: float | None
    high: float | None
    folder: str
    parameters: int
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None


def cells_of(grid: Sequence[str], heads: Sequence[int] = (), layers: Sequence[str] = ()) -> list[TagPreset]:
    """Cells by table or by name.

    Args:
        grid: Names of `GRIDS`, or names of cells.
        heads: Only these; default: all. Cells without heads are not touched.
        layers: Only these, as in "3" or "3+4"; default: all.
    Raises:
        MmascError: If there is no such grid, or no cell is left.
    """
    chosen: dict[str, TagPreset] = {}
    for name in grid:
        found = [item for key, item in TAG_PRESETS.items() if key == name or key.startswith(f"{name}/")]
        if not found:
            raise MmascError(f"there is no grid {name!r}; there are: {', '.join(GRIDS)}, and cells of them by name")
        chosen |= {item.name: item for item in found}
    kept = [item for item in chosen.values() if _is_among(item.name, heads, layers)]
    if not kept:
        raise MmascError(f"no cell of {', '.join(grid)} has these heads and layers; leave one of them out")
    return kept


def sweep_tags(
    network: str,
    data: str | Path,
    dataset: str,
    out: str | Path,
    tags: str,
    grid: Sequence[str] = ("table5",),
    heads: Sequence[int] = (),
    layers: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    **options: Any,
) -> list[SweepCell]:
    """Train and test every cell of a grid, or continue a sweep that was begun; what is finished is left as it is.

    Args:
        network: One that reads tags.
        data, dataset: As for `train_network`.
        out: Folder of the sweep: OUT/CELL/seed-N/fold-M.
        tags: Source, see `mmasc.training.supervised.tag_sources`.
        grid, heads, layers: See `cells_of`.
        seeds: Each trains every cell.
        options: Others of `train_network`, by name; `arguments` are in addition to those of the cells.
    Raises:
        MmascError: If a cell cannot be trained; those that are done stay.
    """
    from mmasc.training.supervised.train import train_network

    session, arguments = Session.among(options), options.pop("arguments", None) or {}
    cells, place = cells_of(grid, heads, layers), Path(out)
    clip_tags = _tags_of_all(network, DataChoice.among(dataset, data, options), place, tags, session)
    done = []
    for number, cell in enumerate(one_by_one("cell", cells), 1):
        session.say(f"cell {number} of {len(cells)}: {cell.name}")
        for seed in one_by_one("seed", seeds):
            train_network(
                network,
                data,
                dataset,
                place / cell.name / f"seed-{seed}",
                seed=seed,
                tags=clip_tags,
                arguments={**cell.arguments, **arguments},
                **options,
            )
        done.append(_measured(cell, place / cell.name, data, session))
    tested = {cell.name: found for cell, found in done}
    return [_with_gain(cell, found, tested.get("baseline")) for cell, found in done]


def tables_of(cells: Sequence[SweepCell]) -> dict[str, list[dict[str, Any]]]:
    """Tables in the paper's form: rows of heads, columns of layers; in each cell "ours [published]", in percent."""
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for cell in cells:
        ours = "-" if cell.accuracy is None else f"{cell.accuracy:.2f}"
        row = tables.setdefault(cell.table, {}).setdefault(cell.row, {"heads" if cell.column else "system": cell.row})
        row[cell.column or "accuracy"] = f"{ours} [{cell.published:.2f}]"
    return {table: list(rows.values()) for table, rows in tables.items()}


def gains_of(cells: Sequence[SweepCell]) -> list[dict[str, Any]]:
    """Cells that are better or worse than the baseline: points, and their interval; empty without a baseline."""
    return [
        {
            "cell": cell.name,
            "gain": f"{cell.gain:+.2f}",
            "95 % interval": "-" if cell.gain_low is None else f"{cell.gain_low:+.2f} to {cell.gain_high:+.2f}",
        }
        for cell in cells
        if cell.gain is not None
    ]


def _is_among(name: str, heads: Sequence[int], layers: Sequence[str]) -> bool:
    found = dict(part.split("=") for part in name.split("/") if "=" in part)
    if heads and "heads" in found and int(found["heads"]) not in heads:
        return False
    return not (layers and "layers" in found and found["layers"] not in [str(item) for item in layers])


def _tags_of_all(network: str, data: DataChoice, place: Path, tags: str, session: Session) -> ClipTags:
    """Tags of all clips, kept in the sweep's folder for all its cells."""
    from mmasc.training.supervised.tags import tags_for

    found = tags_for(network, tags, data.read(), place, session)
    if found is None:
        raise MmascError(f"a sweep over tags needs a network that reads them, and their source; got {network}")
    make_folders(place)
    found.save(place / TAGS)
    return found


def _measured(cell: TagPreset, folder: Path, data: str | Path, session: Session) -> tuple[SweepCell, Evaluation | None]:
    from mmasc.evaluation.runs import find_runs
    from mmasc.networks.load import load_network

    runs = find_runs([folder])
    parameters = load_network(f"{runs[0].config.network}:{runs[0].folder}").parameter_counts()[0]
    match = _CELL.fullmatch(cell.name)
    table, _, rest = cell.name.partition("/")
    where = (match["table"], match["heads"], f"{match['layers']} layers") if match else (table, rest or table, "")
    figures: tuple[float | None, float | None, float | None] = (None, None, None)
    found = None
    if all(run.config.fold for run in runs):
        found = evaluate([folder], data, cache=session.cache, device=session.device, remark=session.remark)[0]
        accuracy = found.metrics["accuracy"]
        low, high = accuracy.interval or (None, None)
        figures = (100 * accuracy.value, _percent(low), _percent(high))
    return SweepCell(cell.name, *where, cell.published, *figures, str(folder), parameters), found


def _with_gain(cell: SweepCell, found: Evaluation | None, baseline: Evaluation | None) -> SweepCell:
    """A cell with what it has over the baseline, where both heard the same clips with the same seeds."""
    if found is None or baseline is None or found is baseline:
        return cell
    if found.seeds != baseline.seeds or found.answers.groups != baseline.answers.groups:
        return cell
    gain = measure_gain(found.answers, baseline.answers)
    low, high = gain.interval or (None, None)
    return replace(cell, gain=100 * gain.value, gain_low=_percent(low), gain_high=_percent(high))


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
