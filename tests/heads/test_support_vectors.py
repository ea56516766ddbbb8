"""Support vector machines against scikit-learn."""

import numpy as np
import pytest
from sklearn.svm import SVC

from mmasc.heads.registry import make_head
from tests.helpers.heads import clouds


@pytest.mark.parametrize("kernel", ["rbf", "sigmoid"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_support_vector_machine_decides_as_scikit_learns(kernel, n_classes):
    vectors, codes = clouds(n_classes, 6, 120)
    new, _ = clouds(n_classes, 6, 200, seed=1)
    ours = make_head(f"svm-{kernel}").fit(vectors, codes)
    theirs = SVC(kernel=kernel, C=1, gamma="scale", break_ties=True).fit(vectors, codes)
    np.testing.assert_array_equal(ours.predict(new), theirs.predict(new))
    decisions = theirs.decision_function(new)
    two = np.stack([0 * decisions, decisions], axis=1) if n_classes == 2 else decisions
    logits = two / ours[-1].temperature_
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ours.predict_proba(new), expected, atol=1e-12)


def test_temperature_calibrates():
    vectors, codes = clouds(4, 6, 400)
    new, true = clouds(4, 6, 400, seed=1)
    head = make_head("svm-rbf").fit(vectors, codes)

    def loss() -> float:
        return -float(np.log(head.predict_proba(new)[np.arange(len(true)), true]).mean())

    chosen, temperature = loss(), head[-1].temperature_
    losses = []
    for factor in (0.4, 2.5):
        head[-1].temperature_ = factor * temperature
        losses.append(loss())
    assert chosen < min(losses)
