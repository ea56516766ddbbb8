"""Teachers: crops by rule, targets kept and fresh, resuming, the two parts of a vector, what is refused."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from mmasc.encoders.mini_text import load_text_side
from mmasc.encoders.registry import load_encoder, load_text_encoder
from mmasc.encoders.usual import Usual, save_usual, usual_path
from mmasc.errors import MmascError
from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS
from mmasc.networks.taught_config import TaughtConfig
from mmasc.networks.taught_network import TaughtNetwork
from mmasc.networks.yamnet import Yamnet
from mmasc.storage.tensors import load_tensors, save_tensors
from mmasc.training.alignment.crop_rule import CropRule
from mmasc.training.alignment.crops import Recordings, decibels_of, draw_crops, power_of_steps
from mmasc.training.alignment.prepared import prepare
from mmasc.training.alignment.taught import _teacher_loss
from mmasc.training.alignment.teachers import load_teachers
from mmasc.training.alignment.train import train_alignment
from tests.helpers.small_network import FILTERS, lived_in

RATE = 16_000
NAMES = ("Whistle", "Engine", "Hiss")
RULE = CropRule(seconds=1.0, each=3)
SMALL = dict(steps=4, batch=6, crop_seconds=1.0, crops_each=3, class_weight=0.0)


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Six short sounds, four of them with a text."""
    folder = tmp_path_factory.mktemp("taught")
    chance = np.random.default_rng(0)
    lines = ["path,label"]
    for number in range(6):
        sound = 0.3 * np.sin(np.arange(RATE + 900 * number) * (0.05 + 0.1 * number))
        soundfile.write(folder / f"{number}.wav", sound + 0.01 * chance.standard_normal(len(sound)), RATE)
        lines.append(f"{number}.wav,{('whistling', 'engine humming', '')[number % 3]}")
    lines.append("0.wav,a shrill whistle")
    path = folder / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    """A small network with names, and what is usual for it."""
    path = tmp_path_factory.mktemp("tagger") / "filters.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "filters", FILTERS)
        network = load_network("filters", classes=NAMES, seed=1)
        about = {"network": "filters", "classes": list(NAMES), "features": network.features, "arguments": {}}
        save_tensors(path, lived_in(network.body).state_dict(), about)
        save_usual(usual_path(path), Usual(NAMES, torch.zeros(3), torch.full((3,), 0.1)))
        yield f"filters:{path}"


@pytest.fixture(scope="module")
def run(table, tagger, tmp_path_factory) -> Path:
    """A run with two teachers, one of them with names."""
    folder = tmp_path_factory.mktemp("runs")
    train_alignment(table, folder / "whole", teacher=(f"names:{tagger}", "classic"), cache=folder / "kept", **SMALL)
    return folder


def paths_of(table: Path) -> list[Path]:
    return [table.parent / f"{number}.wav" for number in range(6)]


def test_crops_are_the_same_wherever_the_recording_is(table, tmp_path):
    paths = paths_of(table)
    first = draw_crops(1, paths, Recordings(tmp_path / "a"), RULE, 0)
    moved = tmp_path / "elsewhere.wav"
    moved.write_bytes(paths[1].read_bytes())
    again = draw_crops(1, [paths[0], moved, *paths[2:]], Recordings(tmp_path / "b"), RULE, 0)
    np.testing.assert_array_equal(first.samples, again.samples)
    assert first.samples.shape == (3, 32_000)
    np.testing.assert_allclose(np.abs(first.samples).max(1), 0.7, rtol=1e-6)
    assert draw_crops(1, paths, Recordings(tmp_path / "a"), RULE, 1).digest != first.digest


def test_a_partner_is_another_sound_with_its_weight(table, tmp_path):
    always = CropRule(seconds=1.0, each=8, mix_share=1.0)
    mixed = draw_crops(2, paths_of(table), Recordings(tmp_path), always, 0)
    assert 2 not in mixed.partner
    assert set(mixed.weight) <= {0.5, 0.35, 0.2}
    alone = draw_crops(0, paths_of(table)[:1], Recordings(tmp_path), always, 0)
    assert (alone.partner, alone.weight) == ([-1] * 8, [0.0] * 8)


