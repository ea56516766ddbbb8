"""The table of runs and collections, and what stands beside them from papers."""

import json
import re

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from mmasc.cli import cli
from mmasc.collection import Collection
from mmasc.collection.ingest import embed
from mmasc.datasets import DATASETS
from mmasc.errors import MmascError
from mmasc.evaluation.compare import compare
from mmasc.evaluation.compare_table import markdown, write_comparison
from mmasc.evaluation.evaluate import evaluate
from mmasc.evaluation.published import PUBLISHED, published_beside, published_for
from mmasc.networks.registry import NETWORKS
from tests.helpers.known_set import SENTENCE, collection_of_a_known_set
from tests.helpers.made_runs import data, make_run

__all__ = ["data", "make_run"]  # fixtures


@pytest.fixture
def runs(make_run, tmp_path):
    for seed in (0, 1):
        for fold in ("1", "2"):
            make_run(f"seed-{seed}/fold-{fold}", fold, seed)
    make_run("other", "1", epochs=2, lines=2, recipe="plain")
    return tmp_path / "runs"


def test_a_row_is_a_system_over_its_folds_and_seeds(runs):
    found = compare([runs], measure=False)
    assert sorted((row.seeds, len(row.folds), row.recipe) for row in found.rows) == [(1, 1, "plain"), (2, 2, "default")]
    (row,) = [row for row in found.rows if row.seeds == 2]
    (evaluation,) = [one for one in evaluate([runs]) if len(one.seeds) == 2]
    assert row.accuracy == evaluation.metrics["accuracy"].value
    assert (row.clips, row.fold_seconds, row.clips_per_second) == (18, 21.0, 12.0)
    assert row.cost.seconds == 1.0
    assert row.cost.real_time is None
    assert [row.accuracy for row in found.rows] == sorted((row.accuracy for row in found.rows), reverse=True)


def test_what_tests_the_runs_is_taken_by_its_name(runs, data, tmp_path):
    lines, steps = [], []
    options = dict(label=None, heads=("logistic",), groups=None, folds_column=None, measure=False)
    found = compare(
        paths=[runs],
        data=data,
        cache=tmp_path / "kept",
        device="cpu",
        remark=lines.append,
        progress=lambda done, of, line: steps.append((done, of)),
        **options,
    )
    assert [row.accuracy for row in found.rows] == [row.accuracy for row in compare([runs], measure=False).rows]


def test_the_page_says_every_figure_once_more(runs, tmp_path):
    found = compare([runs], measure=True)
    files = write_comparison(found, tmp_path / "results", command="mmasc compare runs")
    assert [path.name for path in files] == ["csv.md", "csv.json", "csv.png"]
    assert files[2].read_bytes()[:4] == b"\x89PNG"
    page = files[0].read_text(encoding="utf-8")
    assert "`mmasc compare runs`" in page
    for row in found.rows:
        assert f"**{100 * row.accuracy:.1f}**" in page
        assert f"{row.cost.parameters:,}" in page
        assert f"{row.cost.bytes['float16'] / 1024:,.1f}" in page
    assert str(tmp_path) not in page
    value = json.loads(files[1].read_text(encoding="utf-8"))
    assert [row["accuracy"] for row in value["rows"]] == [row.accuracy for row in found.rows]
    assert value["rows"][0]["cost"]["real_time"] > 0
    for table in re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE):
        widths = {line.count(" | ") for line in table.splitlines()}
        assert len(widths) == 1  # every line of a table has the same columns


