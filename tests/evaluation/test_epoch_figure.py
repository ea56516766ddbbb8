"""Systems by epoch on one graph: means over runs, times at every tenth epoch, what is refused."""

import json

import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from mmasc.cli import cli
from mmasc.errors import MmascError
from mmasc.evaluation.epoch_figure import draw_epochs, epoch_curves, marked, write_epoch_figure
from tests.helpers.made_runs import data, make_run  # noqa: F401


def write_lines(folder, accuracies, key="validation_accuracy", pace=7.0):
    lines = [
        {"step": epoch, "epoch": epoch, "loss": 1.0, key: value, "seconds": pace * epoch}
        for epoch, value in enumerate(accuracies, 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def runs(make_run, tmp_path):  # noqa: F811
    """One system of two folds, another of one."""
    for fold, base in (("1", 0.2), ("2", 0.4)):
        write_lines(make_run(f"one/fold-{fold}", fold=fold, epochs=25), [base + 0.01 * epoch for epoch in range(25)])
    write_lines(make_run("other", fold="1", epochs=12, batch=9), [0.5] * 12, pace=60.0)
    return tmp_path / "runs"


def test_curves_are_means_over_runs(runs):
    key, curves = epoch_curves([runs])
    assert key == "validation_accuracy"
    both, alone = sorted(curves, key=lambda one: -one.runs)
    assert (both.runs, alone.runs) == (2, 1)
    assert both.epochs == tuple(range(1, 26))
    assert both.accuracies == pytest.approx([0.3 + 0.01 * epoch for epoch in range(25)])
    assert both.seconds == pytest.approx([7.0 * epoch for epoch in range(1, 26)])
    # Both are the same network on the same features: their folders tell them apart
    assert len({one.name for one in curves}) == 2
    assert alone.name.startswith("small, ")


@pytest.mark.parametrize(
    ("n_epochs", "wanted"),
    [(9, [9]), (10, [10]), (25, [10, 20, 25]), (32, [10, 20, 32]), (150, [20, 40, 60, 80, 100, 120, 140, 150])],
)
def test_every_tenth_epoch_and_the_last_carry_a_time(n_epochs, wanted):
    epochs = list(range(1, n_epochs + 1))
    assert [epochs[place] for place in marked(epochs)] == wanted
    assert marked([]) == []


def test_the_times_are_written_where_the_epochs_are(runs):
    key, curves = epoch_curves([runs])
    ax = Figure().add_subplot()
    draw_epochs(ax, curves, key)
    written = {(text.xy[0], text.get_text()) for text in ax.texts}
    assert written == {(10, "1 min 10 s"), (20, "2 min 20 s"), (25, "2 min 55 s"), (12, "12 min 00 s")}
    assert len(ax.get_legend().get_texts()) == 2


def test_the_command_draws_one_graph(runs, tmp_path):
    to = tmp_path / "figure5.png"
    found = CliRunner().invoke(cli, ["evaluate", str(runs / "other"), "--epochs", str(to), "--no-figures"])
    assert found.exit_code == 0, found.output
    assert str(to) in found.stderr
    first = to.read_bytes()
    assert first.startswith(b"\x89PNG")
    write_epoch_figure([runs / "other"], to)
    assert to.read_bytes() == first


def test_a_run_without_accuracies_is_named(runs, tmp_path):
    write_lines(runs / "other", [0.1] * 12, "loss_of_something")
    with pytest.raises(MmascError, match=r"other has no accuracy by epoch like the others: train with --validation"):
        write_epoch_figure([runs], tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()
