"""Runs of `mmasc train NETWORK` on disk: found, read, and asked about the clips that they have not learned from.

What a run says about its test fold is kept next to its weights (test_scores.safetensors) and made again when the
weights or what decides the answers have changed.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from mmasc.datasets.dataset import Dataset
from mmasc.errors import MmascError
from mmasc.metrics.predictions import Predictions
from mmasc.storage.configs import config_from_dict
from mmasc.storage.tensors import load_tensors, save_tensors
from mmasc.storage.texts import parse_json
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.data import Sides, checked_sides, data_of

SCORES = "test_scores.safetensors"
SEEN_SCORES = "seen_scores.safetensors"
# Another number here makes all kept scores again: raise it when the same run would be heard in another way
_HEARD = 1
# What decides which clips are tested, not how they are heard: scores that were kept before there was such stay
_NOT_HEARD = ("seen_share", "seen_by")
# What does not change the system that is measured, only on what it was trained and tested
_NOT_THE_SYSTEM = ("fold", "seed", "data", "weights", "weights_digest", "tags", "pseudo")


@dataclass(frozen=True)
class Run:
    """One fold's run.

    Attributes:
        folder: Where config.json and the weights are.
        config: What decided the weights.
    """

    folder: Path
    config: SupervisedConfig

    @property
    def weights(self) -> Path:
        """The file that `load_network("NETWORK:FOLDER")` reads: the best where there was early stopping."""
        best = self.folder / "best.safetensors"
        return best if best.is_file() else self.folder / "last.safetensors"

    @cached_property
    def digest(self) -> str:
        """Of the weights and of what decides how clips are heard."""
        values = {name: value for name, value in asdict(self.config).items() if name not in _NOT_HEARD}
        heard = json.dumps(values | {"data": "", "version": _HEARD}, sort_keys=True)
        return hashlib.sha256(self.weights.read_bytes() + heard.encode()).hexdigest()

    @property
    def system(self) -> str:
        """Equal for runs that differ in fold and seed only."""
        values = {name: value for name, value in asdict(self.config).items() if name not in _NOT_THE_SYSTEM}
        return json.dumps(values, sort_keys=True)

    def data(self, path: str | Path | None = None) -> tuple[Dataset, Sides]:
        """The data set that it was made with, and its sides.

        Args:
            path: Where it is; default: where it was.
        Raises:
            MmascError: If the run has no test fold, no clip can be tested, or the data set does not exist or is
                another.
        """
        config = self.config
        if not config.fold:
            raise MmascError(f"{self.folder} learned from all clips: it has no fold to be tested on")
        table = data_of(config, path)
        sides = checked_sides(table, config)
        if not len(sides.test):
            raise MmascError(f"fold {config.fold!r} of {table.root} holds no clip with a label; nothing can be tested")
        return table, sides

    @cached_property
    def epochs(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, one per epoch; a torn last line is left out."""
        path = self.folder / "metrics.jsonl"
        lines = []
        for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            try:
                lines.append(parse_json(text))
            except ValueError:
                break  # only the last line can be torn, by a kill
        return lines

    @property
    def unfinished(self) -> str:
        """How far it is, where it neither reached its last epoch nor may have stopped early; else empty."""
        done = int(self.epochs[-1].get("epoch", 0)) if self.epochs else 0
        if done >= self.config.epochs or self.config.patience:
            return ""
        return f"{done} of {self.config.epochs} epochs"

    @cached_property
    def machine(self) -> dict[str, Any]:
        """What it was made on, as the run itself noted; empty where it did not."""
        path = self.folder / "machine.json"
        try:
            found = parse_json(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except ValueError as error:
            raise MmascError(f"{path} is damaged ({error}); delete it") from error
        return found if isinstance(found, dict) else {}


def find_runs(paths: Iterable[str | Path]) -> list[Run]:
    """Runs of networks at or below folders, in the order of their paths; those of one folder by fold and seed.

    Raises:
        MmascError: If a folder is missing or holds no such run, or a run has no weights yet.
    """
    found: dict[Path, Run] = {}
    for given in paths:
        folder = Path(given)
        if not folder.is_dir():
            raise MmascError(f"{folder} is not a folder; name a run of mmasc train, or a folder that holds runs")
        own = [run for path in sorted(folder.rglob("config.json")) if (run := _read(path.parent)) is not None]
        if not own:
            raise MmascError(f"{folder} holds no run of a network; make one with: mmasc train NETWORK --out {folder}")
        own.sort(key=lambda run: (run.system, _number_first(run.config.fold), run.config.seed))
        found |= {run.folder.resolve(): run for run in own}
    without = [run for run in found.values() if not run.weights.is_file()]
    if without:
        raise MmascError(f"{without[0].folder} has no weights yet; give its mmasc train command again")
    return list(found.values())


def _number_first(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


def _read(folder: Path) -> Run | None:
    """The run of a folder; None where the folder belongs to another kind of run."""
    path = folder / "config.json"
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MmascError(f"{path} cannot be read ({error}); delete it, or train it again") from error
    if not isinstance(values, dict) or not {"network", "dataset", "fold"} <= set(values):
        return None
    try:
        return Run(folder, config_from_dict(SupervisedConfig, values, str(path)))
    except (TypeError, ValueError) as error:
        raise MmascError(f"{path} is not a configuration of a run ({error}); train it again") from error


@dataclass(frozen=True)
class TestScores:
    """What a run says about the clips of its test fold.

    Attributes:
        logits: As `score_clips` gives them.
        targets: 1 where a clip has a label.
        clips: Names of the clips under the data set's folder.
        groups: The recording, place or upload of each.
        columns: Name of a column (city, device ...) → its value for each clip.
        multi_label: Whether a clip can have several labels.
        kept: Whether they were found next to the weights, not made now.
    """

    __test__ = False  # the name looks like one to pytest

    logits: Float32[np.ndarray, "clip class"]
    targets: Float32[np.ndarray, "clip class"]
    clips: tuple[str, ...]
    groups: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    multi_label: bool
    kept: bool = False

    def answers(self, classes: Sequence[str]) -> Predictions:
        """Posteriors and truth of the clips that have a label (all, where there can be several)."""
        logits = torch.from_numpy(self.logits).double()
        posteriors = logits.sigmoid() if self.multi_label else logits.softmax(1)
        return Predictions(self.targets > 0, posteriors.numpy(), tuple(classes), self.groups, self.multi_label)


def read_scores(
    run: Run,
    data: str | Path | None = None,
    cache: str | Path | None = None,
    device: str = "cpu",
    remark: Callable[[str], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TestScores:
    """What a run says about its test fold: as kept next to its weights, else made now and kept.

    Args:
        run: Run with weights.
        data: Where the data set is; default: where it was.
        cache: Folder of decoded waveforms.
        device: As for `load_network`.
        remark: Called with a line where kept scores could not be read.
        progress: Called with clips done and clips in all.
    Raises:
        MmascError: If the run has no test fold, or scores must be made and the data set does not exist or is another.
    """
    if not run.config.fold:
        raise MmascError(f"{run.folder} learned from all clips: it has no fold to be tested on")
    return kept_or_made(
        run.folder / SCORES, run.digest, lambda: _made(run, "test", data, cache, device, progress, remark), remark
    )


def read_seen_scores(
    run: Run,
    data: str | Path | None = None,
    cache: str | Path | None = None,
    device: str = "cpu",
    remark: Callable[[str], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TestScores:
    """What a run says about the clips that it held back as seen: of recordings or places that it learned from.

    Args:
        run, data, cache, device, remark, progress: See `read_scores`.
    Raises:
        MmascError: As `read_scores`; if the run held no clips back.
    """
    config = run.config
    if not config.seen_share:
        raise MmascError(f"{run.folder} held no clips back as seen; train a new run with --seen-share")
    digest = f"seen {config.seen_share} {config.seen_by} {run.digest}"
    return kept_or_made(
        run.folder / SEEN_SCORES, digest, lambda: _made(run, "seen", data, cache, device, progress, remark), remark
    )


def kept_or_made(
    path: Path, digest: str, make: Callable[[], TestScores], remark: Callable[[str], None] | None = None
) -> TestScores:
    """Test scores of a file, where it is there and of this digest; else made and kept there.

    Args:
        path: The file.
        digest: Digest of all that decides them.
        make: What makes them.
        remark: Called with a line where a file could not be read.
    """
    if path.is_file():
        try:
            kept = _stored(path, digest)
        except MmascError as error:
            kept = None
            if remark is not None:
                remark(f"{error}: made again")
        if kept is not None:
            return kept
    made = make()
    about = {
        "kind": "mmasc-test-scores",
        "digest": digest,
        "clips": made.clips,
        "groups": made.groups,
        "columns": dict(made.columns),
        "multi_label": made.multi_label,
    }
    tensors = {"logits": torch.from_numpy(made.logits), "targets": torch.from_numpy(made.targets)}
    save_tensors(path, tensors, about)
    return made


def _stored(path: Path, digest: str) -> TestScores | None:
    """Scores of a file; None where they are of other weights."""
    tensors, about = load_tensors(path)
    try:
        if about["digest"] != digest:
            return None
        columns = {name: tuple(values) for name, values in about["columns"].items()}
        logits, targets = tensors["logits"].numpy(), tensors["targets"].numpy()
        clips, groups, multi_label = tuple(about["clips"]), tuple(about["groups"]), bool(about["multi_label"])
    except (KeyError, TypeError, AttributeError) as error:
        raise MmascError(f"{path} holds no test scores ({error!r})") from error
    lengths = {len(logits), len(targets), len(clips), len(groups), *map(len, columns.values())}
    if len(lengths) != 1 or logits.shape != targets.shape or logits.dtype != np.float32:
        raise MmascError(f"{path} holds no test scores (its parts do not fit together)")
    return TestScores(logits, targets, clips, groups, columns, multi_label, kept=True)


def _made(
    run: Run,
    side: str,
    data: str | Path | None,
    cache: str | Path | None,
    device: str,
    progress: Callable[[int, int], None] | None,
    remark: Callable[[str], None] | None,
) -> TestScores:
    from mmasc.networks.load import load_network
    from mmasc.training.supervised.hearing import channel_remark, load_clips
    from mmasc.training.supervised.scoring import score_clips
    from mmasc.training.supervised.tags import tags_of_run

    config = run.config
    table, sides = run.data(data)
    test = getattr(sides, side).tolist()
    network = load_network(f"{config.network}:{run.folder}", device=device)
    paths = [table.paths[clip] for clip in test]
    tags = tags_of_run(run.folder, config, network, paths, table.root, cache, device, remark)
    waveforms = load_clips(paths, network, config, cache)
    line = channel_remark(waveforms, network)
    if line and remark is not None:
        remark(line)
    logits = score_clips(network, waveforms, config, [str(path) for path in paths], progress, tags)
    return test_scores_of(run, table, test, logits)


def test_scores_of(
    run: Run, table: Dataset, test: Sequence[int], logits: Float32[np.ndarray, "clip class"]
) -> TestScores:
    """Scores of clips with all that is known of the clips.

    Args:
        run: Whose.
        table: Its data set.
        test: Positions of the clips.
        logits: What was said of them.
    """
    from mmasc.training.supervised.data import targets_for

    config, paths = run.config, [table.paths[clip] for clip in test]
    named = sorted({name for clip in test for name in table.clips[clip].columns})
    root = table.root if table.root.is_dir() else table.root.parent
    clips = tuple(path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name for path in paths)
    return TestScores(
        logits=np.asarray(logits, np.float32),
        targets=np.asarray(targets_for(table, config.classes)[test], np.float32),
        clips=clips,
        groups=tuple(table.clips[clip].group or name for clip, name in zip(test, clips, strict=True)),
        columns={name: tuple(table.clips[clip].columns.get(name, "") for clip in test) for name in named},
        multi_label=table.multi_label,
    )
