"""Features compared: one network trained on each of several front ends, tested on groups it knows and on others.

A front end is a folder of runs, so a sweep that was stopped continues where it was, and `mmasc evaluate` and
`mmasc compare` read what it leaves. *Seen* clips are of recordings, places or cities that were learned from, though
the clips themselves were not; *unseen* ones are of others.

Paper: Liu et al. 2021, "Cross-modal Spectrum Transformation Network for Acoustic Scene Classification", Table 1.
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from mmasc.devices import Session
from mmasc.errors import MmascError
from mmasc.evaluation.feature_table import FeatureRow, feature_row
from mmasc.features.registry import FRONT_ENDS, front_end_constants
from mmasc.networks.building import building_asked
from mmasc.networks.load import load_network
from mmasc.printing import counted
from mmasc.progress import one_by_one
from mmasc.storage.files import make_folders, write_atomically
from mmasc.storage.texts import parse_json
from mmasc.training.supervised.batches import check_stages
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.data import DataChoice
from mmasc.training.supervised.recipes import recipe as recipe_of
from mmasc.training.supervised.train import train_network

# In the order of the paper
TABLE1 = ("cqt", "gammatone", "mfcc", "log-mel", "log-mel-delta", "log-mel-delta2")
_IMAGINED = "ivf:"
# What shaped the features of a folder of runs
_CONSTANTS = "front_end.json"


def front_ends_of(features: Sequence[str]) -> dict[str, str]:
    """Name that is shown → front end.

    Args:
        features: Names of front ends, "ivf:RUN", "NAME=FRONT_END" to show another name, or "table1" for those of the
            paper's Table 1 that are made of sound alone.
    Raises:
        MmascError: If a front end does not exist, two have one name or one folder, or there is none.
    """
    found: dict[str, str] = {}
    for text in [item for given in features for item in (TABLE1 if given == "table1" else (given,))]:
        name, sign, front_end = text.partition("=")
        if not sign or name.startswith(_IMAGINED):
            name, front_end = text, text
        if front_end not in FRONT_ENDS and not front_end.startswith(_IMAGINED):
            known = ", ".join([*sorted(FRONT_ENDS), f"{_IMAGINED}RUN", "table1"])
            raise MmascError(f"there are no features {front_end!r}; there are: {known}")
        if found.setdefault(name, front_end) != front_end:
            raise MmascError(f"{name!r} is the name of {found[name]} and of {front_end}; name one of them otherwise")
    if not found:
        raise MmascError("no features are named; name some, or table1")
    folders: dict[str, str] = {}
    for name in found:
        other = folders.setdefault(folder_name(name), name)
        if other != name:
            raise MmascError(
                f"{other!r} and {name!r} would share a folder; give one of them a name: NAME={found[name]}"
            )
    return found


def folder_name(name: str) -> str:
    """A name as one part of a path: letters, digits, dots and hyphens."""
    safe = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")
    if not safe:
        raise MmascError(f"{name!r} names no folder; give a name with letters or digits")
    return safe


def sweep_features(
    network: str,
    data: str | Path,
    dataset: str,
    out: str | Path,
    features: Sequence[str],
    folds: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    minutes: float | None = None,
    **options: Any,
) -> list[FeatureRow]:
    """Train a network on each of several features, or continue a sweep that was begun, and test all its runs.

    Runs are trained seed by seed, so that all features have figures early; what is finished is left as it is.

    Args:
        network: A name of `mmasc.networks.registry.NETWORKS` whose channels follow its features.
        data, dataset: As for `train_network`.
        out: Folder of the sweep: OUT/FEATURES/seed-N/fold-M.
        features: See `front_ends_of`.
        folds: Each is left out once; default: all.
        seeds: Each trains everything.
        minutes: Begin no run after so many; 0 only tests what is there.
        options: Others of `train_network`, by name; one recipe serves all features alike. `seen_share` is the share of
            the clips of every group learned from that is held back and tested as seen; `seen_by` names a column (city
            ...) in the place of groups: a test clip whose value was learned from is seen as well.
    Returns:
        A row for every front end that has a run, in the order given.
    Raises:
        MmascError: If something cannot be trained or tested; runs that are done stay.
    """
    session = Session.among(options)
    chosen, place, began = front_ends_of(features), Path(out), time.monotonic()
    wanted = DataChoice.among(dataset, data, options).test_folds(folds)
    _check(network, chosen, options)
    constants = {name: front_end_constants(front_end) for name, front_end in chosen.items()}
    for name in chosen:
        if (place / folder_name(name)).is_dir():
            _claim_features(place / folder_name(name), chosen[name], constants[name])
    train = partial(train_network, network=network, data=data, dataset=dataset, **options)
    jobs = [(seed, name, fold) for seed in seeds for name in chosen for fold in wanted]
    for number, (seed, name, fold) in enumerate(one_by_one("run", jobs), 1):
        if minutes is not None and time.monotonic() - began >= 60 * minutes:
            _say_what_is_left(jobs[number - 1 :], len(jobs), place, session)
            break
        session.say(f"run {number} of {len(jobs)}: {name}, seed {seed}, fold {fold}")
        _claim_features(place / folder_name(name), chosen[name], constants[name])
        train(out=_folder(place, seed, name, fold), folds=[fold], seed=seed, features=chosen[name])
    rows = [
        feature_row(name, front_end, constants[name], place / folder_name(name), wanted, seeds, data, session)
        for name, front_end in chosen.items()
    ]
    if not any(rows):
        raise MmascError(f"{place} holds no finished run of {', '.join(chosen)}; give the time to train one")
    return [row for row in rows if row is not None]


def _say_what_is_left(rest: Sequence[tuple[int, str, str]], n_jobs: int, place: Path, session: Session) -> None:
    left = [job for job in rest if not (_folder(place, *job) / "last.safetensors").is_file()]
    if left:
        session.say(
            f"time is up: {len(left)} of {counted(n_jobs, 'run')} {'is' if len(left) == 1 else 'are'} not finished"
        )


def _folder(place: Path, seed: int, name: str, fold: str) -> Path:
    return place / folder_name(name) / f"seed-{seed}" / f"fold-{fold}"


def _check(network: str, chosen: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """Refuse before the first hour of training what the last front end would refuse after it."""
    known = {field.name for field in fields(SupervisedConfig)} - {"arguments"}
    values = recipe_of(options.get("recipe", "default"))
    values |= {name: value for name, value in options.items() if name in known}
    arguments = dict(options.get("arguments") or {})
    for front_end in chosen.values():
        with building_asked(f"{network} cannot be made with {front_end} and these arguments", arguments):
            made = load_network(network, features=front_end, arguments=arguments)
        check_stages(made, SupervisedConfig(network, front_end, made.classes, "", "", "", **values))


def _claim_features(folder: Path, front_end: str, constants: Mapping[str, Any]) -> None:
    """Note what shapes the features of a folder; refuse runs on features that the name no longer gives."""
    now = json.dumps(constants, indent=1, sort_keys=True) + "\n"
    path = folder / _CONSTANTS
    if not path.is_file():
        make_folders(folder)
        write_atomically(path, now.encode())
        return
    try:
        theirs = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MmascError(f"{path} is damaged ({error}); take {folder} away") from error
    if not _holds(json.loads(now), theirs):
        raise MmascError(
            f"{folder} holds runs on other features than {front_end} gives now; move the folder away, or name these "
            f"otherwise: NAME={front_end}"
        )


def _holds(now: Any, theirs: Any) -> bool:
    """Whether everything that was noted is still so; constants that came later are at what was done before."""
    if isinstance(now, dict) and isinstance(theirs, dict):
        return all(name in now and _holds(now[name], value) for name, value in theirs.items())
    return bool(now == theirs)