def test_steps_of_decibels_keep_power_to_a_fifth_of_a_decibel(table, tmp_path):
    crops = draw_crops(0, paths_of(table), Recordings(tmp_path), RULE, 0).samples
    from mmasc.features import MINI, LogMel

    power = LogMel(MINI).mel(torch.from_numpy(crops))[:, :, :50].numpy()
    power /= power.max((1, 2), keepdims=True)
    steps = decibels_of(crops)
    assert (steps.dtype, steps.shape) == (np.uint8, (3, 64, 50))
    loud = power > 1e-8
    back = power_of_steps(steps)
    assert np.abs(10 * np.log10(back[loud] / power[loud])).max() < 0.18
    assert back[power < 1e-9].max(initial=0) < 2e-9


def test_kept_targets_are_fresh_ones(table, tagger, tmp_path):
    teachers = load_teachers([f"names:{tagger}", "classic"], load_text_side("mini"))
    first = prepare(paths_of(table), RULE, 0, teachers, tmp_path / "a")
    kept = prepare(paths_of(table), RULE, 0, teachers, tmp_path / "a")
    fresh = prepare(paths_of(table), RULE, 0, teachers, tmp_path / "b")
    for one in (kept, fresh):
        np.testing.assert_array_equal(one.decibels, first.decibels)
        for name, vectors in first.targets.items():
            np.testing.assert_array_equal(one.targets[name], vectors)
    by_hand = []
    for row in range(2):
        for crop in draw_crops(row, paths_of(table), Recordings(tmp_path / "c"), RULE, 0).samples:
            vector = teachers[1].encoder.embed_audio(crop, 32_000).vectors[0].astype(np.float64)
            by_hand.append(vector / np.linalg.norm(vector))
    np.testing.assert_allclose(first.targets["classic"][:6], by_hand, atol=2e-3)


def test_a_teacher_that_comes_later_hears_the_same_crops(table, tagger, tmp_path):
    text_side = load_text_side("mini")
    prepare(paths_of(table), RULE, 0, load_teachers(["classic"], text_side), tmp_path / "a")
    files = sorted((tmp_path / "a" / "crops").rglob("*.kept"))
    assert len(files) == 6
    both = load_teachers(["classic", f"names:{tagger}"], text_side)
    later = prepare(paths_of(table), RULE, 0, both, tmp_path / "a")
    assert sorted((tmp_path / "a" / "crops").rglob("*.kept")) == files
    at_once = prepare(paths_of(table), RULE, 0, both, tmp_path / "b")
    np.testing.assert_array_equal(later.targets[both[1].name], at_once.targets[both[1].name])


def test_a_network_that_teaches_twice_hears_once(tmp_path, monkeypatch):
    path = tmp_path / "tagger.safetensors"
    network = load_network("yamnet", classes=NAMES, seed=1)
    about = {"network": "yamnet", "classes": list(NAMES), "features": network.features, "arguments": {}}
    save_tensors(path, lived_in(network.body).state_dict(), about)
    save_usual(usual_path(path), Usual(NAMES, torch.zeros(3), torch.full((3,), 0.1)))
    names, side, heard = (f"names:yamnet:{path}", f"yamnet:{path}"), load_text_side("mini"), []
    embed = Yamnet._embed
    monkeypatch.setattr(Yamnet, "_embed", lambda body, patches: heard.append(len(patches)) or embed(body, patches))
    crops = np.random.default_rng(0).normal(0, 0.1, (2, 32_000)).astype(np.float32)
    together = [teacher.hear(crops) for teacher in load_teachers(names, side)]
    once = sum(heard)
    alone = [load_teachers([name], side)[0].hear(crops) for name in names]
    assert sum(heard) == 3 * once > 0
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one, other)


