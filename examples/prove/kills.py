"""Kill every command that writes at random moments, run it again, and count what is lost, double or corrupt.

    python examples/prove/kills.py -n 300
    python examples/prove/kills.py --only embed --only compact -n 40 --seed 7 --format json

Every kill is a SIGKILL of a real process at work; half of them fall at a moment drawn evenly over the time that the
undisturbed command takes, half right after one of its changes to the names in its folder (temporary files, commits).
After each kill it is looked at what is there, and in the end compared with what the undisturbed command left:

    lost      something that was committed or given before is gone
    double    something is there twice
    corrupt   something does not open, is another than it was or should be, or leftovers of a killed run stay for ever

The commands are in `storms.py` and `storms_many.py`. Kills that come after the end of a command do not count.
"""

import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from children import Children, Outcome

_MOST_KILLS_A_ROUND = 6
_POLL_SECONDS = 2e-4
_LIMIT_SECONDS = 120.0


@dataclass
class Count:
    """What became of the kills of one command."""

    command: str
    kills: int = 0
    rounds: int = 0
    seconds: float = 0.0
    lost: int = 0
    double: int = 0
    corrupt: int = 0
    said: list[str] = field(default_factory=list)

    def add(self, kind: str, number: int, what: str) -> None:
        setattr(self, kind, getattr(self, kind) + number)
        if number and len(self.said) < 20:
            self.said.append(f"{kind} ({number}): {what}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", "--kills", type=int, default=300, help="of all commands together")
    parser.add_argument("--only", action="append", metavar="NAME", help="this command; several times for several")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=["table", "json"], default="table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        counts = storm(Path(folder), options.kills, options.only, options.seed)
    if options.format == "json":
        print(json.dumps([asdict(count) for count in counts], indent=1))
    else:
        print(f"{'command':<18}{'kills':>7}{'rounds':>8}{'lost':>7}{'double':>8}{'corrupt':>9}")
        total = Count("all", *[sum(getattr(one, name) for one in counts) for name in ("kills", "rounds", "seconds")])
        total.lost, total.double, total.corrupt = (
            sum(getattr(one, name) for one in counts) for name in ("lost", "double", "corrupt")
        )
        for one in [*counts, total]:
            print(f"{one.command:<18}{one.kills:>7}{one.rounds:>8}{one.lost:>7}{one.double:>8}{one.corrupt:>9}")
        for one in counts:
            for line in one.said:
                print(f"{one.command}: {line}")
    sys.exit(1 if any(one.lost or one.double or one.corrupt for one in counts) else 0)


def storm(folder: Path, kills: int, only: list[str] | None = None, seed: int = 0) -> list[Count]:
    """Kill commands, so many times in all, and count.

    Args:
        folder: For everything; empty.
        kills: Spread evenly over the commands.
        only: Names of commands; default: all.
        seed: Of the moments.
    """
    counts = []
    with Children("storms_many", folder / "said") as children:
        known = children.call("names")
        wanted = only or known
        for name in wanted:
            if name not in known:
                raise SystemExit(f"there is no storm {name!r}; there are: {', '.join(known)}")
        children.call("prepare_all", str(folder / "inputs"))
        for number, name in enumerate(wanted):
            share = kills // len(wanted) + (number < kills % len(wanted))
            one = _Storm(children, name, folder, np.random.default_rng([seed, known.index(name)]))
            begun = time.monotonic()
            one.rage(share)
            one.count.seconds = round(time.monotonic() - begun, 1)
            counts.append(one.count)
            counted = f"{one.count.lost} lost, {one.count.double} double, {one.count.corrupt} corrupt"
            said = f"{name}: {one.count.kills} kills in {one.count.seconds} s, {counted}"
            print("\n    ".join([said, *one.count.said]), file=sys.stderr, flush=True)
    return counts


