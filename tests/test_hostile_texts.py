"""Texts made to harm (YAML, JSON, tables, logs): each is refused in one line that names it, or does no harm."""

import csv
import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mmasc.cli import _fail as fail
from mmasc.datasets import read_dataset
from mmasc.errors import MmascError
from mmasc.heads.calibration_file import Calibration
from mmasc.ivf.sources import read_sources
from mmasc.prompts.prompts import load_prompts
from mmasc.storage.texts import read_reports
from mmasc.training.alignment.mel_cache import read_table
from mmasc.training.run_folder import Metrics, read_config
from mmasc.weights.store import find as find_weights
from mmasc.weights.table import WEIGHTS, RemoteFile, WeightFile
from tests.helpers.hostile import refused


def test_aliases_that_unfold(tmp_path):
    path = tmp_path / "bomb.yaml"
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
    path.write_text("\n".join([*lines, "labels: {a: *a11}"]) + "\n")
    refused(load_prompts, path)
    path.write_text("labels: &a {a: [b], c: *a}\n")
    refused(load_prompts, path)


@pytest.mark.parametrize("text", ["[" * 100_000, "{" * 50_000, '{"a":' * 50_000, "labels: " + "- " * 30_000])
def test_depth_in_texts(tmp_path, text):
    for name, call in {
        "deep.yaml": load_prompts,
        "deep.json": Calibration.load,
        "deep.csv": lambda path: read_dataset("csv", path),
        "table.csv": lambda path: read_table(path, "path", "label"),
        "pairs.csv": read_sources,
    }.items():
        path = tmp_path / name
        path.write_text(text)
        refused(call, path)
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(text)
    refused(lambda path: read_config(path.parent), run / "config.json")


def test_a_field_of_a_table_without_end(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text('path,label\na.wav,"' + "x" * (csv.field_size_limit() + 10) + '"\n')
    for call in (lambda path: read_dataset("csv", path), lambda path: read_table(path, "path", "label"), read_sources):
        refused(call, path)


def test_metrics_are_read_however_damaged(tmp_path):
    """A log decides nothing: what can be read of it is kept, and the run goes on."""
    path = tmp_path / "metrics.jsonl"
    good = [{"step": step, "loss": 1.0 / step} for step in (1, 2, 3)]
    lines = [json.dumps(line).encode() for line in good]
    bad = [
        b"\xff\xfe",
        b'{"step": [',
        b"7",
        b'"step"',
        b"[" * 50_000,
        b'{"step": "2", "loss": []}',
        b'{"loss": 2}',
        b"",
    ]
    path.write_bytes(b"\n".join([lines[0], *bad[:4], lines[1], *bad[4:], lines[2], b'{"step": 4, "lo']))
    assert [line for line in read_reports(path) if "step" in line] == good
    assert {"loss": 2} in read_reports(path)
    Metrics(path, step=2).write(step=3, loss=0.5)
    assert read_reports(path) == [*good[:2], {"step": 3, "loss": 0.5}]


@pytest.mark.parametrize("record", ["text", 7, [], {"sha256": []}, None, {}])
def test_digests_that_are_damaged(tmp_path, monkeypatch, record):
    monkeypatch.setenv("MMASC_HOME", str(tmp_path))
    file = RemoteFile("https://example.invalid/toy.bin", None, None, "toy.bin")
    monkeypatch.setitem(WEIGHTS, "toy", WeightFile("toy", (file,), "none"))
    folder = tmp_path / "weights" / "toy"
    folder.mkdir(parents=True)
    (folder / "toy.bin").write_bytes(b"toy")
    (folder / "digests.json").write_text(json.dumps({"toy.bin": record}))
    refused(lambda path: find_weights("toy"), folder / "toy.bin")


def test_names_too_long_for_any_file(tmp_path):
    """Such a name is that of a missing file, and the message is not as long as it."""
    path = tmp_path / "long.csv"
    path.write_text(f"path,label\n{'x' * 5_000}.wav,a\n")
    for call in (lambda path: read_table(path, "path", "label"), lambda path: read_dataset("csv", path)):
        with pytest.raises(MmascError, match=r"long\.csv"):
            call(path)
    found = CliRunner().invoke(read_it, [str(path)])
    assert found.exit_code == 1
    assert "long.csv" in found.output
    assert len(found.output) < 1_500


@click.command()
@click.argument("path")
def read_it(path: str) -> None:
    try:
        read_table(Path(path), "path", "label")
    except MmascError as error:
        fail(str(error), 1)
