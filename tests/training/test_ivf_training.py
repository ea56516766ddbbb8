"""Imagined visual features from end to end on small films: learned, resumed, used; faults in one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from mmasc.devices import ProcessGroup
from mmasc.errors import MmascError
from mmasc.ivf.decoding import PairConfig
from mmasc.ivf.imagination import Imagination, ImaginationConfig, load_imagination
from mmasc.ivf.pairs import prepare_pairs
from mmasc.ivf.scenes import draw_scene, write_scenes
from mmasc.ivf.sources import read_sources
from mmasc.ivf.transformation import TransformationConfig, make_transformation
from mmasc.ivf.vqvae import VqVaeConfig
from mmasc.storage.tensors import load_tensors, save_tensors
from mmasc.training.ivf.config import ADAM, VqVaeRun
from mmasc.training.ivf.train import train_ivf, train_vqvae
from mmasc.training.ivf.transformation import ImaginationStage
from mmasc.training.ivf.vqvae import VqVaeStage

pytest.importorskip("av", reason="the extra video is not installed")

SMALL = TransformationConfig(width=32, heads=2, layers=1, cell_layers=1, dropout=0.0)
QUIET = {"remark": lambda line: None, "report_steps": 10, "checkpoint_steps": 10, "picture_steps": 1000}


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    write_scenes(folder, n=16, size=16, seconds=1.0)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pairs")


def vqvae(films, out, cache, **options):
    wanted = {"size": 16, "steps": 30, "warm_steps": 10, "batch": 8, "codes": 32, "dim": 8, "validation_share": 0.0}
    return train_vqvae(films, out, cache=cache, **{**QUIET, **wanted, **options})


def ivf(films, out, cache, **options):
    wanted = {"steps": 20, "batch": 8, "network": SMALL}
    return train_ivf(films, out, cache=cache, **{**QUIET, **wanted, **options})


@pytest.fixture(scope="module")
def run(films, cache, tmp_path_factory) -> Path:
    """A run that has learned the sixteen films."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    seen = vqvae(films, folder, cache, steps=80, warm_steps=30, checkpoint_steps=80)
    heard = ivf(films, folder, cache, steps=160, learning_rate=2e-3, checkpoint_steps=160)
    assert seen.validation["vqvae"]["psnr_db"] > 20
    # sixteen films: by chance one in sixteen
    assert heard.validation["ivf"]["right_class"] > 0.7
    assert heard.validation["ivf"]["right_frame"] > 0.5
    return folder


def weights(folder) -> dict[str, torch.Tensor]:
    return load_tensors(folder / "last.safetensors")[0]


