"""Features compared: what is held back as seen, sweeps that go on, and figures computed a second way."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from mmasc.cli import cli
from mmasc.datasets import read_dataset
from mmasc.errors import MmascError
from mmasc.evaluation.feature_sweep import TABLE1, folder_name, front_ends_of, sweep_features
from mmasc.evaluation.feature_table import rows_object, table_of
from mmasc.evaluation.runs import find_runs
from mmasc.evaluation.scores import read_seen_scores
from mmasc.ivf.imagination import Imagination, ImaginationConfig, save_imagination
from mmasc.ivf.transformation import TransformationConfig
from mmasc.ivf.vqvae import VqVaeConfig
from mmasc.networks.load import load_network
from mmasc.storage.configs import config_from_dict
from mmasc.storage.tensors import load_tensors
from mmasc.training.supervised import run as supervised_run
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.data import checked_sides, seen_before
from mmasc.training.supervised.recipes import RECIPES
from mmasc.training.supervised.train import train_network

RATE = 16_000
WIDTHS = [2, 2, 4, 4]
READ = dict(dataset="csv", dataset_options={"fold_column": "fold", "group_column": "group"})
SMALL = dict(recipe="any-features", epochs=1, batch=8, crop_seconds=0.4, arguments={"widths": WIDTHS})
CITIES = {"1": "rome rome oslo", "2": "rome oslo oslo", "3": "oslo rome bonn"}


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Eighteen groups of two clips of half a second and six single ones: two kinds, three folds, three cities."""
    folder = tmp_path_factory.mktemp("data")
    chance = np.random.default_rng(0)
    lines = ["path,label,fold,group,city"]
    for group in range(24):
        kind, fold = "ab"[group % 2], str(group % 3 + 1)
        for take in range(2 if group < 18 else 1):
            at = np.arange(RATE // 2) / RATE
            tone = 0.3 * np.sin(2 * np.pi * (400 if kind == "a" else 2_500) * chance.uniform(0.8, 1.2) * at)
            name = f"{group}-{take}.wav"
            soundfile.write(folder / name, tone + 0.05 * chance.standard_normal(len(at)), RATE)
            lines.append(f"{name},{kind},{fold},g{group},{CITIES[fold].split()[group // 3 % 3]}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return folder / "table.csv"


def config_of(**values) -> SupervisedConfig:
    return SupervisedConfig("eight-conv", "log-mel", ("a", "b"), "csv", "", "", fold="1", **values)


def read(table: Path):
    return read_dataset("csv", table, **READ["dataset_options"])


def sweep(table: Path, out: Path, features=("log-mel", "cqt"), **options):
    return sweep_features("eight-conv", table, out=out, features=features, **{**READ, **SMALL, **options})


# ------------------------------------------------------------------------------------------ what is held back


@pytest.mark.parametrize(("share", "held_of_two"), [(0.2, 0), (0.25, 1), (0.5, 1), (1.0, 1)])
def test_clips_are_held_back_and_their_groups_are_learned_from(table, share, held_of_two):
    data = read(table)
    plain = checked_sides(data, config_of())
    assert not len(plain.seen)
    if not held_of_two:
        with pytest.raises(MmascError, match="no group has two clips to learn from and share enough") as caught:
            checked_sides(data, config_of(seen_share=share))
        assert "\n" not in str(caught.value)
        return
    sides = checked_sides(data, config_of(seen_share=share))
    groups = np.array(data.groups)
    assert sorted([*sides.train, *sides.seen]) == plain.train.tolist()
    assert sides.test.tolist() == plain.test.tolist()
    assert len(sides.seen) == 12 * held_of_two
    assert set(groups[sides.train]) == set(groups[plain.train])
    assert Counter(groups[sides.seen].tolist()).most_common(1)[0][1] == 1
    # the same clips for every seed
    other = checked_sides(data, config_of(seen_share=share, seed=7))
    assert other.seen.tolist() == sides.seen.tolist()


@pytest.mark.parametrize("share", [0.1, 0.3, 0.34, 0.5, 0.7])
def test_a_column_has_its_share_held_back(table, share):
    data = read(table)
    cities = np.array(data.column("city"))
    plain = checked_sides(data, config_of())
    sides = checked_sides(data, config_of(seen_share=share, seen_by="city"))
    there, held = Counter(cities[plain.train].tolist()), Counter(cities[sides.seen].tolist())
    assert {name: held[name] for name in there} == {
        name: min(number - 1, int(share * number + 0.5)) for name, number in there.items()
    }
    assert not set(sides.train.tolist()) & set(sides.seen.tolist())


def test_clips_of_no_city_are_neither_held_back_nor_seen(table):
    data = read(table)
    nowhere = tuple(
        replace(clip, columns={**clip.columns, "city": "" if clip.columns["city"] == "oslo" else clip.columns["city"]})
        for clip in data.clips
    )
    data = replace(data, clips=nowhere)
    cities = np.array(data.column("city"))
    sides = checked_sides(data, config_of(seen_share=0.5, seen_by="city"))
    assert set(cities[sides.seen]) == {"rome", "bonn"}
    assert (seen_before(data, sides, "city") == (cities != "")).all()


def test_noisy_clips_are_not_tested_as_seen(table):
    data = read(table)
    marked = tuple(
        replace(clip, columns={**clip.columns, "checked": "no" if number % 4 < 2 else "yes"})
        for number, clip in enumerate(data.clips)
    )
    data = replace(data, clips=marked)
    checked = np.array(data.column("checked"))
    plain = checked_sides(data, config_of(noisy="checked=no", loss="bce"))
    sides = checked_sides(data, config_of(noisy="checked=no", loss="bce", seen_share=0.5))
    assert set(checked[sides.seen]) == {"yes"}
    assert (checked[sides.train] == "no").sum() == (checked[plain.train] == "no").sum()


def test_test_clips_are_seen_by_their_city(table):
    data = read(table)
    cities = np.array(data.column("city"))
    # fold 3 alone has Bonn
    sides = checked_sides(data, replace(config_of(seen_by="city"), fold="3"))
    before = seen_before(data, sides, "city")[sides.test]
    assert (before == (cities[sides.test] != "bonn")).all()
    assert 0 < before.sum() < len(before)
    # groups lie on one side: of these no test clip is seen
    assert not seen_before(data, sides)[sides.test].any()
    assert seen_before(data, sides)[sides.train].all()


def test_what_cannot_be_held_back_is_one_line(table):
    data = read(table)
    with pytest.raises(MmascError, match="has no column 'country'; its columns are city"):
        checked_sides(data, config_of(seen_by="country"))
    # a city for each kind: with all but one of each held back there is one clip of each, and one kind is lost
    alone = tuple(
        replace(clip, labels=("c",)) if number in (2, 4) else replace(clip, labels=("a",) if number % 2 else ("b",))
        for number, clip in enumerate(data.clips)
    )
    with pytest.raises(MmascError, match=r"with 1 of every city held back as seen no clip of '.' is left to learn"):
        checked_sides(replace(data, clips=alone, classes=("a", "b", "c")), config_of(seen_share=1.0, seen_by="city"))
    with pytest.raises(ValueError, match=r"seen_share must be in \[0, 1\], got 1.5"):
        config_of(seen_share=1.5)


def test_runs_from_before_are_read_and_their_scores_kept(table, tmp_path):
    options = dict(READ, folds=["1"], **SMALL)
    train_network("eight-conv", table, out=tmp_path / "run", **options)
    path = tmp_path / "run" / "config.json"
    values = json.loads(path.read_text())
    assert (values.pop("seen_share"), values.pop("seen_by")) == (0.0, "")
    path.write_text(json.dumps(values))
    said: list[str] = []
    train_network("eight-conv", table, out=tmp_path / "run", remark=said.append, **options)
    assert said == [f"{tmp_path / 'run'} is finished: 1 epochs"]
    (run,) = find_runs([tmp_path / "run"])
    assert config_from_dict(SupervisedConfig, values, "").seen_share == 0
    # What is kept beside the weights is named by what decided it before there was this share
    assert run.digest == replace(run, config=replace(run.config, seen_share=0.5)).digest
    with pytest.raises(MmascError, match="held no clips back as seen; train a new run with --seen-share"):
        read_seen_scores(run)
    with pytest.raises(MmascError, match=r"seen_share is 0.0 there, 0.5 here"):
        train_network("eight-conv", table, out=tmp_path / "run", seen_share=0.5, **options)


# ------------------------------------------------------------------------------------------ widths


def test_widths_come_back_from_the_weights(table, tmp_path):
    network = load_network("eight-conv", classes=("a", "b"), arguments={"widths": WIDTHS})
    assert network.body.dim == 4
    assert network.parameter_counts()[0] < 1_000
    command = ["train", "eight-conv", "--data", str(table), "--dataset", "csv", "--folds", "1", "--epochs", "1"]
    command += ["--data-option", "fold_column=fold", "--recipe", "any-features", "--crop-seconds", "0.4", "--quiet"]
    for number, written in enumerate(("2,2,4,4", "[2, 2, 4, 4]")):
        out = tmp_path / str(number)
        result = CliRunner().invoke(cli, [*command, "--out", str(out), "--argument", f"widths={written}"])
        assert result.exit_code == 0, result.output
        made = load_network(f"eight-conv:{out}")
        assert made.parameter_counts() == network.parameter_counts()
    result = CliRunner().invoke(cli, [*command, "--out", str(tmp_path / "x"), "--argument", "widths=2,2"])
    assert result.exit_code == 1
    assert "widths must be 4 numbers of 1 or more, got [2, 2]" in str(result.exception)


# ------------------------------------------------------------------------------------------ names


def test_features_are_named():
    assert list(front_ends_of(["table1"])) == list(TABLE1)
    named = front_ends_of(["mfcc", "films=ivf:runs/films", "ivf:a=b", "table1"])
    assert list(named) == ["mfcc", "films", "ivf:a=b", "cqt", "gammatone", "log-mel", "log-mel-delta", "log-mel-delta2"]
    assert (named["films"], named["ivf:a=b"]) == ("ivf:runs/films", "ivf:a=b")
    assert folder_name("ivf:runs/films") == "ivf-runs-films"
    with pytest.raises(MmascError, match=r"'../..' names no folder"):
        folder_name("../..")
    for given, message in {
        ("mel",): "there are no features 'mel'; there are: cqt",
        (): "no features are named",
        ("x=mfcc", "x=cqt"): "'x' is the name of mfcc and of cqt",
        ("ivf:a/b", "ivf:a-b"): "would share a folder; give one of them a name",
    }.items():
        with pytest.raises(MmascError, match=message):
            front_ends_of(given)


# ------------------------------------------------------------------------------------------ sweeps


def imagination(folder: Path, seed: int = 0) -> Path:
    """A run of `mmasc train ivf` as it leaves its weights, untrained."""
    torch.manual_seed(seed)
    config = ImaginationConfig(
        "q",
        VqVaeConfig(size=16, codes=8, dim=5, hidden=8, residual_hidden=4),
        TransformationConfig(width=12, heads=2, layers=1, cell_layers=1),
        window_seconds=0.4,
    )
    (folder / "ivf").mkdir(parents=True, exist_ok=True)
    save_imagination(folder / "ivf" / "last.safetensors", Imagination(config), {})
    return folder


def figures(values: list[bool]) -> float:
    return 100 * sum(values) / len(values)


def test_a_sweep_goes_on_and_its_figures_are_those_of_the_weights(table, tmp_path, monkeypatch):
    steps: list[int] = []
    plain = supervised_run.Run.train_step
    out, run = tmp_path / "sweep", imagination(tmp_path / "films")
    features = ("log-mel", f"films=ivf:{run}")
    options = dict(seen_share=0.5, folds=["1", "2"])

    def stop(self, generator):
        if len(steps) == 5:
            raise KeyboardInterrupt
        steps.append(1)
        return plain(self, generator)

    monkeypatch.setattr(supervised_run.Run, "train_step", stop)
    with pytest.raises(KeyboardInterrupt):
        sweep(table, out, features, **options)
    monkeypatch.setattr(supervised_run.Run, "train_step", lambda self, g: steps.append(1) or plain(self, g))
    said: list[str] = []
    early = sweep(table, out, features, minutes=0, remark=said.append, **options)
    assert said[0] == "time is up: 2 of 4 runs are not finished"
    assert [row.name for row in early] == ["log-mel"]
    assert said[-1] == "films has no finished run"
    rows = sweep(table, out, features, **options)
    # 28 clips less twelve held back: two steps a run, two features, two folds; the run that was stopped between its
    # steps begins again
    assert len(steps) == 8 + 1
    files = sorted(out.rglob("*.safetensors"))
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in files]
    again = sweep(table, out, features, **options)
    assert again == rows
    assert len(steps) == 9
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in files] == before

    # a second way: every clip by the saved weights
    data = read(table)
    labels = np.array([clip.labels[0] for clip in data.clips])
    for row in rows:
        right: dict[str, list[bool]] = {"seen": [], "unseen": []}
        for fold in ("1", "2"):
            network = load_network(f"eight-conv:{out / row.name / 'seed-0' / f'fold-{fold}'}")
            sides = checked_sides(data, replace(config_of(seen_share=0.5), fold=fold))
            for name, side in (("seen", sides.seen), ("unseen", sides.test)):
                for clip in side:
                    sound, _ = soundfile.read(data.paths[clip], dtype="float32")
                    right[name].append(network.classes[int(network.scores(sound, RATE).argmax())] == labels[clip])
        assert row.seen == pytest.approx(figures(right["seen"]))
        assert row.unseen == pytest.approx(figures(right["unseen"]))
        assert (row.seen_answers, row.unseen_answers) == (len(right["seen"]), len(right["unseen"])) == (24, 28)
        assert row.unseen_clips == 28
        assert row.unseen_low <= row.unseen <= row.unseen_high
        assert (row.folds, row.seeds, row.missing) == (("1", "2"), (0,), ())
    assert rows[1].parameters - rows[0].parameters == (5 - 1) * 9 * WIDTHS[0]
    assert [(row.published_seen, row.published_unseen) for row in rows] == [
        (pytest.approx(73.4), pytest.approx(62.5)),
        (pytest.approx(81.5), pytest.approx(79.3)),
    ]
    assert rows_object(rows)[0]["published_on"].startswith("Liu et al. 2021 (ICASSP): DCASE 2019")
    assert [line["published seen/unseen"] for line in table_of(rows)] == ["73.4/62.5", "81.5/79.3"]

    # a constant that came later is at what was done before
    noted = out / "films" / "front_end.json"
    constants = json.loads(noted.read_text())
    del constants["imagination"]["window_seconds"]
    noted.write_text(json.dumps(constants))
    assert sweep(table, out, features, **options) == rows
    # what imagines is trained on: its runs here are of other features
    imagination(run, seed=1)
    with pytest.raises(MmascError, match="holds runs on other features than ivf:.* gives now; move the folder away"):
        sweep(table, out, features, **options)