@pytest.fixture
def collection(data, tmp_path, registered):
    """The clips of the runs in a collection, embedded by the stand-in, and labels that it can hear."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    rows = ["path,kind,fold,take"]
    for number in range(16):
        loud = number % 2
        soundfile.write(folder / f"{number}.wav", np.full(8_000, 0.2 + 0.5 * loud), 8_000)
        rows.append(f"{number}.wav,{'loud' if loud else 'quiet'},{1 + number // 8},take{number // 2}")
    (tmp_path / "meta.csv").write_text("\n".join(rows) + "\n")
    embed(folder, tmp_path / "collection", registered, metadata=tmp_path / "meta.csv")
    return tmp_path / "collection"


def test_heads_on_collections_stand_beside_networks(runs, collection):
    found = compare([runs, collection], label="kind", heads=["logistic", "neighbours"], groups="take", measure=False)
    heads = [row for row in found.rows if row.cost is None]
    assert sorted(row.system for row in heads) == ["standin+logistic", "standin+neighbours"]
    assert all(row.fold_names == ["1", "2"] for row in heads)
    assert max(row.accuracy for row in heads) == 1
    assert heads[0].detail["interval_over"] == "groups of take"
    assert "standin+logistic" in markdown(found)


def test_collections_need_a_label(collection, tmp_path):
    with pytest.raises(MmascError, match="name the column of its labels with --label"):
        compare([collection])
    with pytest.raises(MmascError, match="nothing to compare"):
        compare([])
    assert Collection(collection).spaces


def test_published_figures_name_what_there_is():
    keys = [(one.datasets, one.system, one.features, one.metric, one.measured) for one in PUBLISHED]
    assert len(set(keys)) == len(keys)
    for one in PUBLISHED:
        assert set(one.datasets) <= DATASETS.keys()
        assert 0 < one.value < 1
        assert one.measured
        assert one.source
        for name in one.ours.split():
            assert "+" in name or name in NETWORKS, name


def test_published_rates_of_the_third_paper_belong_together():
    """F1 is the harmonic mean of precision and recall, within the rounding of what is printed."""
    found = {(one.system, one.metric): one.value for one in PUBLISHED if one.metric.startswith("micro_")}
    for system, slack in (("VGG, pretrained", 1e-4), ("ResNet-18", 1e-9), ("ResNet-18 with dilations", 5e-3)):
        precision, recall = found[system, "micro_precision"], found[system, "micro_recall"]
        assert found[system, "micro_f1"] == pytest.approx(2 * precision * recall / (precision + recall), abs=slack)
    zero_shot = [one for one in PUBLISHED if one.system.startswith("AudioCLIP, zero-shot")]
    assert [one.value for one in zero_shot] == [0.11564, 0.0975]


def test_published_figures_of_classic_features_are_means_of_their_folds():
    by_fold = [one for one in published_for("esc10") if one.folds]
    assert len(by_fold) == 7
    for one in by_fold:
        assert one.on_folds(["1", "2", "3", "4", "5"]) == pytest.approx(one.value, abs=6e-4)
    (forest,) = [one for one in by_fold if one.ours == "classic+forest"]
    assert forest.on_folds(["1", "2", "3", "4"]) == pytest.approx(0.725)
    assert forest.on_folds(["1", "6"]) is None
    assert forest.on_folds([]) is None


def test_published_figures_stand_beside_their_own_system_only():
    assert [one.value for one in published_beside("tau2020", "resnet34", "sp4sc", "sp4sc")] == [0.81]
    assert published_beside("esc10", "resnet34", "sp4sc", "sp4sc") == []
    assert published_beside("tau2020", "resnet34", "panns", "sp4sc") == []  # other features, another system
    assert [one.value for one in published_beside("tau2019", "eight-conv", "gammatone", "log-mel")] == [0.775]
    assert [one.value for one in published_beside("esc10", "classic+svm-linear")] == [0.675]


def test_compare_by_command(runs, tmp_path):
    target = tmp_path / "results"
    words = ["compare", str(runs), "--no-measure", "--to", str(target), "--name", "mine", "--quiet"]
    result = CliRunner().invoke(cli, [*words, "--format", "json"])
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["rows"]) == 2
    assert sorted(path.name for path in target.iterdir()) == ["mine.json", "mine.md", "mine.png"]
    page = CliRunner().invoke(cli, ["compare", str(runs), "--no-measure", "--quiet", "--format", "markdown"]).stdout
    assert page.startswith("# csv: what was measured here")


def test_who_learned_from_the_test_and_who_had_another_test_is_said(runs, collection, tmp_path, monkeypatch, capsys):
    known = collection_of_a_known_set(tmp_path / "esc", monkeypatch)
    found = compare([known, collection], label="kind", measure=False)
    assert [bool(row.heard) for row in found.rows] == [row.detail["heard"]["state"] == "set" for row in found.rows]
    assert sorted(len(row.heard) for row in found.rows) == [0, 1]
    page = markdown(found)
    assert "Except in the rows marked *, every clip was tested by" in page
    assert f"\\* {SENTENCE}." in page
    assert "Not all rows were tested on the same clips in the same folds (A: standin+logistic; B:" in page
    assert page.count("standin+logistic \\* |") == 1
    alone = markdown(compare([collection], label="kind", measure=False))
    assert "Every clip was tested by" in alone
    assert "Not all rows" not in alone
    assert "\\*" not in alone
    command = ["compare", str(known), str(collection), "--label", "kind", "--quiet"]
    printed = CliRunner().invoke(cli, [*command, "--format", "table"]).output
    assert f"note: {SENTENCE}." in printed
    assert "tested_on" in printed.replace("\n", "")
    rows = CliRunner().invoke(cli, [*command, "--format", "csv"]).stdout.splitlines()
    assert "tested_on,learned_before" in rows[0]
