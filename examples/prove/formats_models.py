"""Files of models that others write: ONNX with YAML, folders of packages, released weights, what is usual for a tagger,
and what `mmasc train align --teacher` keeps."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import yaml
from one_format import Format
from storms import mmasc as command

from mmasc.encoders.audioclip_files import _read_tensors
from mmasc.encoders.registry import load_encoder
from mmasc.encoders.usual import Usual, save_usual, usual_path
from mmasc.networks.load import load_network
from mmasc.networks.vggish_postprocessor import read_postprocessor
from mmasc.storage.tensors import save_tensors
from mmasc.training.alignment.train import train_alignment

_CLASSES = ("low hum", "whistle", "rain")
_RATE, _DIM = 4_000, 5


def _embed_noise(name: str) -> None:
    encoder = load_encoder(name)
    count = max(encoder.window_samples, 1)
    if count > 10_000_000:
        return  # hours of sound are heard by who asks for them
    vectors = encoder.embed(np.random.default_rng(0).normal(0, 0.1, (1, count)).astype(np.float32))
    assert vectors.shape == (1, encoder.spec.dim), vectors.shape


# A tagger's file, and what is usual for it


def names_of_file(shared: Path) -> str:
    """Name of an encoder: a tagger with three classes, of random weights."""
    path = shared / "tagger.safetensors"
    if not path.exists():
        network = load_network("mini-cnn", classes=_CLASSES, n_classes=len(_CLASSES), seed=1)
        about = {"network": "mini-cnn", "classes": list(_CLASSES), "features": network.features, "arguments": {}}
        save_tensors(path, network.body.state_dict(), about)
        save_usual(usual_path(path), Usual(_CLASSES, torch.zeros(3), torch.full((3,), 0.1)))
    return f"names:mini-cnn:{path}"


def _tagger(shared: Path, folder: Path) -> Path:
    for file in (Path(names_of_file(shared).rpartition(":")[2]), usual_path(shared / "tagger.safetensors")):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder / "tagger.safetensors"


def _usual(shared: Path, folder: Path) -> Path:
    return usual_path(_tagger(shared, folder))


# ONNX


def _onnx(shared: Path, folder: Path) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    samples, chance = _RATE // 2, np.random.default_rng(0)
    constants = {
        "bank": chance.normal(size=(samples, _DIM)).astype(np.float32),
        "head": chance.normal(size=(_DIM, 3)).astype(np.float32),
    }
    nodes = [("sound", "bank", "vectors"), ("vectors", "head", "logits")]
    outputs = {"vectors": _DIM, "logits": 3}
    graph = helper.make_graph(
        [helper.make_node("MatMul", [one, by], [to]) for one, by, to in nodes],
        "sample",
        [helper.make_tensor_value_info("sound", TensorProto.FLOAT, ["n", samples])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name, size in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "sample.onnx")
    about = {"sample_rate": _RATE, "window_seconds": 0.5, "input": ["batch", "time"], "vector": "vectors"}
    about |= {
        "scores": "logits",
        "classes": list(_CLASSES),
        "licence": "CC BY 4.0",
        "heard": ["ESC-50"],
        "padding": "zeros",
    }
    (folder / "sample.yaml").write_text(yaml.safe_dump(about, sort_keys=False))
    return folder / "sample.onnx"


def _hear_onnx(shared: Path, path: Path) -> None:
    command("models", "info", f"onnx:{path.with_suffix('.onnx')}", "--format", "json")
    _embed_noise(f"onnx:{path.with_suffix('.onnx')}")


# A folder as the package transformers saves models


def _folder(shared: Path, folder: Path) -> Path:
    import transformers

    config = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(8, 8),
        conv_kernel=(10, 8), conv_stride=(5, 4), num_feat_extract_layers=2, num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.Wav2Vec2Model(config).eval().save_pretrained(folder / "sample")
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=16_000).save_pretrained(folder / "sample")
    (folder / "sample" / "README.md").write_text("---\nlicense: mit\nlanguage: [en, de]\n---\nA model.\n")
    return folder / "sample"


def _hear_folder(shared: Path, path: Path) -> None:
    name = f"transformers:{path}"
    command("models", "info", name, "--format", "json")
    encoder = load_encoder(name, window_seconds=0.5)
    encoder.embed(np.random.default_rng(0).normal(0, 0.1, (1, encoder.window_samples)).astype(np.float32))


# Released weights


def _official(wrapped: Callable[[dict], dict]) -> Callable[[Path, Path], Path]:
    def make(shared: Path, folder: Path) -> Path:
        torch.save(wrapped(load_network("mini-cnn").body.state_dict()), folder / "sample.pt")
        return folder / "sample.pt"

    return make


def _old_way(shared: Path, folder: Path) -> Path:
    """Not of the zip format."""
    state = load_network("mini-cnn").body.state_dict()
    torch.save({"model": state}, folder / "sample.pth", _use_new_zipfile_serialization=False)
    return folder / "sample.pth"


def _keras(shared: Path, folder: Path) -> Path:
    """YAMNet's file has 3.7 million numbers; this one its names and axes, and few of them."""
    import h5py

    with h5py.File(folder / "sample.h5", "w") as file:
        chance = np.random.default_rng(0)
        for name, shape in (("layer1/conv/layer1/conv/kernel:0", (3, 3, 1, 4)), ("layer1/conv/bn/beta:0", (4,)),
                            ("logits/logits/kernel:0", (4, 3)), ("logits/logits/bias:0", (3,))):  # fmt: skip
            file.create_dataset(name, data=chance.normal(size=shape).astype(np.float32))
        file.create_dataset("packed", data=np.zeros((64, 8), np.float32), chunks=(16, 8), compression="gzip")
    return folder / "sample.h5"


