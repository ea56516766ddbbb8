"""Worker processes: the same vectors as here to the last bit, and nothing lost or double whoever is killed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.collection.executors import pool
from mmasc.encoders.registry import ENCODERS
from mmasc.errors import MmascError
from tests.conftest import STANDIN_SPEC
from tests.helpers.dying import DYING_SPEC, FLAG, many_sounds
from tests.helpers.killing import kill_in_mid_work
from tests.helpers.rows import same_rows


def workers_of(process: int) -> list[int]:
    """Worker processes that a process has begun."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat, command = (folder / "stat").read_text(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        state, parent = stat.rpartition(")")[2].split()[:2]
        if int(parent) == process and state != "Z" and b"mmasc.collection.executors.process" in command:
            found.append(int(folder.name))
    return found


@pytest.fixture
def dying(monkeypatch) -> str:
    monkeypatch.setitem(ENCODERS, DYING_SPEC.name, DYING_SPEC)
    return DYING_SPEC.name


def test_vectors_are_those_of_this_process_though_workers_are_killed(tmp_path, dying, registered, monkeypatch):
    """One worker is killed once; one recording kills every worker that reads it."""
    monkeypatch.setattr(pool, "TRIES", 1)
    flag = tmp_path / "flag"
    flag.touch()
    monkeypatch.setenv(FLAG, str(flag))
    sounds = many_sounds(tmp_path / "sounds", 40, deadly=(23,))
    soundfile.write(sounds / "broken.wav", np.zeros(0), 8_000)
    report = mmasc.embed(sounds, tmp_path / "workers", dying, executor="processes", workers=2)
    assert not flag.exists()
    assert (report.executor, len(report.hosts)) == ("processes", 1)
    assert 1 <= report.workers <= 2  # the second may be ready when all is done
    assert (report.added, report.lost_units) == (39, 3)
    reasons = {Path(one.path).name: one.reason for one in report.failed}
    assert sorted(reasons) == ["0023.wav", "broken.wav"]
    assert "killed the worker that read it" in reasons["0023.wav"]
    assert "0 samples" in reasons["broken.wav"] or "empty" in reasons["broken.wav"]
    (sounds / "0023.wav").unlink()
    mmasc.embed(sounds, tmp_path / "local", registered, executor="local")
    same_rows(tmp_path / "workers", tmp_path / "local")


def test_ctrl_c_keeps_what_is_done_and_leaves_no_worker(tmp_path, registered):
    sounds, into = many_sounds(tmp_path / "sounds", 60), tmp_path / "c"

    def stop(report):
        if report.added == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mmasc.embed(sounds, into, registered, executor="processes", workers=1, progress=stop)
    assert workers_of(os.getpid()) == []
    assert len(Collection(into).recordings) == 5
    report = mmasc.embed(sounds, into, registered)
    assert (report.skipped, report.added) == (5, 55)


def embed_by_processes(tick, sounds: Path, into: Path) -> None:
    """What is killed: it says how many recordings are done."""
    ENCODERS["standin"] = STANDIN_SPEC
    options = {"executor": "processes", "workers": 1, "commit_windows": 10}
    mmasc.embed(sounds, into, "standin", **options, progress=lambda report: tick(report.added + report.skipped))


def kill_and_resume(folder: Path, times: int) -> None:
    sounds, into = many_sounds(folder / "sounds", 90), folder / "c"
    for turn in range(times):
        after = 20 + 60 * turn // times
        kill_in_mid_work(embed_by_processes, sounds, into, after=after, last=after + 5, delay=0.001 * (turn % 7))
    report = mmasc.embed(sounds, into, "standin")
    assert report.added + report.skipped == 90
    assert report.skipped > 0
    mmasc.embed(sounds, folder / "whole", "standin")
    same_rows(into, folder / "whole")


def test_a_driver_that_is_killed_goes_on(tmp_path, registered):
    kill_and_resume(tmp_path, 1)


@pytest.mark.slow
def test_a_driver_that_is_killed_ten_times_goes_on(tmp_path, registered):
    kill_and_resume(tmp_path, 10)


def test_results_alone_are_on_stdout_and_workers_end_with_the_command(tmp_path, sounds):
    """With the bundled encoder, so that also its identity is compared."""
    command = [sys.executable, "-m", "mmasc", "embed", str(sounds), "--into", str(tmp_path / "c"), "--format", "json"]
    found = subprocess.run([*command, "--executor", "processes", "--workers", "1"], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    numbers = json.loads(found.stdout)
    assert (numbers["added"], numbers["executor"], numbers["workers"], numbers["lost_units"]) == (5, "processes", 1, 0)
    assert found.stderr == ""
    mmasc.embed(sounds, tmp_path / "local", executor="local")
    same_rows(tmp_path / "c", tmp_path / "local")


def test_an_encoder_made_by_hand_has_no_workers(tmp_path, sounds, standin):
    with pytest.raises(MmascError, match="workers load encoders by name"):
        mmasc.embed(sounds, tmp_path / "c", standin, executor="processes")
    assert mmasc.embed(sounds, tmp_path / "c", standin).added == 5


def test_what_does_not_fit_together_is_refused(tmp_path, sounds):
    for options, said in [
        ({"executor": "threads"}, r"executor must be one of \['local', 'processes', 'ray'\], got 'threads'"),
        ({"address": "auto"}, "address is of executor ray"),
        ({"executor": "local", "workers": 2}, "executor local has no workers"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
    ]:
        with pytest.raises(ValueError, match=said):
            mmasc.embed(sounds, tmp_path / "c", **options)
    assert not (tmp_path / "c").exists()


def test_without_ray_everything_else_works(tmp_path, sounds, registered, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MmascError, match=r"pip install 'mmasc\[scale\]'"):
        mmasc.embed(sounds, tmp_path / "c", registered, executor="ray")
    assert mmasc.embed(sounds, tmp_path / "c", registered, executor="local").added == 5


def test_a_long_recording_that_a_worker_was_lost_over_goes_on_inside_itself(tmp_path, dying, registered, monkeypatch):
    """What the driver kept of it is not embedded again, and the vectors are the same."""
    rate, seconds = 2_000, 1_500
    (tmp_path / "sounds").mkdir()
    levels = np.abs(np.sin(np.arange(seconds * rate) / rate / 37))
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, seconds * rate) * levels
    soundfile.write(tmp_path / "sounds" / "long.wav", samples, rate)
    flag, into, kept = tmp_path / "flag", tmp_path / "c", []
    monkeypatch.setenv(FLAG, str(flag))
    real = pool.Pool._take_of_unit

    def take(self, known, handed, kind, told):
        if kind == "part":
            kept.append(len(told[1]))
            if len(kept) == 1:
                flag.touch()
                time.sleep(0.05)
        return real(self, known, handed, kind, told)

    monkeypatch.setattr(pool.Pool, "_take_of_unit", take)
    report = mmasc.embed(tmp_path / "sounds", into, dying, executor="processes", workers=1)
    assert (report.added, report.lost_units, report.windows) == (1, 1, seconds)
    assert not (into / "partial").exists()
    mmasc.embed(tmp_path / "sounds", tmp_path / "local", registered, executor="local")
    same_rows(into, tmp_path / "local")
