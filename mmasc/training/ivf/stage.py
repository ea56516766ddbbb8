"""What the two stages of imagined visual features share: pairs, pictures of how far they are, validation."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmasc.devices import ProcessGroup, Session
from mmasc.ivf.decoding import PairConfig
from mmasc.ivf.pairs import Pair, Pairs, prepare_pairs
from mmasc.ivf.sources import Source, read_sources
from mmasc.storage.files import make_folders, replacing
from mmasc.training.run_folder import Metrics, claim_run
from mmasc.training.stage import Say, Stage


@dataclass(frozen=True)
class PairChoice:
    """Which pairs a run is made with.

    Attributes:
        path: Folder of films, or table; see `read_sources`.
        out: Folder of the run: pairs are kept in it where no other folder is named.
        workers: Processes that decode.
        group_column: Column of a table: rows that share it are never split.
    """

    path: str | Path
    out: Path
    workers: int = 0
    group_column: str | None = None


def prepare(choice: PairChoice, config: PairConfig, processes: ProcessGroup, session: Session) -> Pairs:
    """Pairs, decoded by the first process; the others find them in the cache.

    Raises:
        MmascError: If none can be used.
    """
    sources = read_sources(choice.path, choice.group_column)
    folder = choice.out / "pairs" if session.cache is None else Path(session.cache)
    if not processes.first:
        processes.wait()
    prepared = prepare_pairs(sources, config, folder, choice.workers, session.progress if processes.first else None)
    if processes.first:
        processes.wait()
        for fault in prepared.faults:
            session.say(fault)
        session.say(f"{len(prepared)} of {len(sources)} pairs can be used")
    return prepared


class PairStage(Stage):
    """A training on pairs of sound and picture; it validates, exports and saves every `checkpoint_steps`.

    A subclass writes `step_on_pairs`, `validate` and `draw_pictures`.

    Attributes:
        pairs: What it learns from.
        validation: Latest figures on the sources held back (on those learned from, where none are).
    """

    def __init__(
        self, folder: Path, config: Any, pairs: Pairs, device: torch.device, processes: ProcessGroup, say: Say
    ) -> None:
        processes.share(config.batch, "pairs")
        super().__init__(folder, config, config.steps, device, processes, say)
        self.pairs, self.validation = pairs, dict[str, float]()
        self.checkpoint_steps, self.picture_steps = 200, 500
        if processes.first:
            claim_run(folder, config)
        processes.wait()

    def train_step(self, generator: np.random.Generator) -> dict[str, float]:
        """One step of the subclass (`step_on_pairs`), whose random numbers follow from the generator alone."""
        with self.seeded(int(generator.integers(2**62))):
            return self.step_on_pairs(generator)

    def step_on_pairs(self, generator: np.random.Generator) -> dict[str, float]:
        """One step; what it cost, by name."""
        raise NotImplementedError

    def validate(self) -> dict[str, float]:
        """Figures on sources held back."""
        raise NotImplementedError

    def draw_pictures(self, path: Path) -> None:
        """Write the picture of this moment."""
        raise NotImplementedError

    def checkpoint_due(self) -> bool:
        """Every `checkpoint_steps`."""
        return self.step % self.checkpoint_steps == 0

    def rates(self, steps_per_second: float) -> dict[str, float]:
        """Steps and pairs per second."""
        return {"steps_per_second": steps_per_second, "pairs_per_second": steps_per_second * self.config.batch}

    def round_over(self) -> bool:
        """Every `picture_steps`."""
        return self.step % self.picture_steps == 0

    def end_round(self, metrics: Metrics | None) -> None:
        """Draw; before the checkpoint, so that a run that is killed in between draws it again."""
        if self.processes.first:
            self.draw_pictures(self.folder / "pictures" / f"step-{self.step:06d}.png")

    def before_checkpoint(self, metrics: Metrics | None, last: bool) -> None:
        """Validate and export; the last state has its picture too."""
        if last and not self.round_over():
            self.end_round(metrics)
        self.validation = self.validate()
        if metrics is not None:
            metrics.write(step=self.step, **{f"validation/{name}": value for name, value in self.validation.items()})
        self.say(f"{self.name} held back: " + ", ".join(f"{key} {value:.3f}" for key, value in self.validation.items()))
        self.export()

    def about(self) -> dict[str, Any]:
        """The latest figures."""
        return {"validation": self.validation}

    def recall(self, about: Mapping[str, Any]) -> None:
        """The latest figures."""
        self.validation = dict(about["validation"])

    def draw(self, sources: Sequence[int], n: int, generator: np.random.Generator) -> list[Pair]:
        """This process's part of a batch of `n` pairs, drawn evenly from sources."""
        numbers = generator.integers(len(sources), size=self.processes.share(n, "pairs"))
        return [self.pairs.draw(sources[int(number)], generator) for number in numbers]


def pairs_digest(sources: Sequence[Source], held: Sequence[int]) -> str:
    """Of the names and groups of sources in their order, and of which of them are held back."""
    lines = [f"{source.name} {source.label} {source.group}" for source in sources] + [f"{number}" for number in held]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def file_digest(path: Path) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def contact_sheet(path: Path, rows: Sequence[np.ndarray]) -> None:
    """Write rows of pictures (each uint8 [picture height width 3]) under each other as one PNG.

    Small pictures are enlarged, without smoothing, so that there is something to look at.
    """
    from PIL import Image

    make_folders(path.parent)
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)
    factor = max(1, 96 // rows[0].shape[1])
    with replacing(path) as beside:
        Image.fromarray(sheet.repeat(factor, 0).repeat(factor, 1)).save(beside, format="PNG")