def test_resuming_is_not_seen_in_the_weights(table, tagger, run):
    options = dict(teacher=(f"names:{tagger}", "classic"), cache=run / "kept", checkpoint_steps=2, **SMALL)
    assert train_alignment(table, run / "parts", pause_at=2, **options).step == 2
    assert train_alignment(table, run / "parts", **options).step == 4
    assert (run / "whole" / "last.safetensors").read_bytes() == (run / "parts" / "last.safetensors").read_bytes()


def test_start_and_further_tables(table, tagger, run):
    options = dict(teacher=(f"names:{tagger}", "classic"), cache=run / "kept", course="fall", **(SMALL | {"steps": 1}))
    train_alignment(table, run / "more", also=[table], start=run / "whole", learning_rate=1e-12, **options)
    before, _ = load_tensors(run / "whole" / "last.safetensors")
    after, _ = load_tensors(run / "more" / "last.safetensors")
    for name in ("network.to_joint.weight", "network.to_taught.weight", "network.conv0.weight"):
        torch.testing.assert_close(before[name], after[name], rtol=0, atol=1e-8)
    with pytest.raises(MmascError, match=r"another network or other teachers"):
        train_alignment(table, run / "other", start=run / "whole", **(options | {"teacher": ("classic",)}))


def test_weights_alone_are_a_start(table, tagger, run):
    options = dict(teacher=(f"names:{tagger}", "classic"), cache=run / "kept", course="fall", **(SMALL | {"steps": 1}))
    exported = run / "whole" / "last.safetensors"
    train_alignment(table, run / "further", start=exported, learning_rate=1e-12, **options)
    before, about = load_tensors(exported)
    after, said = load_tensors(run / "further" / "last.safetensors")
    for name in ("network.to_joint.weight", "network.to_taught.weight", "network.conv0.weight"):
        torch.testing.assert_close(before[name], after[name], rtol=0, atol=1e-8)
    assert said["logit_scale"] == pytest.approx(about["logit_scale"], rel=1e-6)
    with pytest.raises(MmascError, match=r"base\.safetensors is of another network"):
        train_alignment(table, run / "narrow", start="base", **options)
    with pytest.raises(MmascError, match=r"gone cannot be started from"):
        train_alignment(table, run / "nowhere", start="gone", **options)


def test_the_vector_of_a_run_is_two_parts_beside_texts(run):
    encoder, texts = load_encoder(f"base:{run / 'whole'}"), load_text_encoder(f"base:{run / 'whole'}")
    asked = encoder.embed_text(["whistling", "engine"])
    np.testing.assert_array_equal(asked, texts.embed_text(["whistling", "engine"]))
    assert encoder.identity == texts.identity
    tensors, _ = load_tensors(run / "whole" / "last.safetensors")
    plain = load_text_side("mini")(["whistling", "engine"])
    for part, mean in ((asked[:, :128], "text_mean"), (asked[:, 128:], "taught_text_mean")):
        centred = plain - tensors[mean].numpy()
        wanted = math.sqrt(0.5) * centred / np.linalg.norm(centred, axis=1, keepdims=True)
        np.testing.assert_allclose(part, wanted, atol=1e-6)
    heard = encoder.embed(np.random.default_rng(0).normal(0, 0.1, (1, 160_000)))
    np.testing.assert_allclose(np.linalg.norm(heard[:, :128]), math.sqrt(0.5), atol=1e-5)


def test_a_cosine_is_the_weighted_mean_of_those_of_the_parts():
    network = TaughtNetwork(TaughtConfig(channels=(4, 4, 4, 4), dim=3, taught_dim=5, taught_share=0.3)).eval()
    one, two = network(torch.rand(2, 64, 40))[1].detach().double()
    parts = [torch.nn.functional.cosine_similarity(one[p], two[p], dim=0) for p in (slice(0, 3), slice(3, 8))]
    torch.testing.assert_close(one @ two, 0.7 * parts[0] + 0.3 * parts[1], rtol=1e-5, atol=1e-6)


