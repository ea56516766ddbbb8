"""Real processes that begin with everything imported: a server forks one for each call, so that a kill meets work.

    with Children("storms") as children:
        pid = children.start("run", "embed", "/tmp/work")     # storms.run("embed", "/tmp/work") in a process of its own
        outcome = children.wait(60)

The server imports the module by name and what commands import only while they run; it never computes itself, because
what computes may not fork.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import re
import select
import signal
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import mmasc

_READY = "ready"
# Imported by functions of libraries when they are first called: a second and more, which no child should take
_LATE = ("torch._dynamo", "faiss", "av", "PIL.Image", "einops", "librosa", "sklearn.ensemble", "matplotlib.pyplot")
_LATE += ("h5py", "jiwer", "onnxruntime", "transformers.models.wav2vec2.modeling_wav2vec2", "zoneinfo")
# As FFmpeg, mpg123, libpng, libjpeg, Rust and its loggers begin their lines
_CHATTER = re.compile(
    r"^\[\w+ @ 0x|^Warning: |^libpng |^JPEG|^Corrupt JPEG|^thread '.*panicked|^\[\S+ (WARN|ERROR)|\[src/lib"
)
_HERE = Path(__file__).resolve().parent


class Outcome(NamedTuple):
    """How a call ended.

    Attributes:
        value: What it returned, as JSON has it; None where it did not come to its end.
        status: 0, an exit status, 70 after an exception that nobody caught, or minus the signal that ended it.
        spoken: What was written to stderr.
        chatter: Lines among these that libraries in C or Rust wrote, as one knows them.
        trace: Of the exception that nobody caught.
        memory: Bytes that it needed at most beyond what it began with.
        seconds: That it took.
        stopped: Why `wait` ended it: "", "time" or "memory".
    """

    value: Any
    status: int
    spoken: str
    chatter: str
    trace: str
    memory: int
    seconds: float
    stopped: str


class Children:
    """A server of children; `module` is imported once, from this folder.

    Args:
        module: Whose functions are called.
        scratch: Folder for what the children say.
    """

    def __init__(self, module: str, scratch: Path) -> None:
        self.module, self.scratch = module, Path(scratch)
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.pid, self.begun = 0, 0.0
        self._begin()

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.server.stdin is not None
        self.server.stdin.close()
        self.server.wait()

    def start(self, function: str, *arguments: Any) -> int:
        """Call a function in a child of its own; its process ID."""
        assert self.server.stdin is not None
        self.server.stdin.write(json.dumps([function, arguments]).encode() + b"\n")
        self.server.stdin.flush()
        self.pid = int(self._line())
        self.begun = time.monotonic()
        return self.pid

    def wait(self, seconds: float | None = None, memory: int | None = None) -> Outcome:
        """How the child ended; one that takes longer, or more memory, is killed.

        A machine that does other things as well is given its due: what is not at work gets three times as long.
        """
        assert self.server.stdout is not None
        stopped, base, most = "", _resident(self.pid), 0
        while not select.select([self.server.stdout], [], [], 0.02)[0]:
            most = max(most, _resident(self.pid) - base)
            if not stopped and memory is not None and most > memory:
                stopped = "memory"
            elif not stopped and seconds is not None and self._is_late(seconds):
                stopped = "time"
            else:
                continue
            with contextlib.suppress(ProcessLookupError):  # ended just now
                os.kill(self.pid, signal.SIGKILL)
        status, took = json.loads(self._line())
        if status != -signal.SIGKILL:
            stopped = ""  # it ended by itself just before
        value, trace, high = self._read("value.json"), self._text("trace"), self._text("memory")
        most = max(most, int(high)) if high else most
        spoken = self._text("spoken")
        # A remark of mmasc's own that tells of such a line is none
        lines = [line for line in spoken.splitlines() if not line.startswith("remark: libraries")]
        chatter = "\n".join(line for line in lines if _CHATTER.search(line))
        return Outcome(value, status, spoken, chatter, trace, most, took, stopped)

    def _is_late(self, seconds: float) -> bool:
        passed = time.monotonic() - self.begun
        return passed > 3 * seconds or (passed > seconds and _worked(self.pid) > seconds / 2)

    def call(self, function: str, *arguments: Any) -> Any:
        """What a function returns.

        Raises:
            RuntimeError: If it does not.
        """
        self.start(function, *arguments)
        outcome = self.wait()
        if outcome.status:
            raise RuntimeError(f"{function}{arguments} ended with {outcome.status}: {outcome.trace or outcome.spoken}")
        return outcome.value

    def _begin(self) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
        self.server = subprocess.Popen(
            [sys.executable, __file__, self.module, str(self.scratch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # What lies in a buffer here is not seen by `select`
            bufsize=0,
            env=os.environ | threads | {"PYTHONPATH": str(_HERE), "PYTHONWARNINGS": "default"},
        )
        if self._line() != _READY:
            raise RuntimeError(f"{self.module} cannot be imported")

    def _line(self) -> str:
        assert self.server.stdout is not None
        line = self.server.stdout.readline()
        if not line:
            raise RuntimeError("the server of children has ended")
        return line.decode().strip()

    def _text(self, name: str) -> str:
        path = self.scratch / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _read(self, name: str) -> Any:
        text = self._text(name)
        return json.loads(text) if text else None


def _resident(pid: int) -> int:
    """Bytes of a process that are in memory now; 0 where that cannot be asked."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _worked(pid: int) -> float:
    """Seconds of CPU that a process has used; endless where that cannot be asked."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return float("inf")


def _import_late() -> None:
    """All of mmasc and `_LATE`, as far as they are installed."""
    ours = sorted(info.name for info in pkgutil.walk_packages(mmasc.__path__, "mmasc.") if "__main__" not in info.name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in [*ours, *_LATE]:
            # Modules for packages that are missing here say so themselves
            with contextlib.suppress(ImportError, mmasc.MmascError):
                importlib.import_module(name)


def _serve(module: Any, scratch: Path) -> None:
    answers = open(os.dup(1), "w", buffering=1)  # noqa: SIM115 (for as long as this process lives)
    # What a child prints is not an answer of the server
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # What a child's collector would look through, it would also copy
    gc.collect()
    gc.freeze()
    answers.write(f"{_READY}\n")
    for line in sys.stdin:
        function, arguments = json.loads(line)
        for old in ("value.json", "spoken", "trace", "memory"):
            (scratch / old).unlink(missing_ok=True)
        begun = time.monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries about forks: nothing of them has begun here
            pid = os.fork()
        if not pid:
            _live(getattr(module, function), arguments, scratch)
        answers.write(f"{pid}\n")
        _, status = os.waitpid(pid, 0)
        answers.write(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - begun]) + "\n")
    answers.close()


def _live(function: Any, arguments: list[Any], scratch: Path) -> None:
    """The life of a child; it leaves files and an exit status, never this function."""
    os.dup2(os.open(scratch / "spoken", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    # Open as long as the child lives
    sys.stdin = open(os.devnull)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stdout = open(os.devnull, "w", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115
    status = 70
    before = _high_water(reset=True)
    try:
        value = function(*arguments)
        (scratch / "value.json").write_text(json.dumps(value))
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        (scratch / "trace").write_text(traceback.format_exc(), errors="replace")
    sys.stderr.flush()
    (scratch / "memory").write_text(str(max(0, _high_water() - before)))
    os._exit(status)


def _high_water(reset: bool = False) -> int:
    """Bytes that this process had in memory at most."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        text = Path("/proc/self/status").read_text()
        return int(text.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        return 0


if __name__ == "__main__":
    _import_late()
    _serve(importlib.import_module(sys.argv[1]), Path(sys.argv[2]))