def test_cities_are_seen_without_holding_anything_back(table, tmp_path):
    (row,) = sweep(table, tmp_path / "sweep", ("mfcc",), seen_by="city", folds=["3"])
    data = read(table)
    bonn = [clip for clip in data.clips if clip.fold == "3" and clip.columns["city"] == "bonn"]
    third = [clip for clip in data.clips if clip.fold == "3"]
    assert (row.unseen_clips, row.seen_clips) == (len(bonn), len(third) - len(bonn))
    assert load_tensors(tmp_path / "sweep" / "mfcc" / "seed-0" / "fold-3" / "last.safetensors")
    held = dict(seen_by="city", seen_share=0.2, folds=["3"])
    sweep(table, tmp_path / "held", ("mfcc",), **held)
    (both,) = sweep(table, tmp_path / "held", ("mfcc",), **held, seeds=(0, 1, 2), minutes=0)
    assert both.missing == ("fold 3 seed 1", "fold 3 seed 2")
    (both,) = sweep(table, tmp_path / "held", ("mfcc",), **held, seeds=(0, 1))
    assert (both.seeds, both.unseen_clips, both.unseen_answers) == ((0, 1), len(bonn), 2 * len(bonn))
    assert both.seen_clips > row.seen_clips
    assert both.seen_answers == 2 * both.seen_clips


