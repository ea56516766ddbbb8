"""mmasc: recordings become vectors in a space shared with text and pictures, and answer questions.

Public names are loaded on first use, so `import mmasc` costs milliseconds and loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmasc.version import __version__

# Name → the module that holds it, in the order in which a user meets them
_PUBLIC = {
    # sound
    "find_audio": "mmasc.audio",
    "load_audio": "mmasc.audio",
    "stream_audio": "mmasc.audio",
    "cut_segments": "mmasc.windows.cut",
    "synthesise": "mmasc.synth",
    # encoders and their vectors
    "ENCODERS": "mmasc.encoders.registry",
    "SPECS": "mmasc.encoders.registry",  # ENCODERS as version 0.1.0 called them; goes with the next release
    "load_encoder": "mmasc.encoders.registry",
    "Encoder": "mmasc.encoders.base",
    "EncoderSpec": "mmasc.encoders.spec",
    "EncoderPlugin": "mmasc.encoders.plugin",
    "PluginSpec": "mmasc.encoders.plugin",
    "FileVectors": "mmasc.encoders.embedding",
    "embed_audio": "mmasc.encoders.waveforms",
    "embed_file": "mmasc.encoders.embedding",
    "embed_files": "mmasc.encoders.embedding",
    "check_encoder": "mmasc.encoders.determinism",
    # collections
    "Annotation": "mmasc.collection.annotations",
    "Annotations": "mmasc.collection.annotations",
    "Collection": "mmasc.collection",
    "Hit": "mmasc.collection.hits",
    "cut_clips": "mmasc.collection.clips",
    "EmbedReport": "mmasc.collection.report",
    "VectorsReport": "mmasc.collection.vector_intake",
    "embed": "mmasc.collection.ingest",
    "find_duplicates": "mmasc.collection.duplicates",
    # prompts
    "Prompts": "mmasc.prompts.prompts",
    "load_prompts": "mmasc.prompts.prompts",
    "ZeroShotClassifier": "mmasc.heads.zeroshot",
    "CentredZeroShot": "mmasc.heads.shifted",
    "PriorMatchedZeroShot": "mmasc.heads.shifted",
    "Calibration": "mmasc.heads.calibration_file",
    "classify": "mmasc.labelling.classify",
    "tune_prompts": "mmasc.studies.prompt_tuning",
    "sweep_prompts": "mmasc.studies.prompt_sweep",
    "report": "mmasc.studies.report",
    "activity": "mmasc.studies.activity",
    "centre_tagger": "mmasc.labelling.centring",
    "find_clusters": "mmasc.studies.clusters",
    "map_windows": "mmasc.studies.window_map",
    # labels of your own
    "HEADS": "mmasc.heads.registry",
    "make_head": "mmasc.heads.registry",
    "fit_head": "mmasc.labelling.fit",
    "fit_moments": "mmasc.labelling.fit_moments",
    "Moments": "mmasc.labelling.moments",
    "review": "mmasc.labelling.review",
    "write_review": "mmasc.labelling.review_files",
    "apply_head": "mmasc.labelling.apply",
    "FittedHead": "mmasc.heads.fitted",
    "LabelRow": "mmasc.label_files.rows",
    "read_rows": "mmasc.label_files.formats",
    "write_rows": "mmasc.label_files.formats",
    "import_labels": "mmasc.collection.label_exchange",
    "export_labels": "mmasc.collection.label_exchange",
    "compare_labels": "mmasc.evaluation.label_comparison",
    "compare_transcripts": "mmasc.evaluation.transcripts",
    # networks
    "NETWORKS": "mmasc.networks.registry",
    "load_network": "mmasc.networks.load",
    "export_encoder": "mmasc.encoders.export",
    "export_network": "mmasc.networks.export",
    "DATASETS": "mmasc.datasets",
    "read_dataset": "mmasc.datasets",
    "train_network": "mmasc.training.supervised.train",
    "evaluate": "mmasc.evaluation.evaluate",
    "compare": "mmasc.evaluation.compare",
    # more training, and sweeps
    "train_alignment": "mmasc.training.alignment.train",
    "train_ivf": "mmasc.training.ivf.train",
    "train_vqvae": "mmasc.training.ivf.train",
    "imagine_files": "mmasc.ivf.imagine",
    "sweep_features": "mmasc.evaluation.feature_sweep",
    "sweep_tags": "mmasc.evaluation.tag_sweep",
    "sweep_values": "mmasc.evaluation.value_sweep",
    # errors that users can fix
    "MmascError": "mmasc.errors",
}

__all__ = ["__version__", *sorted(_PUBLIC)]

if TYPE_CHECKING:
    from mmasc.audio import find_audio, load_audio, stream_audio
    from mmasc.collection import Collection
    from mmasc.collection.annotations import Annotation, Annotations
    from mmasc.collection.clips import cut_clips
    from mmasc.collection.duplicates import find_duplicates
    from mmasc.collection.hits import Hit
    from mmasc.collection.ingest import embed
    from mmasc.collection.label_exchange import export_labels, import_labels
    from mmasc.collection.report import EmbedReport
    from mmasc.collection.vector_intake import VectorsReport
    from mmasc.datasets import DATASETS, read_dataset
    from mmasc.encoders.base import Encoder
    from mmasc.encoders.determinism import check_encoder
    from mmasc.encoders.embedding import FileVectors, embed_file, embed_files
    from mmasc.encoders.export import export_encoder
    from mmasc.encoders.plugin import EncoderPlugin, PluginSpec
    from mmasc.encoders.registry import ENCODERS, SPECS, load_encoder
    from mmasc.encoders.spec import EncoderSpec
    from mmasc.encoders.waveforms import embed_audio
    from mmasc.errors import MmascError
    from mmasc.evaluation.compare import compare
    from mmasc.evaluation.evaluate import evaluate
    from mmasc.evaluation.feature_sweep import sweep_features
    from mmasc.evaluation.label_comparison import compare_labels
    from mmasc.evaluation.tag_sweep import sweep_tags
    from mmasc.evaluation.transcripts import compare_transcripts
    from mmasc.evaluation.value_sweep import sweep_values
    from mmasc.heads.calibration_file import Calibration
    from mmasc.heads.fitted import FittedHead
    from mmasc.heads.registry import HEADS, make_head
    from mmasc.heads.shifted import CentredZeroShot, PriorMatchedZeroShot
    from mmasc.heads.zeroshot import ZeroShotClassifier
    from mmasc.ivf.imagine import imagine_files
    from mmasc.label_files.formats import read_rows, write_rows
    from mmasc.label_files.rows import LabelRow
    from mmasc.labelling.apply import apply_head
    from mmasc.labelling.centring import centre_tagger
    from mmasc.labelling.classify import classify
    from mmasc.labelling.fit import fit_head
    from mmasc.labelling.fit_moments import fit_moments
    from mmasc.labelling.moments import Moments
    from mmasc.labelling.review import review
    from mmasc.labelling.review_files import write_review
    from mmasc.networks.export import export_network
    from mmasc.networks.load import load_network
    from mmasc.networks.registry import NETWORKS
    from mmasc.prompts.prompts import Prompts, load_prompts
    from mmasc.studies.activity import activity
    from mmasc.studies.clusters import find_clusters
    from mmasc.studies.prompt_sweep import sweep_prompts
    from mmasc.studies.prompt_tuning import tune_prompts
    from mmasc.studies.report import report
    from mmasc.studies.window_map import map_windows
    from mmasc.synth import synthesise
    from mmasc.training.alignment.train import train_alignment
    from mmasc.training.ivf.train import train_ivf, train_vqvae
    from mmasc.training.supervised.train import train_network
    from mmasc.windows.cut import cut_segments


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'mmasc' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
