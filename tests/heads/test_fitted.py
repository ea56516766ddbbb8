"""Files of heads: kept to the bit, checked when read, and never run."""

import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from mmasc.errors import MmascError
from mmasc.heads.conversion import predictor_of
from mmasc.heads.fitted import FittedHead, HeadStamp
from mmasc.heads.predictors import Nearest
from mmasc.heads.registry import HEADS, make_head
from tests.helpers.heads import NAMES, clouds, small


@pytest.fixture(params=list(HEADS))
def fitted_head(request) -> FittedHead:
    dim = 96 if request.param == "boosting-pca" else 6
    vectors, codes = clouds(3, dim, 100)
    stamp = HeadStamp(
        request.param, "label", NAMES[:3], "f" * 32, "standin", "standin", dim, 1.0, 0.5, "mix", 100, "0.1", "0.0.1"
    )
    return FittedHead(stamp, predictor_of(small(request.param).fit(vectors, codes), vectors))


def test_a_saved_head_is_the_fitted_head(fitted_head, tmp_path):
    fitted_head.save(tmp_path / "new" / "one.head")
    loaded = FittedHead.load(tmp_path / "new" / "one.head")
    assert loaded.stamp == fitted_head.stamp
    new, _ = clouds(3, fitted_head.stamp.dim, 50, seed=2)
    np.testing.assert_array_equal(loaded.predict_proba(3 * new), fitted_head.predict_proba(3 * new))
    np.testing.assert_array_equal(loaded.predict(new), fitted_head.predict(new))
    assert loaded.classes_.tolist() == ["low", "middle", "high"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["one.head"]
    with pytest.raises(ValueError, match="NaN"):
        loaded.predict_proba(np.nan * new)
    with pytest.raises(ValueError, match="numbers, got 2"):
        loaded.predict_proba(new[:, :2])


def test_heads_are_read_without_scikit_learn_whatever_version_fitted_them(trees_file):
    new, _ = clouds(3, 6, 5)
    expected = FittedHead.load(trees_file).predict_proba(new)
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import json, numpy\n"
        "from mmasc.heads.fitted import FittedHead\n"
        f"head = FittedHead.load({str(trees_file)!r})\n"
        f"print(json.dumps(head.predict_proba(numpy.array({new.tolist()})).tolist()))\n"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    np.testing.assert_array_equal(json.loads(out), expected)


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


def write_pickle(path: Path, marker: Path) -> None:
    path.write_bytes(pickle.dumps(Payload(marker)))


def write_old_pickle(path: Path, marker: Path) -> None:
    path.write_bytes(pickle.dumps(Payload(marker), protocol=0))


def write_archive(path: Path, marker: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Payload(marker)))


def write_array(path: Path, marker: Path) -> None:
    with open(path, "wb") as file:
        np.save(file, np.array([Payload(marker)]), allow_pickle=True)


@pytest.mark.parametrize("write", [write_pickle, write_old_pickle, write_archive, write_array])
def test_a_file_with_code_in_it_runs_nothing(write, tmp_path, capsys):
    write(tmp_path / "evil.head", tmp_path / "marker")
    with pytest.raises(MmascError, match=r"evil\.head (looks like .* was not opened|is damaged or no head)") as caught:
        FittedHead.load(tmp_path / "evil.head")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "marker").exists()
    # The payload is a live one
    write_pickle(tmp_path / "evil.head", tmp_path / "marker")
    pickle.loads((tmp_path / "evil.head").read_bytes())
    assert (tmp_path / "marker").exists()


def rewrite(path: Path, change: Callable[[dict, dict], None]) -> None:
    """Write a head's file anew with other arrays or another stamp."""
    with safetensors.safe_open(path, framework="numpy") as opened:
        stamp = json.loads(opened.metadata()["mmasc_head"])
        arrays = {name: opened.get_tensor(name).copy() for name in opened.keys()}  # noqa: SIM118
    change(arrays, stamp)
    path.write_bytes(safetensors.numpy.save(arrays, {"mmasc_head": json.dumps(stamp)}))


def put(name: str, index: object, value: float) -> Callable[[dict, dict], None]:
    def change(arrays: dict, stamp: dict) -> None:
        arrays[name][index] = value

    return change


