"""The test scores of runs on clips that they were not trained on.

It is kept next to their weights (test_scores.safetensors) and made again when the weights or what decides the answers
have changed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from mmasc.datasets.dataset import Dataset
from mmasc.devices import Session
from mmasc.errors import MmascError
from mmasc.evaluation.runs import Run, hear
from mmasc.metrics.predictions import Predictions
from mmasc.storage.tensors import load_tensors, save_tensors

SCORES = "test_scores.safetensors"
SEEN_SCORES = "seen_scores.safetensors"


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
    session: Session | None = None,
) -> TestScores:
    """What a run says about its test fold: as kept next to its weights, else made now and kept.

    Args:
        run: Run with weights.
        data: Where the data set is; default: where it was.
        session: Device of the network, cache and progress of clips; hears where kept scores could not be read.
    Raises:
        MmascError: If the run has no test fold, or scores must be made and the data set does not exist or is another.
    """
    if not run.config.fold:
        raise MmascError(f"{run.folder} learned from all clips: it has no fold to be tested on")
    session = session or Session()
    return kept_or_made(run.folder / SCORES, run.digest, lambda: _made(run, "test", data, session), session)


def read_seen_scores(
    run: Run,
    data: str | Path | None = None,
    session: Session | None = None,
) -> TestScores:
    """What a run says about the clips that it held back as seen: of recordings or places that it learned from.

    Args:
        run, data, session: See `read_scores`.
    Raises:
        MmascError: As `read_scores`; if the run held no clips back.
    """
    config = run.config
    if not config.seen_share:
        raise MmascError(f"{run.folder} held no clips back as seen; train a new run with --seen-share")
    session = session or Session()
    digest = f"seen {config.seen_share} {config.seen_by} {run.digest}"
    return kept_or_made(run.folder / SEEN_SCORES, digest, lambda: _made(run, "seen", data, session), session)


def kept_or_made(path: Path, digest: str, make: Callable[[], TestScores], session: Session) -> TestScores:
    """Test scores of a file, where it is there and of this digest; else made and kept there.

    Args:
        path: The file.
        digest: Digest of all that decides them.
        make: What makes them.
        session: Hears where a file could not be read.
    """
    if path.is_file():
        try:
            kept = _stored(path, digest)
        except MmascError as error:
            kept = None
            session.say(f"{error}: made again")
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
    names = (*clips, *groups, *(value for values in columns.values() for value in values))
    if not all(isinstance(name, str) for name in names):
        raise MmascError(f"{path} holds no test scores (its names of clips and groups are not texts)")
    lengths = {len(logits), len(targets), len(clips), len(groups), *map(len, columns.values())}
    if len(lengths) != 1 or logits.shape != targets.shape or logits.dtype != np.float32:
        raise MmascError(f"{path} holds no test scores (its parts do not fit together)")
    return TestScores(logits, targets, clips, groups, columns, multi_label, kept=True)


def _made(run: Run, side: str, data: str | Path | None, session: Session) -> TestScores:
    from mmasc.training.supervised.scoring import score_clips

    table, sides = run.data(data)
    positions = getattr(sides, side).tolist()
    clips = hear(run, table, positions, session)
    logits = score_clips(clips.network, clips.waveforms, run.config.hearing, clips.names, session.progress, clips.tags)
    return test_scores_of(run, table, positions, logits)


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
