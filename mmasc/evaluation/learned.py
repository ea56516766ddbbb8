"""What the runs of a system were trained on before: starting weights and teachers that know the test clips.

A run never learns from its test fold. What it began from, or was taught by, may have: another run's weights from
another fold, an encoder that was trained on the same data set, published weights of AudioSet.
"""

from collections.abc import Sequence
from pathlib import Path

from mmasc.encoders.heard import Heard, heard
from mmasc.errors import MmascError
from mmasc.evaluation.runs import Run, read_run


def learned_before(runs: Sequence[Run], clips: Sequence[Sequence[str]]) -> list[Heard]:
    """What the starting weights and teachers of runs learned from the clips that the runs are tested on.

    Args:
        runs: Runs of one system.
        clips: Names of each run's test clips.
    Returns:
        One for each source of which something is known, every sentence once.
    """
    found: dict[str, Heard] = {}
    for run, tested in zip(runs, clips, strict=True):
        config = run.config
        sources = []
        if config.weights:
            sources.append(f"{config.network}:{config.weights}")
        if config.teacher:
            sources.append(config.teacher)
        for source in sources:
            one = _of_source(source, run, tested)
            if one.state != "unknown":
                found.setdefault(one.sentence, one)
    return list(found.values())


def _of_source(source: str, run: Run, tested: Sequence[str]) -> Heard:
    """What a network with weights, or an encoder, learned from the test clips of a run."""
    name, _, path = source.partition(":")
    other = _run_at(path) if path else None
    if other is not None:
        same = other.config.dataset == run.config.dataset and other.config.data_digest == run.config.data_digest
        if same and other.config.fold != run.config.fold:
            data = f"{run.config.dataset}, all folds but {other.config.fold}" if other.config.fold else "all folds"
            return Heard(f"{name}:{Path(path).name}", "recordings", data, len(tested), len(tested))
        return Heard(source, "unknown", "", 0, len(tested))
    return heard(source, tested, dataset=run.config.dataset)


def _run_at(path: str) -> Run | None:
    """The run whose folder, or whose weights, a path names; None where there is none (any more)."""
    given = Path(path)
    folder = given if given.is_dir() else given.parent
    if not (folder / "config.json").is_file():
        return None
    try:
        return read_run(folder)
    except MmascError:
        return None  # a damaged configuration says nothing of what was learned
