"""Options that the papers' recipes need, by their laws: cycles, optimisers, late mixing, masks of a share, centres."""

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from mmasc.devices import ProcessGroup
from mmasc.errors import MmascError
from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS
from mmasc.networks.resnet import ResNet
from mmasc.networks.vggish import VggishDnn, VggishRnn
from mmasc.storage.tensors import load_tensors
from mmasc.training.supervised.augment import mask_stripes, slice_frames, stripes
from mmasc.training.supervised.batches import Batches, check_stages
from mmasc.training.supervised.config import SupervisedConfig
from mmasc.training.supervised.crops import Items
from mmasc.training.supervised.losses import centre_loss, fixed_centres
from mmasc.training.supervised.recipes import RECIPES
from mmasc.training.supervised.student import Student, learning_rate, optimizer_of
from mmasc.training.supervised.train import train_network
from tests.helpers.small_network import FILTERS

READ = {"dataset": "csv", "dataset_options": {"fold_column": "fold"}, "folds": ["2"]}


def config_of(**options) -> SupervisedConfig:
    return SupervisedConfig("filters", "panns-16k", ("a", "b", "c"), "csv", "", "", **options)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_taggers_rate_falls_eight_times_from_1e_3_to_1e_6():
    config = config_of(**RECIPES["akiyama-2019"])
    steps = 8 * 640
    rates = np.array([learning_rate(config, step, steps) for step in range(steps)])
    at = np.arange(640) / 640
    one = 1e-6 + (1e-3 - 1e-6) * (1 + np.cos(np.pi * at)) / 2
    np.testing.assert_allclose(rates, np.tile(one, 8), rtol=1e-6, atol=1e-12)
    assert config.epochs == 512


def test_one_cycle_is_the_cosine_of_before():
    config = config_of(warm_up=0.1, final_rate=0.1, learning_rate=2.0)
    rates = [learning_rate(config, step, 100) for step in range(10, 100)]
    wanted = 2 * (0.1 + 0.9 * (1 + np.cos(np.pi * np.arange(90) / 90)) / 2)
    np.testing.assert_allclose(rates, wanted)


def stepped(config: SupervisedConfig, gradients: list[float]) -> float:
    weight = nn.Parameter(torch.full((1, 1), 2.0))
    optimizer = optimizer_of([weight], config)
    for gradient in gradients:
        weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
    return float(weight.detach())


def worked_out(gradients: list[float], rate: float, decay: float, amsgrad: bool) -> float:
    """Adam with an L2 term by its definition (Kingma and Ba 2015; Reddi et al. 2018, algorithm 2)."""
    weight, first, second, largest = 2.0, 0.0, 0.0, 0.0
    for step, given in enumerate(gradients, 1):
        gradient = given + decay * weight
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        largest = max(largest, second)
        root = (largest if amsgrad else second) / (1 - 0.999**step)
        weight -= rate * first / (1 - 0.9**step) / (root**0.5 + 1e-8)
    return weight


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam_has_its_decay_in_the_gradient(amsgrad):
    gradients = [3.0, -1.0] + [0.01] * 60
    config = config_of(optimizer="adam", amsgrad=amsgrad, learning_rate=0.05, weight_decay=1e-2)
    assert stepped(config, gradients) == pytest.approx(worked_out(gradients, 0.05, 1e-2, amsgrad), rel=1e-5)
    other = config_of(amsgrad=amsgrad, learning_rate=0.05, weight_decay=1e-2)
    assert abs(stepped(other, gradients) - stepped(config, gradients)) > 1e-4


def test_masks_over_bands_have_a_least_width():
    widths = stripes(2_000, 128, 1, 63, chance(), 16).sum(1)
    assert (int(widths.min()), int(widths.max())) == (16, 62)
    assert torch.equal(stripes(50, 40, 2, 9, chance(3)), stripes(50, 40, 2, 9, chance(3), 0))
    assert stripes(20, 8, 1, 63, chance(), 16).sum(1).tolist() == [7] * 20


def test_masks_and_pieces_are_of_a_share_of_the_items():
    power = torch.rand(4_000, 1, 12, 16, generator=chance()) + 0.1
    masked = mask_stripes(power, (0, 0), (1, 9), chance(1), True, 4, 0.5)
    assert (masked == 0).any(3).flatten(1).all(1).float().mean() == pytest.approx(0.5, abs=0.03)
    whole = mask_stripes(power, (0, 0), (1, 9), chance(1), True, 4)
    hit = (masked == 0).flatten(1).any(1)
    assert torch.equal(masked[hit], whole[hit])
    assert torch.equal(masked[~hit], power[~hit])
    cut = slice_frames(power, 0.25, chance(2), 0.5)
    touched = (cut != power).flatten(1).any(1)
    assert touched.float().mean() == pytest.approx(0.47, abs=0.04)  # some pieces are whole crops
    assert torch.equal(cut[touched], slice_frames(power, 0.25, chance(2))[touched])


def test_centre_loss_is_the_distance_to_the_own_centre():
    codes, centres = torch.randn(5, 7, generator=chance()), fixed_centres(3, 7, 4)
    labels = torch.tensor([0, 2, 1, 1, 0])
    wanted = sum(float(((code - centres[label]) ** 2).sum()) for code, label in zip(codes, labels, strict=True)) / 5
    targets = torch.eye(3)[labels]
    assert float(centre_loss(codes, targets, centres)) == pytest.approx(wanted, rel=1e-5)
    # As the released code mixes it: share x loss of one label + (1 - share) x loss of the other
    other = torch.eye(3)[labels.flip(0)]
    mixed = 0.3 * centre_loss(codes, targets, centres) + 0.7 * centre_loss(codes, other, centres)
    torch.testing.assert_close(centre_loss(codes, 0.3 * targets + 0.7 * other, centres), mixed)
    assert torch.equal(centres, fixed_centres(3, 7, 4))


