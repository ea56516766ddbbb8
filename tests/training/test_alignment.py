"""Training on a table: losses against formulas, augmentation by its laws, runs that go on to the very same weights."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torch.nn.functional as F
from click.testing import CliRunner

from mmasc.audio import load_audio
from mmasc.cli import cli
from mmasc.devices import ProcessGroup
from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.features import MINI
from mmasc.networks.mini_config import MiniConfig
from mmasc.networks.mini_network import MiniNetwork
from mmasc.storage.configs import config_from_dict
from mmasc.storage.tensors import load_tensors, save_tensors
from mmasc.training.alignment.augment import AugmentConfig, augment, draw_crop, level_of, power_of
from mmasc.training.alignment.config import SPEEDS, AlignmentConfig
from mmasc.training.alignment.losses import bank_loss, cosine_loss
from mmasc.training.alignment.mel_cache import Row, load_sounds, read_table, split_by_group
from mmasc.training.alignment.stage import AlignmentStage
from mmasc.training.alignment.train import train_alignment
from mmasc.training.alignment.validation import ranking
from mmasc.training.run_folder import pack_optimizer, unpack_optimizer
from mmasc.training.schedules import one_cycle
from tests.helpers.killing import kill_in_mid_work

RATE = 16_000
KINDS = {"whistling": 2_000.0, "engine humming": 120.0, "hissing": None}
SMALL = dict(steps=6, batch=4, crop_seconds=1.3)
NOTHING = AugmentConfig(0, 0, 0, 0, 0, 0, (20.0, 50.0), 0, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Twelve short sounds of three kinds, and a CSV of them."""
    folder = tmp_path_factory.mktemp("sounds")
    generator = np.random.default_rng(0)
    lines = ["path,label,credit"]
    for kind, hz in KINDS.items():
        for number in range(4):
            time_ = np.arange(RATE) / RATE
            noise = generator.standard_normal(RATE)
            sound = 0.1 * noise if hz is None else 0.3 * np.sin(2 * np.pi * hz * (1 + 0.05 * number) * time_)
            name = f"{kind} {number}.wav"
            soundfile.write(folder / name, sound + 0.001 * noise, RATE)
            lines.append(f"{name},{kind},{kind[0]}{number // 2}")
    path = folder / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def weights(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return load_tensors(run / f"{name}.safetensors")[0]


def assert_equal_weights(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


# Losses


def test_bank_loss_is_the_formula():
    generator = torch.Generator().manual_seed(0)
    joint, bank = (F.normalize(torch.randn(n, 5, generator=generator), dim=1) for n in (3, 4))
    targets = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 1.0]])
    got = bank_loss(joint, bank, targets, torch.tensor(7.0), 0.2, 0.06)
    total = 0.0
    for i in range(3):
        logits = np.array([7.0 * float(joint[i] @ bank[k]) for k in range(4)])
        log_p = logits - np.log(np.exp(logits).sum())
        for j in range(4):
            similar = np.exp([float(bank[j] @ bank[k]) / 0.06 for k in range(4)])
            similar /= similar.sum()
            for k in range(4):
                total -= float(targets[i, j]) * (0.8 * (j == k) + 0.2 * similar[k]) * log_p[k]
    assert float(got) == pytest.approx(total / 3, rel=1e-5)


def test_bank_loss_of_hard_targets_is_cross_entropy():
    joint, bank = (F.normalize(torch.randn(n, 8, generator=torch.Generator().manual_seed(n)), dim=1) for n in (6, 5))
    right = torch.tensor([0, 1, 2, 3, 4, 0])
    got = bank_loss(joint, bank, F.one_hot(right, 5).float(), torch.tensor(10.0), 0.0, 0.06)
    torch.testing.assert_close(got, F.cross_entropy(10 * joint @ bank.T, right))


def test_cosine_loss_is_zero_on_the_text_and_two_against_it():
    bank = F.normalize(torch.randn(3, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    targets = torch.tensor([[0.3, 0.7, 0], [0, 0, 1.0]])
    wanted = F.normalize(targets @ bank, dim=1)
    assert float(cosine_loss(wanted, bank, targets)) == pytest.approx(0, abs=1e-6)
    assert float(cosine_loss(-wanted, bank, targets)) == pytest.approx(2, abs=1e-6)


def test_one_cycle_is_torchs():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], 1.0)
    # torch places the top one step earlier; with a whole number of steps up both are the same curve up to that shift
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=1001, pct_start=0.301, div_factor=25)
    for step in range(300):
        assert one_cycle(step, 1000, 0.01) == pytest.approx(optimizer.param_groups[0]["lr"], rel=0.02)
        optimizer.step()
        schedule.step()
    assert one_cycle(300, 1000, 0.01) == pytest.approx(0.01)
    assert one_cycle(999, 1000, 0.01) < 1e-7