def stamped(**values: object) -> Callable[[dict, dict], None]:
    return lambda arrays, stamp: stamp.update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("left", 0, 0), "a branch leads nowhere or back"),
        (put("right", 0, 10_000), "a branch leads nowhere or back"),
        (put("right", 0, -5), "a branch leads nowhere or back"),
        (put("feature", 0, 6), "a number beyond the dim"),
        (put("feature", 0, -1), "a number beyond the dim"),
        (put("roots", (0, 0), -1), "begins outside the nodes"),
        (lambda arrays, stamp: arrays["roots"].fill(len(arrays["left"])), "begins outside the nodes"),
        (put("value", 0, np.nan), "'value' holds NaN"),
        (put("threshold", 0, np.nan), "threshold is not a number"),
        (lambda arrays, stamp: arrays.pop("left"), "'left' is missing"),
        (lambda arrays, stamp: arrays.update(left=arrays["left"][1:]), "unequal arrays"),
        (lambda arrays, stamp: arrays.update(left=arrays["left"].astype(np.int32)), "'left' is not int64"),
        (lambda arrays, stamp: arrays.update(baseline=arrays["baseline"][:2]), "do not fit the classes"),
        (stamped(classes=["low", "high"]), "classes or dim do not fit"),
        (stamped(classes=["low", "high", "low"]), "a class occurs twice"),
        (stamped(classes=["low", "high", 3]), "not a list of texts"),
        (stamped(dim=7), "classes or dim do not fit"),
        (stamped(identity=None), "identity of its stamp is None"),
        (stamped(kind="code"), "'code'"),
        (stamped(hop_seconds=1e-9), "every 1e-09 s"),
        (stamped(hop_seconds=float("nan")), "every nan s"),
        (stamped(window_seconds=float("inf")), "it hears inf s"),
        (stamped(channels="all"), "channels must be one of mix, left, .* got 'all'"),
        (stamped(surprise=1), "its stamp must have"),
        (lambda arrays, stamp: stamp.pop("encoder"), "its stamp must have"),
    ],
)
def test_a_head_that_contradicts_itself_is_refused(trees_file, change, message):
    rewrite(trees_file, change)
    with pytest.raises(MmascError, match=message) as caught:
        FittedHead.load(trees_file)
    assert str(caught.value).startswith(f"{trees_file} is damaged: ")
    assert "mmasc head fit" in str(caught.value)


def test_one_neighbour_is_enough():
    one = Nearest(np.ones((1, 6)), np.array([1]), 1, 0.5, 3)
    again = Nearest.load(one.arrays())
    asked = clouds(1, 6, 4)[0]
    np.testing.assert_array_equal(again.predict_proba(asked), one.predict_proba(asked))
    assert again.predict_proba(asked).argmax(1).tolist() == [1] * len(asked)


@pytest.mark.parametrize("name", ["svm-rbf", "neighbours", "logistic"])
def test_arrays_of_other_heads_are_checked_too(name, tmp_path):
    vectors, codes = clouds(3, 6, 60)
    stamp = HeadStamp(name, "label", NAMES[:3], "f" * 32, "standin", "c", 6, 1, 1, "mix", 60, "0.1", "0.0.1")
    head = FittedHead(stamp, predictor_of(make_head(name).fit(vectors, codes), vectors))
    changes = {
        "svm-rbf": [
            (put("counts", 0, 1_000), "miscounted"),
            (put("counts", 0, -1), "miscounted"),
            (lambda arrays, _: arrays.update(duals=arrays["duals"][:1]), "coefficients do not fit"),
            (lambda arrays, _: arrays.update(biases=arrays["biases"][:2]), "pairs do not fit"),
            (put("gamma_sigmoid_temperature", 2, 0.0), "temperature"),
        ],
        "neighbours": [
            (put("codes", 0, 3), "beyond the classes"),
            (put("codes", 0, -1), "beyond the classes"),
            (put("sizes", 0, 61), "out of range"),
            (put("near", 0, 0.0), "out of range"),
        ],
        "logistic": [
            (put("weights", (0, 0), np.inf), "NaN or infinity"),
            (lambda arrays, _: arrays.update(biases=arrays["biases"][:2]), "weights do not fit"),
        ],
    }
    for change, message in changes[name]:
        head.save(tmp_path / "one.head")
        rewrite(tmp_path / "one.head", change)
        with pytest.raises(MmascError, match=message):
            FittedHead.load(tmp_path / "one.head")


def test_cut_strange_missing_and_newer_files_are_one_line(trees_file, tmp_path):
    whole = trees_file.read_bytes()
    for length in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        trees_file.write_bytes(whole[:length])
        with pytest.raises(MmascError, match=r"t\.head is damaged or no head .*fit it again") as caught:
            FittedHead.load(trees_file)
        assert "\n" not in str(caught.value)
    trees_file.write_bytes(whole)
    rewrite(trees_file, stamped(format=3))
    with pytest.raises(MmascError, match=r"made by a newer mmasc \(format 3\); update mmasc"):
        FittedHead.load(trees_file)
    safetensors.numpy.save_file({"weight": np.ones(3)}, tmp_path / "weights.safetensors")
    with pytest.raises(MmascError, match="holds arrays but no head"):
        FittedHead.load(tmp_path / "weights.safetensors")
    with pytest.raises(MmascError, match="no such file"):
        FittedHead.load(tmp_path / "nothing.head")
    with pytest.raises(MmascError, match="is a folder"):
        FittedHead.load(tmp_path)
