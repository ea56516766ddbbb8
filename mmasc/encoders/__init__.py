"""Windows of sound, texts and pictures → vectors of named spaces: `load_encoder(name)` gives an encoder.

- which there are: specs.py (the table), registry.py (`load_encoder`), spec.py (one entry), training_data.py,
  licences.py
- what all have in common: base.py (`Encoder`), text_encoder.py, identity.py (which vectors may be compared),
  earlier.py (rules of earlier versions), determinism.py (`mmasc models check`)
- files → vectors: embedding.py, executing.py (by how many processes), with ahead.py, pending.py, file_vectors.py;
  waveforms.py; hearing.py and band.py (`--speed`, `--band`), beyond.py (sound above the range of an encoder)
- encoders: mini*.py (also `base`), clap*.py and htsat_fast.py, audioclip*.py with esresnext*.py and clip_towers.py,
  classic.py, network.py, tagger.py, ivf.py; names.py with taggers.py and usual.py (a tagger searched in words)
- encoders of users: plugin.py, plugged.py, plugin_files.py, trust.py; own_vectors.py; of other packages: adapters/
- what an encoder was trained on: heard.py, learned.py; what it does not know: words.py (texts), unlike.py (sounds)
- export.py and in_graph.py write ONNX files; weights/ holds the bundled weights
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmasc.encoders.registry import BACKENDS, ENCODERS, SPECS, load_encoder, network_spec, spec_of, window_of

__all__ = ["BACKENDS", "ENCODERS", "SPECS", "load_encoder", "network_spec", "spec_of", "window_of"]

# Loaded on first use: what lies in this folder can be imported without them
_LATE = {
    "BACKENDS": "mmasc.encoders.registry",
    "ENCODERS": "mmasc.encoders.registry",
    "SPECS": "mmasc.encoders.registry",
    "load_encoder": "mmasc.encoders.registry",
    "network_spec": "mmasc.encoders.registry",
    "spec_of": "mmasc.encoders.registry",
    "window_of": "mmasc.encoders.registry",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