def test_ranking_by_hand():
    scores = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.4], [0.5, 0.5, 0.1]])
    # first; second; a tie counts against
    assert ranking(scores, np.array([0, 1, 0])) == {"top1": 1 / 3, "top10": 1.0, "mrr": pytest.approx(2 / 3)}


# Augmentation


def test_power_of_undoes_decibels():
    power = np.array([1e-9, 0.5, 30.0], np.float32)
    np.testing.assert_allclose(power_of(10 * np.log10(power)), power, rtol=1e-5)


def test_crop_avoids_silence_and_stays_inside():
    decibels = np.full((4, 1000), -80.0, np.float16)
    decibels[:, 900:] = 0
    loudness = 10 * np.log10(power_of(decibels).sum(0))
    # A crop touches the loud tenth with chance 0.21; four draws miss it with chance 0.39, one with 0.79.
    heard = [
        draw_crop(decibels, loudness, 100, np.random.default_rng(seed), NOTHING).max() > 0.5 for seed in range(200)
    ]
    assert 0.4 < np.mean(heard) < 0.75


def test_short_sounds_are_padded_or_looped():
    decibels = np.zeros((2, 10), np.float16)
    loudness = np.full(10, 3.0, np.float32)
    padded = draw_crop(decibels, loudness, 50, np.random.default_rng(0), AugmentConfig(loop_share=0.0))
    assert padded[:, :10].min() == 1
    assert padded[:, 10:].max() == 0
    looped = draw_crop(decibels, loudness, 50, np.random.default_rng(0), AugmentConfig(loop_share=1.0))
    assert looped[:, :10].min() == 1
    assert looped[:, 10:].max() == 1


def crops(n: int = 64, n_frames: int = 100) -> np.ndarray:
    generator = np.random.default_rng(1)
    return generator.standard_exponential((n, 64, n_frames)).astype(np.float32) * generator.uniform(
        1e-6, 1e3, (n, 1, 1)
    ).astype(np.float32)


def test_without_strength_only_level_changes():
    power = crops()
    got, _, weight = augment(power, np.random.default_rng(0), NOTHING)
    np.testing.assert_allclose(got, power / level_of(power)[:, None, None], rtol=1e-5)
    np.testing.assert_allclose(level_of(got), 1, rtol=1e-5)
    assert not weight.any()


def test_mixing_adds_power_and_says_with_whom():
    power = crops()
    got, partner, weight = augment(
        power,
        np.random.default_rng(0),
        AugmentConfig(0, 1.0, 18.0, *[0] * 3, time_masks=0, band_masks=0, lowpass_share=0),
    )
    level = power / level_of(power)[:, None, None]
    assert (partner != np.arange(len(power))).all()
    added = ((got - level) / level[partner]).mean((1, 2))
    below = -10 * np.log10(added)
    assert below.min() >= -0.01
    assert below.max() <= 18.01
    wanted = np.select([below < 6, below < 12], [0.5, 0.35], 0.2)
    np.testing.assert_allclose(weight[np.abs(below % 6 - 3) < 2.9], wanted[np.abs(below % 6 - 3) < 2.9], rtol=1e-6)


def test_filters_masks_and_noise_keep_to_their_ranges():
    power = np.ones((64, 64, 100), np.float32)
    plain = 1 / 64  # a flat spectrum at level 1
    filtered, _, _ = augment(
        power, np.random.default_rng(0), AugmentConfig(0, 0, 0, 1.0, 5.0, 0, (20.0, 50.0), 0, 0, 0, 0, 0)
    )
    decibels = 10 * np.log10(filtered / plain)
    assert 3 < np.abs(decibels).max() <= 5.001
    assert decibels.std(2).max() < 1e-4
    masked, _, _ = augment(
        power, np.random.default_rng(0), AugmentConfig(0, 0, 0, 0, 0, 0, (20.0, 50.0), 0, 2, 20, 2, 4)
    )
    silent = masked == 0
    assert 1 < silent.all(1).sum(1).mean() <= 40
    assert silent.all(1).sum(1).max() <= 40
    assert 1 < silent.all(2).sum(1).mean() <= 8
    np.testing.assert_allclose(masked[~silent], plain, rtol=1e-5)
    noisy, _, _ = augment(
        np.zeros_like(power), np.random.default_rng(0), AugmentConfig(0, 0, 0, 0, 0, 1.0, (20.0, 50.0), 0, 0, 0, 0, 0)
    )
    level = 10 * np.log10(noisy.sum(1).mean(1))
    assert -50.5 < level.min() < level.max() < -19.5


