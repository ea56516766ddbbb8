"""The mark on windows that sound like what a bundled encoder never heard."""

import numpy as np
import pytest

from mmasc.encoders.registry import ENCODERS, load_encoder
from mmasc.encoders.unlike import MARKED, can_mark, unlike_heard
from mmasc.synth import synthesise


def test_bundled_encoders_with_their_own_window_are_marked():
    assert [name for name in ENCODERS if can_mark(name, ENCODERS[name].window_seconds)] == list(MARKED)
    assert not can_mark("mini", 2.0)
    assert not can_mark("mini:run", 5.12)
    assert not can_mark("nobody", 5.12)


@pytest.mark.parametrize("name", MARKED)
def test_the_mark_is_a_half_space(name):
    dim = ENCODERS[name].dim
    vectors = np.random.default_rng(0).normal(size=(2_000, dim))
    marked = unlike_heard(name, vectors)
    assert marked.dtype == bool
    np.testing.assert_array_equal(unlike_heard(name, vectors * 9), marked)
    # The mean of two vectors on one side, at the same length, is on that side
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    same = unit[marked][: marked.sum() // 2 * 2].reshape(-1, 2, dim).mean(1) if marked.sum() > 1 else unit[:0]
    assert unlike_heard(name, same * 100).all()


def test_sounds_by_rule_of_heard_kinds_are_not_marked():
    encoder = load_encoder("mini")
    sounds = np.stack([synthesise(kind, seed=1)[:160_000] for kind in ("rain", "sea_waves", "wind")])
    assert not unlike_heard("mini", encoder.embed(sounds.astype(np.float32))).any()
