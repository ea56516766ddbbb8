"""Features compared: one network trained on each of several front ends, tested on groups it knows and on others.

A front end is a folder of runs, so a sweep that was stopped goes on where it was, and `mmasc evaluate` and
`mmasc compare` read what it leaves. *Seen* clips are of recordings, places or cities that were learned from, though
the clips themselves were not; *unseen* ones are of others.

Paper: Liu et al. 2021, "Cross-modal Spectrum Transformation Network for Acoustic Scene Classification", Table 1.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from mmasc.baselines import load_network
from mmasc.errors import MmascError
from mmasc.evaluation.answers import Answers, measure_accuracy
from mmasc.evaluation.published import published_features
from mmasc.evaluation.runs import Run, TestScores, find_runs, read_scores, read_seen_scores
from mmasc.features.front_ends import FRONT_ENDS, front_end_constants
from mmasc.training.batches import check_stages
from mmasc.training.checkpoints import write_atomically
from mmasc.training.recipes import recipe as recipe_of
from mmasc.training.supervised import train_network
from mmasc.training.supervised_config import SupervisedConfig
from mmasc.training.supervised_data import read_data, seen_before

# In the order of the paper
TABLE1 = ("cqt", "gammatone", "mfcc", "log-mel", "log-mel-delta", "log-mel-delta2")
_IMAGINED = "ivf:"
# What shaped the features of a folder of runs
_CONSTANTS = "front_end.json"

# Answers, and the names of the clips that they are about
Part = tuple[Answers, list[str]]


@dataclass(frozen=True)
class FeatureRow:
    """A front end of a sweep, over all folds and seeds.

    Attributes:
        name: As it is shown.
        features: Front end, as `load_front_end` takes it.
        seen, seen_low, seen_high: Accuracy in percent on clips whose group (or city ...) was learned from, and its
            95 % interval over groups; None where there are no such clips.
        seen_clips, seen_answers: Different clips, and how often they were asked about, by fold and seed.
        unseen, unseen_low, unseen_high, unseen_clips, unseen_answers: The same of clips of other groups.
        published_seen, published_unseen: Of the paper, in percent; None where it has none.
        published_on: What these were measured on; empty as well.
        parameters: Trainable numbers of the network.
        clips_per_second: Of training, the median over epochs and runs; None where the runs did not note it.
        seconds: Of training a fold, the median over runs; None as well.
        folds, seeds: That were trained.
        missing: "fold F seed S" that were asked for and are not there.
        folder: Of its runs.
    """

    name: str
    features: str
    seen: float | None
    seen_low: float | None
    seen_high: float | None
    seen_clips: int
    seen_answers: int
    unseen: float | None
    unseen_low: float | None
    unseen_high: float | None
    unseen_clips: int
    unseen_answers: int
    published_seen: float | None
    published_unseen: float | None
    published_on: str
    parameters: int
    clips_per_second: float | None
    seconds: float | None
    folds: tuple[str, ...]
    seeds: tuple[int, ...]
    missing: tuple[str, ...]
    folder: str


def front_ends_of(features: Sequence[str]) -> dict[str, str]:
    """Name that is shown → front end.

    Args:
        features: Names of front ends, "ivf:RUN", "NAME=FRONT_END" to show another name, or "table1" for those of the
            paper's Table 1 that are made of sound alone.
    Raises:
        MmascError: If a front end does not exist, two have one name or one folder, or there is none.
    """
    found: dict[str, str] = {}
    for text in [one for given in features for one in (TABLE1 if given == "table1" else (given,))]:
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
    seen_share: float = 0.0,
    seen_by: str = "",
    folds: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    recipe: str = "default",
    arguments: Mapping[str, Any] | None = None,
    cache: str | Path | None = None,
    device: str = "cpu",
    minutes: float | None = None,
    remark: Callable[[str], None] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    **options: Any,
) -> list[FeatureRow]:
    """Train a network on each of several features, or go on with a sweep that was begun, and test all its runs.

    Runs are trained seed by seed, so that all features have figures early; what is finished is left as it is.

    Args:
        network: A name of `mmasc.baselines.NETWORKS` whose channels follow its features.
        data, dataset: As for `train_network`.
        out: Folder of the sweep: OUT/FEATURES/seed-N/fold-M.
        features: See `front_ends_of`.
        seen_share: Of the clips of every group that is learned from: held back and tested as seen; 0 for none.
        seen_by: Column (city ...) in the place of groups. A test clip whose value was learned from is seen as well.
        folds: Each is left out once; default: all.
        seeds: Each trains everything.
        recipe, arguments, cache, device: As for `train_network`; one recipe serves all features alike.
        minutes: Begin no run after so many; 0 only tests what is there.
        remark: Called with lines about what is being done.
        progress: Called with steps done, steps of all of a run, and a line about it.
        options: Others of `train_network`.
    Returns:
        A row for every front end that has a run, in the order given.
    Raises:
        MmascError: If something cannot be trained or tested; runs that are done stay.
    """
    say = remark if remark is not None else _silence
    chosen, place, began = front_ends_of(features), Path(out), time.monotonic()
    wanted = [str(fold) for fold in folds] or _folds_of(dataset, data, options)
    values = dict(seen_share=seen_share, seen_by=seen_by, **options)
    _check(network, chosen, arguments, recipe, values)
    constants = {name: front_end_constants(front_end) for name, front_end in chosen.items()}
    jobs = [(seed, name, fold) for seed in seeds for name in chosen for fold in wanted]
    for number, (seed, name, fold) in enumerate(jobs, 1):
        if minutes is not None and time.monotonic() - began >= 60 * minutes:
            say(f"time is up: {len(jobs) - number + 1} of {len(jobs)} runs are not begun")
            break
        say(f"run {number} of {len(jobs)}: {name}, seed {seed}, fold {fold}")
        folder = place / folder_name(name)
        _claim_features(folder, chosen[name], constants[name])
        train_network(
            *(network, data, dataset, folder / f"seed-{seed}" / f"fold-{fold}"),
            folds=[fold],
            seed=seed,
            features=chosen[name],
            recipe=recipe,
            arguments=arguments,
            cache=cache,
            device=device,
            remark=remark,
            progress=progress,
            **values,
        )
    rows = [
        _row(name, front_end, constants[name], place / folder_name(name), wanted, seeds, data, cache, device, say)
        for name, front_end in chosen.items()
    ]
    if not any(rows):
        raise MmascError(f"{place} holds no finished run of {', '.join(chosen)}; give the time to train one")
    return [row for row in rows if row is not None]


def table_of(rows: Sequence[FeatureRow]) -> list[dict[str, str]]:
    """Rows as people read them: percent, [95 % interval], (different clips)."""
    return [
        {
            "features": row.name,
            "seen %": _said(row.seen, row.seen_low, row.seen_high, row.seen_clips),
            "unseen %": _said(row.unseen, row.unseen_low, row.unseen_high, row.unseen_clips),
            "published seen/unseen": "-"
            if row.published_seen is None
            else f"{row.published_seen:.1f}/{row.published_unseen:.1f}",
        }
        for row in rows
    ]


def _said(value: float | None, low: float | None, high: float | None, clips: int) -> str:
    if value is None:
        return "-"
    interval = "" if low is None else f" [{low:.1f}, {high:.1f}]"
    return f"{value:.1f}{interval} ({clips})"


def _folds_of(dataset: str, data: str | Path, options: Mapping[str, Any]) -> list[str]:
    names = ("make_folds", "hold_out", "per_class")
    table = read_data(
        dataset,
        data,
        options.get("dataset_options") or {},
        **{name: options[name] for name in names if name in options},
    )
    if not table.folds:
        raise MmascError(f"{table.root} has no folds to test on; make some with --make-folds 5")
    return table.folds


def _check(
    network: str,
    chosen: Mapping[str, str],
    arguments: Mapping[str, Any] | None,
    recipe: str,
    options: Mapping[str, Any],
) -> None:
    """Refuse before the first hour of training what the last front end would refuse after it."""
    known = {field.name for field in fields(SupervisedConfig)}
    values = {**recipe_of(recipe), **{name: value for name, value in options.items() if name in known}}
    for front_end in chosen.values():
        try:
            made = load_network(network, features=front_end, arguments=dict(arguments or {}))
        except (TypeError, ValueError) as error:
            raise MmascError(f"{network} cannot be made with {front_end} and these arguments: {error}") from error
        check_stages(made, SupervisedConfig(network, front_end, made.classes, "", "", "", **values))


def _claim_features(folder: Path, front_end: str, constants: Mapping[str, Any]) -> None:
    """Note what shapes the features of a folder; refuse runs on features that the name no longer gives."""
    now = json.dumps(constants, indent=1, sort_keys=True) + "\n"
    path = folder / _CONSTANTS
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, now.encode())
    elif path.read_text(encoding="utf-8") != now:
        raise MmascError(
            f"{folder} holds runs on other features than {front_end} gives now; take the folder away, or name these "
            f"otherwise: NAME={front_end}"
        )


def _row(
    name: str,
    front_end: str,
    constants: Mapping[str, Any],
    folder: Path,
    folds: Sequence[str],
    seeds: Sequence[int],
    data: str | Path,
    cache: str | Path | None,
    device: str,
    say: Callable[[str], None],
) -> FeatureRow | None:
    """What the finished runs of a front end say; None where there is none."""
    places = {(fold, seed): folder / f"seed-{seed}" / f"fold-{fold}" for seed in seeds for fold in folds}
    there = {key: path for key, path in places.items() if (path / "last.safetensors").is_file()}
    if not there:
        say(f"{name} has no finished run")
        return None
    runs = [find_runs([path])[0] for path in there.values()]
    odd = [run for run in runs if run.config.features != front_end or run.system != runs[0].system]
    if odd:
        raise MmascError(f"{odd[0].folder} is a run of another system than {front_end} in {runs[0].folder}; move it")
    _claim_features(folder, front_end, constants)
    seen, unseen = _parts(runs, data, cache, device, say)
    speeds = [line["clips_per_second"] for run in runs for line in run.epochs if line.get("clips_per_second")]
    seconds = [run.epochs[-1]["seconds"] for run in runs if run.epochs and "seconds" in run.epochs[-1]]
    config = runs[0].config
    return FeatureRow(
        *(name, front_end, *_figures(seen), *_figures(unseen), *_published(front_end, constants)),
        parameters=load_network(f"{config.network}:{runs[0].folder}").parameter_counts()[0],
        clips_per_second=float(np.median(speeds)) if speeds else None,
        seconds=float(np.median(seconds)) if seconds else None,
        folds=tuple(dict.fromkeys(fold for fold, _ in there)),
        seeds=tuple(dict.fromkeys(seed for _, seed in there)),
        missing=tuple(f"fold {fold} seed {seed}" for fold, seed in places if (fold, seed) not in there),
        folder=str(folder),
    )


def _parts(
    runs: Sequence[Run], data: str | Path, cache: str | Path | None, device: str, say: Callable[[str], None]
) -> tuple[list[Part], list[Part]]:
    """Answers about seen and about unseen clips, a part for each run that has any."""

    def kept(scores: TestScores, run: Run, rows: Bool[np.ndarray, " clip"]) -> list[Part]:
        names = [clip for clip, one in zip(scores.clips, rows, strict=True) if one]
        return [(scores.answers(run.config.classes).part(rows), names)] if names else []

    seen: list[Part] = []
    unseen: list[Part] = []
    for run in runs:
        table, sides = run.data(data)
        before = seen_before(table, sides, run.config.seen_by)[sides.test]
        scores = read_scores(run, data, cache, device, say)
        seen += kept(scores, run, before)
        unseen += kept(scores, run, ~before)
        if len(sides.seen):
            apart = read_seen_scores(run, data, cache, device, say)
            seen += kept(apart, run, np.ones(len(apart.clips), bool))
    return seen, unseen


def _figures(parts: Sequence[Part]) -> tuple[float | None, float | None, float | None, int, int]:
    """Accuracy of all answers with its interval in percent, different clips, answers."""
    if not parts:
        return None, None, None, 0, 0
    first = parts[0][0]
    answers = Answers(
        np.concatenate([part.true for part, _ in parts]),
        np.concatenate([part.posteriors for part, _ in parts]),
        first.classes,
        tuple(group for part, _ in parts for group in part.groups),
        first.multi_label,
    )
    accuracy = measure_accuracy(answers)
    low, high = (None, None) if accuracy.interval is None else (100 * end for end in accuracy.interval)
    return 100 * accuracy.value, low, high, len({name for _, names in parts for name in names}), len(answers)


def _published(front_end: str, constants: Mapping[str, Any]) -> tuple[float | None, float | None, str]:
    """The paper's pair in percent, and what it is of; of a run that imagines, that of its variant."""
    known = front_end
    if front_end.startswith(_IMAGINED):
        known = _IMAGINED + constants["imagination"]["variant"]
    found = published_features(known)
    if found is None or found.unseen is None:
        return None, None, ""
    return 100 * found.value, 100 * found.unseen, f"{found.source}: {found.measured}"


def rows_object(rows: Sequence[FeatureRow]) -> list[dict[str, Any]]:
    """Rows as plain values, for JSON: keys may be added, never renamed."""
    return [asdict(row) for row in rows]


def _silence(_line: str) -> None:
    """Says nothing."""
