"""Change the core modules at random, one small change at a time, and see whether their tests notice.

    python examples/prove/mutate.py -n 200 --seed 0 --jobs 2
    python examples/prove/mutate.py --modules segments features -n 50 --resume mutants.jsonl
    python examples/prove/mutate.py --modules segments features -n 50 --resume mutants.jsonl --again

Every change is made in a copy of the working tree, and the tests that cover the module run on it until the first one
fails. A server that has imported torch and the rest, but nothing of mmasc, is forked for every change, so that none
pays for imports. What survives is printed with its line; changes that make no difference are listed with their
reasons in equivalent.txt, which lies next to this file.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from mutants import Mutant, mutants_of

ROOT = Path(__file__).parent.parent.parent
EQUIVALENT = Path(__file__).with_name("equivalent.txt")

# The tests of a module, quick ones first. When a file moves, its line moves.
TESTS: dict[str, list[str]] = {
    "mmasc/windows/cut.py": ["segments"],
    "mmasc/networks/folding.py": ["export", "network_files"],
    "mmasc/prompts/prompts.py": ["prompts", "zeroshot"],
    "mmasc/prompts/reader.py": ["prompts"],
    "mmasc/weights/download.py": ["weights"],
    "mmasc/audio/headers.py": ["audio"],
    "mmasc/audio/stream.py": ["audio", "segments"],
    "mmasc/audio/decode.py": ["audio"],
    "mmasc/collection/collection.py": ["collection", "ingest", "cli"],
    "mmasc/collection/export.py": ["collection"],
    "mmasc/collection/filters.py": ["collection", "ingest"],
    "mmasc/collection/index.py": ["index", "collection"],
    "mmasc/collection/ingest.py": ["ingest", "collection"],
    "mmasc/collection/check.py": ["collection", "ingest"],
    "mmasc/collection/metadata.py": ["ingest"],
    "mmasc/collection/query.py": ["collection", "ingest"],
    "mmasc/collection/space.py": ["index", "collection", "ingest"],
    "mmasc/collection/store.py": ["collection", "ingest"],
    "mmasc/datasets/cache.py": ["cache", "supervised_parts"],
    "mmasc/datasets/dataset.py": ["datasets"],
    "mmasc/datasets/splits.py": ["datasets"],
    "mmasc/encoders/base.py": ["mini", "files", "onnx"],
    "mmasc/encoders/embedding.py": ["files", "ingest"],
    "mmasc/metrics/functions.py": ["metrics"],
    "mmasc/features/cepstrum.py": ["front_ends", "features"],
    "mmasc/features/deltas.py": ["front_ends", "features"],
    "mmasc/features/log_mel.py": ["features", "front_ends", "vggish"],
    "mmasc/heads/calibration.py": ["calibration"],
    "mmasc/heads/estimators.py": ["heads"],
    "mmasc/labelling/folds.py": ["heads"],
    "mmasc/heads/zeroshot.py": ["zeroshot", "calibration"],
    "mmasc/ivf/losses.py": ["ivf_losses", "vqvae"],
    "mmasc/ivf/vqvae.py": ["vqvae"],
    "mmasc/training/supervised/batches.py": ["supervised_parts", "supervised"],
    "mmasc/training/run_folder.py": ["checkpoints"],
}

# Imported before forking. Nothing here may start threads that work, and nothing of mmasc may be among it.
HEAVY = [
    "pytest",
    "numpy",
    "torch",
    "torch.distributed.tensor",
    "torchvision",
    "sklearn.ensemble",
    "sklearn.svm",
    "sklearn.linear_model",
]
HEAVY += ["scipy.signal", "scipy.stats", "matplotlib.pyplot", "pyarrow.parquet", "lance", "faiss", "soundfile", "soxr"]
HEAVY += ["av", "librosa", "beartype", "jaxtyping", "hypothesis", "einops", "safetensors.torch", "yaml", "rich.console"]

KILLED, SURVIVED, EQUAL, NO_TESTS = "killed", "survived", "equivalent", 5
_AT_LEAST_SECONDS = 30.0


def main() -> int:
    options = read_options()
    missing = [path for path in sorted(TESTS) if not (ROOT / path).exists()]
    missing += sorted({str(test) for tests in TESTS.values() for test in map(test_file, tests) if not test.exists()})
    if missing:
        print(f"the table of modules and tests names what does not exist: {', '.join(missing)}", file=sys.stderr)
        return 2
    chosen = choose(options.modules)
    every = [mutant for path in chosen for mutant in mutants_of(path, (ROOT / path).read_bytes())]
    random.Random(options.seed).shuffle(every)
    drawn = every[: options.n]  # the first ones are the same whatever -n, so that a run can be made longer
    print(f"{len(drawn)} of {len(every)} mutants of {len(chosen)} modules", flush=True)
    results = dict(read_results(options.resume))
    listed = equivalents()
    todo = [one for one in drawn if one.name not in results or (options.again and results[one.name] == SURVIVED)]
    if todo:
        prepare_server()
        with tempfile.TemporaryDirectory() as folder:
            slots = make_slots(Path(folder), options.jobs, sorted({one.path for one in todo}))
            for mutant, outcome in run(todo, slots):
                results[mutant.name] = outcome
                keep(options.resume, mutant, outcome)
                if outcome == SURVIVED and key_of(mutant) not in listed:
                    print(f"survived: {mutant.path}:{mutant.line}: {mutant.change}", flush=True)
    return report(drawn, results, listed, options.at_least)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modules", nargs="+", default=[""], help="parts of paths; all core modules")
    parser.add_argument("-n", type=int, default=200, help="mutants")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    parser.add_argument("--resume", type=Path, help="file of results, one a line; those in it are not run again")
    parser.add_argument("--again", action="store_true", help="run those of that file that survived once more")
    parser.add_argument("--at-least", type=float, default=0.96, help="share that must be killed for exit status 0")
    return parser.parse_args()


def choose(parts: Sequence[str]) -> list[str]:
    """Modules of the table whose paths hold one of these parts."""
    chosen = [path for path in TESTS if any(part in path for part in parts)]
    if not chosen:
        sys.exit(f"no module of the table has {' or '.join(parts)} in its path; there are: {', '.join(TESTS)}")
    return chosen


def test_file(name: str) -> Path:
    return ROOT / "tests" / f"test_{name}.py"


# Results


def key_of(mutant: Mutant) -> tuple[str, str, str]:
    """What names a mutant in equivalent.txt: a line is found again by its text when its number has changed."""
    return mutant.path, mutant.text, mutant.change


def equivalents() -> set[tuple[str, str, str]]:
    """Of equivalent.txt: path, line, change and reason, with tabs between them."""
    rows = [
        line.split("\t") for line in EQUIVALENT.read_text(encoding="utf-8").splitlines() if line[:1] not in ("", "#")
    ]
    wrong = [row for row in rows if len(row) != 4 or not row[3].strip()]
    if wrong:
        sys.exit(f"{EQUIVALENT}: path, line, change and reason are wanted, with tabs between them: {wrong[0]}")
    return {(path, text, change) for path, text, change, _ in rows}


def read_results(path: Path | None) -> Iterator[tuple[str, str]]:
    if path is not None and path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield row["name"], row["outcome"]


def keep(path: Path | None, mutant: Mutant, outcome: str) -> None:
    if path is not None:
        row = {"name": mutant.name, "outcome": outcome, "text": mutant.text}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def report(drawn: list[Mutant], results: dict[str, str], listed: set[tuple[str, str, str]], at_least: float) -> int:
    print()
    counts, by_module = Counter[str](), Counter[tuple[str, str]]()
    for mutant in sorted(drawn, key=lambda one: (one.path, one.start)):
        outcome = results[mutant.name]
        if outcome == SURVIVED and key_of(mutant) in listed:
            outcome = EQUAL
        counts[outcome] += 1
        by_module[mutant.path, outcome] += 1
        if outcome == SURVIVED:
            print(f"survived: {mutant.path}:{mutant.line}: {mutant.change}\n    {mutant.text}")
    for path in sorted({mutant.path for mutant in drawn}):
        told = ", ".join(f"{by_module[path, kind]} {kind}" for kind in (KILLED, SURVIVED, EQUAL))
        print(f"{path}: {told}")
    share = counts[KILLED] / max(1, counts[KILLED] + counts[SURVIVED])
    print(
        f"{len(drawn)} mutants: {counts[KILLED]} killed, {counts[SURVIVED]} survived, {counts[EQUAL]} equivalent; "
        f"{share:.1%} of those that change something are killed"
    )
    return 0 if share >= at_least else 1


# Running


@dataclass
class Slot:
    """A copy of the working tree and what runs in it."""

    folder: Path
    limits: dict[str, float]
    mutant: Mutant | None = None
    process: int = 0
    begun: float = 0.0


def prepare_server() -> None:
    """Import what is heavy, one thread each, and nothing of mmasc."""
    for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    os.environ["MPLBACKEND"] = "agg"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in HEAVY:
            import_module(name)
    # It is only imported here, and begins to work in the children
    warnings.filterwarnings("ignore", message="lance is not fork-safe")
    assert not any(name.partition(".")[0] in ("mmasc", "tests") for name in sys.modules)


def make_slots(folder: Path, n_slots: int, paths: list[str]) -> list[Slot]:
    """Copies in which the tests of these modules pass while nothing is changed; how long they take sets the limits."""
    first = folder / "0"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "results", "build", "dist")
    shutil.copytree(ROOT, first, ignore=left_out)
    shutil.copytree(ROOT / "prompts", first / "mmasc" / "prompt_files", ignore=left_out, dirs_exist_ok=True)
    seconds: dict[tuple[str, ...], float] = {}
    for path in paths:
        tests = tuple(TESTS[path])
        if tests not in seconds:
            begun = time.monotonic()
            process = fork_tests(first, path, keep_bytecode=True)
            if (code := os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])) != 0:
                sys.exit(
                    f"tests of {path} fail without any change (status {code}): {(first / 'log').read_text()[-3000:]}"
                )
            seconds[tests] = time.monotonic() - begun
            print(f"{', '.join(tests)}: {seconds[tests]:.1f} s unchanged", flush=True)
    limits = {path: _AT_LEAST_SECONDS + 3 * seconds[tuple(TESTS[path])] for path in paths}
    for number in range(1, n_slots):
        shutil.copytree(first, folder / str(number), ignore=shutil.ignore_patterns("pytest", "log"))
    return [Slot(folder / str(number), limits) for number in range(n_slots)]


def run(todo: list[Mutant], slots: list[Slot]) -> Iterator[tuple[Mutant, str]]:
    """Mutants and what became of them, as they end."""
    waiting = list(todo)
    while waiting or any(slot.process for slot in slots):
        for slot in slots:
            if slot.process and (code := ended(slot)) is not None:
                assert slot.mutant is not None
                shutil.copy(ROOT / slot.mutant.path, slot.folder / slot.mutant.path)
                if code == NO_TESTS:
                    sys.exit(f"no tests ran for {slot.mutant.path}: {(slot.folder / 'log').read_text()[-3000:]}")
                yield slot.mutant, SURVIVED if code == 0 else KILLED
            if waiting and not slot.process:
                begin(slot, waiting.pop(0))
        time.sleep(0.05)


def begin(slot: Slot, mutant: Mutant) -> None:
    path = slot.folder / mutant.path
    path.write_bytes(mutant.applied((ROOT / mutant.path).read_bytes()))
    # Bytecode goes by seconds and size, which a small change may share with what was there
    for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        stale.unlink()
    slot.mutant, slot.begun = mutant, time.monotonic()
    slot.process = fork_tests(slot.folder, mutant.path)


def ended(slot: Slot) -> int | None:
    """The exit status of what ran in a slot, None while it runs; past its time it is killed with all it has started."""
    assert slot.mutant is not None
    late = time.monotonic() - slot.begun > slot.limits[slot.mutant.path]
    if late:
        os.killpg(slot.process, signal.SIGKILL)
    process, status = os.waitpid(slot.process, 0 if late else os.WNOHANG)
    if not process:
        return None
    slot.process = 0
    return os.waitstatus_to_exitcode(status)


def fork_tests(folder: Path, path: str, keep_bytecode: bool = False) -> int:
    """A process of its own group that runs the tests of a module in a copy; its exit status is pytest's."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.setsid()
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for stream in (1, 2):
            os.dup2(log, stream)
        code = run_tests(folder, path, keep_bytecode)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run_tests(folder: Path, path: str, keep_bytecode: bool) -> int:
    import pytest

    os.chdir(folder)
    sys.path[0] = str(folder)  # where this script lies comes no longer first
    os.environ["PYTHONPATH"] = str(folder)
    # Processes that tests start import what is tested, not this script
    del sys.modules["__main__"].__file__
    sys.dont_write_bytecode = not keep_bytecode
    if not keep_bytecode:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    tests = [f"tests/test_{name}.py" for name in TESTS[path]]
    plain = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=short"]
    plain += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # plugins are imported already
    code = int(pytest.main([*plain, f"--basetemp={folder / 'pytest'}", *tests]))
    changed = sys.modules.get(path.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))
    if code == 0 and (changed is None or changed.__file__ != str(folder / path)):
        print(f"{path} was not imported from {folder}")
        return NO_TESTS
    return code


if __name__ == "__main__":
    sys.exit(main())
