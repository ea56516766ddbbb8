"""The folder of sounds that a collection is made of, and what people do to files between two commands."""

import os
import shutil
from pathlib import Path

from hypothesis import strategies

from tests.helpers.life.sounds import Sound

PATHS = ("p/a.wav", "p/b.wav", "p/d.wav", "q/a.wav", "q/c.wav")
LENGTHS = (30, 100, 150, 260)  # samples: below a window, a window, and more
EDITS = (
    "write",
    "write",
    "write",
    "rewrite unseen",
    "touch",
    "rename",
    "exchange",
    "copy",
    "vanish",
    "damage",
    "truncate",
)

edits_of = strategies.lists(
    strategies.tuples(
        strategies.sampled_from(EDITS),
        strategies.sampled_from(PATHS),
        strategies.sampled_from(PATHS),
        strategies.sampled_from(LENGTHS),
    ),
    max_size=4,
)


class Files:
    """Sounds by path under a root, in memory and on the disk."""

    def __init__(self, root: Path) -> None:
        self.root, self.sounds, self._made = root, dict[str, Sound](), 0
        root.mkdir()

    def edit(self, kind: str, path: str, other: str, length: int) -> None:
        """One thing that people do; nothing where there is no such file."""
        there = path in self.sounds
        if kind == "write":
            self._write(path, length)
        elif kind in ("damage", "truncate"):
            self._write(path, length, "failed" if kind == "damage" else "truncated")
        elif kind == "rewrite unseen" and there:
            # Other samples under the same size and time of change, as some copying programs leave them
            stat = (self.root / path).stat()
            self._write(path, self.sounds[path].length, self.sounds[path].state)
            # ... only the file system's own clock, which ticks every few milliseconds, can tell
            while (self.root / path).stat().st_ctime_ns == stat.st_ctime_ns or stat.st_mtime_ns != (
                self.root / path
            ).stat().st_mtime_ns:
                os.utime(self.root / path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        elif kind == "touch" and there:
            self._stamp(path)
        elif kind == "vanish" and there:
            (self.root / path).unlink()
            del self.sounds[path]
        elif kind == "rename" and there and path != other:
            (self.root / other).parent.mkdir(exist_ok=True)
            os.replace(self.root / path, self.root / other)
            self.sounds[other] = self.sounds.pop(path)
        elif kind == "exchange" and there and other in self.sounds and path != other:
            for old, new in ((path, "between"), (other, path), ("between", other)):
                os.replace(self.root / old, self.root / new)
            self.sounds[path], self.sounds[other] = self.sounds[other], self.sounds[path]
        elif kind == "copy" and there and path != other:
            (self.root / other).parent.mkdir(exist_ok=True)
            shutil.copyfile(self.root / path, self.root / other)
            self.sounds[other] = self.sounds[path]

    def under(self, part: str) -> list[str]:
        """The files that a path means: one file, those of a folder, or ("") all, in the order of their names."""
        return sorted(path for path in self.sounds if not part or path == part or path.startswith(part + "/"))

    def move(self, root: Path) -> None:
        """The whole folder lies elsewhere now."""
        self.root.rename(root)
        self.root = root

    def _write(self, path: str, length: int, state: str = "ok") -> None:
        self._made += 1
        self.sounds[path] = Sound(self._made, length, state)
        self.sounds[path].write(self.root / path)
        self._stamp(path)

    def _stamp(self, path: str) -> None:
        self._made += 1
        moment = 1_700_000_000_000_000_000 + self._made * 1_000_000
        os.utime(self.root / path, ns=(moment, moment))
