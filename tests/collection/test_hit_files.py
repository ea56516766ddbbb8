"""What a search writes into files is read back as the same hits."""

import json
import math

import pytest

from mmasc.cli.output import rows_text
from mmasc.collection.hit_files import read_hits
from mmasc.collection.hits import Hit
from mmasc.errors import MmascError

HITS = [
    Hit(1, "/r/a b.wav", 0.1, 9.7, 0.123456789012345, False, None, {"place": "pond"}, 2.5, 5.06),
    Hit(2, '/r/ü,"x".wav', 1e-05, 1.0, -0.25, True, None, {"place": "wood"}),
]
LANES = [Hit(1, "/r/a.wav", 0.0, 1.0, 0.5, False, 1)]


@pytest.mark.parametrize("hits", [HITS, LANES])
@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_hits_come_back(tmp_path, hits, form):
    path = tmp_path / f"hits.{form}"
    path.write_text(rows_text(hits, form), "utf-8")
    found = read_hits(path)
    assert found == hits
    assert [(hit.best_start, hit.best_end, hit.columns) for hit in found] == [
        (hit.best_start, hit.best_end, hit.columns) for hit in hits
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "path,start,end,label\nx,0,1,rain\n"),
        ("a.json", "[]"),
        ("a.jsonl", '{"path": 1}\n[]\n'),
        ("a.txt", "1\t2\tx"),
    ],
)
def test_other_files_are_no_hits(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_hits(tmp_path / name) is None


@pytest.mark.parametrize(
    "change",
    [
        {"start": 12.0},
        {"best_end": 99},
        {"end": "Infinity"},
        {"path": ""},
        {"score": None},
        {"rank": "one"},
        {"rank": math.inf},
        {"lane": math.inf},
        {"start": 10**400},
        {"score": -(10**400)},
        {"best_start": []},
    ],
)
def test_bad_hits_are_named(tmp_path, change):
    (tmp_path / "a.jsonl").write_text(json.dumps(HITS[0]) + "\n" + json.dumps({**HITS[0], **change}) + "\n")
    with pytest.raises(MmascError, match=r"a.jsonl: hit 2 cannot be used"):
        read_hits(tmp_path / "a.jsonl")
    (tmp_path / "b.json").write_text("[")
    with pytest.raises(MmascError, match="b.json is not JSON"):
        read_hits(tmp_path / "b.json")
