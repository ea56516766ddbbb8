"""Supervised training: runs that go on to the same weights, sides that never leak, and what is said when it fails."""

import json
import re
from collections import Counter
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from torch import nn

from mmasc.cli import cli
from mmasc.datasets import read_dataset
from mmasc.errors import MmascError
from mmasc.networks.body import Body
from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS
from mmasc.networks.spec import NetworkSpec
from mmasc.progress import listening
from mmasc.storage.configs import config_from_dict, config_to_json
from mmasc.storage.tensors import load_tensors
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.data import data_of, sides_of
from mmasc.training.supervised.hearing import load_clips
from mmasc.training.supervised.recipes import RECIPES
from mmasc.training.supervised.scoring import score_clips
from mmasc.training.supervised.train import train_network
from tests.helpers.killing import kill_in_mid_work
from tests.helpers.listener import Listener

RATE = 16_000
KINDS = {"low": 300.0, "high": 3_000.0, "noise": None}
SMALL = dict(recipe="plain", epochs=2, batch=4, learning_rate=1e-2)


class Tiny(Body):
    """Two convolutions with a norm between them, mean over time and bands: seconds of a CPU for a whole run."""

    head = "fc"
    minimum_frames = 4
    dim = 128

    def __init__(self, n_classes: int, width: int = 8) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(64)
        self.conv = nn.Conv2d(1, width, 3, stride=4, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(0.1)
        self.conv2 = nn.Conv2d(width, 8, 3, stride=(2, 1), padding=1)
        self.fc = nn.Linear(8 * 16, n_classes)

    def embedding(self, features):
        normed = self.augmented(self.bn0(features.transpose(1, 3)).transpose(1, 3))
        hidden = self.dropout(F.relu(self.norm(self.conv(normed))))
        return self.conv2(hidden).mean(2).flatten(1)


TINY = NetworkSpec("tiny", "tests.training.test_supervised:Tiny", "panns-16k", 3, 128, RATE)


@pytest.fixture(autouse=True)
def tiny(monkeypatch) -> None:
    monkeypatch.setitem(NETWORKS, "tiny", TINY)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    """27 clips of half a second: three kinds, three folds, each clip its own group, the last tenth digital silence."""
    folder = tmp_path_factory.mktemp("data")
    chance = np.random.default_rng(0)
    lines = ["path,label,fold,group"]
    for kind, hz in KINDS.items():
        for number in range(9):
            at = np.arange(RATE // 2) / RATE
            noise = chance.standard_normal(len(at))
            pitch = 0 if hz is None else hz * chance.uniform(0.8, 1.2)
            sound = 0.2 * noise if hz is None else 0.4 * np.sin(2 * np.pi * pitch * at) + 0.003 * noise
            sound[-len(at) // 10 :] = 0
            name = f"{kind}-{number}.wav"
            soundfile.write(folder / name, sound, RATE)
            lines.append(f"{name},{kind},{number % 3 + 1},{kind}{number}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return folder / "table.csv"


READ = dict(dataset="csv", dataset_options={"fold_column": "fold", "group_column": "group"})


def train(sounds: Path, out: Path, **options):
    return train_network("tiny", sounds, out=out, **{**READ, "folds": ["1"], **SMALL, **options})


def weights(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return load_tensors(run / f"{name}.safetensors")[0]


def assert_equal_weights(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


def metrics(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


# Everything that has chance in it, so that a resumed run would show what is not restored
BUSY = dict(
    epochs=3,
    schedule="one-cycle",
    cycle_momentum=True,
    speeds=(0.9, 1.0, 1.1),
    crop_seconds=0.3,
    quiet_decibels=20.0,
    mix="beneath",
    mix_on="power",
    mix_partners="drawn",
    mix_share=0.7,
    filter_share=0.7,
    noise_share=0.5,
    lowpass_share=0.3,
    band_shift=1,
    time_masks=1,
    time_mask_frames=4,
    band_masks=1,
    mask_at="body",
    smoothing=0.1,
    ema=0.9,
    test_seconds=0.3,
)


def test_resumed_is_uninterrupted_to_the_bit(sounds, tmp_path):
    straight = train(sounds, tmp_path / "straight", **BUSY, validation="2", patience=9)[0]
    assert (straight.step, straight.steps) == (6, 6)
    # in the first epoch, in the middle of a later one, at the end of one
    for pause_at in (1, 3, 4):
        paused = train(sounds, tmp_path / "paused", **BUSY, validation="2", patience=9, pause_at=pause_at)[0]
        assert paused.step == pause_at
    resumed = train(sounds, tmp_path / "paused", **BUSY, validation="2", patience=9)[0]
    assert resumed.step == 6
    assert_equal_weights(tmp_path / "straight", tmp_path / "paused")
    assert [line["epoch"] for line in metrics(tmp_path / "straight")] == [1, 2, 3]
    for one, other in zip(metrics(tmp_path / "straight"), metrics(tmp_path / "paused"), strict=True):
        for name in ("step", "epoch", "loss", "validation_loss", "validation_accuracy", "learning_rate"):
            assert one[name] == other[name]


@pytest.mark.parametrize(
    "options",
    [
        dict(crop_from="waveform", speed_range=(0.8, 1.25), gain_decibels=6.0, mix="between-class", mix_on="waveform"),
        dict(crop_from="waveform", crop_seconds=0.2, mix="mixup", mix_on="features", mix_partners="drawn"),
        dict(fragments=3, mix="mixup", mix_once=True, mix_alpha=0.2),
        dict(channels=("left", "right", "mix"), loss="focal", bf16=True),
    ],
)
def test_other_ways_resume_too(sounds, tmp_path, options):
    train(sounds, tmp_path / "straight", **options)
    train(sounds, tmp_path / "paused", **options, pause_at=5)
    train(sounds, tmp_path / "paused", **options)
    assert_equal_weights(tmp_path / "straight", tmp_path / "paused")


def train_alone(tick, sounds: Path, out: Path) -> None:
    """What is killed: it keeps everything after every step, so that most of its time is spent writing."""
    NETWORKS["tiny"] = TINY
    train(sounds, out, epochs=6, checkpoint_seconds=0.0, progress=lambda step, steps, line: tick(step))


def test_a_killed_run_goes_on(sounds, tmp_path):
    """A process killed at moments of no one's choosing, three times on the way."""
    generator, out = np.random.default_rng(0), tmp_path / "killed"
    train(sounds, tmp_path / "straight", epochs=6)
    for after in (3, 9, 17):
        kill_in_mid_work(train_alone, sounds, out, after=after, last=24, delay=generator.uniform(0, 0.05))
        # It says a step before it keeps it, and what is kept goes on
        assert after - 1 <= load_tensors(out / "training.safetensors")[1]["step"] < 24
        assert not (out / "last.safetensors").exists()
    (finished,) = train(sounds, out, epochs=6)
    assert (finished.step, finished.steps) == (24, 24)
    assert_equal_weights(tmp_path / "straight", out)


def test_another_seed_is_another_network(sounds, tmp_path):
    for seed in (0, 1):
        train(sounds, tmp_path / str(seed), seed=seed, epochs=1)
    assert not torch.equal(weights(tmp_path / "0")["fc.weight"], weights(tmp_path / "1")["fc.weight"])


def test_learns_what_can_be_told_apart(sounds, tmp_path):
    results = train(sounds, tmp_path / "run", epochs=8, learning_rate=3e-2, folds=["1", "2"], test_curve=True)
    assert [result.fold for result in results] == ["1", "2"]
    assert all(result.measured["test_accuracy"] == 1 for result in results)
    network = load_network(f"tiny:{tmp_path / 'run' / 'fold-1'}")
    assert network.classes == ("high", "low", "noise")
    heard, rate = soundfile.read(sounds.parent / "low-0.wav", dtype="float32")
    assert network.scores(heard, rate).argmax() == 1
    last = metrics(tmp_path / "run" / "fold-1")[-1]
    assert last["test_chooses_nothing"] is True
    assert last["clips_per_second"] > 0
    assert not (tmp_path / "run" / "fold-1" / "best.safetensors").exists()


def test_early_stopping_looks_at_validation_only(sounds, tmp_path, monkeypatch):
    """The test fold's labels are turned upside down: nothing that is kept may change."""
    options = dict(epochs=12, validation="2", patience=2, learning_rate=3e-2)
    train(sounds, tmp_path / "one", **options, test_curve=True)
    from mmasc.training.supervised import train as supervised

    honest = supervised.targets_for

    def wrong(table, classes):
        targets = honest(table, classes).copy()
        tested = np.array([clip.fold == "1" for clip in table.clips])
        targets[tested] = targets[tested][:, ::-1]
        return targets

    monkeypatch.setattr(supervised, "targets_for", wrong)
    train(sounds, tmp_path / "other", **options, test_curve=True)
    assert_equal_weights(tmp_path / "one", tmp_path / "other")
    one, other = (metrics(tmp_path / name) for name in ("one", "other"))
    assert [line["test_accuracy"] for line in one] != [line["test_accuracy"] for line in other]
    scores = [(line["validation_accuracy"], -line["validation_loss"]) for line in one]
    best = max(range(len(scores)), key=lambda number: scores[number])
    assert load_tensors(tmp_path / "one" / "best.safetensors")[1]["step"] == one[best]["step"]
    assert len(one) == min(12, best + 1 + 2)


def by_fold(clip):
    return clip.fold, clip.path


def test_sides_never_share_a_group(sounds):
    table = read_dataset("csv", sounds, fold_column="fold", group_column="group")
    # Three recordings a fold, cut into three clips each, and a clip that is by itself
    cut = [(clip, f"{clip.fold}-{number // 3 % 3}") for number, clip in enumerate(sorted(table.clips, key=by_fold))]
    clips = [replace(clip, group="" if number % 9 == 8 else group) for number, (clip, group) in enumerate(cut)]
    table = replace(table, clips=tuple(clips))
    assert sorted(Counter(table.groups).values()) == 3 * [1] + 3 * [2] + 6 * [3]
    for fold in ("", *table.folds):
        for validation in ("", "0.4", "2" if fold != "2" else "3"):
            sides = sides_of(table, fold, validation, 0)
            named = [[table.groups[clip] for clip in side] for side in (sides.train, sides.validation, sides.test)]
            # nothing is lost, and a group is whole where it is
            assert Counter(chain(*named)) == Counter(table.groups)
            assert sum(len(set(side)) for side in named) == len(set(table.groups))
            assert (len(sides.validation) > 0) == bool(validation)
            assert {table.clips[clip].fold for clip in sides.test} == ({fold} if fold else set())
    leaking = replace(table, clips=tuple(replace(clip, group="same") for clip in table.clips))
    with pytest.raises(MmascError, match="'same' lies in training and in test"):
        sides_of(leaking, "1", "", 0)


def test_a_run_names_its_data(sounds, tmp_path):
    train(sounds, tmp_path / "run", epochs=1)
    config = config_from_dict(SupervisedConfig, json.loads((tmp_path / "run" / "config.json").read_text()), "here")
    assert data_of(config).classes == ("high", "low", "noise")
    shorter = sounds.with_name("shorter.csv")
    shorter.write_text("\n".join(sounds.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(MmascError, match="other clips, labels or folds"):
        data_of(config, shorter)


# Fine-tuning and teachers


def test_fine_tuning_begins_from_weights(sounds, tmp_path):
    train(sounds, tmp_path / "first", epochs=8)
    train(sounds, tmp_path / "second", epochs=1, learning_rate=1e-9, weights=tmp_path / "first")
    first, second = weights(tmp_path / "first"), weights(tmp_path / "second")
    torch.testing.assert_close(first["conv.weight"], second["conv.weight"], atol=1e-6, rtol=0)
    other = sounds.with_name("other.csv")
    other.write_text(sounds.read_text().replace(",low,", ",owl,"))
    with pytest.raises(MmascError, match="does not know owl; its classes are high, low, noise: say --new-head"):
        train(other, tmp_path / "third", weights=tmp_path / "first")
    train(other, tmp_path / "third", epochs=1, learning_rate=1e-9, weights=tmp_path / "first", new_head=True)
    third = weights(tmp_path / "third")
    torch.testing.assert_close(first["conv.weight"], third["conv.weight"], atol=1e-6, rtol=0)
    assert not torch.allclose(first["fc.weight"], third["fc.weight"], atol=1e-3)
    assert load_network(f"tiny:{tmp_path / 'third'}").classes == ("high", "noise", "owl")


def test_weights_of_another_network_are_named(sounds, tmp_path):
    train(sounds, tmp_path / "first", epochs=1)
    with pytest.raises(MmascError, match="holds tiny, not sp4sc"):
        train_network("sp4sc", sounds, out=tmp_path / "x", **READ, folds=["1"], weights=tmp_path / "first")
    assert not (tmp_path / "x").exists()


def distance_to(teacher: Path, pupil: Path, sounds: Path) -> float:
    networks = [load_network(f"tiny:{run}") for run in (teacher, pupil)]
    config = config_from_dict(SupervisedConfig, json.loads((pupil / "config.json").read_text()), "here")
    table = read_dataset("csv", sounds, fold_column="fold")
    one, other = (
        torch.from_numpy(
            score_clips(network, load_clips(table.paths, network, config.hearing), config.hearing)
        ).log_softmax(1)
        for network in networks
    )
    return float((one.exp() * (one - other)).sum(1).mean())


def test_distillation_comes_nearer_to_the_teacher(sounds, tmp_path):
    train(sounds, tmp_path / "teacher", epochs=3, smoothing=0.4)
    taught = dict(epochs=6, seed=5)
    train(sounds, tmp_path / "alone", **taught)
    teacher = dict(teacher=f"tiny:{tmp_path / 'teacher'}", teacher_weight=1.0)
    train(sounds, tmp_path / "pupil", **taught, **teacher)
    far, near = (distance_to(tmp_path / "teacher", tmp_path / name, sounds) for name in ("alone", "pupil"))
    assert near < 0.5 * far


def test_an_encoder_teaches_vectors(sounds, tmp_path):
    taught = dict(teacher="mini", teacher_weight=1.0, epochs=6, learning_rate=1e-2)
    train(sounds, tmp_path / "run", **taught)
    losses = [line["loss"] for line in metrics(tmp_path / "run")]
    # 1 - cosine: a projection at random is near 1
    assert 0.6 < losses[0] < 1.4
    assert losses[-1] < 0.5 * losses[0]
    assert set(weights(tmp_path / "run")) == set(load_network("tiny").body.state_dict())


# Configuration


def test_unknown_keys_are_refused(sounds, tmp_path):
    train(sounds, tmp_path / "run", epochs=1)
    values = json.loads((tmp_path / "run" / "config.json").read_text())
    with pytest.raises(MmascError, match="differs in odd"):
        config_from_dict(SupervisedConfig, values | {"odd": 1}, "config.json")
    with pytest.raises(ValueError, match="unknown option 'odd'"):
        train(sounds, tmp_path / "other", odd=1)
    with pytest.raises(MmascError, match=r"another configuration \(epochs is 1 there, 2 here\)"):
        train(sounds, tmp_path / "run", epochs=2)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_configurations(name):
    config = SupervisedConfig("tiny", "panns-16k", ("a", "b"), "csv", "", "", recipe=name, **RECIPES[name])
    assert config_from_dict(SupervisedConfig, json.loads(config_to_json(config)), "here") == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(mix="some"), "mix must be one of none, mixup, between-class, beneath"),
        (dict(fragments=3, crop_seconds=1.0), "fragments and crops exclude each other"),
        (dict(gain_decibels=3.0), "gain_decibels acts on waveforms: crop_from must be 'waveform'"),
        (dict(patience=2), "patience needs validation"),
        (dict(mix="between-class"), "mix_on must be 'waveform' or 'power'"),
        (dict(epochs=0), "epochs must be positive, got 0"),
        (dict(smoothing=1.0), r"smoothing must be in \[0, 1\), got 1.0"),
        (dict(speeds=(0.1,)), r"speeds must lie in \[0.25, 4\]"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        SupervisedConfig("tiny", "panns-16k", ("a", "b"), "csv", "", "", **options)


# Bad input: one line, and the folder stays usable


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(folds=["7"]), "has no fold '7'; there are: 1, 2, 3"),
        (dict(validation="1"), "validation must be another fold or a share"),
        (dict(validation="2.5"), r"validation must be a fold \(1, 2, 3\) or a share in \(0, 1\), got '2.5'"),
        (dict(fragments=30), r"\.wav lasts 0.500 s, tiny .* takes at least 1.190 s in 30 fragments"),
        (dict(features="raw-32k", mix="mixup", mix_on="power"), "have no power to act on: leave out mix_on"),
        (dict(recipe="none"), "unknown recipe 'none'; there are: default, "),
        (dict(arguments={"depth": 3}), "tiny cannot be made with these features and arguments: .*'depth'"),
        (dict(arguments={"depth": 10**12}), "tiny cannot be made with .*: 1000000000000 is too large for a size"),
        (dict(features="panning"), "tiny cannot be made .* features 'panning' are unknown; they must be one of "),
        (dict(weights="nowhere.safetensors"), "nowhere.safetensors does not exist"),
    ],
)
def test_what_does_not_fit_is_one_line(sounds, tmp_path, options, message):
    with pytest.raises(MmascError, match=message) as caught:
        train(sounds, tmp_path / "run", **options)
    assert "\n" not in str(caught.value)
    if "features" not in options and "fragments" not in options:
        assert not (tmp_path / "run").exists()


def test_least_length_is_the_least(sounds, tmp_path):
    """The length that the message names is long enough, and a sample less is not."""
    network = load_network("tiny")
    from mmasc.training.supervised.hearing import check_length, least_samples

    for fragments in (0, 1, 3, 7):
        config = SupervisedConfig("tiny", "panns-16k", ("a", "b", "c"), "csv", "", "", fragments=fragments)
        least = least_samples(network, config.hearing)
        scores = score_clips(network, [np.full((1, least), 0.1, np.float32)], config.hearing)
        assert scores.shape == (1, 3)
        with pytest.raises(MmascError, match="takes at least"):
            check_length(network, least - 1, config.hearing, "x.wav")


def test_one_class_is_not_enough(sounds, tmp_path):
    lines = sounds.read_text().splitlines()
    one = sounds.with_name("one.csv")
    one.write_text("\n".join([lines[0], *(line for line in lines if ",low," in line)]) + "\n")
    with pytest.raises(MmascError, match=r"every clip to learn from is 'low' when fold '1' is tested; two classes"):
        train(one, tmp_path / "run")


def test_a_loss_that_is_no_number_stops_the_run(sounds, tmp_path):
    train(sounds, tmp_path / "run", learning_rate=1e30, gradient_norm=0.0, checkpoint_seconds=0.0, pause_at=1)
    with pytest.raises(MmascError, match=r"the loss is (nan|inf) at step \d+ of .*lower --learning-rate") as caught:
        train(sounds, tmp_path / "run", learning_rate=1e30, gradient_norm=0.0, checkpoint_seconds=0.0, epochs=2)
    assert "\n" not in str(caught.value)
    assert load_tensors(tmp_path / "run" / "training.safetensors")[1]["step"] >= 1


def test_a_full_disk_leaves_the_run_usable(sounds, tmp_path, monkeypatch):
    train(sounds, tmp_path / "straight")
    train(sounds, tmp_path / "run", pause_at=3)

    def full(path, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("mmasc.storage.tensors.write_atomically", full)
        with pytest.raises(MmascError, match=r"training.safetensors cannot be written \(No space left on device\)"):
            train(sounds, tmp_path / "run")
    train(sounds, tmp_path / "run")
    assert_equal_weights(tmp_path / "straight", tmp_path / "run")


def test_an_interrupt_says_how_to_go_on(sounds, tmp_path):
    said: list[str] = []

    def interrupt(step, steps, line):
        if step >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(sounds, tmp_path / "run", remark=said.append, progress=interrupt, checkpoint_seconds=0.0)
    assert any("the same command continues from step" in line for line in said)
    train(sounds, tmp_path / "run")
    train(sounds, tmp_path / "straight")
    assert_equal_weights(tmp_path / "straight", tmp_path / "run")


def test_a_finished_run_is_left_as_it_is(sounds, tmp_path):
    first = train(sounds, tmp_path / "run")[0]
    at = (tmp_path / "run" / "last.safetensors").stat().st_mtime_ns
    said: list[str] = []
    assert train(sounds, tmp_path / "run", remark=said.append)[0] == first
    assert (tmp_path / "run" / "last.safetensors").stat().st_mtime_ns == at
    assert any("is finished" in line for line in said)


# Command


def test_the_command_trains_and_prints(sounds, tmp_path):
    command = ["train", "tiny", "--data", str(sounds), "--dataset", "csv", "--data-option", "fold_column=fold"]
    command += ["--out", str(tmp_path / "run"), "--folds", "1,2", "--recipe", "plain", "--epochs", "1", "--batch", "6"]
    result = CliRunner().invoke(cli, [*command, "--speeds", "0.9,1", "--format", "json", "--quiet"])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert [(row["fold"], row["epoch"], row["n_train"], row["n_test"]) for row in printed] == [
        ("1", 1, 18, 9),
        ("2", 1, 18, 9),
    ]
    assert json.loads((tmp_path / "run" / "fold-2" / "config.json").read_text())["speeds"] == [0.9, 1.0]
    machine = json.loads((tmp_path / "run" / "fold-2" / "machine.json").read_text())
    assert (machine["torch"], machine["device"], machine["processes"]) == (str(torch.__version__), "cpu", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "gnn6"], "unknown network 'gnn6'; known: align, "),
        (
            ["train", "sp4sc", "--data", "DATA", "--dataset", "csv", "--out", "x", "--smoothing", "1"],
            "smoothing must be in",
        ),
        (
            ["train", "tiny", "--data", ".", "--dataset", "csv", "--out", "x", "--speeds", "fast"],
            "not a list of numbers",
        ),
        (
            ["train", "tiny", "--data", ".", "--dataset", "csv", "--out", "x", "--argument", "width"],
            "must be NAME=VALUE",
        ),
    ],
)
def test_wrong_usage_is_said(sounds, arguments, message):
    result = CliRunner().invoke(cli, [str(sounds) if argument == "DATA" else argument for argument in arguments])
    assert result.exit_code == 2
    assert message in result.output


def test_progress_says_which_fold_and_which_epoch(sounds, tmp_path):
    listener, said = Listener(), []
    with listening(listener):
        train(sounds, tmp_path / "run", folds=["1", "2"], epochs=3, remark=said.append)
    assert "18 clips to learn from, 0 to validate on, 9 to test on" in said[0]
    assert [one[:2] for one in listener.phases if one[0] in ("fold", "epoch")] == [
        ("fold", 2),
        ("epoch", 3),
        ("epoch", 3),
    ]
    assert listener.amounts["fold"] == 2
    assert listener.amounts["epoch"] == pytest.approx(6)
    assert all(re.fullmatch(r"loss \d+\.\d{3}, \d+\.\d clips/s", note) for note in listener.notes)
    assert listener.notes


def test_a_run_that_goes_on_says_how_far_it_was(sounds, tmp_path):
    train(sounds, tmp_path / "run", epochs=4, pause_at=5)
    listener = Listener()
    with listening(listener):
        train(sounds, tmp_path / "run", epochs=4)
    assert [one for one in listener.phases if one[0] == "epoch"] == [("epoch", 4, "")]
    first = next(
        one[1] for one in listener.said[listener.said.index(("begin", "epoch", 4, "")) :] if one[0] == "advance"
    )
    assert 0 < first < 4
    assert listener.amounts["epoch"] == pytest.approx(4)


@pytest.mark.parametrize(("name", "message"), [("sp4sc-merged", "train the plain network"), ("sp4sc-tags", "tags")])
def test_networks_that_are_not_trained_so_say_it(sounds, tmp_path, name, message):
    with pytest.raises(MmascError, match=message):
        train_network(name, sounds, out=tmp_path / "run", **READ, folds=["1"], recipe="plain")
    assert not (tmp_path / "run").exists()
