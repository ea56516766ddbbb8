"""mmasc: recordings become vectors in a space shared with text and pictures, and answer questions.

Public names are loaded on first use, so `import mmasc` costs milliseconds and loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# name -> the module that holds it
_PUBLIC = {
    "MmascError": "mmasc.errors",
    "EncoderSpec": "mmasc.encoders.spec",
    "Encoder": "mmasc.encoders.base",
    "SPECS": "mmasc.encoders",
    "load_encoder": "mmasc.encoders",
    "load_network": "mmasc.baselines",
    "NETWORKS": "mmasc.baselines",
    "find_audio": "mmasc.audio",
    "load_audio": "mmasc.audio",
    "stream_audio": "mmasc.audio",
    "cut_segments": "mmasc.segments",
    "embed_file": "mmasc.encoders.files",
    "embed_files": "mmasc.encoders.files",
    "Collection": "mmasc.collection",
    "embed": "mmasc.collection.ingest",
    "Prompts": "mmasc.prompts",
    "load_prompts": "mmasc.prompts",
    "ZeroShotClassifier": "mmasc.heads.zeroshot",
    "CentredZeroShot": "mmasc.heads.calibrated",
    "PriorMatchedZeroShot": "mmasc.heads.calibrated",
    "Calibration": "mmasc.heads.tuned",
    "tune_prompts": "mmasc.evaluation.tuning",
    "sweep_prompts": "mmasc.evaluation.sweep",
    "report": "mmasc.evaluation.report",
    "classify": "mmasc.classify",
    "fit_head": "mmasc.heads.fitting",
    "apply_head": "mmasc.heads.applying",
    "FittedHead": "mmasc.heads.files",
}

__all__ = ["__version__", *sorted(_PUBLIC)]

if TYPE_CHECKING:
    from mmasc.audio import find_audio, load_audio, stream_audio
    from mmasc.baselines import NETWORKS, load_network
    from mmasc.classify import classify
    from mmasc.collection import Collection
    from mmasc.collection.ingest import embed
    from mmasc.encoders import SPECS, load_encoder
    from mmasc.encoders.base import Encoder
    from mmasc.encoders.files import embed_file, embed_files
    from mmasc.encoders.spec import EncoderSpec
    from mmasc.errors import MmascError
    from mmasc.evaluation.report import report
    from mmasc.evaluation.sweep import sweep_prompts
    from mmasc.evaluation.tuning import tune_prompts
    from mmasc.heads.applying import apply_head
    from mmasc.heads.calibrated import CentredZeroShot, PriorMatchedZeroShot
    from mmasc.heads.files import FittedHead
    from mmasc.heads.fitting import fit_head
    from mmasc.heads.tuned import Calibration
    from mmasc.heads.zeroshot import ZeroShotClassifier
    from mmasc.prompts import Prompts, load_prompts
    from mmasc.segments import cut_segments


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'mmasc' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
