"""Files that were written since they were embedded: whoever relies on what was found in them is told."""

import os

import mmasc
from mmasc.collection import Collection
from tests.helpers.collections import write
from tests.helpers.command import run


def warnings(folder) -> list[str]:
    return [one.message for one in Collection(folder).check()]


def test_check_tells_files_that_were_written_since(labelled, registered):
    assert warnings(labelled / "c") == []
    write(labelled / "s/a/x.wav", 0.125, 2.0)
    os.utime(labelled / "s/b/y.wav", (1_700_000_000, 1_700_000_000))
    os.chmod(labelled / "s/b/x.wav", 0o600)  # not written
    assert warnings(labelled / "c") == [
        "2 recordings were written again since being embedded (a/x.wav, b/y.wav): if they hold other sounds now, their "
        f"vectors are of the old ones; embed again with: mmasc embed {labelled / 's'} --into {labelled / 'c'}"
    ]
    mmasc.embed(labelled / "s", labelled / "c", registered)
    assert warnings(labelled / "c") == []


def test_clips_of_what_was_found_before_a_file_was_written_are_said(labelled, capsys):
    write(labelled / "s/a/x.wav", 0.125, 2.0)
    (labelled / "hits.csv").write_text("path,start,end,label\na/x.wav,0,1,frog\nb/x.wav,0,1,owl\n")
    command = ("clips", labelled / "c", "--hits", labelled / "hits.csv", "--to", labelled / "clips")
    status, _, err = run(*command, capsys=capsys)
    assert status == 0
    assert "1 recording was written again since being embedded (a/x.wav): what was found in them" in err
    (labelled / "hits.csv").write_text("path,start,end,label\nb/x.wav,0,1,owl\n")
    assert "written again" not in run(*command, capsys=capsys)[2]


def test_a_moment_behind_the_end_of_the_recording_is_said_and_the_rest_is_cut(labelled, capsys):
    (labelled / "hits.csv").write_text("path,start,end,label\na/x.wav,5,6,frog\nb/x.wav,0,1,owl\n")
    command = ("clips", labelled / "c", "--hits", labelled / "hits.csv", "--to", labelled / "clips")
    status, _, err = run(*command, capsys=capsys)
    assert status == 1
    assert f"{labelled / 's/a/x.wav'}: a moment of 'frog' begins at 5 s, and the recording lasts 1 s" in err
    assert "1 cut, 0 already there, 1 failed" in err