# Tables


def test_table_is_read(table):
    rows = read_table(table, "path", "label", "credit")
    assert len(rows) == 12
    assert rows[0] == Row(table.parent / "whistling 0.wav", "whistling", "w0")
    assert read_table(table, "path", "label")[5].group == "engine humming 1.wav"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,name\na.wav,dog\n", "has no column 'label'; its columns are path, name"),
        ("path,label\nnowhere.wav,dog\n", "line 2: .*nowhere.wav does not exist"),
        ("path,label\nhere.wav,\n", "line 2: label is empty or missing"),
        ("path,label\n", "has no rows"),
    ],
)
def test_broken_tables_are_named(tmp_path, content, message):
    (tmp_path / "here.wav").touch()
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(MmascError, match=message) as caught:
        read_table(tmp_path / "t.csv", "path", "label")
    assert "t.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_groups_are_never_split():
    generator = np.random.default_rng(0)
    rows = [Row(Path(f"{n}.wav"), "x", f"g{generator.integers(12)}") for n in range(80)]
    splits = []
    for seed in range(5):
        kept, held_back = split_by_group(rows, 0.2, seed)
        assert len(kept) + len(held_back) == 80
        assert not {row.group for row in kept} & {row.group for row in held_back}
        assert 8 <= len(held_back) <= 24
        splits.append(tuple(row.path for row in held_back))
    assert len(set(splits)) > 1
    assert split_by_group(rows, 0.2, 3) == split_by_group(rows, 0.2, 3)
    with pytest.raises(MmascError, match="too few"):
        split_by_group(rows[:1], 0.5, 0)


# Checkpoints


def test_optimizer_comes_back(tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, 3)).square().sum().backward()
        optimizer.step()
    save_tensors(tmp_path / "o.safetensors", pack_optimizer(optimizer), {"kind": "x"})
    other = torch.optim.AdamW(torch.nn.Linear(3, 2).parameters())
    unpack_optimizer(other, load_tensors(tmp_path / "o.safetensors")[0])
    assert {name for state in optimizer.state_dict()["state"].values() for name in state} >= {"step", "exp_avg"}
    for number, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            assert torch.equal(other.state_dict()["state"][number][name], value)


def test_configuration_goes_through_json():
    config = AlignmentConfig(data="x", seed=3, augment=AugmentConfig(mix_share=0.1))
    from mmasc.storage.configs import config_to_json

    values = json.loads(config_to_json(config))
    assert config_from_dict(AlignmentConfig, values, "here") == config
    with pytest.raises(MmascError, match="config.json was written by another version of mmasc: it differs in odd"):
        config_from_dict(AlignmentConfig, values | {"odd": 1}, "config.json")
    # what came later is at its default; what has none must be there
    fewer = values | {"network": {name: value for name, value in values["network"].items() if name != "dropout"}}
    assert config_from_dict(AlignmentConfig, fewer, "here") == config
    with pytest.raises(MmascError, match="it differs in data"):
        config_from_dict(AlignmentConfig, {name: value for name, value in values.items() if name != "data"}, "here")


