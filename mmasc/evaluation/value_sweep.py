"""A grid search: a network trained with every combination of some values, one of them chosen on validation clips.

The choice is made for each test fold by itself, on clips that the runs of this fold hold back for validation. Only what
was chosen is tested, so no figure of a test fold has a part in any choice. A combination is a folder of runs: a sweep
that was stopped continues, and `mmasc evaluate` reads what it leaves.
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

from mmasc.devices import Session
from mmasc.errors import MmascError
from mmasc.evaluation.evaluate import evaluate
from mmasc.evaluation.runs import read_run
from mmasc.networks.building import UNBUILDABLE, require_small
from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS
from mmasc.progress import one_by_one
from mmasc.storage.texts import parse_json
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.data import DataChoice
from mmasc.training.supervised.options import options_of

VALIDATION = "0.2"  # share of the clips to learn from, where nobody says another
_FIXED = ("fold", "seed", "validation")  # what combinations are compared on
_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_-]*)=(?P<values>.+)")
_SAFE = re.compile(r"[^A-Za-z0-9.+-]+")


@dataclass(frozen=True)
class GridRow:
    """A combination on one test fold.

    Attributes:
        values: What was tried, by name.
        fold: Test fold, which had no part in the choice.
        figure: What is chosen by: "accuracy", or "lwlrap" where a clip can have several labels.
        validation: That figure on the validation clips, the mean over seeds.
        validation_loss: Loss there, the mean over seeds; it decides between equal figures.
        chosen: Whether it is the best of this fold.
        test_accuracy: Accuracy on the test fold of what was chosen, the mean over seeds; None for all others.
        n_test: Clips of the test fold; 0 for all others.
        folders: Folders of its runs.
    """

    values: dict[str, Any]
    fold: str
    figure: str
    validation: float
    validation_loss: float
    chosen: bool
    test_accuracy: float | None
    n_test: int
    folders: tuple[str, ...]


def is_assignment(text: str) -> bool:
    """Whether a text is KEY=V1,V2,... and not the name of a published table's cell."""
    return _ASSIGNMENT.fullmatch(text) is not None