class _Storm:
    """One command under fire."""

    def __init__(self, children: Children, name: str, folder: Path, chance: np.random.Generator) -> None:
        self.children, self.name, self.chance = children, name, chance
        self.inputs, self.work = folder / "inputs", folder / "work" / name
        self.before_folder = folder / "before" / name
        self.count = Count(name)
        self.before_folder.mkdir(parents=True)
        children.call("before", name, str(self.inputs), str(self.before_folder))
        self._begin()
        self.before = self._look()
        changes = self._run(None)
        self.seconds, self.changes = self.outcome.seconds, max(1, changes)
        self.after = self._look()
        fault = self.outcome.trace or self.outcome.spoken if self.outcome.status else ""
        fault = fault or "; ".join(self.before["faults"] + self.after["faults"])
        self.sound = not fault and len(_mapping(self.after)) == len(self.after["items"])
        self.count.add("corrupt", int(not self.sound), f"wrong without any kill: {fault[-600:]}")

    def rage(self, kills: int) -> None:
        while self.sound and self.count.kills < kills:
            self._round(kills)

    def _round(self, kills: int) -> None:
        """From the beginning to the end of a command, with kills on the way."""
        self._begin()
        seen = self.before
        for _ in range(int(self.chance.integers(1, _MOST_KILLS_A_ROUND + 1))):
            if self.count.kills >= kills:
                break
            self._run(self._moment())
            if self.outcome.status != -signal.SIGKILL:
                break
            self.count.kills += 1
            seen = self._judge(seen, finished=False)
        if self.outcome.status == -signal.SIGKILL:
            self._run(None)
        if self.outcome.status and _mapping(self._look()) != _mapping(self.after):
            self.count.add("corrupt", 1, f"cannot go on: {self.outcome.trace or self.outcome.spoken}"[-600:])
        self._judge(seen, finished=True)
        self.count.rounds += 1

    def _begin(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.before_folder, self.work)

    def _moment(self) -> tuple[str, float]:
        """When to kill: after so many seconds, or after so many changes of names and a moment more."""
        if self.chance.random() < 0.5:
            return "time", float(self.chance.uniform(0, self.seconds))
        return "change", float(self.chance.integers(1, self.changes + 1))

    def _run(self, moment: tuple[str, float] | None) -> int:
        """The command, killed at a moment or not at all; how often names in its folder changed."""
        changes, due = 0, None
        names = _names(self.work)
        pid = self.children.start("run", self.name, str(self.inputs), str(self.work))
        begun = time.monotonic()
        if moment is not None and moment[0] == "time":
            due = begun + moment[1]
        while self._lives(pid) and time.monotonic() - begun < _LIMIT_SECONDS:
            if due is not None and time.monotonic() >= due:
                self._kill(pid)
                break
            if moment is None or moment[0] == "change":
                now = _names(self.work)
                changes += now != names
                names = now
                if moment is not None and due is None and changes >= moment[1]:
                    due = time.monotonic() + float(self.chance.exponential(2e-3)) * (self.chance.random() < 0.5)
                    continue
            time.sleep(_POLL_SECONDS)
        self.outcome: Outcome = self.children.wait(_LIMIT_SECONDS)
        if self.outcome.stopped:
            self.count.add("corrupt", 1, f"waits for ever after a kill: {self.outcome.spoken[-300:]}")
        return changes

    def _lives(self, pid: int) -> bool:
        """Whether the process still works: the server answers when it has ended."""
        return not select.select([self.children.server.stdout], [], [], 0)[0]

    def _kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # ended just now: it is not counted
            os.kill(pid, signal.SIGKILL)

    def _look(self) -> dict[str, Any]:
        self.children.start("look", self.name, str(self.inputs), str(self.work))
        found = self.children.wait(_LIMIT_SECONDS)
        if found.status:
            line = (found.trace or found.spoken).strip().splitlines()
            return {"items": [], "faults": [line[-1] if line else f"looking ends with {found.status}"], "files": []}
        return found.value

    def _judge(self, seen: dict[str, Any], finished: bool) -> dict[str, Any]:
        """Count what is wrong now; what was seen, for the next look."""
        now = self._look()
        items, before, after = _mapping(now), _mapping(self.before), _mapping(self.after)
        for fault in now["faults"]:
            self.count.add("corrupt", 1, fault)
        if now["faults"] and not items:
            return seen
        self.count.add("double", len(now["items"]) - len(items), "the same key twice")
        stays = (before.keys() | _mapping(seen).keys()) & after.keys()
        gone = sorted(stays - items.keys())
        self.count.add("lost", len(gone), str(gone[:3]))
        strange = sorted(
            key for key, value in items.items() if value not in (before.get(key, ""), after.get(key, "")) or not value
        )
        self.count.add("corrupt", len(strange), f"another value than before and after: {strange[:3]}")
        if now.get("whole") and items not in (before, after):
            self.count.add("corrupt", 1, "half of the change counts")
        if finished:
            missing, left = sorted(after.keys() - items.keys()), sorted(items.keys() - after.keys())
            self.count.add("lost", len(set(missing) - set(gone)), f"not there in the end: {missing[:3]}")
            self.count.add("corrupt", len(left), f"still there in the end: {left[:3]}")
            other = sorted(key for key in items.keys() & after.keys() if items[key] != after[key])
            self.count.add("corrupt", len(set(other) - set(strange)), f"other in the end: {other[:3]}")
            rests = sorted(set(now["files"]) - set(self.after["files"]))
            self.count.add("corrupt", len(rests), f"leftovers that stay: {rests[:3]}")
        return now


def _mapping(look: dict[str, Any]) -> dict[str, str]:
    return dict(look["items"])


def _names(folder: Path) -> frozenset[str]:
    """Names below a folder, with what replaces a file under the same name."""
    found = []
    stack = [str(folder)]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    found.append(f"{entry.path} {entry.inode()}")
        except OSError:
            continue  # gone while it was looked at
    return frozenset(found)


if __name__ == "__main__":
    main()
