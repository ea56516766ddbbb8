"""Runs of networks on disk, tested and pooled: nothing is trained here, weights are written as training writes them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from mmasc.cli import cli
from mmasc.devices import Session
from mmasc.errors import MmascError
from mmasc.evaluation.evaluate import evaluate
from mmasc.evaluation.pooling import evaluation_object, pool
from mmasc.evaluation.run_figures import time_text, write_figures
from mmasc.evaluation.runs import find_runs, hear
from mmasc.evaluation.scores import SCORES, read_scores
from mmasc.networks.load import load_network
from mmasc.storage.configs import config_to_json
from mmasc.storage.tensors import save_tensors
from mmasc.training.supervised.data import DataChoice, digest_of
from mmasc.training.supervised.hearing import load_clips
from mmasc.training.supervised.scoring import score_clips
from tests.helpers.made_runs import OPTIONS, data, make_run

__all__ = ["data", "make_run"]  # fixtures


def test_scores_are_those_of_the_network_on_the_fold_left_out(make_run, data):
    folder = make_run("one", fold="2")
    (run,) = find_runs([folder])
    scores = read_scores(run)
    assert scores.clips == tuple(f"{number}.wav" for number in range(9, 18))
    assert scores.columns["city"] == ("lyon",) * 6 + ("oslo",) * 3
    assert scores.groups[0] == "take204"
    network = load_network(f"small:{folder}")
    paths = [data.parent / name for name in scores.clips]
    again = score_clips(network, load_clips(paths, network, run.config.hearing), run.config.hearing)
    np.testing.assert_array_equal(scores.logits, again)
    waveform, rate = soundfile.read(paths[4], dtype="float32")
    np.testing.assert_allclose(network.scores(waveform, rate), scores.logits[4], atol=1e-5)
    assert scores.targets.argmax(1).tolist() == [number % 3 for number in range(9, 18)]


def test_clips_of_a_run_are_loaded_by_one_trip(make_run, data, tmp_path):
    """Network, waveforms and names of any clips, in the order asked for; the cache is that of the session."""
    (run,) = find_runs([make_run("one")])
    table, sides = run.data()
    lines = []
    session = Session(cache=tmp_path / "cache", remark=lines.append)
    for positions in (sides.test.tolist(), [7, 2]):
        clips = hear(run, table, positions, session)
        assert clips.names == [str(table.paths[clip]) for clip in positions]
        direct = load_clips([table.paths[clip] for clip in positions], clips.network, run.config.hearing)
        assert all(np.array_equal(one, other) for one, other in zip(clips.waveforms, direct, strict=True))
        assert clips.tags is None
    assert list((tmp_path / "cache").rglob("*")), "decoded waveforms are kept where the session says"
    assert lines == [], "the network reads one channel, as the clips have"


def test_scores_are_kept_until_weights_or_hearing_change(make_run, data):
    folder = make_run("one")
    (run,) = find_runs([folder])
    first = read_scores(run)
    assert not first.kept
    data.rename(data.with_name("gone.csv"))  # kept scores need no data
    kept = read_scores(find_runs([folder])[0])
    assert kept.kept
    np.testing.assert_array_equal(kept.logits, first.logits)
    assert (kept.clips, kept.groups, dict(kept.columns)) == (first.clips, first.groups, dict(first.columns))
    data.with_name("gone.csv").rename(data)
    network = load_network("small", classes=run.config.classes, seed=5)
    about = {"network": "small", "classes": ["a", "b", "c"], "features": "vggish", "arguments": {}}
    save_tensors(folder / "last.safetensors", network.body.state_dict(), about)
    other = read_scores(find_runs([folder])[0])
    assert not other.kept
    assert np.abs(other.logits - first.logits).max() > 1e-3
    config = replace(run.config, test_seconds=0.5)
    (folder / "config.json").write_text(config_to_json(config))
    assert not read_scores(find_runs([folder])[0]).kept


def test_damaged_scores_are_made_again_and_said(make_run):
    folder = make_run("one")
    first = read_scores(find_runs([folder])[0])
    (folder / SCORES).write_bytes(b"\x80\x04cos\nsystem\n")
    said = []
    again = read_scores(find_runs([folder])[0], session=Session(remark=said.append))
    np.testing.assert_array_equal(first.logits, again.logits)
    assert len(said) == 1
    assert SCORES in said[0]


def test_folds_and_seeds_are_pooled(make_run, tmp_path):
    for seed in (0, 1):
        for fold in ("1", "2"):
            make_run(f"seed-{seed}/fold-{fold}", fold, seed)
    (found,) = evaluate([tmp_path / "runs"])
    assert (found.fold_names, found.seeds, found.missing) == (["1", "2"], [0, 1], [])
    assert [(run.fold, run.seed) for run in found.runs] == [("1", 0), ("1", 1), ("2", 0), ("2", 1)]
    right = [run.accuracy * run.clips for run in found.runs]
    assert found.metrics["accuracy"].value == pytest.approx(sum(right) / 36)
    assert found.folds == pytest.approx([(right[0] + right[1]) / 18, (right[2] + right[3]) / 18])
    assert found.seed_accuracies == pytest.approx([(right[0] + right[2]) / 18, (right[1] + right[3]) / 18])
    assert found.spread == pytest.approx(abs(found.seed_accuracies[0] - found.seed_accuracies[1]) / np.sqrt(2))
    assert np.trace(found.confusion) == pytest.approx(sum(right))
    assert np.sum(found.confusion, axis=1).tolist() == [12, 12, 12]
    assert found.by["city"]["oslo"]["items"] == 12
    assert "device" not in found.by  # one value only
    # A clip's answers with both seeds are drawn together: as wide an interval as its mean over seeds has
    assert len(set(found.answers.groups)) == len({*read_scores(found.sources[0]).groups}) * 2
    value = evaluation_object(found)
    assert value["accuracy"] == found.metrics["accuracy"].value
    assert value["interval"] == found.metrics["accuracy"].interval
    assert json.loads(json.dumps(value))["folds"] == found.folds


def test_other_options_are_another_system(make_run, tmp_path):
    make_run("a")
    make_run("b", epochs=4, lines=4)
    make_run("c", fold="2", data_digest=json.loads((tmp_path / "runs/a/config.json").read_text())["data_digest"])
    found = evaluate([tmp_path / "runs"])
    assert sorted(len(one.runs) for one in found) == [1, 2]
    (pair,) = [one for one in found if len(one.runs) == 2]
    assert pair.fold_names == ["1", "2"]


def test_held_out_cities_are_seen_against_unseen(make_run, data):
    table = DataChoice("csv", data, OPTIONS, hold_out="city=oslo").read()
    folder = make_run("one", fold="2", hold_out="city=oslo", data_digest=digest_of(table))
    (found,) = evaluate([folder])
    assert {name: row["items"] for name, row in found.by["city in training"].items()} == {"seen": 6, "unseen": 3}


def test_unfinished_runs_and_missing_folds_are_said(make_run, tmp_path):
    make_run("a", "1", 0, lines=2)
    make_run("b", "2", 0)
    make_run("c", "2", 1)
    said = []
    (found,) = evaluate([tmp_path / "runs"], remark=said.append)
    assert found.missing == ["fold 1 seed 1"]
    assert len(said) == 1
    assert "a is not finished: 2 of 3 epochs" in said[0]


def test_bad_folders_are_one_line(make_run, tmp_path, data):
    with pytest.raises(MmascError, match="is not a folder"):
        find_runs([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(MmascError, match="holds no run of a network"):
        find_runs([tmp_path / "empty"])
    folder = make_run("all", fold="")
    with pytest.raises(MmascError, match="learned from all clips"):
        evaluate([folder])
    twice = [make_run("x"), make_run("y")]
    with pytest.raises(MmascError, match="are both fold '1' with seed 0"):
        evaluate(twice)
    with pytest.raises(MmascError, match="has no column 'town'; its columns are city, device"):
        evaluate([twice[0]], by=["town"])
    (twice[1] / "last.safetensors").unlink()
    with pytest.raises(MmascError, match="has no weights yet"):
        find_runs(twice)
    (twice[1] / "config.json").write_text('{"network": "small", "dataset": "csv", "fold": "1"}')
    with pytest.raises(MmascError, match="written by another version of mmasc"):
        find_runs(twice)
    data.write_text(data.read_text().replace("oslo", "oslo").replace("17.wav,c", "17.wav,a"))
    with pytest.raises(MmascError, match="holds other clips, labels or folds"):
        evaluate([make_run("z", fold="2")])


def test_runs_of_other_kinds_are_passed_over(make_run, tmp_path):
    make_run("one")
    other = tmp_path / "runs" / "alignment"
    other.mkdir()
    (other / "config.json").write_text('{"steps": 3}')
    assert len(find_runs([tmp_path / "runs"])) == 1


def test_figures_lie_in_the_run_folders(make_run, tmp_path):
    make_run("fold-1", "1")
    make_run("fold-2", "2")
    (found,) = evaluate([tmp_path / "runs"])
    write_figures(found)
    names = ["confusion.png", "curve.png"]
    for folder in (tmp_path / "runs", tmp_path / "runs/fold-1", tmp_path / "runs/fold-2"):
        assert [path.name for path in sorted(folder.glob("*.png"))] == names
        assert all(path.read_bytes()[:4] == b"\x89PNG" for path in folder.glob("*.png"))
    assert json.loads((tmp_path / "runs" / "evaluation.json").read_text())["clips"] == 18
    assert len(find_runs([tmp_path / "runs"])) == 2  # what was written is no run


@pytest.mark.parametrize(
    ("seconds", "text"), [(48.2, "48 s"), (59.7, "1 min 00 s"), (200, "3 min 20 s"), (7_500, "2 h 05 min")]
)
def test_times_are_said_as_people_say_them(seconds, text):
    assert time_text(seconds) == text


def test_evaluate_by_command(make_run, tmp_path):
    make_run("fold-1", "1")
    make_run("fold-2", "2")
    run = str(tmp_path / "runs")
    result = CliRunner().invoke(cli, ["evaluate", run, "--format", "json", "--quiet"])
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert len(value["folds"]) == 2
    assert value["interval"][0] <= value["accuracy"] <= value["interval"][1]
    assert {"balanced_accuracy", "log_loss", "lwlrap", "mean_average_precision", "calibration_error"} <= value.keys()
    table = CliRunner().invoke(cli, ["evaluate", run, "--no-figures"])
    assert "2 folds x 1 seed" in table.stdout
    assert "oslo" in table.stdout


def test_pooling_refuses_a_clip_in_two_folds(make_run):
    runs = find_runs([make_run("a", "1"), make_run("b", "2")])
    scores = [read_scores(run) for run in runs]
    moved = replace(scores[1], clips=(scores[0].clips[0], *scores[1].clips[1:]))
    with pytest.raises(MmascError, match="was tested in the folds 1 and 2"):
        pool(runs, [scores[0], moved])