def test_a_student_gives_its_codes():
    network = load_network("mini-cnn", n_classes=3)
    student = Student(network.body, codes=True).eval()
    features = torch.randn(2, 1, 64, 64, generator=chance())
    with torch.inference_mode():
        logits, codes = student(features)
        assert torch.equal(codes, network.body.embedding(features))
        torch.testing.assert_close(logits, network.body(features))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (dict(mask_at="body", mask_share=0.5), "mask_at must not be 'body'"),
        (dict(band_masks=1, band_mask_bands=8, band_mask_least=8), r"must be below band_mask_bands \(8\), got 8"),
        (dict(mix_from=0.9, mix_until=0.5), r"mix_from must not be above mix_until \(0.5\), got 0.9"),
        (dict(cycles=2, schedule="constant"), "cycles need schedule 'cosine', got 'constant'"),
        (dict(centre_weight=0.1, teacher="mini"), "centre_weight excludes noisy labels and a teacher"),
        (dict(optimizer="sgd"), "optimizer must be one of adamw, adam, got 'sgd'"),
    ],
)
def test_what_does_not_fit_together_is_named(options, line):
    with pytest.raises(ValueError, match=line):
        config_of(**options)


# ------------------------------------------------------------------------------------------ dropout


@pytest.mark.parametrize("kind", [ResNet, VggishDnn, VggishRnn])
def test_dropout_is_for_training_alone_and_leaves_no_trace_in_files(kind):
    small = {"layers": (4, 0, 4, 0, 8, 0, 8, 0)} if kind is not ResNet else {"depth": 18}
    torch.manual_seed(0)
    plain = kind(3, **small).eval()
    dropped = kind(3, **small, dropout=0.5)
    assert list(dropped.state_dict()) == list(plain.state_dict())
    dropped.load_state_dict(plain.state_dict())
    codes = torch.ones(400, plain.dim)
    with torch.inference_mode():
        assert torch.equal(dropped.eval().classify(codes), plain.classify(codes))
        drawn = dropped.train().classify(codes)
        # The mean over draws is what evaluation says: what is left is scaled up
        torch.testing.assert_close(drawn.mean(0), plain.classify(codes).mean(0), atol=0.15, rtol=0.0)
        assert drawn.std(0).min() > 0
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), got 1"):
        kind(3, **small, dropout=1.0)


def test_the_dilated_network_drops_in_front_of_its_output():
    network = load_network("dilated-resnet18", arguments={"dropout": 0.3})
    assert network.body.resnet.dropout == 0.3
    codes = torch.randn(2, 512, generator=chance())
    with torch.inference_mode():
        assert torch.equal(network.body.classify(codes), network.body.resnet.fc(codes))
        assert not torch.equal(network.body.train().classify(codes), network.body.resnet.fc(codes))


# ------------------------------------------------------------------------------------------ whole runs


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Eight clips of a quarter of a second."""
    folder = tmp_path_factory.mktemp("data")
    lines = ["path,label,fold"]
    for number in range(8):
        at = np.arange(4_000) / 16_000
        sound = 0.3 * np.sin(2 * np.pi * (300 if number % 2 else 2_500) * (1 + number / 50) * at)
        soundfile.write(folder / f"{number}.wav", sound, 16_000)
        lines.append(f"{number}.wav,{number % 2},{number // 6 + 1}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return folder / "table.csv"


def test_a_run_with_the_recipe_of_2019_continues_to_the_bit(table, tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "filters", FILTERS)
    options = {**READ, "recipe": "jung-2019", "epochs": 6, "batch": 3, "crop_seconds": 0.2, "mix_from": 0.5}
    train_network("filters", table, out=tmp_path / "whole", **options)
    train_network("filters", table, out=tmp_path / "parts", pause_at=7, **options)
    train_network("filters", table, out=tmp_path / "parts", **options)
    train_network("filters", table, out=tmp_path / "without", **{**options, "centre_weight": 0.0})
    weights = [load_tensors(tmp_path / name / "last.safetensors")[0] for name in ("whole", "parts", "without")]
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name
    assert any(not torch.equal(tensor, weights[2][name]) for name, tensor in weights[0].items())
    stored = load_tensors(tmp_path / "whole" / "training.safetensors")[0]
    assert any("max_exp_avg_sq" in name for name in stored)


def test_nothing_is_mixed_before_its_share_of_the_steps(table, monkeypatch):
    monkeypatch.setitem(NETWORKS, "filters", FILTERS)
    network = load_network("filters", classes=("0", "1"))
    config = config_of(mix="mixup", mix_alpha=1.0, mix_from=6 / 90, batch=4)
    paths = [table.parent / f"{number}.wav" for number in range(8)]
    items = Items(network, config, paths, np.eye(2, dtype=np.float32)[np.arange(8) % 2], torch.device("cpu"), None)
    batches = Batches(items, config, ProcessGroup())
    steps = 90 * batches.steps_an_epoch
    shares = [bool((batches.make(step, steps).share != 1).any()) for step in range(7 * batches.steps_an_epoch)]
    assert shares == [False] * 6 * batches.steps_an_epoch + [True] * batches.steps_an_epoch


def test_networks_of_several_codes_have_no_centres():
    network = load_network("vggish-dnn", arguments={"layers": (4, 0, 4, 0, 8, 0, 8, 0)})
    config = SupervisedConfig("vggish-dnn", "vggish", ("a",) * 10, "csv", "", "", centre_weight=1.0)
    with pytest.raises(MmascError, match="vggish-dnn makes its logits of several codes: leave out centre_weight"):
        check_stages(network, config)