def test_every_option_of_training_is_taken_by_its_name(table, tmp_path):
    lines, steps = [], []
    rows = sweep_features(
        network="eight-conv",
        data=table,
        out=tmp_path / "out",
        features=["log-mel"],
        folds=["1"],
        seeds=[3],
        seen_share=0.5,
        seen_by="city",
        cache=tmp_path / "kept",
        device="cpu",
        minutes=None,
        remark=lines.append,
        progress=lambda done, of, line: steps.append((done, of)),
        **READ,
        **SMALL,
    )
    assert [row.name for row in rows] == ["log-mel"]
    config = json.loads((tmp_path / "out" / "log-mel" / "seed-3" / "fold-1" / "config.json").read_text())
    assert [config[name] for name in ("seen_share", "seen_by", "recipe")] == [0.5, "city", "any-features"]
    assert config["arguments"] == {"widths": WIDTHS}
    assert lines[0] == "run 1 of 1: log-mel, seed 3, fold 1"
    assert steps[-1][0] == steps[-1][1]
    assert any((tmp_path / "kept").rglob("*.npy"))


def test_nothing_is_trained_where_the_last_features_would_be_refused(table, tmp_path):
    run, whole = imagination(tmp_path / "films"), table.with_name("whole.csv")
    whole.write_text(table.read_text().replace("fold", "part", 1))
    with pytest.raises(MmascError, match=r"features 'ivf:.*' have no power to act on: leave out mix_on"):
        sweep(table, tmp_path / "sweep", ("log-mel", f"ivf:{run}"), recipe="default")
    with pytest.raises(MmascError, match="eight-conv cannot be made with mfcc and these arguments: widths must be"):
        sweep(table, tmp_path / "sweep", ("mfcc",), arguments={"widths": [1]})
    with pytest.raises(MmascError, match="has no column 'country'"):
        sweep(table, tmp_path / "sweep", ("mfcc",), seen_by="country")
    with pytest.raises(MmascError, match="no folds to test on; make some with --make-folds"):
        sweep(whole, tmp_path / "sweep", ("mfcc",), dataset_options={"n_folds": 0})
    with pytest.raises(MmascError, match="holds no finished run of mfcc"):
        sweep(table, tmp_path / "none", ("mfcc",), minutes=0)
    assert list(tmp_path.rglob("last.safetensors")) == [run / "ivf" / "last.safetensors"]


