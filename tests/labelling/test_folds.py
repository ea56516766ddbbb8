"""Laws of folds and few-shot draws."""

import numpy as np
import pytest

from mmasc.errors import MmascError
from mmasc.labelling.folds import draw_few, group_folds, make_folds, spread_groups
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


def test_five_folds_and_seed_0_unless_said_otherwise():
    table = labelled(np.arange(60) % 3)
    for made, wanted in zip(make_folds(table), make_folds(table, 5, 0, False, False), strict=True):
        np.testing.assert_array_equal(made.test, wanted.test)
    others = make_folds(table, 5, 1)
    assert any(not np.array_equal(one.test, other.test) for one, other in zip(make_folds(table), others, strict=True))
    assert len(make_folds(table, 2)) == 2
    with pytest.raises(ValueError, match="n_folds must be 2 or more, got 1"):
        make_folds(table, 1)
    with pytest.raises(ValueError, match="shots must be 1 or more, got 0"):
        draw_few(table, 0, 0)


@pytest.mark.parametrize("grouped", [False, True])
def test_what_is_alone_is_learnt_from_and_never_tested(grouped):
    codes = np.array([0] * 8 + [1] * 8 + [2])
    groups = [*range(8), *range(8), 3] if grouped else None
    folds = make_folds(labelled(codes, groups), 4, set_aside=True)
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested.tolist()) == list(range(16))
    for fold in folds:
        of_its_group = grouped and 3 in np.array(groups)[fold.test]
        assert (16 in fold.train) == (not of_its_group)
        assert fold.train.tolist() == sorted(set(fold.train.tolist()))
    official = make_folds(labelled(codes, folds=[*[1, 2] * 8, 3]), set_aside=True)
    assert [fold.name for fold in official] == ["1", "2"]  # the third would test nothing
    # Two classes of two recordings at least, or there is nothing to test
    assert make_folds(labelled(np.array([0, 0, 0, 1])), set_aside=True) == []
    assert len(make_folds(labelled(np.array([0, 0, 1, 1, 2])), 2, set_aside=True)) == 2
    with pytest.raises(MmascError, match="class 'high' has 1 recording"):
        make_folds(labelled(codes), 4)


@pytest.mark.parametrize("seed", range(6))
def test_groups_are_spread_as_it_is_said(seed):
    """A second way: the rule read group by group, with counts in plain Python."""
    generator = np.random.default_rng(seed)
    groups = generator.integers(0, 12, 80)
    present = generator.random((80, 3)) < [0.5, 0.1, 0.03]
    found = spread_groups(present, groups, 4, seed)
    names = sorted(set(groups.tolist()))
    labels_of = {name: present[groups == name].any(axis=0) for name in names}
    order = [names[place] for place in np.random.default_rng(seed).permutation(len(names))]
    rarity = sorted(range(3), key=lambda label: sum(labels_of[name][label] for name in names))
    fold: dict[int, int] = {}
    for label in [*rarity, None]:
        for name in order:
            if name in fold or not (label is None or labels_of[name][label]):
                continue

            def filled(one, label=label):
                own = sum(fold[other] == one for other in fold if label is not None and labels_of[other][label])
                return own, sum(int((groups == other).sum()) for other in fold if fold[other] == one), one

            fold[name] = min(range(4), key=filled)
    assert found.tolist() == [fold[name] for name in groups.tolist()]


def test_folds_of_groups_test_what_was_learnt():
    codes = np.array([0, 1, 0, 1, 0, 1, 2, 2])
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    table = labelled(codes, groups)
    fold = spread_groups(np.arange(len(table.classes)) == codes[:, None], table.groups, 4, 0)
    for made in group_folds(table, 4, 0):
        number = int(made.name) - 1
        np.testing.assert_array_equal(made.train, np.flatnonzero(fold != number))
        assert set(made.test.tolist()) == {one for one in np.flatnonzero(fold == number) if codes[one] != 2}
    assert len(group_folds(table, 4, 0)) == 3  # all of the third class lies in one group: it is tested nowhere
    assert group_folds(labelled(np.array([0, 0, 1, 1]), [0, 0, 1, 1]), 2, 0) == []
