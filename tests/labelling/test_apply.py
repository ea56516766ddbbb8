"""A head applied: a collection and its files are labelled alike, other vectors are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mmasc
from mmasc.audio import AudioStatus
from mmasc.collection import Collection
from mmasc.errors import MmascError
from mmasc.heads.registry import make_head
from mmasc.labelling.apply import HeadAnswer, apply_head
from mmasc.labelling.fit import fit_head
from mmasc.labelling.recordings import Selection, labelled_recordings
from tests.conftest import STANDIN_SPEC, StandIn


def test_a_collection_and_its_files_are_labelled_alike(collection, noises, standin, tmp_path):
    report = fit_head(collection, "label", head="boosting", folds=2, out=tmp_path / "b.head")
    stamp = report.fitted.stamp
    assert (stamp.identity, stamp.encoder, stamp.hop_seconds) == (standin.identity, "standin", 0.5)
    stored = list(apply_head(tmp_path / "b.head", collection))
    files = list(apply_head(report.fitted, noises, encoder=standin))
    assert len(stored) == 38
    assert [one.scores for one in stored] == [one.scores for one in files]
    assert [Path(one.path).name for one in stored] == [Path(one.path).name for one in files]
    table = labelled_recordings(Collection(collection), Selection("label"))
    scores = make_head("boosting").fit(table.vectors, table.codes).predict_proba(table.vectors)
    np.testing.assert_allclose([list(one.scores.values()) for one in stored[:36]], scores, atol=1e-12)
    best = list(apply_head(report.fitted, Collection(collection), top=1, where="place = 'place0'"))
    assert all(list(one.scores.items()) == [(one.label, one.score)] for one in best)
    assert len(best) == 11


def test_vectors_of_another_encoder_are_refused(collection, noises, standin, tmp_path):
    report = fit_head(collection, "label", head="neighbours", folds=2)
    other = StandIn(replace(STANDIN_SPEC, name="other"))
    other.identity = "different" * 3
    mmasc.embed(noises / "00.wav", tmp_path / "c", other)
    with pytest.raises(MmascError) as caught:
        apply_head(report.fitted, tmp_path / "c")
    line = str(caught.value)
    for part in ("standin", standin.identity, "other", other.identity, "fit a head to the vectors of"):
        assert part in line
    assert "\n" not in line
    with pytest.raises(
        MmascError, match=f"encoder standin with identity {standin.identity}, not to other with identity different"
    ):
        apply_head(report.fitted, noises, encoder=other)
    # Where the right vectors are there too, under whatever name, they are found
    mmasc.embed(noises / "00.wav", tmp_path / "c", standin, space="mine", hop_seconds=0.5)
    assert len(list(apply_head(report.fitted, tmp_path / "c"))) == 1


def test_a_recording_that_failed_has_no_length():
    assert HeadAnswer("a.wav", None, None, {}, {}, (), AudioStatus("failed", "no sound", None, 0.0)).duration == 0


def test_the_name_of_a_network_alone_is_not_a_head(noises):
    with pytest.raises(MmascError, match="cnn6 is neither a head nor a run of mmasc train"):
        apply_head("cnn6", noises)
