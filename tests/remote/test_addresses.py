import os
import pickle
from pathlib import Path

import pytest

from mmasc.errors import MmascError
from mmasc.remote.addresses import (
    absolute,
    checked,
    common_root,
    is_address,
    normal,
    place_of,
    refuse_to_write,
    under,
    without_secrets,
)
from mmasc.remote.paths import RemotePath, as_path


@pytest.mark.parametrize(
    "address", ["s3://bucket/a b/Vögel.wav", "gs://b/x.flac", "https://host:81/a/x.wav?id=3", "http://h/x"]
)
def test_an_address_stays_itself_as_a_path(address):
    path = as_path(address)
    assert isinstance(path, RemotePath)
    assert str(path) == os.fspath(path) == absolute(path) == normal(path) == address
    # `Path` makes one slash of two; it is found again
    assert str(as_path(Path(address))) == address
    assert pickle.loads(pickle.dumps(path)) == path == as_path(address)
    assert str(path.parent / path.name) == address
    assert {path: 1}[as_path(address)] == 1


def test_files_of_this_machine_are_none(tmp_path):
    for path in ("x.wav", "/a/b", "C:/x.wav", "C:\\x", "a:b/c", "s3:/bucket/x", str(tmp_path)):
        assert not is_address(path)
        assert type(as_path(path)) is type(Path())
    assert not is_address(b"s3://x")


def test_users_and_passwords_are_cut_out():
    assert checked("https://me:secret@host/a.wav") == "https://host/a.wav"
    assert str(as_path("s3://KEY:SECRET@bucket/a.wav")) == "s3://bucket/a.wav"
    said = without_secrets("see https://me:secret@host/a.wav?X-Amz-Signature=abc&b=2 and\nmore")
    assert said == "see https://host/a.wav and\\nmore"


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Signature=abc",
        "id=1&x-goog-credential=abc",
        "sv=2020&sig=abc",
        "Expires=1&Signature=abc&Key-Pair-Id=k",
        "access_token=abc",
        "apikey=abc",
        "token=",
    ],
)
def test_signed_addresses_are_refused_without_showing_what_they_carry(query):
    with pytest.raises(MmascError, match="carries .* in its query") as caught:
        checked(f"https://host/a.wav?{query}")
    assert "abc" not in str(caught.value)
    assert checked("https://host/a.wav?id=7&monkey=8") == "https://host/a.wav?id=7&monkey=8"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ftp://host/a.wav", "read from s3://"),
        ("s3://", "not a whole address"),
        ("https:///a.wav", "not a whole address"),
        ("s3://bucket/a//b.wav", "empty part"),
        ("s3://bucket/./b.wav", "lone dot"),
        ("http://[::1/a.wav", "is not an address"),
    ],
)
def test_what_is_not_taken_is_said(address, said):
    with pytest.raises(MmascError, match=said):
        checked(address)


@pytest.mark.parametrize(
    ("root", "place", "stored"),
    [
        ("/data", "/data/a/x.wav", "a/x.wav"),
        ("s3://b/data", "s3://b/data/a/x.wav", "a/x.wav"),
        ("s3://b/data", "s3://b/database/x.wav", "s3://b/database/x.wav"),
        ("s3://b/data", "/data/x.wav", "/data/x.wav"),
        ("/data", "s3://b/x.wav", "s3://b/x.wav"),
        ("https://h", "https://h/x.wav?a=1", "x.wav?a=1"),
    ],
)
def test_stored_paths_lead_back(root, place, stored):
    assert under(root, place) == stored
    assert place_of(root, stored) == place


def test_the_common_root_is_made_of_whole_parts():
    assert common_root(["s3://b/a1/x/1.wav", "s3://b/a1/y/2.wav"]) == "s3://b/a1"
    assert common_root(["s3://b/a1/x.wav", "s3://b/a2/y.wav", "https://h/z.wav"]) == "s3://b"
    assert common_root(["s3://b/a/x.wav"]) == "s3://b/a"
    assert common_root(["s3://b/a/b/x.wav", "s3://b/a/x.wav"]) == "s3://b/a"


@pytest.mark.parametrize("place", ["s3://b/c", "gs://b/c", "https://h/c", "ftp://h/c", "abfs://x/y", Path("s3://b/c")])
def test_no_collection_is_written_to_an_address(place):
    with pytest.raises(MmascError, match=r"written on a local or shared disk; then: mmasc collection publish"):
        refuse_to_write(place)
    refuse_to_write("/data/c")
