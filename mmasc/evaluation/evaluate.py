"""Runs of one system, its folds and seeds, tested and pooled: how good it is on clips it has not heard.

Every clip of every fold is tested by the run that left its fold out, once for each seed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mmasc.devices import Session
from mmasc.evaluation.pooling import Evaluation, pool
from mmasc.evaluation.runs import Run, find_runs
from mmasc.evaluation.scores import read_scores
from mmasc.progress import counting, one_by_one


def evaluate(
    paths: Iterable[str | Path],
    data: str | Path | None = None,
    by: Sequence[str] = (),
    cache: str | Path | None = None,
    device: str = "cpu",
    remark: Callable[[str], None] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    svm: str = "",
) -> list[Evaluation]:
    """Test all runs at or below some folders on their test folds, and pool folds and seeds of every system.

    Args:
        paths: Runs, or folders that hold runs.
        data: Where the data set is; default: where it was when the runs were made.
        by: Columns to look at by themselves, in addition to city and device.
        cache: Folder of decoded waveforms.
        device: As for `load_network`.
        remark: Called with a line about what is unfinished or was made again.
        progress: Called with clips done, clips in all, and the run.
        svm: "validation" or "test": a support vector machine on the codes of each run in the place of its output; see
            `mmasc.evaluation.svm`.
    Returns:
        One for each system: network, features, recipe and all else that decides weights but fold and seed.
    Raises:
        MmascError: If there is no run, one cannot be tested, or a system has two runs of one fold and seed.
    """
    shown: set[str] = set()

    def once(line: str) -> None:
        if remark is not None and line not in shown:
            shown.add(line)
            remark(line)

    systems: dict[str, list[Run]] = {}
    for run in find_runs(paths):
        systems.setdefault(run.system, []).append(run)
    found = []
    for runs in systems.values():
        scores = []
        for run, tell in _with_progress(runs):
            if run.unfinished:
                once(f"{run.folder} is not finished: {run.unfinished}; tested as it is")

            def show(done: int, total: int, run: Run = run, tell: Callable[..., None] = tell) -> None:
                tell(done, total, str(run.folder))
                if progress is not None:
                    progress(done, total, str(run.folder))

            session = Session(device, cache, once, show)
            if svm:
                from mmasc.evaluation.svm import svm_scores

                scores.append(svm_scores(run, svm, data, session))
            else:
                scores.append(read_scores(run, data, session))
        pooled = pool(runs, scores, by)
        if svm:
            pooled = replace(pooled, network=f"{pooled.network}, SVM on its code (kernel chosen on {svm})")
        found.append(pooled)
    return found


def _with_progress(runs: Sequence[Run]) -> Iterator[tuple[Run, Callable[..., None]]]:
    """The runs, each with a function that reports how many clips are tested."""
    for run in one_by_one("run", runs):
        with counting("testing", "clips") as tell:
            yield run, tell
