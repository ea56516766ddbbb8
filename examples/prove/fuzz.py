"""Damage files of every format that mmasc reads, read them, and count what comes of it.

    python examples/prove/fuzz.py -n 5000
    python examples/prove/fuzz.py --only prompts --only index -n 400 --seed 3 --keep bad
    python examples/prove/fuzz.py --replay bad/prompts-17/sample.yaml prompts
    python examples/prove/fuzz.py -n 5000 --resume inputs.jsonl        # goes on where it was stopped, and sums up all


Every damaged file is read in a process of its own, which has 20 seconds and 1 GB of memory beyond what it began with.

    ok          read without complaint, or with remarks
    refused     exit status 1 or 2, and one line on stderr that names the file
    lines       more lines than one, or none, or the file is not named
    trace       an exception that nobody caught
    hang        20 seconds were not enough
    memory      1 GB was not enough
    crash       the process died of a signal
    chatter     lines on stderr that are not mmasc's: of libraries in C
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from children import Children, Outcome

LIMIT_SECONDS = 20.0
LIMIT_BYTES = 1 << 30
KINDS = ("ok", "refused", "lines", "trace", "hang", "memory", "crash", "chatter")
_GOOD = ("ok", "refused")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", "--inputs", type=int, default=5_000, help="of all formats together")
    parser.add_argument("--only", action="append", metavar="FORMAT", help="this format; several times for several")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="a line for each input; those in it are not read again"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep bad inputs and what was said of them here")
    parser.add_argument(
        "--replay", nargs=2, metavar=("FILE", "FORMAT"), help="read this input and say what comes of it"
    )
    parser.add_argument("--format", choices=["table", "json"], default="table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        if options.replay:
            found = replay(Path(folder), Path(options.replay[0]), options.replay[1])
            print(json.dumps(found, indent=1))
            sys.exit(0 if found["kind"] in _GOOD else 1)
        counts = fuzz(Path(folder), options.inputs, options.only, options.seed, options.keep, options.resume)
    if options.format == "json":
        print(json.dumps(counts, indent=1))
    else:
        print("format".ljust(20) + "".join(kind.rjust(9) for kind in KINDS))
        for name, one in {**counts, "all": sum(map(Counter, counts.values()), Counter())}.items():
            print(name.ljust(20) + "".join(str(one.get(kind, 0)).rjust(9) for kind in KINDS))
    sys.exit(0 if all(not one.get(kind) for one in counts.values() for kind in KINDS if kind not in _GOOD) else 1)


class Known:
    """What came of inputs, by format, seed and number: in memory, and in a file where one is given.

    Args:
        file: What is in it counts, what comes is written behind it; None keeps nothing.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._kinds: dict[tuple[str, int, int], str] = {}
        if file is not None and file.exists():
            for line in file.read_text().splitlines():
                name, seed, number, kind = json.loads(line)
                self._kinds[name, seed, number] = kind

    def get(self, name: str, seed: int, number: int) -> str | None:
        """What came of an input; None where it has not been read."""
        return self._kinds.get((name, seed, number))

    def add(self, name: str, seed: int, number: int, kind: str) -> None:
        """Keep it."""
        self._kinds[name, seed, number] = kind
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(json.dumps([name, seed, number, kind]) + "\n")


