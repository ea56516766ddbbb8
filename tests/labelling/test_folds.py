"""Laws of folds and few-shot draws."""

import numpy as np
import pytest

from mmasc.errors import MmascError
from mmasc.labelling.folds import draw_few, make_folds
from tests.helpers.heads import labelled


@pytest.mark.parametrize("seed", range(4))
def test_groups_are_never_on_both_sides_of_a_fold(seed):
    generator = np.random.default_rng(seed)
    codes, groups = generator.integers(0, 3, 150), generator.integers(0, 20, 150)
    folds = make_folds(labelled(codes, groups), 5, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.test for fold in folds])), np.arange(150))
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert not set(fold.train) & set(fold.test)
        assert len(fold.train) + len(fold.test) == 150


def test_folds_without_groups_have_every_class_in_proportion():
    codes = np.repeat([0, 1, 2], [50, 25, 10])
    folds = make_folds(labelled(codes), 5)
    assert len(folds) == 5
    for fold in folds:
        assert np.bincount(codes[fold.test]).tolist() == [10, 5, 2]


def test_official_folds_are_taken_as_they_are():
    codes, folds = np.array([0, 1, 0, 1, 0, 1]), [10, 10, 9, 9, 9, 9]
    made = make_folds(labelled(codes, folds=folds))
    assert [(fold.name, fold.test.tolist()) for fold in made] == [("9", [2, 3, 4, 5]), ("10", [0, 1])]


@pytest.mark.parametrize(
    ("recordings", "message"),
    [
        (labelled(np.array([0] * 9 + [1] * 3)), "class 'middle' has 3 recordings, fewer than 5 folds; use --folds 3"),
        (labelled(np.array([0] * 9 + [1])), "class 'middle' has 1 recording, fewer than 5 folds; add recordings"),
        (labelled(np.arange(20) % 2, groups=np.arange(20) % 3), "3 groups are fewer than 5 folds; use --folds 3"),
        (labelled(np.arange(20) % 2, groups=np.zeros(20)), "1 group is fewer than 5 folds; leave out --groups"),
        (labelled(np.repeat([0, 1], 10), groups=[*range(10), *[10] * 10]), "fold . .* anything learnt of 'middle'"),
        (labelled(np.repeat([0, 1], 3), folds=[1, 2, 2, 3, 3, 3]), "fold 3 .* anything learnt of 'middle'"),
        (labelled(np.array([0, 1]), folds=[1, 1]), "one official fold only, '1'; leave --folds-column out"),
        (labelled(np.array([0, 1] * 2), ["x"] * 4, [1, 1, 2, 2]), "group 'x' lies in the official folds 1, 2"),
    ],
)
def test_folds_that_cannot_be_made_are_one_line(recordings, message):
    with pytest.raises(MmascError, match=message) as caught:
        make_folds(recordings, 5)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("n_per_class", [1, 3, 8])
def test_few_shots_are_exactly_so_many_of_every_class(n_per_class):
    codes = np.repeat([0, 1, 2], [40, 20, 9])
    train, test = draw_few(labelled(codes), n_per_class, seed=1)
    assert np.bincount(codes[train]).tolist() == [n_per_class] * 3
    # The test is all the rest
    assert sorted([*train, *test]) == list(range(69))
    more, _ = draw_few(labelled(codes), min(n_per_class + 1, 8), seed=1)
    assert set(train) <= set(more)
    assert not np.array_equal(draw_few(labelled(codes), n_per_class, seed=2)[0], train)


@pytest.mark.parametrize("seed", range(5))
def test_few_shots_keep_groups_apart(seed):
    generator = np.random.default_rng(seed)
    codes, groups = generator.integers(0, 3, 200), generator.integers(0, 15, 200)
    train, test = draw_few(labelled(codes, groups), 4, seed)
    assert np.bincount(codes[train]).tolist() == [4, 4, 4]
    assert not set(groups[train]) & set(groups[test])
    assert set(codes[test]) == {0, 1, 2}


def test_few_shots_that_cannot_be_drawn_are_one_line():
    codes = np.repeat([0, 1], [40, 4])
    with pytest.raises(MmascError, match="4 shots a class would .* 'middle' .* has 4; use at most 3 shots"):
        draw_few(labelled(codes), 4, 0)
    single = np.repeat([0, 1], [40, 1])
    with pytest.raises(MmascError, match="1 shot a class would .* has 1; leave that class out with"):
        draw_few(labelled(single), 1, 0)
    with pytest.raises(MmascError, match="1 shots per class touch so many groups .* use fewer shots, or finer groups"):
        draw_few(labelled(codes, groups=codes), 1, 0)


def test_few_recordings_of_a_class_lie_in_some_folds_only():
    table = labelled(np.array([0] * 12 + [1] * 3 + [2] * 7))
    folds = make_folds(table, 5, few=True)
    assert len(folds) == 5
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested.tolist()) == list(range(22))
    assert sorted(int((table.codes[fold.test] == 1).sum()) for fold in folds) == [0, 0, 1, 1, 1]
    assert all((table.codes[fold.train] == 1).sum() >= 2 for fold in folds)
    assert len(make_folds(labelled(np.array([0] * 3 + [1] * 2)), 5, few=True)) == 3
