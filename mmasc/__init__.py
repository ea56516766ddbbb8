"""mmasc: recordings become vectors in a space shared with text and pictures, and answer questions.

Public names are loaded on first use, so `import mmasc` costs milliseconds and loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmasc.version import __version__

# name -> the module that holds it
_PUBLIC = {
    "MmascError": "mmasc.errors",
    "EncoderSpec": "mmasc.encoders.spec",
    "Encoder": "mmasc.encoders.base",
    "SPECS": "mmasc.encoders.registry",
    "load_encoder": "mmasc.encoders.registry",
    "load_network": "mmasc.networks.load",
    "NETWORKS": "mmasc.networks.registry",
    "find_audio": "mmasc.audio",
    "load_audio": "mmasc.audio",
    "stream_audio": "mmasc.audio",
    "cut_segments": "mmasc.windows.cut",
    "embed_file": "mmasc.encoders.embedding",
    "embed_files": "mmasc.encoders.embedding",
    "Collection": "mmasc.collection",
    "embed": "mmasc.collection.ingest",
    "Prompts": "mmasc.prompts.prompts",
    "load_prompts": "mmasc.prompts.prompts",
    "ZeroShotClassifier": "mmasc.heads.zeroshot",
    "CentredZeroShot": "mmasc.heads.shifted",
    "PriorMatchedZeroShot": "mmasc.heads.shifted",
    "Calibration": "mmasc.heads.calibration_file",
    "tune_prompts": "mmasc.studies.prompt_tuning",
    "sweep_prompts": "mmasc.studies.prompt_sweep",
    "report": "mmasc.studies.report",
    "classify": "mmasc.labelling.classify",
    "fit_head": "mmasc.labelling.fit",
    "apply_head": "mmasc.labelling.apply",
    "FittedHead": "mmasc.heads.fitted",
}

__all__ = ["__version__", *sorted(_PUBLIC)]

if TYPE_CHECKING:
    from mmasc.audio import find_audio, load_audio, stream_audio
    from mmasc.collection import Collection
    from mmasc.collection.ingest import embed
    from mmasc.encoders.base import Encoder
    from mmasc.encoders.embedding import embed_file, embed_files
    from mmasc.encoders.registry import SPECS, load_encoder
    from mmasc.encoders.spec import EncoderSpec
    from mmasc.errors import MmascError
    from mmasc.heads.calibration_file import Calibration
    from mmasc.heads.fitted import FittedHead
    from mmasc.heads.shifted import CentredZeroShot, PriorMatchedZeroShot
    from mmasc.heads.zeroshot import ZeroShotClassifier
    from mmasc.labelling.apply import apply_head
    from mmasc.labelling.classify import classify
    from mmasc.labelling.fit import fit_head
    from mmasc.networks.load import load_network
    from mmasc.networks.registry import NETWORKS
    from mmasc.prompts.prompts import Prompts, load_prompts
    from mmasc.studies.prompt_sweep import sweep_prompts
    from mmasc.studies.prompt_tuning import tune_prompts
    from mmasc.studies.report import report
    from mmasc.windows.cut import cut_segments


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'mmasc' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