def test_a_teacher_that_says_nothing_teaches_nothing():
    learned = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    loss = _teacher_loss(learned, torch.tensor([[0.0, 2.0], [0.0, 0.0]]))
    assert loss.item() == pytest.approx(0.5)
    loss.backward()
    assert learned.grad[1].abs().sum() == 0


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (("nothing",), r"teacher nothing cannot be loaded: unknown encoder"),
        (("yamnet:gone.h5",), r"teacher yamnet:gone.h5 cannot be loaded"),
        (("classic", "classic"), r"two teachers are the same space"),
    ],
)
def test_teachers_that_cannot_teach_are_refused(table, tmp_path, teacher, message):
    with pytest.raises(MmascError, match=message):
        train_alignment(table, tmp_path / "run", teacher=teacher, **SMALL)


def test_what_goes_with_teachers_alone(table, tmp_path):
    told = table.parent / "told.csv"
    told.write_text("path,label\n0.wav,whistling\n")
    with pytest.raises(MmascError, match="are for runs with teachers"):
        train_alignment(told, tmp_path / "run", also=[table], **SMALL)
    with pytest.raises(MmascError, match="label is empty"):
        train_alignment(table, tmp_path / "run", **SMALL)


def assert_prepared_alike(found, wanted) -> None:
    np.testing.assert_array_equal(found.decibels, wanted.decibels)
    np.testing.assert_array_equal(found.weight, wanted.weight)
    assert set(found.targets) == set(wanted.targets)
    for name, vectors in wanted.targets.items():
        np.testing.assert_array_equal(found.targets[name], vectors)


@pytest.mark.parametrize("part", ["samples", "crops", "targets"])
def test_what_is_kept_and_damaged_is_made_again(table, tmp_path, part):
    teachers = load_teachers(["classic"], load_text_side("mini"))
    rule = CropRule(seconds=1.0, each=2)
    first = prepare(paths_of(table), rule, 0, teachers, tmp_path)
    files = sorted(path for path in (tmp_path / part).rglob("*") if path.is_file())
    assert len(files) == 6
    whole = [path.read_bytes() for path in files]
    for path, content in zip(files, whole, strict=True):
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :])
    files[0].write_bytes(whole[0][:-40])
    files[1].write_bytes(b"")
    if part == "samples":  # they are looked at where crops are drawn
        for path in (tmp_path / "crops").rglob("*.kept"):
            path.unlink()
    assert_prepared_alike(prepare(paths_of(table), rule, 0, teachers, tmp_path), first)
    assert [path.read_bytes() for path in files] == whole


def test_what_earlier_versions_kept_is_used_if_it_fits(table, tmp_path):
    (teacher,) = teachers = load_teachers(["classic"], load_text_side("mini"))
    rule = CropRule(seconds=1.0, each=2)
    first = prepare(paths_of(table), rule, 0, teachers, tmp_path)
    recordings = Recordings(tmp_path)
    samples = [np.array(recordings.samples(path)) for path in paths_of(table)]
    said = np.zeros((2, teacher.dim), np.float16)
    said[:, 0] = 1
    targets = sorted((tmp_path / "targets").rglob("*.kept"))
    for number, path in enumerate(targets):
        path.unlink()
        if number:  # one of another shape: not used
            save_tensors(
                path.with_suffix(".safetensors"), {"vectors": torch.from_numpy(said)}, {"kind": "mmasc-targets"}
            )
        else:
            save_tensors(path.with_suffix(".safetensors"), {"vectors": torch.zeros(3, 1)}, {"kind": "mmasc-targets"})
    for path in (tmp_path / "samples").rglob("*.pcm"):
        path.with_suffix(".i16").write_bytes(path.read_bytes()[:-16])
        path.unlink()
    found = prepare(paths_of(table), rule, 0, teachers, tmp_path)
    mine = [(vectors == said).all() for vectors in found.targets["classic"].reshape(6, 2, -1)]
    assert sorted(mine) == [False] + [True] * 5
    other = mine.index(False)
    np.testing.assert_array_equal(
        found.targets["classic"][2 * other : 2 * other + 2], first.targets["classic"][2 * other : 2 * other + 2]
    )
    for path, wanted in zip(paths_of(table), samples, strict=True):
        np.testing.assert_array_equal(Recordings(tmp_path).samples(path), wanted)
