"""A hit has attributes and reads as the mapping that it was in version 0.1.0."""

import copy
import json
import pickle
from collections.abc import Mapping

import pytest

import mmasc
from mmasc.collection.hits import Hit, label_rows

PLAIN = {"rank": 1, "path": "/a.wav", "start": 0.5, "end": 1.5, "score": 0.25, "duplicate": False}
BEST = {"best_start": 0.5, "best_end": 1.5}
OWN = {"place": "pond", "level": 3, "note": None}


def test_attributes_and_keys_say_the_same():
    hit = Hit(*PLAIN.values(), lane=1, columns=OWN)
    assert (hit.rank, hit.path, hit.start, hit.end, hit.score, hit.duplicate, hit.lane) == (*PLAIN.values(), 1)
    assert hit.columns == OWN
    assert list(hit) == [*PLAIN, *BEST, "lane", *OWN]
    assert hit == {**PLAIN, **BEST, "lane": 1, **OWN}
    assert hit == {**PLAIN, **BEST, "lane": 1, **OWN}
    assert hit != PLAIN
    assert isinstance(hit, Mapping)
    assert {**hit} == dict(hit) == hit | {} == dict(hit.items())
    assert repr(hit).startswith("Hit(rank=1, path='/a.wav', start=0.5")


def test_one_lane_is_no_key():
    hit = Hit(*PLAIN.values())
    assert hit.lane is None
    assert dict(hit.columns) == {}
    assert list(hit) == [*PLAIN, *BEST]
    assert "lane" not in hit


def test_the_clock_stands_at_the_end_where_it_is_known():
    hit = Hit(*PLAIN.values(), columns=OWN, clock="2024-05-01 04:13:20")
    assert (hit.clock, list(hit)) == ("2024-05-01 04:13:20", [*PLAIN, *BEST, *OWN, "clock"])
    assert pickle.loads(pickle.dumps(hit)).clock == hit.clock
    for unknown in (None, ""):
        assert (Hit(*PLAIN.values(), clock=unknown).clock, "clock" in Hit(*PLAIN.values(), clock=unknown)) == (
            None,
            False,
        )
    mine = Hit(*PLAIN.values(), columns={"clock": "sundial"}, clock="2024-05-01 04:13:20")
    assert (mine.clock, mine["clock"]) == (None, "sundial")


def test_a_hit_cannot_be_changed():
    own = dict(OWN)
    hit = Hit(*PLAIN.values(), columns=own)
    own["place"] = "wood"
    before = json.dumps(hit)
    for change in (
        lambda: setattr(hit, "rank", 2),
        lambda: delattr(hit, "rank"),
        lambda: hit.__setitem__("rank", 2),
        lambda: hit.__delitem__("rank"),
        lambda: hit.update(rank=2),
        lambda: hit.pop("rank"),
        lambda: hit.popitem(),
        lambda: hit.clear(),
        lambda: hit.setdefault("more", 1),
        lambda: hit.__ior__({"rank": 2}),
        lambda: hit.columns.__setitem__("place", "wood"),
    ):
        with pytest.raises((TypeError, AttributeError)):
            change()
    assert json.dumps(hit) == before == json.dumps({**PLAIN, **BEST, **OWN})
    assert hit.columns["place"] == "pond"
    changed = dict(hit)
    changed["rank"] = 2
    assert (hit.rank, hit["rank"]) == (1, 1)


@pytest.mark.parametrize("lane", [None, 0, 2])
def test_copies_and_pickles_are_hits(lane):
    hit = Hit(*PLAIN.values(), lane=lane, columns=OWN, best_start=0.75, best_end=1.25)
    for same in (copy.copy(hit), copy.deepcopy(hit), pickle.loads(pickle.dumps(hit))):
        assert type(same) is Hit
        assert (same, same.lane, same.columns, list(same)) == (hit, lane, OWN, list(hit))
        assert (same.best_start, same.best_end) == (0.75, 1.25)


def test_a_search_gives_hits(sounds, tmp_path, standin):
    mmasc.embed(sounds, tmp_path / "c", standin, folders=["place"], channels="each")
    hits = mmasc.Collection(tmp_path / "c").search(text="ab", encoder=standin, k=3)
    assert len(hits) == 3
    for rank, hit in enumerate(hits, 1):
        assert type(hit) is mmasc.Hit
        assert (hit.rank, hit.path, hit.lane, hit.columns["place"]) == (rank, hit["path"], hit["lane"], hit["place"])
        assert json.loads(json.dumps(hit)) == hit


def test_hits_make_a_frame(sounds, tmp_path, standin):
    pandas = pytest.importorskip("pandas")
    mmasc.embed(sounds, tmp_path / "c", standin, folders=["place"])
    hits = mmasc.Collection(tmp_path / "c").search(text="ab", encoder=standin)
    frame = pandas.DataFrame(hits)
    assert list(frame.columns) == [*PLAIN, *BEST, "place"]
    pandas.testing.assert_frame_equal(frame, pandas.DataFrame([dict(hit) for hit in hits]))


def test_hits_are_rows_of_label_files():
    found = [Hit(*PLAIN.values()), Hit(2, "/b.wav", 0.0, 9.0, 0.2, False, best_start=3.0, best_end=4.5)]
    whole, joined = label_rows(found, "rain")
    assert (whole.path, whole.start, whole.end, whole.label) == ("/a.wav", 0.5, 1.5, "rain")
    assert (whole.score, whole.note) == (0.25, "")
    assert (joined.start, joined.end, joined.note) == (0.0, 9.0, "best: 3.00-4.50 s")
