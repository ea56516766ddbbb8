"""Supervised networks: features → logits; a registry, weights from files, export.

- which there are: registry.py (the table), spec.py (one entry); load.py makes or loads one; network.py joins front
  end and body; body.py is the base class of all bodies
- one file per network or paper: panns.py, wavegram.py, sp4sc.py, vggish.py, yamnet.py, resnet.py, dilated.py,
  transfer.py, rawwave.py, tagger.py, tag_conditioned.py (with tag_presets.py), ivf_classifier.py, mini_cnn.py;
  mini_network.py and taught_network.py are the networks of the encoders `mini` and `base`
- ONNX: export.py writes a network as a file, onnx.py runs parts of encoders with ONNX Runtime (`--backend onnx`)
- folding.py and merging.py fold batch norms into the layers before them

The training loop is in `mmasc.training`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmasc.networks.load import load_network
    from mmasc.networks.registry import NETWORKS, network_class

__all__ = ["NETWORKS", "load_network", "network_class"]

# Loaded on first use: what lies in this folder can be imported without them
_LATE = {
    "NETWORKS": "mmasc.networks.registry",
    "network_class": "mmasc.networks.registry",
    "load_network": "mmasc.networks.load",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