def _read_keras(shared: Path, path: Path) -> None:
    from mmasc.storage.keras import read_keras

    for one in read_keras(path).values():
        one.sum()


def _postprocessor(shared: Path, folder: Path) -> Path:
    chance = np.random.default_rng(0)
    arrays = {"pca_eigen_vectors": chance.normal(size=(128, 128)), "pca_means": chance.normal(size=128)}
    np.savez(folder / "sample.npz", **{name: one.astype(np.float32) for name, one in arrays.items()})
    return folder / "sample.npz"


def _postprocess(shared: Path, path: Path) -> None:
    read_postprocessor(path).quantise(np.zeros((2, 128), np.float32))


# What teachers said, and the crops that they heard


def _teach(shared: Path, path: Path, out: str) -> None:
    train_alignment(
        shared / "sounds" / "table.csv", path.parent / out, steps=2, batch=4, crop_seconds=1.3, crops_each=2,
        checkpoint_steps=2, cache=path, teacher=("classic",), class_weight=0.0,
    )  # fmt: skip


def _taught(shared: Path, folder: Path) -> Path:
    _teach(shared, folder / "sample", "whole")
    return folder / "sample"


def _teach_again(shared: Path, path: Path) -> None:
    """The same weights, whatever was damaged: what is kept is made again."""
    _teach(shared, path, "again")
    ours, whole = (path.parent / name / "last.safetensors" for name in ("again", "whole"))
    assert ours.read_bytes() == whole.read_bytes(), "other weights than those of whole caches"


FORMATS = [
    Format("names-file", _tagger, lambda _, path: _embed_noise(f"names:mini-cnn:{path}"), "safetensors"),
    Format("names-usual", _usual, lambda _, path: _embed_noise(f"names:mini-cnn:{path.parent / 'tagger.safetensors'}"),
           "safetensors"),
    Format("onnx", _onnx, _hear_onnx),
    Format("onnx-yaml", lambda shared, folder: _onnx(shared, folder).with_suffix(".yaml"), _hear_onnx, "yaml"),
    Format("transformers", _folder, _hear_folder, parts=("*.json", "*.safetensors", "*.md")),
    Format("weights-pt-model", _official(lambda state: {"model": state, "iteration": 7}),
           lambda _, path: command("models", "info", f"mini-cnn:{path}")),
    Format("weights-pt-tables", _official(dict), lambda _, path: _read_tensors(path)),
    Format("weights-pth", _old_way, lambda _, path: command("models", "info", f"mini-cnn:{path}")),
    Format("weights-h5", _keras, _read_keras),
    Format("vggish-npz", _postprocessor, _postprocess),
    Format("cache-teacher", _taught, _teach_again,
           parts=("samples/*/*", "crops/*/*", "targets/*/*/*")),
]  # fmt: skip