def fuzz(
    folder: Path,
    inputs: int,
    only: list[str] | None = None,
    seed: int = 0,
    keep: Path | None = None,
    resume: Path | None = None,
) -> dict[str, dict[str, int]]:
    """Damage and read; counts by format and by what came of it.

    Args:
        folder: For everything; empty.
        inputs: In all, spread evenly over the formats.
        only: Names of formats; default: all.
        seed: Of all damage.
        keep: Where bad inputs are kept.
        resume: File of what came of inputs; those in it are not read again.
    """
    done = Known(resume)
    counts: dict[str, dict[str, int]] = {}
    with Children("formats", folder / "said") as children:
        known = children.call("names")
        wanted = only or known
        for name in wanted:
            if name not in known:
                raise SystemExit(f"there is no format {name!r}; there are: {', '.join(known)}")
        shares = {
            name: range(inputs // len(wanted) + (number < inputs % len(wanted))) for number, name in enumerate(wanted)
        }
        left = [name for name in wanted if any(done.get(name, seed, one) is None for one in shares[name])]
        if left:
            children.call("make_shared", str(folder / "shared"), left)
        for name in left:
            todo = [one for one in shares[name] if done.get(name, seed, one) is None]
            for number, kind in _format(children, name, folder, todo, [seed, known.index(name)], keep):
                done.add(name, seed, number, kind)
            kinds = Counter(done.get(name, seed, one) for one in shares[name])
            print(f"{name}: {dict(kinds)}", file=sys.stderr, flush=True)
    for name in wanted:
        counts[name] = dict(Counter(str(done.get(name, seed, one)) for one in shares[name]))
    return counts


def _format(
    children: Children, name: str, folder: Path, numbers: list[int], seed: list[int], keep: Path | None
) -> Iterator[tuple[int, str]]:
    good = folder / "good" / name
    good.mkdir(parents=True)
    sample = Path(children.call("make", name, str(folder / "shared"), str(good))).relative_to(good)
    named = children.call("is_named", name)
    for number in (-1, *numbers):
        work = folder / "work" / f"{name}-{number}"
        # With their times: what is kept next to a file knows them
        shutil.copytree(good, work)
        found = _read(children, name, folder, work / sample, named, [*seed, number] if number >= 0 else None)
        if number < 0:
            if found["kind"] != "ok":
                raise SystemExit(f"the sample of {name} is not read without any damage: {json.dumps(found, indent=1)}")
        else:
            if found["kind"] not in _GOOD and keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                place, told = keep / work.name, Path(f"{work / sample}.damaged")
                damaged = json.loads(told.read_text()) if told.exists() else []
                shutil.rmtree(place, ignore_errors=True)
                shutil.copytree(work, place, symlinks=True)
                text = json.dumps(found | {"damaged": damaged}, indent=1)
                (keep / f"{work.name}.json").write_text(text + "\n")
            yield number, found["kind"]
        shutil.rmtree(work)


def _read(
    children: Children, name: str, folder: Path, sample: Path, named: bool, seed: list[int] | None = None
) -> dict[str, Any]:
    children.start("read", name, str(folder / "shared"), str(sample), seed)
    outcome = children.wait(LIMIT_SECONDS, LIMIT_BYTES)
    kind = judge(outcome, sample.name if named else "")
    said = {"spoken": outcome.spoken[-2_000:], "chatter": outcome.chatter[-2_000:], "trace": outcome.trace[-4_000:]}
    about = {"status": outcome.status, "seconds": round(outcome.seconds, 2), "memory": outcome.memory}
    return {"kind": kind, **about, **said}


def judge(outcome: Outcome, name: str) -> str:
    """What came of an input, the worst first; a refusal must hold `name`."""
    if outcome.stopped:
        return {"time": "hang", "memory": "memory"}[outcome.stopped]
    if outcome.memory > LIMIT_BYTES:
        return "memory"
    if outcome.status < 0:
        return "crash"
    if outcome.trace or outcome.status == 70:
        return "trace"
    if outcome.chatter.strip():
        return "chatter"
    if outcome.status == 0:
        return "ok"
    # What libraries wrote is told in a line of its own
    lines = [line for line in outcome.spoken.splitlines() if line.strip() and not line.startswith("remark: libraries")]
    if lines and lines[0].startswith("Usage:"):
        lines = [line for line in lines if line.startswith("Error:")]
    return "refused" if outcome.status in (1, 2) and len(lines) == 1 and name in lines[0] else "lines"


def replay(folder: Path, file: Path, name: str) -> dict[str, Any]:
    """Read one input that was kept; a file, or the folder of a format that is a folder."""
    with Children("formats", folder / "said") as children:
        children.call("make_shared", str(folder / "shared"), [name])
        work = folder / "work"
        shutil.copytree(file.parent, work)
        return _read(children, name, folder, work / file.name, children.call("is_named", name))


if __name__ == "__main__":
    main()
