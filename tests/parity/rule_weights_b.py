"""Additions to rule_weights.py for the PANNs networks and the supervised baselines.

The rules of rule_weights.py hold unchanged, except

  test on the key                              value
  -------------------------------------------- ---------------------------------------
  spectrogram_extractor.*, logmel_extractor.*  left alone: they are the true Fourier
                                               matrix and the true mel filter bank
  bn0.running_mean                             -30 + 10 * u  (its input is log-mel, dB)
  bn0.running_var                              400 * (1 + 0.5 * u)
  first_bn.running_mean                        100 * u       (raw waveform, scaled by 32000)
  first_bn.running_var                         1e6 * (1 + 0.5 * u)

u is rule_weights.uniform(key, shape), as everywhere. Needs numpy; fill_module needs torch.
"""
import numpy as np

from tests.parity import rule_weights as rw

BUILT = ("spectrogram_extractor.", "logmel_extractor.")


def rule_array(key, shape):
    if key.startswith(BUILT):
        return None
    if key == "bn0.running_mean":
        return (-30.0 + 10.0 * rw.uniform(key, shape)).astype(np.float32)
    if key == "bn0.running_var":
        return (400.0 * (1.0 + 0.5 * rw.uniform(key, shape))).astype(np.float32)
    if key == "first_bn.running_mean":
        return (100.0 * rw.uniform(key, shape)).astype(np.float32)
    if key == "first_bn.running_var":
        return (1e6 * (1.0 + 0.5 * rw.uniform(key, shape))).astype(np.float32)
    return rw.rule_array(key, shape)


def array_input(name, shape, scale=1.0):
    """float32 network input: scale * uniform("input:" + name, shape)."""
    return (scale * rw.uniform("input:" + name, shape)).astype(np.float32)


def rule_state(shapes):
    """{key: shape} (or {key: tensor}) to {key: array}; keys to leave alone are absent."""
    out = {}
    for key, shape in shapes.items():
        array = rule_array(key, getattr(shape, "shape", shape))
        if array is not None:
            out[key] = array
    return out


def fill_module(module):
    """Fill a torch module whose state_dict has the official key names."""
    import torch

    state = rule_state(module.state_dict())
    tensors = {k: torch.from_numpy(np.ascontiguousarray(v)).reshape(v.shape) for k, v in state.items()}
    missing, unexpected = module.load_state_dict(tensors, strict=False)
    bad = [k for k in missing if not k.startswith(BUILT)] + list(unexpected)
    if bad:
        raise ValueError("not filled: %s" % bad[:5])
    return module