def test_a_recipe_serves_all_features():
    config_of(recipe="any-features", **RECIPES["any-features"])
    stages = [RECIPES["any-features"].get(name, 0) for name in ("filter_share", "noise_share", "lowpass_share")]
    assert stages == [0, 0, 0]


def test_the_command(table, tmp_path):
    command = ["sweep", "eight-conv", "--data", str(table), "--dataset", "csv", "--data-option", "fold_column=fold"]
    command += ["--data-option", "group_column=group", "--out", str(tmp_path / "sweep"), "--folds", "1", "--quiet"]
    command += ["--recipe", "any-features", "--epochs", "1", "--crop-seconds", "0.4", "--argument", "widths=2,2,4,4"]
    both = [*command, "--front-ends", "log-mel,gammatone", "--seen-share", "0.5"]
    result = CliRunner().invoke(cli, both)
    assert result.exit_code == 0, result.output
    header, first, second = result.stdout.splitlines()[:3]
    for title in ("features", "seen %", "unseen %", "published seen/unseen"):
        assert title in header
    assert first.startswith("log-mel ")
    assert "77.5/68.1" in second
    assert "published: Liu et al. 2021" in result.stdout
    rows = json.loads(CliRunner().invoke(cli, [*both, "--format", "json"]).stdout)
    assert [(row["name"], row["seen_clips"], row["unseen_clips"]) for row in rows] == [
        ("log-mel", 6 * 2, 14),
        ("gammatone", 6 * 2, 14),
    ]
    for extra, message in {
        (): "--tags SOURCE for a grid of tags, or --front-ends",
        ("--tags", "prompts:esc10", "--front-ends", "mfcc"): "--tags SOURCE for a grid of tags, or --front-ends",
        ("--front-ends", "mfcc", "--grid", "table5"): "--grid is for a grid of tags",
        ("--front-ends", "mfcc", "--features", "cqt"): "--features is for a grid of tags",
    }.items():
        refused = CliRunner().invoke(cli, [*command, *extra])
        assert refused.exit_code == 2
        assert message in refused.stderr
    refused = CliRunner().invoke(cli, [*command, "--front-ends", "mel"])
    assert refused.exit_code == 1
    assert "there are no features 'mel'" in str(refused.exception)
