"""The vector of a recording, and what is said when labels are not enough: conditions that work when pasted."""

import re
import shlex

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.collection import vectors as recordings_module
from mmasc.collection.vectors import recording_vectors
from mmasc.encoders.embedding import embed_file
from mmasc.errors import MmascError
from mmasc.labelling.folds import draw_few, make_folds
from mmasc.labelling.recordings import Selection, labelled_recordings
from mmasc.prompts.prompts import Prompts
from mmasc.studies.study import match_labels


def test_a_recordings_vector_is_the_one_of_its_file(noises, tmp_path, standin, monkeypatch):
    soundfile.write(tmp_path / "stereo.wav", np.random.default_rng(1).uniform(-1, 0.6, (20_000, 2)), 8_000)
    mmasc.embed([tmp_path / "stereo.wav", noises / "00.wav"], tmp_path / "c", standin, channels="each", root=tmp_path)
    for at_once in (65_536, 1):
        monkeypatch.setattr(recordings_module, "_WINDOWS_AT_ONCE", at_once)
        opened = Collection(tmp_path / "c")
        ids, vectors = recording_vectors(opened.space())
        assert len(ids) == 2
        for one, vector in zip(ids, vectors, strict=True):
            path = opened.path_of(opened.recordings.column("path")[opened.row_of[int(one)]].as_py())
            np.testing.assert_array_equal(vector, embed_file(path, standin, channels="each").vector)


def pasted(message: str) -> str:
    """The condition of the option that a message tells, as a shell passes it on."""
    words = shlex.split(re.search(r"--where .*?(?=, or use|$)", message)[0])
    assert len(words) == 2
    return words[1]


@pytest.mark.parametrize("column", ["recorded by", 'the "true" name', "it's", "$HOME x!", "or", "plain_1"])
def test_conditions_in_messages_work_when_they_are_pasted(noises, tmp_path, standin, column):
    mmasc.embed(noises, tmp_path / "c", standin, metadata=noises / "meta.csv")
    opened = Collection(tmp_path / "c")
    rows = opened.recordings.to_pylist()
    # The one class with one recording alone, and one recording without a group
    kinds = {row["id"]: "it's rare" if number == 3 else "ab"[number % 2] for number, row in enumerate(rows)}
    opened.set_metadata({one: {column: kind} for one, kind in kinds.items() if kind != "a" or one != rows[0]["id"]})
    opened.set_metadata({row["id"]: {f"kind {column}": kinds[row["id"]]} for row in rows})

    with pytest.raises(MmascError, match="is empty for 1 labelled") as caught:
        labelled_recordings(opened, Selection(f"kind {column}", groups=column))
    where = pasted(str(caught.value))
    assert len(labelled_recordings(opened, Selection(f"kind {column}", groups=column, where=where))) == len(rows) - 1

    table = labelled_recordings(opened, Selection(f"kind {column}"))
    prompts = Prompts("some", "", ("{}",), {"a": ("x",), "b": ("y",)})
    for call in (lambda: make_folds(table, 2), lambda: draw_few(table, 1, 0), lambda: match_labels(table, prompts)):
        with pytest.raises(MmascError, match="--where") as caught:
            call()
        others = f"{pasted(str(caught.value))} OR path = '00.wav'"
        left = labelled_recordings(opened, Selection(f"kind {column}", where=others))
        assert "it's rare" not in left.classes


def test_numbers_are_left_out_as_numbers(collection):
    table = labelled_recordings(Collection(collection), Selection("level"))
    assert table.where_not("8", "10") == '--where "level NOT IN (8, 10)"'
    fewer = labelled_recordings(Collection(collection), Selection("level", where=shlex.split(table.where_not("8"))[1]))
    assert fewer.classes == ("9", "10")
