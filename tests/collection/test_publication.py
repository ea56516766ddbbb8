"""The head of a published collection: what comes back from it, and what nobody may write into it."""

import json

import pytest

from mmasc.collection.publication import PublishedFile, address_of, head_text, is_file_name, published_files
from mmasc.errors import MmascError
from tests.helpers.made import made

FILES = {
    "annotations/journal.jsonl": PublishedFile("0f" * 16, 0),
    "spaces/one/segments/segment-1/vectors.faiss": PublishedFile("a1" * 16, 1 << 40),
}


def test_a_head_comes_back_with_its_files(tmp_path):
    head = made(tmp_path / "c", [1]).head()
    content = head_text(head, dict(reversed(FILES.items())))
    assert published_files(content, "s3://b/n") == FILES
    assert list(json.loads(content)["files"]) == sorted(FILES)
    for name, value in json.loads(head.to_json()).items():
        assert json.loads(content)[name] == value


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("annotations/journal.jsonl", True), ("spaces/a_b-9/x", True), ("spaces/a/b/c/d", True),
        ("spaces/a/b/c/d/e", False), ("spaces/a", False), ("annotations", False), ("annotations/", False),
        ("annotations/.lock", False), ("annotations/../x", False), ("/annotations/x", False), ("spaces/a.b/x", False),
        ("spaces/a/x.lance", False), ("spaces/a/x.lance/y", False), ("spaces//x", False), ("other/x", False),
        ("spaces/" + "a" * 128 + "/x", True), ("spaces/" + "a" * 129 + "/x", False),
        ("annotations/" + "a" * 121, True), ("annotations/" + "a" * 122, False), ("annotations/x\n", False),
    ],
)  # fmt: skip
def test_names_that_are_written_on_a_readers_disk(name, is_one):
    assert is_file_name(name) == is_one


def told(name: str = "annotations/x", **values: object) -> bytes:
    return json.dumps({"files": {name: {"digest": "0f" * 16, "size": 1} | values}}).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}", "this collection was copied there, not published; publish it with"),
        (b"[", "is damaged"),
        (b'{"files": 5}', "is damaged"),
        (b'{"files": {"annotations/x": {"size": 1}}}', "is damaged"),
        (told("../x"), r"is damaged \('../x' is not the name of a file of a collection\)"),
        (told(size=-1), r"is damaged \(its entry for annotations/x is invalid\)"),
        (told(size=1.0), "is invalid"),
        (told(size=True), "is invalid"),
        (told(digest="0f" * 15), "is invalid"),
        (told(digest="0F" * 16), "is invalid"),
        (told(digest=5), "is damaged"),
    ],
)
def test_heads_that_are_none_are_one_line(content, said):
    with pytest.raises(MmascError, match=f"s3://b/n/.*{said}") as caught:
        published_files(content, "s3://b/n")
    assert "\n" not in str(caught.value)
    assert published_files(told(size=0), "s3://b/n") == {"annotations/x": PublishedFile("0f" * 16, 0)}


@pytest.mark.parametrize(
    ("address", "used"),
    [
        ("s3://b/n", "s3://b/n"),
        ("gs://b/n/m/", "gs://b/n/m"),
        ("s3://b//", None),
        ("s3://b", None),
        ("https://b/n", None),
    ],
)
def test_where_collections_are_published(address, used):
    if used is not None:
        assert address_of(address) == used
    else:
        with pytest.raises(MmascError, match="are published and read as s3://bucket/name or gs://bucket/name"):
            address_of(address)