def grid_of(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Values to try, by the name of an option of training or of an argument of the network's definition.

    Args:
        texts: Each "KEY=V1,V2,...", hyphens or underscores in the key.
    Raises:
        MmascError: If a text is not of this form, a key comes twice, or a value is not one of its option.
    """
    known = {one.name: one for one in options_of(SupervisedConfig)}
    grid: dict[str, list[Any]] = {}
    for text in texts:
        found = _ASSIGNMENT.fullmatch(text.strip())
        if found is None:
            raise MmascError(f"a grid is KEY=V1,V2,... (as in dropout=0,0.2,0.5), got {text!r}")
        name = found["name"].replace("-", "_")
        if name in grid:
            raise MmascError(f"{name} is in the grid twice; give all its values at once: {name}=V1,V2,...")
        if name in known and isinstance(known[name].default, tuple):
            raise MmascError(f"{name} holds several values by itself: a grid is over options of one value")
        words = [word.strip() for word in found["values"].split(",") if word.strip()]
        kind = known[name].type if name in known else None
        grid[name] = list(dict.fromkeys(_value(word, kind, name) for word in words))
        if not grid[name]:
            raise MmascError(f"the grid has no value for {name}; give {name}=V1,V2,...")
    return grid


def sweep_values(
    network: str,
    data: str | Path,
    dataset: str,
    out: str | Path,
    grid: Mapping[str, Sequence[Any]] | Sequence[str],
    folds: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    **options: Any,
) -> list[GridRow]:
    """Train every combination of a grid on every fold, choose on validation clips, and test what was chosen.

    Args:
        network: A name of `mmasc.networks.registry.NETWORKS`.
        data, dataset: As for `train_network`.
        out: Folder of the sweep: OUT/COMBINATION/seed-N/fold-M.
        grid: Values by name of an option or of an argument of the network; or texts for `grid_of`.
        folds: Folds to test; default: all.
        seeds: Each trains everything.
        options: Others of `train_network`, by name: `validation` is what the choice is made on (default: 0.2 of the
            clips to learn from), `arguments` are in addition to those of the grid.
    Returns:
        A row for each combination and fold.
    Raises:
        MmascError: If a name or a value is not of this network, or something cannot be trained; runs that are done
            stay.
    """
    from mmasc.training.supervised.train import train_network

    wanted = dict(grid) if isinstance(grid, Mapping) else grid_of(grid)
    options = {"validation": VALIDATION, **options}
    if not options["validation"]:
        raise MmascError("a grid is decided on validation clips: validation must be a fold or a share, as in 0.2")
    fixed = [name for name in _FIXED if name in wanted]
    if fixed:
        raise MmascError(
            f"{fixed[0]} is not for the grid: all combinations share folds, seeds and validation clips, which have "
            "options of their own"
        )
    session, place = Session.among(options), Path(out)
    combinations = [dict(zip(wanted, values, strict=True)) for values in itertools.product(*wanted.values())]
    names = {one.name for one in fields(SupervisedConfig)}
    arguments = options.pop("arguments", None) or {}
    _check(network, combinations, names, arguments, options)
    tested = DataChoice.among(dataset, data, options).test_folds(folds)
    jobs = [(values, seed, fold) for values in combinations for seed in seeds for fold in tested]
    for number, (values, seed, fold) in enumerate(one_by_one("run", jobs), 1):
        session.say(f"run {number} of {len(jobs)}: {_words(values)}, seed {seed}, fold {fold}")
        train_network(
            network,
            data,
            dataset,
            _folder(place, values, seed, fold),
            folds=[fold],
            seed=seed,
            arguments={**arguments, **{name: one for name, one in values.items() if name not in names}},
            **{**options, **{name: one for name, one in values.items() if name in names}},
        )
    rows = []
    for fold in tested:
        held = [(values, [_folder(place, values, seed, fold) for seed in seeds]) for values in combinations]
        rows += _chosen(fold, held, data, session)
    return rows


def _chosen(
    fold: str, held: Sequence[tuple[dict[str, Any], list[Path]]], data: str | Path, session: Session
) -> list[GridRow]:
    """Rows of one fold; the best by validation is tested."""
    measured = [_validated(folders) for _, folders in held]
    best = max(range(len(held)), key=lambda number: (measured[number][1], -measured[number][2]))
    rows = []
    for number, (values, folders) in enumerate(held):
        figure, score, loss = measured[number]
        accuracy, n_test = None, 0
        if number == best:
            found = evaluate(folders, data, cache=session.cache, device=session.device, remark=session.remark)[0]
            accuracy, n_test = found.metrics["accuracy"].value, found.runs[0].clips
        rows.append(
            GridRow(values, fold, figure, score, loss, number == best, accuracy, n_test, tuple(map(str, folders)))
        )
    return rows


def _validated(folders: Sequence[Path]) -> tuple[str, float, float]:
    """Figure, its mean and that of the loss over the runs of a combination, at the weights that each exports."""
    scores, losses, figure = [], [], "accuracy"
    for folder in folders:
        run = read_run(folder)
        lines = [line for line in run.epochs if "validation_loss" in line] if run is not None else []
        if run is None or not lines or run.unfinished:
            raise MmascError(f"{folder} is not a finished run with validation; give the same command again")
        figure = "lwlrap" if "validation_lwlrap" in lines[-1] else "accuracy"
        # Early stopping exports the best epoch, which the same figures choose; else the last epoch is exported
        pairs = [(float(line[f"validation_{figure}"]), -float(line["validation_loss"])) for line in lines]
        score, loss = max(pairs) if run.config.patience else pairs[-1]
        scores.append(score)
        losses.append(-loss)
    return figure, math.fsum(scores) / len(scores), math.fsum(losses) / len(losses)


def _check(
    network: str,
    combinations: Sequence[Mapping[str, Any]],
    names: set[str],
    arguments: Mapping[str, Any],
    options: Mapping[str, Any],
) -> None:
    """Refuse before the first hour of training what the last combination would refuse after it."""
    if network not in NETWORKS:
        raise MmascError(f"unknown network {network!r}; there are: {', '.join(sorted(NETWORKS))}")
    twice = [name for name in combinations[0] if name in options or name in arguments]
    if twice:
        raise MmascError(f"{twice[0]} is in the grid and given by itself; leave out one of them")
    seen: dict[str, Mapping[str, Any]] = {}
    networks: dict[str, Any] = {}
    for values in combinations:
        own = {name: one for name, one in values.items() if name not in names}
        try:
            require_small(own)
            made = networks.get(_name(own)) or load_network(
                network, features=options.get("features"), arguments={**arguments, **own}
            )
            networks[_name(own)] = made
            trained = {name: one for name, one in values.items() if name in names}
            SupervisedConfig(network, made.features, made.classes, "", "", "", **trained)
        except TypeError as error:
            odd = next((name for name in own if f"'{name}'" in str(error)), ", ".join(own) or _words(values))
            raise MmascError(f"{odd} is neither an option of training nor an argument of {network}") from error
        except UNBUILDABLE as error:
            reason = " ".join(str(error).split())[:150] or type(error).__name__
            raise MmascError(f"{_words(values)} cannot be trained: {reason}") from error
        other = seen.setdefault(_name(values), values)
        if other is not values:
            raise MmascError(f"{_words(other)} and {_words(values)} would share a folder; write the values otherwise")


def _value(word: str, kind: Any, name: str) -> Any:
    """A value as its option has it; of an argument of the network, JSON where it is such, else text."""
    if kind is None:
        try:
            return parse_json(word)
        except ValueError:
            return word
    if kind is bool:
        if word.lower() not in ("true", "false"):
            raise MmascError(f"{name} is true or false, got {word!r}")
        return word.lower() == "true"
    kinds = get_args(kind) or (kind,)
    try:
        return kinds[0](word)
    except ValueError as error:
        raise MmascError(f"{name} takes {'whole numbers' if kind is int else 'numbers'}, got {word!r}") from error


def _words(values: Mapping[str, Any]) -> str:
    shown = {name: str(value) for name, value in values.items()}
    return ", ".join(f"{name} {text if len(text) <= 60 else f'{text[:59]}…'}" for name, text in shown.items())


def _name(values: Mapping[str, Any]) -> str:
    """A combination as one part of a path."""
    return "_".join(f"{_SAFE.sub('-', name)}-{_SAFE.sub('-', str(value))}" for name, value in values.items())


def _folder(place: Path, values: Mapping[str, Any], seed: int, fold: str) -> Path:
    return place / _name(values) / f"seed-{seed}" / f"fold-{fold}"