@pytest.mark.parametrize("content", [b"", b"nonsense" * 10, save_bytes := b"\x08\0\0\0\0\0\0\0{}      "])
def test_damaged_weights_are_named(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(MmascError, match=r"w\.safetensors cannot be read"):
        load_tensors(path)
    with pytest.raises(MmascError, match=r"w\.safetensors cannot be read"):
        load_encoder(f"mini:{path}")


# Runs


def test_paused_and_resumed_is_the_same_to_the_bit(table, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    straight = train_alignment(table, one, **SMALL, cache=tmp_path / "mel")
    paused = train_alignment(table, two, **SMALL, cache=tmp_path / "mel", pause_at=3)
    assert (straight.step, paused.step, paused.n_sounds, paused.n_texts) == (6, 3, 12, 3)
    assert not all(torch.equal(weights(one)[name], value) for name, value in weights(two).items())
    assert train_alignment(table, two, **SMALL, cache=tmp_path / "mel").step == 6
    assert_equal_weights(one, two)
    steps = [json.loads(line)["step"] for line in (two / "metrics.jsonl").read_text().splitlines()]
    assert steps == [3, 6]


def test_another_seed_is_another_network(table, tmp_path):
    for seed in (0, 1):
        train_alignment(table, tmp_path / str(seed), **SMALL | {"steps": 1}, seed=seed)
    assert not torch.equal(
        weights(tmp_path / "0")["network.conv0.weight"], weights(tmp_path / "1")["network.conv0.weight"]
    )


LONGER = dict(steps=16, batch=4, crop_seconds=1.3, checkpoint_steps=2)


def align_alone(tick, table: Path, out: Path) -> None:
    """What is killed: it says every step before it begins it."""
    step = AlignmentStage.train_step
    AlignmentStage.train_step = lambda run, generator: (tick(run.step), step(run, generator))[1]
    train_alignment(table, out, **LONGER)


def test_killed_run_goes_on_to_the_same_weights(table, tmp_path):
    """A process killed between checkpoints, at moments of no one's choosing, is continued by the same command."""
    generator, killed = np.random.default_rng(0), tmp_path / "killed"
    train_alignment(table, tmp_path / "straight", **LONGER)
    for after in (3, 8):
        kill_in_mid_work(align_alone, table, killed, after=after, last=15, delay=generator.uniform(0, 0.05))
        assert after - 2 < load_tensors(killed / "training.safetensors")[1]["step"] < 15
    assert train_alignment(table, killed, **LONGER).step == 16
    assert_equal_weights(tmp_path / "straight", killed)


SEVERAL = """
import sys
from mmasc.training.alignment import train_alignment

table, folder = sys.argv[1:]
options = dict(steps=4, batch=4, crop_seconds=1.3, cache=folder + "/mel", checkpoint_steps=10)
train_alignment(table, folder + "/straight", **options)
train_alignment(table, folder + "/paused", **options, pause_at=2)
train_alignment(table, folder + "/paused", **options)
"""


def test_several_processes_train_one_network_and_go_on(table, tmp_path):
    """As torchrun starts them: each draws its part of a batch, gradients are averaged, the first one writes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = os.environ | {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", SEVERAL, str(table), str(tmp_path)]
    started = [
        subprocess.Popen(command, env=shared | {"RANK": rank, "LOCAL_RANK": rank}, stderr=subprocess.PIPE, text=True)
        for rank in ("0", "1")
    ]
    said = [process.communicate(timeout=240)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert_equal_weights(tmp_path / "straight", tmp_path / "paused")
    alone = tmp_path / "alone"
    train_alignment(table, alone, steps=4, batch=4, crop_seconds=1.3, cache=tmp_path / "mel", checkpoint_steps=10)
    several, one = weights(tmp_path / "straight"), weights(alone)
    assert several.keys() == one.keys()
    assert any(not torch.equal(several[name], one[name]) for name in one)  # the second process had its part


def test_a_batch_that_processes_cannot_share_is_refused():
    with pytest.raises(MmascError, match="5 sounds per step cannot be shared evenly by 2 processes; give a --batch"):
        ProcessGroup(2, 0, 0).share(5, "sounds")
    assert ProcessGroup(2, 0, 0).share(6, "sounds") == 3


def test_learns_three_kinds_of_sound(table, tmp_path):
    result = train_alignment(
        table, tmp_path / "run", steps=40, batch=12, crop_seconds=1.3, validation=table, augment=NOTHING
    )
    assert result.validation["top1"] >= 0.9
    encoder = load_encoder(f"mini:{tmp_path / 'run'}")
    sounds = [load_audio(table.parent / f"{kind} 0.wav", encoder.spec.sample_rate)[0].numpy()[0] for kind in KINDS]
    scores = encoder.embed(np.stack(sounds)) @ encoder.embed_text(list(KINDS)).T
    assert scores.argmax(1).tolist() == [0, 1, 2]
    assert (tmp_path / "run" / "best.safetensors").exists()


def test_mel_power_is_kept_by_content(table, tmp_path):
    cache, remarks = tmp_path / "mel", []
    train_alignment(table, tmp_path / "a", **SMALL | {"steps": 1}, cache=cache)
    kept = {path: path.stat().st_mtime_ns for path in cache.rglob("*.kept")}
    assert len(kept) == 12
    train_alignment(table, tmp_path / "b", **SMALL | {"steps": 1}, cache=cache, remark=remarks.append)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.kept")} == kept
    assert_equal_weights(tmp_path / "a", tmp_path / "b")
    assert any("starting" in line for line in remarks)


def test_kept_mel_power_that_is_damaged_is_made_again(table, tmp_path):
    paths = [row.path for row in read_table(table, "path", "label")]

    def load():
        return load_sounds(paths, MINI, SPEEDS, 1.0, tmp_path, strict=False, remark=remarks.append)

    remarks: list[str] = []
    first = load()
    files = sorted(tmp_path.rglob("*.kept"))
    assert len(files) == len(first) == 12
    whole = [path.read_bytes() for path in files]
    for number, (path, content) in enumerate(zip(files, whole, strict=True)):
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]
        path.write_bytes((b"", content[:middle], flipped)[number % 3])
    again = load()
    assert remarks == []  # nothing is left out
    assert [path.read_bytes() for path in files] == whole
    for path, sound in first.items():
        for one, other in zip(again[path].decibels, sound.decibels, strict=True):
            np.testing.assert_array_equal(one, other)


def test_another_configuration_is_refused(table, tmp_path):
    run = tmp_path / "run"
    train_alignment(table, run, **SMALL | {"steps": 1})
    with pytest.raises(MmascError, match=r"run holds a run of another configuration \(seed is 0 there, 1 here\)"):
        train_alignment(table, run, **SMALL | {"steps": 1}, seed=1)
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").touch()
    with pytest.raises(MmascError, match="holds files but no run"):
        train_alignment(table, full, **SMALL)


def test_sounds_that_cannot_be_read(table, tmp_path):
    for sound in table.parent.glob("*.wav"):
        (tmp_path / sound.name).write_bytes(sound.read_bytes())
    (tmp_path / "hissing 0.wav").write_text("no sound")
    (tmp_path / "t.csv").write_text(table.read_text())
    remarks: list[str] = []
    result = train_alignment(tmp_path / "t.csv", tmp_path / "run", **SMALL | {"steps": 1}, remark=remarks.append)
    assert result.n_sounds == 11
    assert any("left out" in line and "hissing 0.wav" in line for line in remarks)
    with pytest.raises(MmascError, match=r"hissing 0\.wav"):
        train_alignment(tmp_path / "t.csv", tmp_path / "strict", **SMALL, strict=True)


def test_many_texts_share_a_bank(table, tmp_path):
    """With a bank smaller than the texts, those of the batch are always in it, so the loss stays finite and falls."""
    train_alignment(table, tmp_path / "run", **SMALL, bank=2, class_weight=0.0)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert np.isfinite([line["loss"] for line in lines]).all()
    assert "loss/class" not in lines[0]


def test_own_text_table_travels_with_the_weights(table, tmp_path):
    from safetensors.numpy import save_file

    words = ["whistling", "engine", "humming", "hissing", "the", "sound", "of", "a", "recording", "in", "distance"]
    generator = np.random.default_rng(0)
    values = generator.integers(-127, 128, (len(words), 128)).astype(np.int8)
    config = {"config": json.dumps({"kind": "mmasc-text-table"})}
    save_file({"table": values, "scale": np.ones(len(words), np.float32)}, tmp_path / "own_text.safetensors", config)
    (tmp_path / "own_vocabulary.txt").write_text("".join(f"{word}\n" for word in words))
    text = str(tmp_path / "own_text.safetensors")
    train_alignment(table, tmp_path / "run", **SMALL | {"steps": 1}, text=text)
    (tmp_path / "own_text.safetensors").unlink()
    encoder = load_encoder(f"mini:{tmp_path / 'run'}")
    vector = values[1] + values[2].astype(float)
    centred = vector / np.linalg.norm(vector) - weights(tmp_path / "run")["text_mean"].numpy()
    np.testing.assert_allclose(encoder.embed_text(["Engine humming"])[0], centred / np.linalg.norm(centred), atol=1e-5)
    with pytest.raises(MmascError, match="cannot read the text 'zebra'"):
        encoder.embed_text(["zebra"])


def test_command_prints_the_result(table, tmp_path):
    arguments = ["train", "align", "--data", str(table), "--out", str(tmp_path / "run"), "--steps", "1", "--batch", "4"]
    result = CliRunner().invoke(cli, [*arguments, "--crop", "1.3", "--format", "json", "--quiet"])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert (printed["step"], printed["steps"], printed["n_sounds"], printed["n_texts"]) == (1, 1, 12, 3)
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"audio": "huge"}, MmascError, "unknown network 'huge'; there are: mini, mini-wide"),
        ({"text": "huge"}, MmascError, "unknown encoder 'huge'"),
        ({"templates": ("a dog",)}, ValueError, "every template must hold {}"),
        ({"crop_seconds": 0.0}, ValueError, "crop_seconds must be positive"),
    ],
)
def test_options_out_of_range(table, tmp_path, options, kind, message):
    with pytest.raises(kind, match=message):
        train_alignment(table, tmp_path / "run", **options)


def test_wide_network_is_wider():
    small, wide = (
        sum(p.numel() for p in MiniNetwork(MiniConfig(channels=channels)).parameters())
        for channels in ((16, 32, 64, 128), (32, 64, 128, 256))
    )
    assert small < 0.5e6 < wide
