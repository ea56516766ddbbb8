"""Networks that read tags, in training: sources kept and checked, taggers with two heads, kernels, sweeps."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from torch import nn

from mmasc.cli import cli
from mmasc.errors import MmascError
from mmasc.evaluation.compare import system_name
from mmasc.evaluation.evaluate import evaluate
from mmasc.evaluation.runs import find_runs
from mmasc.evaluation.svm import Codes, choose_kernel, svm_scores
from mmasc.evaluation.tag_sweep import cells_of, gains_of, sweep_tags, tables_of
from mmasc.metrics.functions import lwlrap
from mmasc.networks.body import Body
from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS
from mmasc.networks.spec import NetworkSpec
from mmasc.networks.tagger import tag_probabilities
from mmasc.storage.tensors import load_tensors, save_tensors
from mmasc.training.supervised import run as supervised_run
from mmasc.training.supervised.augment import slice_frames
from mmasc.training.supervised.batch_loss import BatchLoss
from mmasc.training.supervised.batches import partners_alike
from mmasc.training.supervised.data import Sides
from mmasc.training.supervised.hearing import channel_remark, load_clips
from mmasc.training.supervised.kept_tags import TAGS, ClipTags, clip_names, kept_identity
from mmasc.training.supervised.pseudo_sources import digest_of_identities, identities_of, kept_digests
from mmasc.training.supervised.scoring import clip_codes, score_clips
from mmasc.training.supervised.tag_sources import clip_tags, load_source
from mmasc.training.supervised.tags import pseudo_labels_of
from mmasc.training.supervised.train import train_network
from tests.conftest import StandIn

RATE = 16_000
SMALL = dict(recipe="plain", epochs=2, batch=4, learning_rate=1e-2, gradient_norm=0.0)
READ = dict(dataset="csv", dataset_options={"fold_column": "fold"})
PROMPTS = "name: letters\ndescription: for tests\ntemplates: ['{}']\nlabels:\n  aa: [aab]\n  bb: [bbc]\n  cc: [ccd]\n"


class Trunk(Body):
    """A convolution that shows its map of eight filters, and what a tagger has: a second head."""

    head = "fc"
    minimum_frames = 4
    n_filters = 8

    def __init__(self, n_classes: int, noisy_head: bool = False, n_channels: int = 1) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(64)
        self.conv = nn.Conv2d(n_channels, 8, 3, stride=4, padding=1)
        self.fc = nn.Linear(8, n_classes)
        if noisy_head:
            self.fc2 = nn.Linear(8, n_classes)

    def feature_map(self, features):
        return torch.relu(self.conv(self.augmented(self.bn0(features.transpose(1, 3)).transpose(1, 3))))

    def from_map(self, map):
        return map.mean((2, 3))

    def both(self, features):
        code = self.embedding(features)
        return self.fc(code), self.fc2(code)


@pytest.fixture(autouse=True)
def networks(monkeypatch) -> None:
    trunk = NetworkSpec("trunk", "tests.training.test_tags_training:Trunk", "panns-16k", 3, 8, RATE)
    arguments = {"trunk": "trunk", "trunk_arguments": {}, "n_tags": 80, "heads": 2, "attention_layers": 1}
    tagged = replace(
        trunk,
        name="trunk-tags",
        target="mmasc.networks.tag_conditioned:TaggedNetwork",
        arguments={**arguments, "join": "merge"},
    )
    monkeypatch.setitem(NETWORKS, "trunk", trunk)
    monkeypatch.setitem(NETWORKS, "trunk-tags", tagged)


@pytest.fixture
def table(tmp_path) -> Path:
    """Eighteen clips of noise of half a second, three kinds that only tags can tell apart, three folds."""
    chance = np.random.default_rng(0)
    lines = ["path,label,fold,tags,checked"]
    for number in range(18):
        soundfile.write(tmp_path / f"{number}.wav", 0.1 * chance.standard_normal(RATE // 2), RATE)
        both = "abc"[number % 3] + (";" + "abc"[(number // 3) % 3] if number % 2 else "")
        lines.append(f"{number}.wav,{'abc'[number % 3]},{number // 6 + 1},{both},{'no' if number % 6 > 2 else 'yes'}")
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "table.csv"


def known_tags(table: Path, words=("a", "b", "c")) -> ClipTags:
    """The label as tags."""
    paths = [table.parent / f"{number}.wav" for number in range(18)]
    rows = np.eye(3, dtype=np.float32)[np.arange(18) % 3]
    return ClipTags("tagging:nowhere", "f" * 32, tuple(words), clip_names(paths, table), rows)


def train(table: Path, out: Path, network: str = "trunk-tags", **options):
    return train_network(network, table, out=out, **{**READ, "folds": ["1"], **SMALL, **options})


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_tensors(run / "last.safetensors")[0]


def lines_of(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


# ------------------------------------------------------------------------------------------ where tags come from


@pytest.fixture
def prompts(tmp_path, registered) -> str:
    (tmp_path / "letters.yaml").write_text(PROMPTS)
    return f"prompts:{tmp_path / 'letters.yaml'}@{registered}"


def test_tags_are_asked_for_once_and_kept(table, tmp_path, prompts, monkeypatch):
    heard = []
    plain = StandIn._audio
    monkeypatch.setattr(StandIn, "_audio", lambda self, waveforms: heard.append(1) or plain(self, waveforms))
    train(table, tmp_path / "run", tags=prompts, folds=["1", "2"])
    assert len(heard) == 18
    for fold in ("fold-1", "fold-2"):
        kept = ClipTags.load(tmp_path / "run" / fold / TAGS)
        assert kept.vocabulary == ("aa", "bb", "cc")
        assert load_network(f"trunk-tags:{tmp_path / 'run' / fold}").body.vocabulary == ("aa", "bb", "cc")
    train(table, tmp_path / "run", tags=prompts, folds=["1", "2"])
    evaluate([tmp_path / "run"])
    assert len(heard) == 18
    source = load_source(prompts)
    paths = [table.parent / f"{number}.wav" for number in range(18)]
    assert (source.tell(paths, None, None) == kept.rows).all()
    assert ((kept.rows > 0) & (kept.rows < 1)).all()


def test_a_run_is_tested_without_its_source_as_long_as_its_tags_are_there(table, tmp_path, prompts):
    train(table, tmp_path / "run", tags=prompts)
    (tmp_path / "letters.yaml").unlink()
    (found,) = evaluate([tmp_path / "run"])
    assert len(found.answers) == 6
    (tmp_path / "run" / "test_scores.safetensors").unlink()
    (tmp_path / "run" / TAGS).unlink()
    with pytest.raises(MmascError, match=r"run needs tags of 6 recordings by prompts:.*: no prompt file") as caught:
        evaluate([tmp_path / "run"])
    assert "\n" not in str(caught.value)
    (tmp_path / "letters.yaml").write_text(PROMPTS.replace("aab", "ab"))
    with pytest.raises(MmascError, match="the network belongs to tag source .* not to .*; give the source"):
        evaluate([tmp_path / "run"])


def test_tags_of_another_vocabulary_are_refused(table, tmp_path):
    train(table, tmp_path / "first", tags=known_tags(table))
    again = dict(weights=tmp_path / "first", learning_rate=1e-9, epochs=1)
    train(table, tmp_path / "second", tags=known_tags(table), **again)
    assert torch.allclose(weights(tmp_path / "first")["out.weight"], weights(tmp_path / "second")["out.weight"])
    with pytest.raises(MmascError, match="learned another vocabulary .* 'a' stands where it has 'x'"):
        train(table, tmp_path / "third", tags=known_tags(table, ("x", "b", "c")), **again)
    fewer = known_tags(table)
    with pytest.raises(MmascError, match="reads 3 tags, tagging:nowhere gives 2"):
        train(table, tmp_path / "third", tags=replace(fewer, vocabulary=("a", "b"), rows=fewer.rows[:, :2]), **again)
    assert not (tmp_path / "third").exists()


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        ("trunk-tags", {}, "reads tags in addition to the sound: say where they come from with --tags tagging:RUN"),
        ("trunk", dict(tags="prompts:esc10"), "trunk reads no tags: leave out --tags, or train one of rawwave-tags"),
        ("trunk-tags", dict(tags="esc10"), "'esc10' names no source of tags; there are: tagging:RUN"),
        ("trunk-tags", dict(tags="cnn14:nowhere.pt"), "source of tags cnn14:nowhere.pt: nowhere.pt does not exist"),
        ("trunk", dict(preset="baseline"), "baseline is a network that reads tags"),
    ],
)
def test_sources_that_do_not_fit_are_one_line(table, tmp_path, network, options, message):
    with pytest.raises(MmascError, match=message) as caught:
        train(table, tmp_path / "run", network, **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_heads_must_divide_the_filters(table, tmp_path):
    with pytest.raises(MmascError, match="heads must divide the 8 filters of trunk, got 3"):
        train(table, tmp_path / "run", tags=known_tags(table), arguments={"heads": 3})
    with pytest.raises(MmascError, match="n_tags comes from the source of tags"):
        train(table, tmp_path / "run", tags=known_tags(table), arguments={"n_tags": 5})


def test_a_network_whose_labels_exclude_each_other_is_no_tagger(table, tmp_path):
    train(table, tmp_path / "run", "trunk")
    with pytest.raises(MmascError, match=r"learned labels that exclude each other \(loss cross-entropy\)"):
        load_source(f"trunk:{tmp_path / 'run'}")


def test_cells_are_presets_and_arguments_come_on_top(table, tmp_path):
    options = dict(tags=known_tags(table), preset="table3/heads=2/layers=1", epochs=1)
    train(table, tmp_path / "run", **options, arguments={"heads": 4})
    run = find_runs([tmp_path / "run"])[0]
    known = {name: run.config.arguments[name] for name in ("heads", "attention_layers", "join", "n_tags")}
    assert known == {"heads": 4, "attention_layers": 1, "join": "none", "n_tags": 3}
    assert (run.config.tags, run.config.tags_identity) == ("tagging:nowhere", "f" * 32)
    assert system_name("trunk-tags", run.config.arguments) == "trunk-tags table3/heads=4/layers=1"
    assert system_name("trunk", {"width": 3, "noisy_head": True}) == "trunk width=3"
    assert system_name("trunk", {}) == "trunk"
    with pytest.raises(MmascError, match="there is no cell 'table3/heads=3'"):
        train(table, tmp_path / "other", **options | {"preset": "table3/heads=3"})


def test_runs_from_before_tags_stay_what_they_are(table, tmp_path):
    train(table, tmp_path / "run", "trunk")
    config = tmp_path / "run" / "config.json"
    values = json.loads(config.read_text())
    for name in ("tags", "tags_identity", "noisy", "slice_least", "pseudo"):
        del values[name]
    config.write_text(json.dumps(values))
    said: list[str] = []
    train(table, tmp_path / "run", "trunk", remark=said.append)
    assert said == [f"{tmp_path / 'run'} is finished: 2 epochs"]
    assert len(evaluate([tmp_path / "run"])[0].answers) == 6
    with pytest.raises(MmascError, match="slice_least is 1.0 there, 0.5 here"):
        train(table, tmp_path / "run", "trunk", slice_least=0.5)
    del values["epochs"], values["classes"]
    config.write_text(json.dumps(values))
    with pytest.raises(MmascError, match="it differs in classes; start a new run"):
        evaluate([tmp_path / "run"])


# ------------------------------------------------------------------------------------------ learning with tags


def test_what_only_tags_know_is_learned(table, tmp_path):
    options = dict(epochs=12, learning_rate=6e-2, arguments={"heads": 0, "attention_layers": 0, "shared": False})
    (result,) = train(table, tmp_path / "run", tags=known_tags(table), test_curve=True, **options)
    assert result.measured["test_accuracy"] == 1
    (found,) = evaluate([tmp_path / "run"])
    assert found.metrics["accuracy"].value == 1
    # other tags, other answers: the sound says nothing
    network = load_network(f"trunk-tags:{tmp_path / 'run'}")
    heard = np.random.default_rng(1).standard_normal(RATE // 2).astype(np.float32) / 10
    said = [network.scores(heard, RATE, tags={"a": 0.0, "b": 0.0, "c": 0.0} | {word: 1.0}).argmax() for word in "abc"]
    assert said == [0, 1, 2]


def test_a_run_with_tags_goes_on_to_the_same_weights(table, tmp_path):
    options = dict(tags=known_tags(table), epochs=3, mix="mixup", mix_on="features", mix_alpha=1.0, tag_noise=1.0)
    train(table, tmp_path / "straight", **options)
    train(table, tmp_path / "paused", **options, pause_at=4)
    train(table, tmp_path / "paused", **options)
    one, other = weights(tmp_path / "straight"), weights(tmp_path / "paused")
    assert one.keys() == other.keys()
    assert "merge.weight" in one
    assert all(torch.equal(one[name], other[name]) for name in one)
    # tags are mixed as labels are: without tags of partners the weights are others
    train(table, tmp_path / "plain", **{**options, "mix": "none"})
    assert not torch.equal(one["out.weight"], weights(tmp_path / "plain")["out.weight"])
    train(table, tmp_path / "exact", **{**options, "tag_noise": 0.0})
    assert not torch.equal(one["out.weight"], weights(tmp_path / "exact")["out.weight"])


def test_tags_are_mixed_as_labels_are(table, tmp_path, monkeypatch):
    seen = []
    plain = BatchLoss._mixed

    def watched(self, rows, batch):
        mixed = plain(self, rows, batch)
        seen.append((mixed, batch.targets))
        return mixed

    monkeypatch.setattr(BatchLoss, "_mixed", watched)
    train(table, tmp_path / "run", tags=known_tags(table), mix="mixup", mix_on="features")
    assert len(seen) == 6
    for mixed, targets in seen:
        torch.testing.assert_close(mixed, targets)


def test_mono_clips_of_a_stereo_network_are_said_once(table, tmp_path, monkeypatch):
    stereo = replace(NETWORKS["trunk"], name="stereo", channels=2, arguments={"n_channels": 2})
    monkeypatch.setitem(NETWORKS, "stereo", stereo)
    line = "stereo reads 2 channels: clips of another number are heard as one sound on all"
    said: list[str] = []
    train(table, tmp_path / "run", "stereo", folds=["1", "2"], remark=said.append)
    assert said.count(line) == 1
    evaluate([tmp_path / "run"], remark=said.append)
    assert said.count(line) == 2
    assert channel_remark([np.zeros((2, 9), np.float32)], load_network("stereo")) == ""
    assert channel_remark([np.zeros((1, 9), np.float32)], load_network("trunk")) == ""


# ------------------------------------------------------------------------------------------ taggers

TAGGER = {"dataset_options": {"label_column": "tags", "label_separator": ";", "fold_column": "fold"}}


def test_slices_are_pieces_of_frames():
    power = torch.rand(400, 2, 40, 5, generator=torch.Generator().manual_seed(0)) + 0.1
    sliced = slice_frames(power, 0.25, torch.Generator().manual_seed(1))
    inside = sliced > 0
    assert torch.equal(sliced[inside], power[inside])
    # all bands and channels of a frame, or none of them
    assert torch.equal(inside.all(3), inside.any(3))
    assert torch.equal(inside[:, 0], inside[:, 1])
    frames = inside[:, 0, :, 0].int()
    assert (frames.diff(dim=1).clamp_min(0).sum(1) + frames[:, 0] == 1).all()
    shares = frames.float().mean(1)
    assert shares.min() >= 0.25
    assert shares.max() == 1
    assert float(shares.mean()) == pytest.approx(0.625, abs=0.04)
    starts = frames.argmax(1)
    assert starts[shares < 0.5].unique().numel() > 15
    assert torch.equal(slice_frames(power, 1.0, torch.Generator()), power)


def test_partners_are_of_the_same_kind():
    noisy = np.array([True, False, False, True, False, True, True])
    for by in range(1, 7):
        partners = partners_alike(noisy, by)
        assert (noisy[partners] == noisy).all()
        assert sorted(partners) == list(range(7))
        assert (partners != np.arange(7)).all()
    assert partners_alike(np.array([True, False]), 1).tolist() == [0, 1]


def test_each_head_learns_from_its_own_labels(table, tmp_path):
    """After one step, other noisy labels change the noisy head alone (and the trunk), not the curated one."""
    other = table.with_name("other.csv")
    rows = [line.split(",") for line in table.read_text().splitlines()]
    changed = [[*row[:3], "c;a" if row[4] == "no" else row[3], row[4]] for row in rows]
    other.write_text("\n".join(",".join(row) for row in changed) + "\n")
    options = dict(noisy="checked=no", batch=12, mix="mixup", mix_on="power", pause_at=1, slice_least=0.25, **TAGGER)
    found = []
    for number, data in enumerate((table, other)):
        train(data, tmp_path / str(number), "trunk", **options)
        state = load_tensors(tmp_path / str(number) / "training.safetensors")[0]
        found.append({name.removeprefix("pupil/body."): one for name, one in state.items()})
    assert torch.equal(found[0]["fc.weight"], found[1]["fc.weight"])
    assert not torch.equal(found[0]["fc2.weight"], found[1]["fc2.weight"])


def test_noisy_clips_are_learned_from_alone(table, tmp_path):
    options = dict(noisy="checked=no", validation="2", **TAGGER)
    (result,) = train(table, tmp_path / "run", "trunk", **options)
    assert (result.n_train, result.n_validation, result.n_test) == (6, 3, 3)
    (found,) = evaluate([tmp_path / "run"])
    assert len(found.answers) == 3
    run = find_runs([tmp_path / "run"])[0]
    network = load_network(f"trunk:{tmp_path / 'run'}")
    data, sides = run.data()
    logits = score_clips(
        network,
        load_clips([data.paths[clip] for clip in sides.validation], network, run.config.hearing),
        run.config.hearing,
    )
    last = lines_of(tmp_path / "run")[-1]
    assert last["validation_lwlrap"] == pytest.approx(lwlrap(data.targets()[sides.validation] > 0, logits))
    with pytest.raises(MmascError, match=r"no clip has checked=never; its values are no, yes"):
        train(table, tmp_path / "other", "trunk", **{**options, "noisy": "checked=never"})
    with pytest.raises(MmascError, match="vggish has no head for noisy labels: leave out noisy, or train tagging"):
        train(table, tmp_path / "other", "vggish", **options)


def test_pseudo_labels_teach_the_curated_head(table, tmp_path):
    options = dict(noisy="checked=no", batch=12, **TAGGER)
    train(table, tmp_path / "first", "trunk", **options)
    teacher = f"trunk:{tmp_path / 'first'}"
    for name, extra in {
        "with": {"pseudo": (teacher,)},
        "nothing": {"pseudo": (teacher,), "pseudo_weight": 0.0},
    }.items():
        train(table, tmp_path / name, "trunk", **options, **extra)
    first, taught, untaught = (weights(tmp_path / name)["fc.weight"] for name in ("first", "with", "nothing"))
    assert torch.equal(first, untaught)
    assert not torch.equal(first, taught)
    with pytest.raises(ValueError, match="pseudo labels are for noisy clips"):
        train(table, tmp_path / "other", "trunk", pseudo=(teacher,), **TAGGER)
    with pytest.raises(MmascError, match="does not know the tags x: it can give no pseudo labels"):
        pseudo_labels_of([teacher], [table.parent / "0.wav"], ["a", "b", "x"], 2.0)


def test_a_tagger_has_two_spaces(tmp_path):
    from mmasc.encoders.registry import load_encoder

    network = load_network("tagging", classes=("dog", "rain", "bell"))
    about = {"network": "tagging", "classes": network.classes, "features": network.features, "arguments": {}}
    save_tensors(tmp_path / "last.safetensors", network.body.state_dict(), about)
    scores, codes = (load_encoder(f"{name}:{tmp_path}") for name in ("tagging-scores", "tagging"))
    assert scores.identity != codes.identity
    assert (scores.spec.dim, codes.spec.dim) == (3, 1024)
    heard = np.random.default_rng(0).standard_normal((1, 44_100)).astype(np.float32) / 10
    wanted = torch.from_numpy(network.scores(heard, 44_100)).sigmoid().numpy()
    np.testing.assert_allclose(scores.embed(heard)[0], wanted, rtol=1e-5, atol=1e-6)
    assert codes.embed(heard).shape == (1, 1024)

    # as a source of tags it hears clips whole, with the authors' paddings
    soundfile.write(tmp_path / "one.wav", heard[0], 44_100, subtype="FLOAT")
    source = load_source(f"tagging:{tmp_path}")
    assert source.vocabulary == ("dog", "rain", "bell")
    told = source.tell([tmp_path / "one.wav"], None, None)
    np.testing.assert_allclose(told[0], tag_probabilities(network, heard, 44_100), rtol=1e-5, atol=1e-6)
    assert source.identity not in (scores.identity, codes.identity)


def test_a_source_is_found_with_the_rules_that_gave_kept_tags(tmp_path, monkeypatch):
    """A file that does not say its front end, as official ones: tags of version 0.1.0 go on as they were made."""
    from mmasc.networks.registry import NETWORKS
    from tests.helpers.small_network import FILTERS

    tagger = replace(NETWORKS["tagging"], target=FILTERS.target, arguments={"n_mels": 128}, n_classes=3, classes=())
    monkeypatch.setitem(NETWORKS, "tagging", tagger)
    torch.save(load_network("tagging").body.state_dict(), tmp_path / "tagger.pt")
    name, sound = f"tagging:{tmp_path / 'tagger.pt'}", tmp_path / "x.wav"
    soundfile.write(sound, np.random.default_rng(0).normal(0, 0.1, 44_100), 44_100, subtype="FLOAT")
    now = load_source(name)
    monkeypatch.setitem(NETWORKS, "tagging", replace(tagger, features="tagging"))
    before = load_source(name)
    kept = clip_tags(before, [sound], tmp_path)
    kept.save(tmp_path / TAGS)
    monkeypatch.setitem(NETWORKS, "tagging", tagger)
    assert now.identity != before.identity
    assert load_source(name, identity="0" * 32).identity == load_source(name).identity == now.identity
    assert kept_identity(name, [tmp_path / "none", tmp_path / TAGS]) == before.identity
    assert kept_identity("tagging:other.pt", [tmp_path / TAGS]) == ""
    # Rows that are kept, rows that are asked for again by the run's source, and a run that goes on: all as before
    again = clip_tags(name, [sound], tmp_path, identity=before.identity)
    np.testing.assert_array_equal(again.rows, kept.rows)
    assert not np.allclose(now.tell([sound], None, None), kept.rows, atol=1e-6)
    found = load_source(name, identity=kept_identity(name, [tmp_path / TAGS]))
    np.testing.assert_array_equal(found.tell([sound], None, None), kept.rows)


def test_a_run_goes_on_with_the_rules_of_the_taggers_that_it_began_with(table, tmp_path, monkeypatch):
    """Pseudo labels by version 0.1.0: the run that is continued now ends as it would have ended then."""
    from tests.helpers.small_network import FILTERS

    now = replace(
        NETWORKS["tagging"], target=FILTERS.target, arguments={"n_mels": 128}, n_classes=3, classes=("a", "b", "c")
    )
    monkeypatch.setitem(NETWORKS, "tagging", now)
    torch.save(load_network("tagging", seed=5).body.state_dict(), tmp_path / "tagger.pt")
    taggers = (f"tagging:{tmp_path / 'tagger.pt'}", f"prompts:{letters(tmp_path)}@mini")
    options = dict(noisy="checked=no", batch=12, pseudo=taggers[:1], **TAGGER)
    monkeypatch.setitem(NETWORKS, "tagging", replace(now, features="tagging"))
    before = identities_of(taggers)
    train(table, tmp_path / "whole", "trunk", **options)
    train(table, tmp_path / "begun", "trunk", pause_at=1, **options)
    monkeypatch.setitem(NETWORKS, "tagging", now)
    train(table, tmp_path / "new", "trunk", **options)
    train(table, tmp_path / "begun", "trunk", **options)
    wanted, found, other = (weights(tmp_path / name)["fc.weight"] for name in ("whole", "begun", "new"))
    assert torch.equal(found, wanted)
    assert not torch.equal(other, wanted)

    # Of several, each by its own rules; what no rules gave is by those of now
    assert identities_of(taggers)[0] != before[0]
    assert identities_of(taggers, kept=["0" * 32, digest_of_identities(before)]) == before
    assert identities_of(taggers, kept=["0" * 32]) == identities_of(taggers)
    assert digest_of_identities(before[:1]) == kept_digests(tmp_path / "begun")[0]
    assert kept_digests(tmp_path) == []


def letters(folder: Path) -> Path:
    """A prompt file of three sounds that mini has words for."""
    path = folder / "three.yaml"
    path.write_text(PROMPTS.replace("aab", "rain").replace("bbc", "wind").replace("ccd", "dog"))
    return path


def test_the_encoder_of_prompts_is_found_with_its_earlier_rules(tmp_path, prompts, registered, monkeypatch):
    from mmasc.encoders.earlier import EARLIER_RULES
    from mmasc.encoders.identity import identity_digest
    from mmasc.encoders.registry import ENCODERS

    plain = StandIn.__init__

    def named_by_rules(self, spec, path=None, device="cpu"):
        plain(self, spec, path, device)
        self.identity = identity_digest(spec, {}, {})

    monkeypatch.setattr(StandIn, "__init__", named_by_rules)
    before = load_source(prompts)
    monkeypatch.setitem(ENCODERS, registered, replace(ENCODERS[registered], padding="repeat"))
    monkeypatch.setitem(EARLIER_RULES, registered, ({"padding": "zeros"},))
    assert load_source(prompts).identity != before.identity
    assert load_source(prompts, identity=before.identity).identity == before.identity


# ------------------------------------------------------------------------------------------ support vector machines


def some_codes(seed: int = 0) -> Codes:
    """Rings in validation, which a Gaussian kernel tells apart; test labels that a sigmoid one has right."""
    chance = np.random.default_rng(seed)
    angle, radius = chance.uniform(0, 2 * np.pi, 120), np.repeat([0.5, 3.0], 60)
    rows = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).astype(np.float32)
    order = chance.permutation(120)
    labels = np.repeat([0, 1], 60)[order]
    sides = Sides(np.arange(60), np.arange(60, 90), np.arange(90, 120))
    return Codes(rows[order], labels, tuple(str(number // 2) for number in range(120)), sides)


def test_the_kernel_is_chosen_without_the_test_fold():
    codes = some_codes()
    kernel, said = choose_kernel(codes, "validation")
    assert kernel == "rbf"
    assert "chosen on 30 validation clips" in said
    # the test fold's labels are what the other kernel says: only the way of the papers follows them
    from mmasc.heads.support_vectors import SupportVectors

    train, test = codes.positions.train, codes.positions.test
    labels = codes.labels.copy()
    labels[test] = SupportVectors("sigmoid").fit(codes.rows[train], labels[train]).predict(codes.rows[test])
    turned = replace(codes, labels=labels)
    assert choose_kernel(turned, "validation") == (kernel, said)
    other, flattered = choose_kernel(turned, "test")
    assert other == "sigmoid"
    assert "chosen on what it measures" in flattered
    # without validation: folds of what was learned from, which do not look at the test fold either
    none = replace(codes.positions, train=np.arange(90), validation=np.arange(0))
    inner, where = choose_kernel(replace(codes, positions=none), "validation")
    assert inner == "rbf"
    assert "folds within the 90 clips" in where
    assert choose_kernel(replace(turned, positions=none), "validation") == (inner, where)


def test_machines_on_codes_of_runs(table, tmp_path):
    options = dict(epochs=12, learning_rate=6e-2, validation="2")
    arguments = {"heads": 0, "attention_layers": 0, "shared": False}
    train(table, tmp_path / "run", tags=known_tags(table), arguments=arguments, **options)
    said: list[str] = []
    (found,) = evaluate([tmp_path / "run"], svm="validation", remark=said.append)
    assert found.network == "trunk-tags, SVM on its code (kernel chosen on validation)"
    assert found.metrics["accuracy"].value == 1
    assert [line for line in said if "chosen on 6 validation clips" in line]
    run = find_runs([tmp_path / "run"])[0]
    assert svm_scores(run).kept
    assert not svm_scores(run, "test").kept
    with pytest.raises(ValueError, match="chosen_on must be one of"):
        svm_scores(run, "luck")
    result = CliRunner().invoke(cli, ["evaluate", str(tmp_path / "run"), "--svm", "--format", "json", "--quiet"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["accuracy"] == 1


def test_codes_are_the_layer_before_last(table, tmp_path):
    train(table, tmp_path / "run", "trunk", test_seconds=0.2, crop_seconds=0.2)
    run = find_runs([tmp_path / "run"])[0]
    network = load_network(f"trunk:{tmp_path / 'run'}")
    clips = load_clips([table.parent / "0.wav"], network, run.config.hearing)
    codes = clip_codes(network, clips, run.config.hearing)
    assert codes.shape == (1, 8)
    # of a network whose head is linear, the mean of logits is the head of the mean code
    logits = score_clips(network, clips, replace(run.config.hearing, fusion="logits"))
    with torch.no_grad():
        wanted = network.body.classify(torch.from_numpy(codes))
    torch.testing.assert_close(torch.from_numpy(logits).log_softmax(1), wanted.log_softmax(1), atol=1e-4, rtol=1e-4)


# ------------------------------------------------------------------------------------------ sweeps


def test_a_sweep_goes_on_and_prints_the_published_figures(table, tmp_path, prompts, monkeypatch):
    steps = []
    plain = supervised_run.Run.train_step
    monkeypatch.setattr(supervised_run.Run, "train_step", lambda self, g: steps.append(1) or plain(self, g))
    options = dict(
        **READ, out=tmp_path / "sweep", tags=prompts, grid=("baseline", "table5"), heads=(2, 4), layers=("3",)
    )
    options |= dict(seeds=(0, 1), folds=["1"], **{**SMALL, "epochs": 1})
    said = []
    options |= dict(cache=tmp_path / "kept", device="cpu", remark=said.append, progress=lambda done, of, line: None)

    def stop(self, generator):
        if len(steps) == 5:
            raise KeyboardInterrupt
        steps.append(1)
        return plain(self, generator)

    monkeypatch.setattr(supervised_run.Run, "train_step", stop)
    with pytest.raises(KeyboardInterrupt):
        sweep_tags("trunk-tags", table, **options)
    monkeypatch.setattr(supervised_run.Run, "train_step", lambda self, g: steps.append(1) or plain(self, g))
    cells = sweep_tags("trunk-tags", table, **options)
    # 12 clips in batches of 4: three steps a run, two seeds, three cells; five of them, less those of the run that was
    # stopped in its middle, were not taken again
    assert len(steps) == 18 + 5 - 3
    again = sweep_tags("trunk-tags", table, **options)
    assert len(steps) == 20
    assert again == cells
    assert [line for line in said if line.startswith("cell 1")] == ["cell 1 of 3: baseline"] * 3
    assert any((tmp_path / "kept").rglob("*.npy"))
    assert [cell.name for cell in cells] == ["baseline", "table5/heads=2/layers=3", "table5/heads=4/layers=3"]
    tables = tables_of(cells)
    assert tables["table5"][1] == {"heads": "4", "3 layers": f"{cells[2].accuracy:.2f} [76.75]"}
    assert tables["baseline"] == [{"system": "baseline", "accuracy": f"{cells[0].accuracy:.2f} [73.63]"}]
    assert cells[1].parameters > cells[0].parameters
    (found,) = evaluate([tmp_path / "sweep" / "table5" / "heads=4"])
    assert found.seeds == [0, 1]
    assert 100 * found.metrics["accuracy"].value == cells[2].accuracy
    assert cells[0].gain is None
    assert cells[2].gain == pytest.approx(cells[2].accuracy - cells[0].accuracy)
    assert cells[2].gain_low <= cells[2].gain <= cells[2].gain_high
    assert [row["cell"] for row in gains_of(cells)] == ["table5/heads=2/layers=3", "table5/heads=4/layers=3"]
    (alone,) = sweep_tags("trunk-tags", table, **{**options, "grid": ("table5",), "heads": (4,)})
    assert (alone.accuracy, alone.gain, gains_of([alone])) == (cells[2].accuracy, None, [])


def test_grids_are_named():
    assert len(cells_of(["table5"])) == 20
    assert [one.name for one in cells_of(["table4"], heads=[4], layers=["3+4"])] == ["table4/heads=4/layers=3+4"]
    assert len(cells_of(["table2", "table2/codecat"])) == 7
    with pytest.raises(MmascError, match="there is no grid 'table9'; there are: baseline, table2"):
        cells_of(["table9"])
    with pytest.raises(MmascError, match="no cell of table5 has these heads and layers"):
        cells_of(["table5"], heads=[3])


def test_the_command_of_a_sweep(table, tmp_path, prompts):
    command = ["sweep", "trunk-tags", "--data", str(table), "--dataset", "csv", "--data-option", "fold_column=fold"]
    command += ["--tags", prompts, "--grid", "table2/codecat", "--folds", "1", "--recipe", "plain", "--epochs", "1"]
    result = CliRunner().invoke(cli, [*command, "--out", str(tmp_path / "sweep"), "--quiet"])
    assert result.exit_code == 0, result.output
    assert "table2: accuracy in percent, ours [published]" in result.stdout
    assert "[74.15]" in result.stdout
    for option in ("--heads", "--layers", "--seeds", "--mix-alpha"):
        assert option in CliRunner().invoke(cli, ["sweep", "--help"]).stdout


def test_kept_tags_are_those_of_the_content_and_of_older_files_too(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.wav").write_bytes(name.encode() * 9)
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    rows = np.array([[0.25], [0.75]], np.float32)
    kept = ClipTags("tagging:nowhere", "f" * 32, ("x",), clip_names(paths, tmp_path), rows)
    older = replace(kept, clips=("a.wav 9", "b.wav 9"))
    for tags in (kept, older):
        np.testing.assert_array_equal(tags.of(clip_names(paths[::-1], tmp_path)), rows[::-1])
    paths[0].write_bytes(b"c" * 9)
    assert kept.of(clip_names(paths, tmp_path)) is None
    assert older.of(clip_names([tmp_path / "b.wav"], tmp_path)) is not None
    paths[0].write_bytes(b"c" * 10)
    assert older.of(clip_names(paths, tmp_path)) is None
