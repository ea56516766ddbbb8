"""A grid search: combinations trained, chosen by validation alone, and only what was chosen is tested."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from mmasc.cli import cli
from mmasc.errors import MmascError
from mmasc.evaluation.evaluate import evaluate
from mmasc.evaluation.value_sweep import grid_of, is_assignment, sweep_values
from mmasc.networks.registry import NETWORKS
from tests.helpers.small_network import FILTERS

RATE = 16_000
OPTIONS = dict(dataset="csv", dataset_options={"fold_column": "fold"}, recipe="plain", epochs=1, batch=4)


@pytest.fixture(scope="module", autouse=True)
def filters():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "filters", FILTERS)
        yield


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """16 clips of a quarter of a second: two pitches, two folds."""
    folder = tmp_path_factory.mktemp("data")
    lines, chance = ["path,label,fold"], np.random.default_rng(0)
    for number in range(16):
        kind, hz = ("low", 300) if number % 2 else ("high", 3_000)
        at = np.arange(RATE // 4) / RATE
        soundfile.write(folder / f"{number}.wav", 0.3 * np.sin(2 * np.pi * hz * chance.uniform(0.8, 1.2) * at), RATE)
        lines.append(f"{number}.wav,{kind},{number // 2 % 2 + 1}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return folder / "table.csv"


@pytest.fixture(scope="module")
def swept(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as patch:
        tested: list[str] = []
        real = evaluate
        patch.setattr(
            "mmasc.evaluation.value_sweep.evaluate",
            lambda folders, *rest, **more: tested.extend(map(str, folders)) or real(folders, *rest, **more),
        )
        rows = sweep_values(
            "filters", table, out=out, grid={"learning_rate": [1e-5, 0.1]}, seeds=(0, 1), validation="0.3", **OPTIONS
        )
    return out, rows, tested


def test_the_best_on_validation_is_chosen_and_alone_tested(swept):
    out, rows, tested = swept
    assert [(row.values["learning_rate"], row.fold) for row in rows] == [
        (1e-5, "1"), (0.1, "1"), (1e-5, "2"), (0.1, "2"),
    ]  # fmt: skip
    for fold in ("1", "2"):
        own = [row for row in rows if row.fold == fold]
        best = max(own, key=lambda row: (row.validation, -row.validation_loss))
        assert [row for row in own if row.chosen] == [best]
        assert [row.test_accuracy is not None for row in own] == [row.chosen for row in own]
        assert best.n_test == 8
        (found,) = evaluate(best.folders)
        assert found.metrics["accuracy"].value == best.test_accuracy
    assert tested == [folder for row in rows if row.chosen for folder in row.folders]
    for row in rows:
        last = [json.loads((Path(one) / "metrics.jsonl").read_text().splitlines()[-1]) for one in row.folders]
        assert row.validation == pytest.approx(np.mean([line["validation_accuracy"] for line in last]))
        assert row.validation_loss == pytest.approx(np.mean([line["validation_loss"] for line in last]))
        assert Path(row.folders[1]).relative_to(out).parts[1:] == ("seed-1", f"fold-{row.fold}")


def test_it_continues_and_is_printed(swept, table, capsys):
    out, rows, _ = swept
    told = sorted(out.rglob("last.safetensors"))
    before = [path.stat().st_mtime_ns for path in told]
    words = [
        *("sweep", "filters", "--data", str(table), "--dataset", "csv", "--data-option", "fold_column=fold"),
        *("--recipe", "plain", "--epochs", "1", "--batch", "4", "--out", str(out), "--seeds", "0,1"),
        *("--validation", "0.3", "--grid", "learning-rate=1e-5,0.1", "--quiet"),
    ]
    printed = CliRunner().invoke(cli, [*words, "--format", "csv"])
    assert printed.exit_code == 0, printed.output
    again = list(csv.DictReader(io.StringIO(printed.stdout)))
    assert [row["chosen"] for row in again] == [str(row.chosen) for row in rows]
    assert [float(row["learning_rate"]) for row in again] == [1e-5, 0.1, 1e-5, 0.1]
    assert [path.stat().st_mtime_ns for path in told] == before
    shown = CliRunner().invoke(cli, words).stdout
    assert "test folds had no part in the choice" in shown
    assert "over 16 clips" in shown
    wrong = CliRunner().invoke(cli, [*words, "--heads", "2"])
    assert (wrong.exit_code, "--heads is for published tables" in wrong.output) == (2, True)


def test_arguments_of_the_network_are_values_too(table, tmp_path):
    rows = sweep_values("filters", table, out=tmp_path, grid=["epochs=1,2", "n-mels=64"], folds=["2"], **{
        name: one for name, one in OPTIONS.items() if name != "epochs"
    })  # fmt: skip
    assert [row.values for row in rows] == [{"epochs": 1, "n_mels": 64}, {"epochs": 2, "n_mels": 64}]
    config = json.loads((Path(rows[1].folders[0]) / "config.json").read_text())
    assert (config["epochs"], config["arguments"], config["validation"]) == (2, {"n_mels": 64}, "0.2")


def test_every_option_of_training_is_taken_by_its_name(table, tmp_path):
    lines, steps = [], []
    (row,) = sweep_values(
        network="filters",
        data=table,
        out=tmp_path / "out",
        grid={"ema": [0.0]},
        folds=["2"],
        seeds=[3],
        validation="0.3",
        arguments={"n_mels": 64},
        cache=tmp_path / "kept",
        device="cpu",
        remark=lines.append,
        progress=lambda done, of, line: steps.append((done, of)),
        **OPTIONS,
    )
    config = json.loads((Path(row.folders[0]) / "config.json").read_text())
    assert [config[name] for name in ("arguments", "validation", "seed")] == [{"n_mels": 64}, "0.3", 3]
    assert lines[0] == "run 1 of 1: ema 0.0, seed 3, fold 2"
    assert steps[-1][0] == steps[-1][1]
    assert any((tmp_path / "kept").rglob("*.npy"))


def test_a_grid_is_read_by_the_types_of_options():
    assert grid_of(["dropout=0,0.2", "batch = 4".replace(" ", ""), "ema=0.9", "bf16=true,False", "loss=bce"]) == {
        "dropout": [0, 0.2],
        "batch": [4],
        "ema": [0.9],
        "bf16": [True, False],
        "loss": ["bce"],
    }
    assert not is_assignment("table5/heads=4/layers=3")
    assert not is_assignment("table5")


@pytest.mark.parametrize(
    ("grid", "line"),
    [
        (["dropout"], r"a grid is KEY=V1,V2,... \(as in dropout=0,0.2,0.5\), got 'dropout'"),
        (["ema=0", "ema=0.9"], "ema is in the grid twice"),
        (["speeds=0.9,1"], "speeds holds several values by itself"),
        (["batch=4,many"], "batch takes whole numbers, got 'many'"),
        (["bf16=maybe"], "bf16 is true or false, got 'maybe'"),
        (["ema=,"], "the grid has no value for ema"),
        (["droput=0,0.2"], "droput is neither an option of training nor an argument of filters"),
        (["ema=0,2"], r"ema 2.0 cannot be trained: ema must be in \[0, 1\), got 2.0"),
        (["epochs=1"], "epochs is in the grid and given by itself"),
        (["validation=0.2,0.3"], "validation is not for the grid"),
        (["seed=0,1"], "seed is not for the grid"),
        (["n-mels=99999999"], "n_mels 99999999 cannot be trained: 99999999 is too large for a size"),
        (["n-mels=NaN"], "n_mels nan cannot be trained: nan is too large"),
        (["n-mels=-3"], "n_mels -3 cannot be trained: .*negative dimension"),
        ([f"n-mels={'9' * 400}"], r"n_mels 9{59}… cannot be trained: 9+ is too large"),
    ],
)
def test_wrong_grids_are_one_line_before_anything_is_trained(grid, line, table, tmp_path):
    with pytest.raises(MmascError, match=line):
        sweep_values("filters", table, out=tmp_path / "out", grid=grid, **OPTIONS)
    assert not (tmp_path / "out").exists()


def test_without_validation_nothing_can_be_chosen(table, tmp_path):
    with pytest.raises(MmascError, match="validation must be a fold or a share"):
        sweep_values("filters", table, out=tmp_path, grid={"ema": [0.0]}, validation="", **OPTIONS)
    with pytest.raises(MmascError, match="unknown network 'filter'"):
        sweep_values("filter", table, out=tmp_path, grid={"ema": [0.0]}, **OPTIONS)
