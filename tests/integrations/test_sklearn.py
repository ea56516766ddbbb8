"""The transformer in scikit-learn's own machinery: its checks of estimators, pipelines, searches, copies in pickles."""

import pickle
from typing import Any

import joblib
import numpy as np
import pandas
import pytest
import soundfile
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from mmasc.encoders.embedding import embed_file
from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.integrations.sklearn import SoundVectors
from tests.conftest import STANDIN_SPEC, StandIn

CHECKED_TYPES = "these tests check the types of arguments as they run, and refuse odd parameters before they are set"
ANY_LENGTH = "rows are sounds, whose number of samples may differ from that of the sounds it was fitted to"
SOUNDS = "fit does not look at sounds, and transform refuses what is none (complex, sparse, NaN) in words of its own"
EXCEPTIONS = {
    "check_do_not_raise_errors_in_init_or_set_params": CHECKED_TYPES,
    "check_n_features_in": ANY_LENGTH,
    "check_n_features_in_after_fitting": ANY_LENGTH,
    "check_transformer_general": ANY_LENGTH,
    "check_fit1d": "sounds that are paths come in one dimension",
    "check_fit2d_predict1d": SOUNDS,
    "check_estimators_dtypes": "samples that are int64 have no full scale and are refused",
    "check_complex_data": SOUNDS,
    "check_dtype_object": SOUNDS,
    "check_estimators_empty_data_messages": SOUNDS,
    "check_estimators_nan_inf": SOUNDS,
    "check_estimator_sparse_tag": SOUNDS,
}


@parametrize_with_checks(
    [SoundVectors(StandIn(STANDIN_SPEC), sample_rate=8_000)], expected_failed_checks=lambda _: EXCEPTIONS
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.fixture
def paths(sounds) -> list[str]:
    return sorted(str(one) for one in sounds.rglob("*.*"))


def wanted(paths: list[str], encoder: Any) -> np.ndarray:
    return np.array([embed_file(path, encoder).vector for path in paths], np.float32)


def test_every_container_of_sounds_gives_their_vectors(registered, standin, paths):
    fitted = SoundVectors(registered).fit(paths)
    vectors = wanted(paths, standin)
    heard = [soundfile.read(path, dtype="float32") for path in paths]
    frame = pandas.DataFrame({"path": paths})
    for given in (paths, np.array(paths), np.array(paths)[:, None], frame["path"], frame, heard):
        np.testing.assert_array_equal(fitted.transform(given), vectors)
    assert fitted.transform([]).shape == (0, 4)
    with pytest.raises(ValueError, match="X must be a list of sounds, got one"):
        fitted.transform(paths[0])


def test_names_of_columns_and_frames(registered, paths):
    named = SoundVectors(registered).set_output(transform="pandas").fit(paths)
    columns = ["soundvectors0", "soundvectors1", "soundvectors2", "soundvectors3"]
    assert named.transform(pandas.Series(paths, index=list("vwxyz"))).columns.tolist() == columns
    assert named.get_feature_names_out().tolist() == columns
    with pytest.raises(NotFittedError):
        SoundVectors(registered).transform(paths)


def test_a_grid_search_chooses_an_encoder(registered, monkeypatch):
    """Sounds that only one of two encoders tells apart."""

    class Deaf(StandIn):
        def _audio(self, waveforms):
            return super()._audio(waveforms) * 0 + 1

    monkeypatch.setattr(
        "mmasc.integrations.items.load_encoder",
        lambda name, *more, **others: Deaf(STANDIN_SPEC) if name == "deaf" else load_encoder(name, *more, **others),
    )
    generator, labels = np.random.default_rng(0), ["high", "low"] * 6
    sounds = [(generator.uniform(-0.1, 0.1, 4_000) + (0.5 if one == "high" else -0.5), 8_000) for one in labels]
    pipeline = Pipeline([("vectors", SoundVectors()), ("head", LogisticRegression())])
    search = GridSearchCV(pipeline, {"vectors__encoder": ["deaf", registered], "head__C": [1.0, 10.0]}, cv=3)
    search.fit(sounds, labels)
    assert search.best_params_["vectors__encoder"] == registered
    assert search.best_score_ == 1.0
    assert search.predict(sounds[:2]).tolist() == labels[:2]


@pytest.mark.parametrize("named", [True, False])
def test_a_copy_in_a_pickle_holds_no_network_and_answers_the_same(registered, paths, tmp_path, named):
    fitted = SoundVectors("mini" if named else load_encoder("mini")).fit(paths)
    joblib.dump(fitted, tmp_path / "a.joblib")
    assert (tmp_path / "a.joblib").stat().st_size < 5_000  # mini has 300,000 parameters
    again = joblib.load(tmp_path / "a.joblib")
    np.testing.assert_array_equal(again.transform(paths[:2]), fitted.transform(paths[:2]))
    unfitted = clone(fitted)
    assert unfitted.encoder is fitted.encoder
    with pytest.raises(NotFittedError):
        unfitted.transform(paths)


def test_an_encoder_that_has_changed_is_refused(registered, paths, monkeypatch):
    copy = pickle.loads(pickle.dumps(SoundVectors(registered).fit(paths)))
    monkeypatch.setattr(StandIn, "identity", "another0" * 4)
    with pytest.raises(MmascError, match="encoder standin has changed since the transformer was fitted; fit it again"):
        copy.transform(paths)