def assert_equal_weights(one, other):
    one, other = weights(one), weights(other)
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def test_a_stopped_run_goes_on_to_the_same_weights(films, cache, tmp_path):
    vqvae(films, tmp_path / "whole", cache)
    vqvae(films, tmp_path / "stopped", cache, stop=7)
    vqvae(films, tmp_path / "stopped", cache, stop=20)
    vqvae(films, tmp_path / "stopped", cache)
    assert_equal_weights(tmp_path / "whole" / "vqvae", tmp_path / "stopped" / "vqvae")
    ivf(films, tmp_path / "whole", cache)
    ivf(films, tmp_path / "stopped", cache, stop=6)
    ivf(films, tmp_path / "stopped", cache)
    assert_equal_weights(tmp_path / "whole" / "ivf", tmp_path / "stopped" / "ivf")
    lines = [json.loads(line) for line in (tmp_path / "stopped" / "ivf" / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines if "loss" in line]
    assert steps == sorted(set(steps))
    # A run that ended before its weights were written, or lost them, writes them from its checkpoint
    kept = weights(tmp_path / "stopped" / "ivf")
    (tmp_path / "stopped" / "ivf" / "last.safetensors").unlink()
    ivf(films, tmp_path / "stopped", cache)
    assert all(torch.equal(one, kept[name]) for name, one in weights(tmp_path / "stopped" / "ivf").items())


def test_ivf_finishes_a_vqvae_that_was_stopped(films, cache, tmp_path):
    vqvae(films, tmp_path / "whole", cache)
    vqvae(films, tmp_path / "stopped", cache, stop=15)
    ivf(films, tmp_path / "stopped", cache, steps=1)
    assert_equal_weights(tmp_path / "whole" / "vqvae", tmp_path / "stopped" / "vqvae")


@pytest.mark.parametrize(("variant", "imagined"), [("index", "straight-through"), ("q", "soft"), ("no-vq", "soft")])
def test_every_variant_learns(films, cache, run, tmp_path, variant, imagined):
    shutil.copytree(run / "vqvae", tmp_path / "vqvae")
    ivf(films, tmp_path, cache, steps=30, variant=variant, imagined=imagined, learning_rate=2e-3, checkpoint_steps=30)
    lines = [json.loads(line) for line in (tmp_path / "ivf" / "metrics.jsonl").read_text().splitlines()]
    name = "loss/cross_entropy" if variant == "index" else "loss/squared_error"
    losses, distances = ([line[key] for line in lines if key in line] for key in (name, "critic/distance"))
    assert len(losses) == len(distances) == 3  # a report after every tenth step
    assert losses[-1] < 0.9 * losses[0]
    assert max(map(abs, distances)) < 100
    network = load_imagination(tmp_path)
    features = network.features(torch.randn(2, network.config.window_samples) * 0.1)
    codebook = network.vqvae.quantizer.codebook
    cells = features.permute(0, 2, 3, 1).reshape(-1, codebook.shape[1])
    apart = (cells[:, None] - codebook[None]).norm(dim=2).min(1).values.max()
    assert (float(apart) < 1e-5) == (variant != "no-vq")


def test_both_stages_learn_at_once(films, cache, run, tmp_path):
    """L = L_E + L_D: the VQ-VAE goes on learning, by its own loss alone, and a stopped run continues to the bit."""
    for name in ("whole", "parts"):
        shutil.copytree(run / "vqvae", tmp_path / name / "vqvae")
    told = ivf(films, tmp_path / "whole", cache, joint=True)
    ivf(films, tmp_path / "parts", cache, joint=True, stop=7)
    ivf(films, tmp_path / "parts", cache, joint=True)
    assert_equal_weights(tmp_path / "whole" / "ivf", tmp_path / "parts" / "ivf")
    first = weights(run / "vqvae")
    now = {name.removeprefix("vqvae."): one for name, one in weights(tmp_path / "whole" / "ivf").items()}
    for part in ("encoder.", "decoder.", "quantizer."):
        assert any(not torch.equal(first[name], now[name]) for name in first if name.startswith(part)), part
    lines = [json.loads(line) for line in (tmp_path / "whole" / "ivf" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss/picture" in line] == [10, 20]
    assert told.steps == {"vqvae": 80, "ivf": 20}
    with pytest.raises(MmascError, match=r"another configuration \(joint is True there, False here\)"):
        ivf(films, tmp_path / "whole", cache)


def test_without_a_critic_there_is_none(films, cache, run, tmp_path):
    shutil.copytree(run / "vqvae", tmp_path / "vqvae")
    ivf(films, tmp_path, cache, critic_weight=0.0)
    assert "critic" not in (tmp_path / "ivf" / "metrics.jsonl").read_text()


def test_imagined_features_are_an_encoder(run, films):
    from mmasc import load_encoder

    encoder = load_encoder(f"ivf:{run}")
    assert (encoder.spec.dim, encoder.spec.window_seconds, encoder.spec.sample_rate) == (16, 0.96, 16_000)
    windows = np.stack([draw_scene(number).waveform(0.96, 16_000) for number in range(6)])
    vectors = encoder.embed(windows)
    assert np.array_equal(vectors, np.concatenate([encoder.embed(window[None]) for window in windows]))
    assert load_encoder(f"ivf:{run}").identity == encoder.identity
    features = encoder.network.features(torch.from_numpy(windows))
    np.testing.assert_allclose(vectors[:, :8], features.mean((2, 3)), atol=1e-5)
    np.testing.assert_allclose(vectors[:, 8:], features.amax((2, 3)), atol=1e-5)


def test_imagined_features_join_a_collection(run, films, tmp_path):
    from mmasc import Collection, embed

    embed([films], tmp_path / "c", encoder=f"ivf:{run}")
    hits = Collection(tmp_path / "c").search(audio=films / "film-00003.mkv", k=1)
    assert hits[0]["path"].endswith("film-00003.mkv")


def test_imagined_features_stand_in_for_spectrograms(run, films):
    from mmasc import load_network

    network = load_network("eight-conv", features=f"ivf:{run}")
    assert (network.front_end.n_features, network.front_end.n_bands) == (8, 16)
    waveforms = torch.from_numpy(np.stack([draw_scene(number).waveform(2.5, 16_000) for number in range(3)]))[:, None]
    features = network.front_end(waveforms)
    assert features.shape == (3, 8, network.front_end.n_frames(40_000), 16) == (3, 8, 3 * 16, 16)
    last = network.front_end(waveforms[:1, :, -15_360:])
    assert torch.equal(features[:1, :, 32:], last)
    # what imagines is no part of what is trained and saved
    assert not any("vqvae" in name for name in network.state_dict())
    assert network.scores(waveforms[0, 0], 16_000).shape == (10,)


def test_pairs_are_prepared_once_for_both_stages(films, cache, tmp_path, monkeypatch):
    calls, lines = [], []

    def counted(*arguments):
        calls.append(arguments)
        return prepare_pairs(*arguments)

    monkeypatch.setattr("mmasc.training.ivf.stage.prepare_pairs", counted)
    small = {"size": 16, "steps": 2, "warm_steps": 1, "codes": 32, "dim": 8, "validation_share": 0.0}
    ivf(films, tmp_path / "run", cache, steps=2, size=16, vqvae=small, remark=lines.append)
    assert len(calls) == 1
    assert sum("pairs can be used" in line for line in lines) == 1
    ivf(films, tmp_path / "run", cache, steps=2, size=16, vqvae=small, remark=lines.append)
    assert len(calls) == 2, "both stages are whole now; their pairs are still looked at"
    apart = tmp_path / "apart"
    vqvae(films, apart, cache, **{**small, "size": 16})
    assert (apart / "vqvae" / "config.json").read_text() == (tmp_path / "run" / "vqvae" / "config.json").read_text()


def test_another_size_than_that_of_the_first_stage_is_refused(films, cache, tmp_path):
    vqvae(films, tmp_path / "run", cache, steps=2, warm_steps=1)
    with pytest.raises(MmascError, match="of pictures of 16 pixels, not 32; leave out --size"):
        ivf(films, tmp_path / "run", cache, size=32)


def test_pictures_of_sounds(run, films, tmp_path):
    from click.testing import CliRunner
    from PIL import Image

    from mmasc.cli import cli

    result = CliRunner().invoke(
        cli, ["imagine", str(films / "film-00000.mkv"), "--run", str(run), "--to", str(tmp_path), "--format", "json"]
    )
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [round(row["start"], 2) for row in rows] == [0.0, 0.04]
    with Image.open(rows[0]["picture"]) as picture:
        assert picture.size == (16, 16)
        seen = np.asarray(picture).astype(int)
    # film 0 is a red circle
    brightest = seen.reshape(-1, 3)[seen.sum(2).argmax()]
    assert brightest[0] > brightest[1] + 20
    assert brightest[0] > brightest[2] + 20


def test_another_configuration_is_refused(films, cache, run, tmp_path):
    with pytest.raises(MmascError, match=r"vqvae holds a run of another configuration \(batch is 8 there, 4 here\)"):
        vqvae(films, run, cache, steps=80, warm_steps=30, batch=4)
    with pytest.raises(MmascError, match=r"holds a VQ-VAE of pictures of 16 pixels, not 64; leave out --size"):
        ivf(films, run, cache, size=64)
    with pytest.raises(MmascError, match=r"ivf holds a run of another configuration \(critic_weight"):
        ivf(films, run, cache, steps=160, learning_rate=2e-3, critic_weight=0.5)


def test_a_run_without_its_second_stage_is_named(films, cache, tmp_path):
    vqvae(films, tmp_path / "half", cache, steps=2, warm_steps=1)
    with pytest.raises(MmascError, match=r"holds no imagined features yet: run mmasc train ivf --pairs PATH"):
        load_imagination(tmp_path / "half")
    with pytest.raises(MmascError, match=r"nowhere does not exist; name a run folder of mmasc train ivf"):
        load_imagination(tmp_path / "nowhere")


def test_a_collapsed_codebook_is_named(films, cache, tmp_path):
    one_picture(tmp_path / "same")
    said = []
    # one cell, and pictures without any difference, leave one code
    options = {"halvings": 4, "steps": 12, "warm_steps": 1, "remark": said.append}
    result = vqvae(tmp_path / "same" / "pairs.csv", tmp_path / "run", cache, **options)
    assert result.validation["vqvae"]["perplexity"] == pytest.approx(1)
    (line,) = [line for line in said if "has collapsed" in line]
    assert "1 of 32 codes carry nearly everything; start a new run with a lower --learning-rate" in line
    assert (tmp_path / "run" / "vqvae" / "last.safetensors").exists()


def one_picture(folder):
    import soundfile
    from PIL import Image

    folder.mkdir()
    rows = ["audio,image"]
    for number in range(3):
        soundfile.write(folder / f"{number}.wav", np.full(16_000, 0.1 * number), 16_000)
        Image.new("RGB", (16, 16), (90, 90, 90)).save(folder / f"{number}.png")
        rows.append(f"{number}.wav,{number}.png")
    (folder / "pairs.csv").write_text("\n".join(rows))


def test_a_loss_that_is_no_number_ends_before_anything_is_overwritten(films, cache, tmp_path):
    # A first step this long leaves numbers whose next loss is none
    wild = {"learning_rate": 1e30, "checkpoint_steps": 1}
    vqvae(films, tmp_path / "run", cache, **wild, stop=1)
    kept = ("last.safetensors", "training.safetensors")
    before = {name: (tmp_path / "run" / "vqvae" / name).read_bytes() for name in kept}
    with pytest.raises(MmascError, match=r"the loss is nan at step 2 of .*; the checkpoint of step 1 is whole"):
        vqvae(films, tmp_path / "run", cache, **wild)
    assert {name: (tmp_path / "run" / "vqvae" / name).read_bytes() for name in kept} == before
    assert load_tensors(tmp_path / "run" / "vqvae" / "training.safetensors")[1]["step"] == 1


def test_files_that_do_not_fit_a_run_are_named(films, cache, tmp_path):
    vqvae(films, tmp_path / "run", cache, stop=2)
    folder = tmp_path / "run" / "vqvae"
    state, config = folder / "training.safetensors", folder / "config.json"
    tensors, about = load_tensors(state)
    whole = config.read_text()
    (name,) = [name for name in tensors if name.endswith("/0/exp_avg")]
    for changed in (
        tensors | {"network/quantizer.codebook": torch.zeros(5, 8)},
        tensors | {name: torch.zeros(3)},
        {key: tensor for key, tensor in tensors.items() if "codebook" not in key},
    ):
        save_tensors(state, changed, about)
        with pytest.raises(
            MmascError, match=r"training.safetensors does not hold the state of this run to continue from \("
        ) as said:
            vqvae(films, tmp_path / "run", cache)
        assert "\n" not in str(said.value)
    for nonsense in (
        '{"pairs": "x", "vqvae": {"codes": -1}}',
        '{"pairs": "x", "pair": {"size": "y"}}',
        "[]",
        "no JSON",
    ):
        config.write_text(nonsense)
        with pytest.raises(MmascError, match=r"config.json .*(start a new run|choose another folder)"):
            ivf(films, tmp_path / "run", cache)
    config.write_text('{"pairs": "x"}')
    with pytest.raises(MmascError, match=r"vqvae holds a run of another configuration \("):
        vqvae(films, tmp_path / "run", cache)
    config.write_text(whole)
    save_tensors(
        folder / "last.safetensors", {"network": torch.zeros(2)}, {"kind": "mmasc-vqvae", "step": 30, "vqvae": {}}
    )
    with pytest.raises(MmascError, match=r"vqvae.*last.safetensors does not hold the weights"):
        ivf(films, tmp_path / "run", cache)


def test_every_step_of_the_critic_has_pairs_of_its_own(films, cache, run, tmp_path, monkeypatch):
    shutil.copytree(run / "vqvae", tmp_path / "vqvae")
    drawn, draw = [], ImaginationStage.draw

    def note(stage, *rest):
        pairs = draw(stage, *rest)
        drawn.append([(pair.source, pair.start_seconds) for pair in pairs])
        return pairs

    monkeypatch.setattr(ImaginationStage, "draw", note)
    ivf(films, tmp_path, cache, steps=2, critic_steps=3)
    assert len(drawn) == 6
    assert len({tuple(pairs) for pairs in drawn}) == 6


@pytest.mark.parametrize("adam", sorted(ADAM))
def test_a_named_adam_is_the_one_that_trains(films, cache, run, tmp_path, monkeypatch, adam):
    shutil.copytree(run / "vqvae", tmp_path / "vqvae")
    seen = []
    go = ImaginationStage.go
    optimizers = lambda stage: [part for part in stage.parts.values() if isinstance(part, torch.optim.Optimizer)]  # noqa: E731
    monkeypatch.setattr(ImaginationStage, "go", lambda stage, *rest: (seen.append(optimizers(stage)), go(stage, *rest)))
    ivf(films, tmp_path, cache, steps=1, adam=adam)
    assert len(seen[0]) == 2
    for optimizer in seen[0]:
        (group,) = optimizer.param_groups
        assert (group["lr"], group["betas"]) == ADAM[adam]


def test_a_batch_that_processes_cannot_share_is_refused(films, cache, tmp_path):
    pairs = prepare_pairs(read_sources(films), PairConfig(size=16), cache)
    run = VqVaeRun("x", PairConfig(size=16), VqVaeConfig(size=16, halvings=1), batch=8)
    with pytest.raises(
        MmascError, match="8 pairs per step cannot be shared evenly by 3 processes; give a --batch that is"
    ):
        VqVaeStage(tmp_path / "run", run, pairs, ([0], [1]), torch.device("cpu"), ProcessGroup(3), print)


@pytest.mark.parametrize("kind", ["transformer", "convolution"])
def test_one_sound_does_not_depend_on_its_neighbours(kind):
    torch.manual_seed(0)
    network = make_transformation(TransformationConfig(kind, width=32, heads=2), 96, 64, 4, 12).eval()
    log_mel = torch.randn(5, 1, 96, 64)
    with torch.inference_mode():
        written = network(log_mel)
        assert written.shape == (5, 12, 4, 4)
        torch.testing.assert_close(written, torch.cat([network(one[None]) for one in log_mel]))


def test_every_cell_can_say_something_else():
    torch.manual_seed(0)
    network = make_transformation(SMALL, 96, 64, 4, 12).eval()
    with torch.inference_mode():
        written = network(torch.randn(1, 1, 96, 64))
    assert float(written.std((2, 3)).min()) > 1e-3


def test_patches_that_do_not_tile_are_refused():
    with pytest.raises(ValueError, match="patches of 8 x 16 do not tile 96 frames x 40 mels"):
        make_transformation(TransformationConfig(), 96, 40, 4, 12)


def test_the_paper_s_adam_is_there_by_name():
    assert ADAM["default"] == (2e-4, (0.5, 0.999))
    assert ADAM["paper"] == (2e-4, (0.5, 0.0002))


def test_the_front_end_hears_the_window_and_no_more():
    config = ImaginationConfig(vqvae=VqVaeConfig(size=16, halvings=1, codes=4, dim=2), transformation=SMALL)
    network = Imagination(config).eval()
    assert (config.window_samples, config.n_frames) == (15_360, 96)
    assert network.log_mel(torch.randn(2, 15_360)).shape == (2, 1, 96, 64)
