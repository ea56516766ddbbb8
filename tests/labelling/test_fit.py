"""A head fitted to a collection: its report is a loop written out a second time."""

import numpy as np
import pytest

from mmasc.collection import Collection
from mmasc.heads.registry import make_head
from mmasc.labelling.apply import apply_head
from mmasc.labelling.fit import fit_head
from mmasc.labelling.folds import draw_few
from mmasc.labelling.recordings import Selection, labelled_recordings
from mmasc.metrics.functions import bootstrap_interval


def test_cross_validation_is_a_loop_over_folds(collection):
    report = fit_head(collection, "label", head="logistic", folds_column="fold")
    table = labelled_recordings(Collection(collection), Selection("label", folds_column="fold"))
    confusion, accuracies = np.zeros((3, 3), int), []
    for fold in ("1", "2"):
        test = table.folds == fold
        said = make_head("logistic").fit(table.vectors[~test], table.codes[~test]).predict(table.vectors[test])
        np.add.at(confusion, (table.codes[test], said), 1)
        accuracies.append((said == table.codes[test]).mean())
    assert report.classes == ["high", "low", "middle"]
    assert report.confusion == confusion.tolist()
    assert report.folds == pytest.approx(accuracies)
    assert report.fold_sizes == [18, 18]
    assert report.accuracy == pytest.approx(np.trace(confusion) / 36)
    # The sounds are easy but not too easy: otherwise this test could not fail
    assert 0.6 < report.accuracy < 1
    assert report.per_class["low"]["recall"] == pytest.approx(confusion[1, 1] / 12)
    assert report.per_class["low"]["precision"] == pytest.approx(confusion[1, 1] / confusion[:, 1].sum())
    assert (report.recordings, report.unlabelled, report.largest_class) == (36, 2, pytest.approx(1 / 3))
    right = np.array([True] * np.trace(confusion) + [False] * (36 - np.trace(confusion)))
    same_shape = bootstrap_interval(lambda items: float(right[items].mean()), 36)
    assert report.interval == pytest.approx(same_shape, abs=0.05)
    assert report.interval[0] < report.accuracy < report.interval[1]


def test_numbers_are_labels_in_the_order_of_numbers(collection):
    report = fit_head(collection, "level", head="neighbours", where="label IS NOT NULL")
    assert report.classes == ["8", "9", "10"]
    assert report.accuracy == fit_head(collection, "label", head="neighbours").accuracy


def test_groups_widen_what_is_drawn(collection):
    report = fit_head(collection, "label", head="neighbours", groups="place", folds=4)
    table = labelled_recordings(Collection(collection), Selection("label", groups="place"))
    assert report.interval_over == "groups of place"
    assert report.fold_sizes == [9] * 4
    accuracies = []
    for number in range(4):
        test = table.groups == f"place{number}"
        said = make_head("neighbours").fit(table.vectors[~test], table.codes[~test]).predict(table.vectors[test])
        accuracies.append((said == table.codes[test]).mean())
    assert sorted(report.folds) == pytest.approx(sorted(accuracies))


def test_where_chooses_recordings_and_windows(collection):
    fewer = fit_head(collection, "label", head="neighbours", where="place <> 'place3'")
    assert (fewer.recordings, fewer.without_vectors) == (27, 0)  # who is left out by choice does not lack windows
    # Windows after the first second alone: the long recordings
    table = labelled_recordings(Collection(collection), Selection("place", where="start >= 1.0"))
    assert table.paths == ["00.wav", "09.wav", "18.wav", "27.wav", "36.wav"]


def test_few_shot_curve_is_a_loop_over_draws(collection):
    report = fit_head(collection, "label", head="neighbours", shots=[1, 4], draws=3, seed=7)
    table = labelled_recordings(Collection(collection), Selection("label"))
    for point, shots in zip(report.shots, (1, 4), strict=True):
        accuracies = []
        for draw in range(3):
            train, test = draw_few(table, shots, 7 + draw)
            said = make_head("neighbours").fit(table.vectors[train], table.codes[train]).predict(table.vectors[test])
            accuracies.append((said == table.codes[test]).mean())
        assert (point.shots, point.tested) == (shots, 36 - 3 * shots)
        assert point.accuracies == pytest.approx(accuracies)
        assert point.accuracy == pytest.approx(np.mean(accuracies))
        assert point.standard_deviation == pytest.approx(np.std(accuracies, ddof=1))


def test_recordings_without_a_label_are_a_background(collection, noises):
    plain = fit_head(collection, "label", "neighbours", folds=3)
    found = fit_head(collection, "label", "neighbours", background=True)
    assert plain.unlabelled == 2
    assert (found.unlabelled, found.recordings) == (0, plain.recordings + 2)
    assert set(found.classes) == {*plain.classes, "none of these"}
    assert found.fitted.stamp.background == "none of these"
    assert found.per_class["none of these"]["recordings"] == 2  # fewer than there are folds
    assert len(found.folds) == 5
    answers = list(apply_head(found.fitted, collection))
    assert all("none of these" not in one.labels for one in answers)
