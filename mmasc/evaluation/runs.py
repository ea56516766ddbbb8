"""Runs of `mmasc train NETWORK` on disk: found, read, and loaded with clips of their data."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from mmasc.datasets.dataset import Dataset
from mmasc.devices import Session
from mmasc.errors import MmascError
from mmasc.networks.network import Network
from mmasc.storage.configs import usable_config
from mmasc.storage.tensors import best_weights
from mmasc.storage.texts import parse_json, read_reports
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.data import Sides, checked_sides, data_of

# Another number here makes all kept scores again: raise it when the same run would be heard in another way
_HEARD = 1
# What decides which clips are tested or how they are learned from, not how they are heard: scores that were kept before
# there was such stay
_NOT_HEARD = (
    *("seen_share", "seen_by"),
    *("cycles", "optimizer", "amsgrad", "mix_from", "band_mask_least", "mask_share", "slice_share", "centre_weight"),
)
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
        return best_weights(self.folder) or self.folder / "last.safetensors"

    @cached_property
    def digest(self) -> str:
        """Digest of the weights and of the options that decide how clips are heard."""
        values = {name: value for name, value in asdict(self.config).items() if name not in _NOT_HEARD}
        decisive = json.dumps(values | {"data": "", "version": _HEARD}, sort_keys=True)
        return hashlib.sha256(self.weights.read_bytes() + decisive.encode()).hexdigest()

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
        try:
            table = data_of(config, path)
            sides = checked_sides(table, config)
        except MmascError as error:
            raise MmascError(f"{self.folder}: {error}") from error
        if not len(sides.test):
            raise MmascError(f"fold {config.fold!r} of {table.root} holds no clip with a label; nothing can be tested")
        return table, sides

    @cached_property
    def epochs(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, one per epoch; torn ones are left out."""
        path = self.folder / "metrics.jsonl"
        return [line for line in read_reports(path) if type(line.get("epoch", 0)) is int] if path.is_file() else []

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
        own = [run for path in sorted(folder.rglob("config.json")) if (run := read_run(path.parent)) is not None]
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


def read_run(folder: Path) -> Run | None:
    """The run of a folder; None where the folder belongs to another kind of run.

    Raises:
        MmascError: If its config.json cannot be read or is not a configuration.
    """
    path = folder / "config.json"
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MmascError(f"{path} cannot be read ({error}); delete it, or train it again") from error
    if not isinstance(values, dict) or not {"network", "dataset", "fold"} <= set(values):
        return None
    return Run(folder, usable_config(SupervisedConfig, values, str(path)))


@dataclass(frozen=True)
class RunClips:
    """Clips of a run's data as its network takes them.

    Attributes:
        network: Network of the run, loaded.
        waveforms: As `load_clips` gives them.
        tags: Tags of the clips, for a network that reads tags.
        names: What to call them in messages.
    """

    network: Network
    waveforms: Sequence[Float32[np.ndarray, "_channel _time"]]
    tags: Float32[np.ndarray, "clip tag"] | None
    names: list[str]


def hear(run: Run, table: Dataset, positions: Iterable[int], session: Session) -> RunClips:
    """Load a run's network, and some clips of its data as the network takes them.

    Args:
        run: Run with weights.
        table: Its data set.
        positions: Positions of the clips.
        session: Device of the network, and cache; hears of clips whose channels the network does not read.
    Raises:
        MmascError: If the network, a clip or the source of its tags cannot be read.
    """
    from mmasc.networks.load import load_network
    from mmasc.training.supervised.hearing import channel_remark, load_clips
    from mmasc.training.supervised.tags import tags_of_run

    config = run.config
    network = load_network(f"{config.network}:{run.folder}", device=session.device)
    paths = [table.paths[clip] for clip in positions]
    tags = tags_of_run(run.folder, config, network, paths, table.root, session)
    waveforms = load_clips(paths, network, config.hearing, session.cache)
    if line := channel_remark(waveforms, network):
        session.say(line)
    return RunClips(network, waveforms, tags, [str(path) for path in paths])
