"""The mark on windows that sound like what a bundled encoder never heard."""

import numpy as np
import pytest

from mmasc.encoders.registry import ENCODERS, load_encoder
from mmasc.encoders.unlike import MARKED, can_mark, nearness, unlike_heard
from mmasc.synth import synthesise


def test_bundled_encoders_with_their_own_window_are_marked():
    assert [name for name in ENCODERS if can_mark(name, ENCODERS[name].window_seconds)] == list(MARKED)
    assert not can_mark("mini", 2.0)
    assert not can_mark("mini:run", 5.12)
    assert not can_mark("nobody", 5.12)


@pytest.mark.parametrize("name", ["mini", "mini-strict"])
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


def test_nearness_is_the_fifth_largest_cosine():
    chance = np.random.default_rng(0)
    known, vectors = chance.integers(-127, 128, (40, 6)).astype(np.int8), chance.normal(size=(2_100, 6))
    by_hand = []
    for vector in vectors:
        cosines = [vector @ one / np.linalg.norm(vector) / np.linalg.norm(one) for one in known.astype(float)]
        by_hand.append(sorted(cosines)[-5])
    np.testing.assert_allclose(nearness(vectors, known), by_hand, atol=1e-6)
    np.testing.assert_allclose(nearness(9 * vectors, known), by_hand, atol=1e-6)


@pytest.mark.parametrize("name", ["base", "base-strict"])
def test_only_the_part_that_a_tagger_taught_is_compared(name):
    dim, chance = ENCODERS[name].dim, np.random.default_rng(0)
    vectors = chance.normal(size=(50, dim)).astype(np.float32)
    marked = unlike_heard(name, vectors)
    assert marked.dtype == bool
    assert marked.all()  # no sound is anywhere near a direction at random
    vectors[:, : dim // 2] = chance.normal(size=(50, dim // 2))
    np.testing.assert_array_equal(unlike_heard(name, vectors), marked)


@pytest.mark.parametrize("name", ["mini", "base"])
def test_sounds_by_rule_of_heard_kinds_are_not_marked(name):
    encoder = load_encoder(name)
    sounds = np.stack([synthesise(kind, seed=1)[:160_000] for kind in ("rain", "sea_waves", "wind")])
    assert not unlike_heard(name, encoder.embed(sounds.astype(np.float32))).any()


@pytest.mark.parametrize("name", ["base", "base-strict"])
def test_most_tones_that_nobody_hears_outside_are_marked(name):
    """Frequency modulation by tens to hundreds of hertz, as radios and no animals do it."""
    encoder, chance = load_encoder(name), np.random.default_rng(0)
    rate = encoder.spec.sample_rate
    time = np.arange(round(encoder.spec.window_seconds * rate)) / rate
    carriers, beats, depths = chance.uniform([[200], [20], [1]], [[6000], [1500], [20]], (3, 16))
    turns = carriers[:, None] * time + depths[:, None] / (2 * np.pi) * np.sin(2 * np.pi * beats[:, None] * time)
    tones = (0.5 * np.sin(2 * np.pi * turns)).astype(np.float32)
    assert unlike_heard(name, encoder.embed(tones)).mean() > 0.5
