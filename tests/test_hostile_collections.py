"""Collections made to harm: nothing outside is read or deleted, and each fault is told in one line that names them."""

import json
import sys
import warnings
import zlib

import numpy as np
import pytest
import soundfile

from mmasc.collection import Collection
from mmasc.collection.index_files import load_files
from mmasc.collection.ingest import embed
from mmasc.collection.snapshot import Rows
from mmasc.errors import MmascError
from mmasc.windows.units import unit_float32
from tests.helpers.hostile import npy, refused


def test_an_index_that_leads_out_of_its_folder(tmp_path):
    import faiss

    outside = tmp_path / "index-outside"
    space = tmp_path / "space"
    outside.mkdir()
    space.mkdir()
    index = faiss.IndexFlatIP(4)
    index.add(np.eye(4, dtype=np.float32))
    faiss.write_index(index, str(outside / "vectors.faiss"))
    np.save(outside / "rows.npy", np.arange(4))
    files = {
        name: {"size": (outside / name).stat().st_size, "crc32": zlib.crc32((outside / name).read_bytes())}
        for name in ("vectors.faiss", "rows.npy")
    }
    header = {"format": 1, "version": 1, "kind": "flat", "nprobe": 0, "curve": {}, "policy": {}, "files": files}
    for folder in ("../index-outside", str(outside), "index-/../../index-outside", "..", ".", ""):
        (space / "index.json").write_text(json.dumps(header | {"folder": folder}))
        assert load_files(faiss, space) is None
    # The same files inside are taken: it was the place that was refused
    outside.rename(space / "index-outside")
    (space / "index.json").write_text(json.dumps(header | {"folder": "index-outside"}))
    assert load_files(faiss, space) is not None


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_inside_a_collection_lead_nowhere_that_is_deleted(tmp_path, standin):
    """A stray link to a folder is not followed when rests are cleared away, and what it leads to stays."""
    sound, precious = tmp_path / "a.wav", tmp_path / "precious"
    soundfile.write(sound, np.zeros(16_000) + 0.1, 8_000)
    precious.mkdir()
    (precious / "thesis.txt").write_text("years")
    collection = tmp_path / "c"
    embed(sound, collection, standin)
    (collection / "spaces" / ("0" * 32)).symlink_to(precious)
    (collection / "spaces" / standin.identity / "index-old").symlink_to(precious)
    embed(sound, collection, standin)
    Collection(collection).compact()
    assert (precious / "thesis.txt").read_text() == "years"
    assert len(Collection(collection).space()) == 2


def test_windows_of_no_recording_are_told_as_damage(tmp_path, standin):
    sound = tmp_path / "a.wav"
    soundfile.write(sound, np.linspace(-0.5, 0.5, 16_000), 8_000)
    embed(sound, tmp_path / "c", standin)
    collection = Collection(tmp_path / "c")
    assert len(collection.search(audio=sound, encoder=standin)) == 2
    collection.row_of = Rows(tmp_path / "c", np.zeros(0, np.int64))
    for call in (
        lambda: collection.search(audio=sound, encoder=standin),
        lambda: collection.export(tmp_path / "out"),
    ):
        with pytest.raises(MmascError, match=r"c is damaged: it holds windows of a recording that is missing"):
            call()


def test_lengths_of_vectors_that_overflow_are_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert unit_float32(np.full((2, 4), 3e38, np.float32)).shape == (2, 4)


@pytest.mark.parametrize("encoder", ["minj", "mini:/nowhere/of this", "\x1b[2Jmini", "", "mini:", "clap\n"])
def test_a_space_whose_encoder_cannot_be_loaded_is_named_with_its_collection(tmp_path, standin, encoder):
    sound = tmp_path / "a.wav"
    soundfile.write(sound, np.linspace(-0.5, 0.5, 16_000), 8_000)
    embed(sound, tmp_path / "mine", standin)
    head = tmp_path / "mine" / "collection.json"
    text = json.loads(head.read_text())
    text["spaces"]["standin"]["encoder"] = encoder
    head.write_text(json.dumps(text))
    collection = Collection(tmp_path / "mine")
    for call in (
        lambda _: collection.search(audio=sound),
        lambda _: collection.search("a low hum"),
        lambda _: collection.add(sound),
    ):
        assert "space 'standin' of" in refused(call, tmp_path / "mine")


def test_the_root_of_a_damaged_collection(tmp_path, standin):
    sound = tmp_path / "a.wav"
    soundfile.write(sound, np.linspace(-0.5, 0.5, 16_000), 8_000)
    embed(sound, tmp_path / "mine", standin)
    head = tmp_path / "mine" / "collection.json"
    text = head.read_text()
    for root in ("\0", "/a\0b"):
        head.write_text(json.dumps(json.loads(text) | {"root": root}))
        refused(Collection, tmp_path / "mine")
    for root in ("", "/nowhere", "a\nb\x1b[2J"):
        head.write_text(json.dumps(json.loads(text) | {"root": root}))
        opened = Collection(tmp_path / "mine")
        line = refused(lambda _, opened=opened: opened.remove([tmp_path / "b"]), tmp_path / "mine")
        assert "\x1b" not in line


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", npy("{'descr': '<f4', 'shape': (4,"), npy("(" * 9_000)])
def test_damaged_vectors_of_silence(tmp_path, standin, content):
    sound = tmp_path / "a.wav"
    soundfile.write(sound, np.linspace(-0.5, 0.5, 16_000), 8_000)
    embed(sound, tmp_path / "mine", standin)
    path = next((tmp_path / "mine").glob("spaces/*/silence.npy"))
    path.write_bytes(content)
    collection = Collection(tmp_path / "mine")
    refused(lambda _: collection.search(text="a", encoder=standin), path)
