"""The commands of heads."""

import csv
import io
import json
import re

import numpy as np
import pytest

from tests.conftest import StandIn
from tests.helpers.command import run
from tests.helpers.known_set import SENTENCE, collection_of_a_known_set


def test_fit_keeps_its_promise_and_apply_answers_as_classify(collection, noises, registered, tmp_path, capsys):
    out = tmp_path / "noise.head"
    command = ("head", "fit", collection, "--label", "label", "--head", "neighbours", "--folds-column", "fold")
    status, printed, err = run(*command, "--shots", "1", "2", "4", "--out", out, "--format", "json", capsys=capsys)
    assert (status, err) == (0, "2 recordings without a label in 'label' were left out\n")
    found = json.loads(printed)
    low, high = found["interval"]
    assert low <= found["accuracy"] <= high
    assert len(found["folds"]) == 2
    assert np.trace(found["confusion"]) / np.sum(found["confusion"]) == pytest.approx(found["accuracy"])
    assert found["classes"] == list(found["per_class"]) == ["high", "low", "middle"]
    assert (found["head"], found["space"], found["identity"]) == ("neighbours", "standin", StandIn.identity)
    assert [point["shots"] for point in found["shots"]] == [1, 2, 4]
    assert {len(point["accuracies"]) for point in found["shots"]} == {10}

    (noises / "bad.txt").write_text("no sound")
    status, printed, err = run(
        "head", "apply", out, noises / "00.wav", noises / "bad.txt", "--format", "jsonl", capsys=capsys
    )
    (answer,) = [json.loads(line) for line in printed.splitlines()]
    assert status == 0
    assert err.startswith("1 of 2 files could not be read:\n")
    assert "bad.txt" in err
    assert list(answer)[:4] == ["path", "label", "score", "scores"]
    assert answer["path"] == str(noises / "00.wav")
    assert answer["scores"][answer["label"]] == answer["score"] == max(answer["scores"].values())
    status, printed, _ = run("head", "apply", out, noises / "bad.txt", capsys=capsys)
    assert (status, printed) == (1, "")
    (noises / "bad.txt").unlink()

    _, printed, _ = run("head", "apply", out, collection, "--format", "json", "--top", "2", capsys=capsys)
    answers = json.loads(printed)
    assert {len(one["scores"]) for one in answers} == {2}
    assert answers[0]["score"] == pytest.approx(answer["score"], abs=1e-12)
    _, printed, _ = run("head", "apply", out, collection, "--format", "csv", capsys=capsys)
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [row["label"] for row in rows] == [one["label"] for one in answers]
    assert float(rows[0]["score_low"]) == pytest.approx(answer["scores"]["low"], abs=1e-12)
    _, printed, _ = run("head", "apply", out, collection, "--where", "place = 'place1'", capsys=capsys)
    assert len(printed.splitlines()) == 1 + 9


def test_fit_prints_a_table_for_people(collection, capsys):
    command = ("head", "fit", collection, "--label", "label", "--head", "neighbours", "--folds", "3", "--quiet")
    status, printed, err = run(*command, "--shots", "1,2", "--draws", "2", capsys=capsys)
    assert (status, err) == (0, "")
    for part in ("neighbours on label: 36 recordings, 3 classes", "95 % interval", "over recordings", "confusion"):
        assert part in printed
    rows = [line.split() for line in printed.splitlines()]
    assert [row[0] for row in rows if row[-1:] == ["12"]] == ["high", "low", "middle"]
    assert [row[:1] for row in rows[-2:]] == [["1"], ["2"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "kind"], "has no column 'kind'; it has: label, place, fold, level, hole; add columns with"),
        (["--label", "label", "--groups", "site"], "has no column 'site'; it has: label"),
        (["--label", "label", "--folds-column", "part"], "has no column 'part'; it has: label"),
        (["--label", "label", "--where", "label = 'low'"], "holds one label only among .*'low', so there is nothing"),
        (["--label", "label", "--where", "label IS NULL"], "no recording of .* has a label in column 'label'"),
        (["--label", "label", "--where", "colour = 3"], "cannot read the condition 'colour = 3'"),
        (["--label", "label", "--folds", "13"], "class 'high' has 12 recordings, fewer than 13 folds; use --folds 12"),
        (["--label", "label", "--groups", "hole"], "column 'hole' is empty for 1 labelled .* 05.wav\\); fill it"),
        (["--label", "label", "--space", "clap"], "has no space 'clap'; it has: standin"),
        (["--label", "label", "--shots", "1", "12"], "12 shots a class would leave no recording of 'high' to test on"),
        (["--label", "label", "--head", "boosting-pca"], "90 principal components need"),
        (["--label", "label", "--out", "."], ". is a folder; give the name of a file"),
    ],
)
def test_what_cannot_be_fitted_is_one_line(arguments, message, collection, capsys):
    status, out, err = run("head", "fit", collection, *arguments, "--quiet", capsys=capsys)
    assert (status, out) == (1, "")
    assert re.search(message, err), err
    assert err.startswith("mmasc: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("fit", "C", "--label", "label", "--shots", "0"), "give numbers of recordings per class"),
        (("fit", "C", "--label", "label", "--shots", "some"), "give numbers of recordings per class"),
        (("fit", "C", "--label", "label", "--folds", "3", "--folds-column", "f"), "leave out --folds"),
        (("apply", "H", "x.wav", "--space", "mini"), "not a collection: leave out --space"),
    ],
)
def test_wrong_usage_exits_with_2(command, message, capsys):
    status, out, err = run("head", *command, capsys=capsys)
    assert (status, out) == (2, "")
    assert message in " ".join(err.split())


def test_a_collection_among_files_is_refused(collection, noises, trees_file, capsys):
    status, _, err = run("head", "apply", trees_file, noises / "00.wav", collection, capsys=capsys)
    assert status == 1
    assert err == "mmasc: give one collection alone, or recordings; not both, nor several collections\n"


def test_fit_says_what_the_encoder_learned_before(tmp_path, monkeypatch, capsys):
    known = collection_of_a_known_set(tmp_path, monkeypatch)
    command = ("head", "fit", known, "--label", "kind", "--head", "prototypes", "--folds-column", "fold")
    _, printed, _ = run(*command, capsys=capsys)
    assert f"\nnote: {SENTENCE}\n" in printed
    _, printed, _ = run(*command, "--format", "json", capsys=capsys)
    found = json.loads(printed)
    assert (found["heard"]["state"], found["heard"]["sentence"]) == ("set", SENTENCE)
    assert len(found["tested_on"]) == 16


def test_models_say_what_they_were_trained_on(capsys):
    status, printed, _ = run("models", "info", "mini-strict", "--format", "json", capsys=capsys)
    trained = json.loads(printed)["trained_on"]
    assert status == 0
    assert "ESC-10" not in {one["name"] for one in trained}
    assert all(one["licence"] for one in trained)
    _, printed, _ = run("models", "info", "classic", capsys=capsys)
    assert "nothing: it has no network" in printed
