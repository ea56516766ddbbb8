"""Weights of runs: which file a folder is used by."""

from mmasc.storage.tensors import best_weights


def test_the_best_weights_come_before_the_last(tmp_path):
    assert best_weights(tmp_path) is None
    assert best_weights(tmp_path / "nowhere") is None
    (tmp_path / "training.safetensors").touch()
    assert best_weights(tmp_path) is None
    last, best = tmp_path / "last.safetensors", tmp_path / "best.safetensors"
    last.touch()
    assert best_weights(tmp_path) == last
    best.touch()
    assert best_weights(tmp_path) == best
