"""Numbers of ids, and what is among some: as a dictionary and a set have it."""

import numpy as np
import pytest

from mmasc.collection.id_map import IdMap, is_in


@pytest.mark.parametrize("seed", range(5))
def test_it_is_a_dictionary(seed):
    generator = np.random.default_rng(seed)
    ids = generator.integers(-20, 20, int(generator.integers(0, 30)))
    values = generator.integers(0, 1_000, len(ids))
    asked = np.arange(-25, 25)
    for given, wanted in ((values, dict(zip(ids.tolist(), values.tolist(), strict=True))), (None, None)):
        found = IdMap(ids, given)
        wanted = wanted if wanted is not None else {one: place for place, one in enumerate(ids.tolist())}
        numbers, there = found.find(asked)
        assert there.tolist() == [one in wanted for one in asked.tolist()]
        assert dict(zip(asked[there].tolist(), numbers[there].tolist(), strict=True)) == wanted
        assert len(found) == len(ids)
        assert sorted(set(found)) == sorted(wanted)
        for one in asked.tolist():
            assert (one in found) == (np.int64(one) in found) == (one in wanted)
            if one in wanted:
                assert found[one] == wanted[one]
            else:
                with pytest.raises(KeyError):
                    found[one]


def test_only_whole_numbers_are_ids():
    found = IdMap(np.array([0, 1]))
    for other in (True, False, 1.0, "1", None):
        assert other not in found


@pytest.mark.parametrize("wanted", [[], [3], [-1, 3, 9]])
def test_what_is_among_some(wanted):
    values = np.array([3, -1, 10, -2, 9, 3, 4])
    assert is_in(values, np.array(wanted, np.int64)).tolist() == [one in wanted for one in values.tolist()]
    assert is_in(values[:0], np.array(wanted, np.int64)).tolist() == []
