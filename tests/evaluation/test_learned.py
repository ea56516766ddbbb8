"""What a run was taught by, or began from, may have learned its test fold: found for runs, encoders and files."""

from mmasc.evaluation.evaluate import evaluate
from mmasc.evaluation.learned import learned_before
from mmasc.evaluation.pooling import evaluation_object
from mmasc.evaluation.runs import find_runs
from tests.helpers.made_runs import data, make_run

__all__ = ["data", "make_run"]  # fixtures

ESC = ["1-100032-A-0.wav", "4-181563-A-0.wav"]


def test_weights_of_another_fold_learned_the_clips_that_are_tested(make_run, tmp_path):
    make_run("first", "1")
    make_run("second", "2", weights=str(tmp_path / "runs" / "first"))
    make_run("same", "1", seed=1, weights=str(tmp_path / "runs" / "first"))
    first, same, second = (find_runs([tmp_path / "runs" / name])[0] for name in ("first", "same", "second"))
    assert learned_before([first], [["a", "b"]]) == []
    assert learned_before([same], [["a", "b"]]) == []  # it began from weights that left the same fold out
    (found,) = learned_before([second], [["a", "b"]])
    assert (found.state, found.learned, found.recordings) == ("recordings", 2, 2)
    assert "csv, all folds but 1" in found.sentence
    assert str(tmp_path) not in found.sentence


def test_a_teacher_that_heard_the_data_set_is_named(make_run, tmp_path):
    make_run("taught", "1", dataset="esc10", teacher="mini")
    make_run("strict", "1", dataset="esc10", teacher="mini-strict")
    taught, strict = (find_runs([tmp_path / "runs" / name])[0] for name in ("taught", "strict"))
    (found,) = learned_before([taught], [ESC])
    assert (found.encoder, found.state, found.data, found.learned) == ("mini", "recordings", "ESC-10", 2)
    assert learned_before([taught, taught], [ESC, ESC]) == [found]  # every sentence once
    assert learned_before([strict], [ESC]) == []


def test_the_evaluation_says_it_and_on_which_clips_it_was_made(make_run, tmp_path):
    make_run("first", "1")
    make_run("second", "2", weights=str(tmp_path / "runs" / "first"))
    plain, begun = (evaluate([tmp_path / "runs" / name])[0] for name in ("first", "second"))
    assert evaluation_object(plain)["heard"] == []
    assert evaluation_object(begun)["heard"][0]["state"] == "recordings"
    assert plain.tested_on != begun.tested_on
    assert plain.tested_on == evaluate([tmp_path / "runs" / "first"])[0].tested_on
