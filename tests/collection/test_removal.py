"""What is removed is what looking at every row in Python gives, however many are looked at together."""

import numpy as np
import pytest

from mmasc.collection.removal import ids_to_remove
from mmasc.errors import MmascError
from tests.helpers.made import made

NUMBERS = list(range(30))
GONE = (2, 16)


@pytest.fixture
def store(tmp_path):
    store = made(tmp_path / "c", NUMBERS, GONE, site=[f"s{one % 4}" for one in NUMBERS])
    for number in NUMBERS[10:]:  # the first ten have no file
        path = tmp_path / f"sounds/f{number % 3}/r{number:02}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return store


def numbers(store, *arguments, **options) -> list[int]:
    ids = ids_to_remove(store, store.head(), *arguments, **options)
    assert (np.diff(ids) > 0).all()
    return sorted(1_000 - one for one in ids.tolist())


@pytest.mark.parametrize("at_once", [1, 5, 1_000])
def test_paths_conditions_and_missing_files(store, tmp_path, at_once):
    there = [one for one in NUMBERS if one not in GONE]
    folder = str(tmp_path / "sounds/f1")
    cases = [
        (([folder],), lambda one: one % 3 == 1),
        ((["f2", "f0/r03.wav"],), lambda one: one % 3 == 2 or one == 3),
        (([], "site = 's1'"), lambda one: one % 4 == 1),
        ((["f2"], "duration > 3"), lambda one: one % 3 == 2 and one % 4 == 3),
        (([], None, True), lambda one: one < 10),
        (([folder], "site = 's0'", True), lambda one: one < 10 and one % 3 == 1 and one % 4 == 0),
        (([], None, False), lambda one: False),
    ]
    for arguments, wanted in cases:
        assert numbers(store, *arguments, at_once=at_once) == [one for one in there if wanted(one)], arguments


@pytest.mark.parametrize("at_once", [1, 1_000])
def test_what_finds_nothing_is_said(store, tmp_path, at_once):
    for name in ("f", "f9", "f0/r00"):  # the beginning of a name is not a folder
        with pytest.raises(MmascError, match=f"{name}: no recording of .* lies there; its root is"):
            numbers(store, ["f1", name], at_once=at_once)
    with pytest.raises(MmascError, match="cannot read the condition"):
        numbers(store, [], "place = 1", at_once=at_once)
    (tmp_path / "sounds").rename(tmp_path / "elsewhere")
    with pytest.raises(MmascError, match="does not exist, so nothing was removed"):
        numbers(store, missing=True, at_once=at_once)
    (tmp_path / "sounds").mkdir()
    with pytest.raises(MmascError, match="none of the 28 recordings is found"):
        numbers(store, missing=True, at_once=at_once)
