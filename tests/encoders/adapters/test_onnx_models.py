"""ONNX files of the layouts of BirdNET, Perch and YAMNet: vectors by a second way, names, faults of the YAML."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import yaml

import mmasc
from mmasc.encoders.registry import spec_of
from mmasc.errors import MmascError
from mmasc.labelling.centring import centre_tagger

# Looked for and not imported: whoever only collects the tests needs none of it
pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("onnx", "onnxruntime"))), reason="the extra onnx is not installed"
)

RATE, SAMPLES, DIM = 4_000, 2_000, 5
BANK = np.random.default_rng(0).normal(size=(SAMPLES, DIM)).astype(np.float32)
HEAD = np.random.default_rng(1).normal(size=(DIM, 3)).astype(np.float32)
FRAME = 500


def write(folder, layout=("batch", "time"), said=None, samples=SAMPLES):
    """A linear network of one matrix; YAMNet's layout cuts a waveform of any length into frames."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    names = {"batch": "n", "time": samples}
    frames = layout == ("time",)
    shape = ["time"] if frames else [names.get(axis, axis) for axis in layout]
    rows = FRAME if frames else SAMPLES
    constants = {"bank": BANK[:rows], "head": HEAD, "shape": np.array([-1, rows], np.int64)}
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["sound", "shape"], ["flat"]),
            helper.make_node("MatMul", ["flat", "bank"], ["vectors"]),
            helper.make_node("MatMul", ["vectors", "head"], ["logits"]),
            helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
        ],
        "test",
        [helper.make_tensor_value_info("sound", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", size])
            for name, size in (("vectors", DIM), ("logits", 3), ("probabilities", 3))
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder.mkdir(exist_ok=True)
    onnx.save(model, folder / "net.onnx")
    about = {"sample_rate": RATE, "window_seconds": 0.5, "vector": "vectors", "input": list(layout)} | (said or {})
    (folder / "net.yaml").write_text(yaml.safe_dump({key: value for key, value in about.items() if value is not None}))
    return f"onnx:{folder / 'net.onnx'}"


def windows(n=3, samples=SAMPLES):
    return np.random.default_rng(2).normal(0, 0.2, (n, samples)).astype(np.float32)


@pytest.mark.parametrize(
    "layout", [("batch", "time"), ("batch", 1, "time"), ("batch", "time", 1), (1, "time"), ("time",)]
)
def test_vectors_by_a_second_way(tmp_path, layout):
    name = write(tmp_path, layout, {"full_scale": 32_768, "dim": DIM, "licence": "CC BY-NC-SA 4.0"})
    encoder, given = mmasc.load_encoder(name), windows()
    rows = FRAME if layout == ("time",) else SAMPLES
    wanted = (given * 32_768).reshape(3, -1, rows) @ BANK[:rows]
    np.testing.assert_allclose(encoder.embed(given), wanted.mean(1), rtol=1e-4, atol=1e-2)
    assert encoder.spec == spec_of(name)
    assert encoder.spec.non_commercial
    np.testing.assert_array_equal(encoder.embed(given[1:]), encoder.embed(given)[1:])


def test_short_sounds_are_filled_and_others_windows_refused(tmp_path):
    encoder = mmasc.load_encoder(write(tmp_path))
    given = windows(1, 700)
    wanted = np.pad(given, [(0, 0), (0, SAMPLES - 700)]) @ BANK
    np.testing.assert_allclose(encoder.embed(given), wanted, rtol=1e-4, atol=1e-4)
    with pytest.raises(MmascError, match="takes windows of 0.5 s, not 0.6"):
        mmasc.load_encoder(f"onnx:{tmp_path / 'net.onnx'}", window_seconds=0.6)
    slow = mmasc.load_encoder(f"onnx:{tmp_path / 'net.onnx'}+speed=0.5", window_seconds=0.25)
    assert (slow.spec.sample_rate, slow.spec.window_seconds) == (2 * RATE, 0.25)
    any_length = mmasc.load_encoder(write(tmp_path / "frames", ("time",)), window_seconds=1.0)
    assert any_length.window_samples == RATE


def test_identity_is_of_the_file_and_of_what_shapes_vectors(tmp_path):
    one = mmasc.load_encoder(write(tmp_path)).identity
    assert mmasc.load_encoder(write(tmp_path, said={"licence": "MIT", "description": "x"})).identity == one
    assert mmasc.load_encoder(write(tmp_path, said={"full_scale": 32_768})).identity != one
    assert mmasc.load_encoder(write(tmp_path, ("batch", 1, "time"))).identity != one


@pytest.mark.parametrize("scores", ["logits", "probabilities"])
def test_names_of_classes_make_it_a_tagger(tmp_path, scores):
    (tmp_path / "labels.txt").write_text("rain\ndog bark\n\nsea waves\n")
    name = write(tmp_path, said={"scores": scores, "scores_are": scores, "classes": "labels.txt"})
    import soundfile

    noise = np.random.default_rng(5).normal(0, 0.01, (60, RATE)).astype(np.float32)
    for item, samples in enumerate(noise):
        soundfile.write(tmp_path / f"{item}.wav", samples, RATE, "FLOAT")
    with pytest.raises(MmascError, match=f"nobody has measured what is usual for {name}"):
        mmasc.load_encoder(f"names:{name}")
    path, usual = centre_tagger(name, [tmp_path])
    assert (path.name, usual.classes, usual.windows) == (
        "net.onnx.usual.safetensors",
        ("rain", "dog bark", "sea waves"),
        120,
    )
    np.testing.assert_allclose(usual.mean, (noise.reshape(120, -1) @ BANK @ HEAD).mean(0), atol=0.02)
    encoder = mmasc.load_encoder(f"names:{name}")
    assert (encoder.spec.window_seconds, encoder.spec.sample_rate) == (0.5, RATE)
    # a sound along what the second class listens to is nearest to its name
    sound = (BANK @ HEAD[:, 1])[None] * 0.01 / np.abs(BANK @ HEAD[:, 1]).max()
    others = BANK @ np.delete(HEAD, 1, 1)
    sound -= (np.linalg.pinv(others.T) @ (others.T @ sound[0]))[None]
    vector = encoder.embed(sound.astype(np.float32))[0]
    scores_of = encoder.embed_text(["rain", "a dog bark", "sea waves"]) @ vector
    assert scores_of.argmax() == 1


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"window_seconds": 0.4}, "wants 2000 samples, its YAML file says 0.4 s at 4000 Hz, which are 1600"),
        ({"input": ["batch", 1, "time"]}, r"wants an input of \['n', 2000\], its YAML file says \[batch, 1, time\]"),
        ({"input": ["time", "channel"]}, r"input must be one of \[batch, time\]; \[time\]"),
        ({"vector": "nothing"}, r"has no output 'nothing' .vector.; it has: vectors, logits, probabilities"),
        ({"vector": None}, "net.yaml lacks vector; known: sample_rate"),
        ({"sample_rate": "fast"}, "sample_rate must be a number of 100 or more, got 'fast'"),
        ({"rate": 5}, "says 'rate', which is not known; known: sample_rate"),
        ({"classes": "gone.txt"}, "the classes in 'gone.txt' cannot be read .*No such file"),
        ({"classes": "/dev/zero"}, "the classes in '/dev/zero' cannot be read .it is not a text file"),
        ({"vector": ["x"] * 9_000}, "net.yaml: vector must be a text, got .{100}…"),
        ({"classes": [1, 2]}, "classes must be a list of names"),
        ({"padding": "mirror"}, "padding must be one of zeros, repeat, minimum"),
        ({"dim": 6}, "gives 5 numbers, its YAML file says dim 6"),
        ({"dim": 0}, "dim must be a number of 1 or more, got 0"),
        ({"licence": 5}, "licence must be a text"),
    ],
)
def test_a_file_that_does_not_fit_its_yaml(tmp_path, said, message):
    name = write(tmp_path, said=said)
    if "input" in said and said["input"][0] != "time":
        write(tmp_path / "other")
        (tmp_path / "net.onnx").write_bytes((tmp_path / "other" / "net.onnx").read_bytes())
    with pytest.raises(MmascError, match=message) as found:
        mmasc.load_encoder(name)
    assert "\n" not in str(found.value)


def test_a_yaml_that_would_grow_without_bound(tmp_path):
    name = write(tmp_path)
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    for text in (f"{bomb}input: *a11\n", "[" * 100_000):
        (tmp_path / "net.yaml").write_text(text)
        with pytest.raises(MmascError, match="net.yaml cannot be read .*; correct it") as found:
            mmasc.load_encoder(name)
        assert len(str(found.value)) < 500


def test_files_that_are_not_there_or_damaged(tmp_path, monkeypatch):
    name = write(tmp_path)
    with pytest.raises(MmascError, match="gone.onnx does not exist; name an ONNX file"):
        mmasc.load_encoder(f"onnx:{tmp_path / 'gone.onnx'}")
    (tmp_path / "net.onnx").write_bytes(b"damaged")
    with pytest.raises(MmascError, match="cannot be run .*; copy or export it again"):
        mmasc.load_encoder(name)
    (tmp_path / "net.yaml").unlink()
    with pytest.raises(MmascError, match="net.yaml does not exist: write a YAML file with sample_rate, window_seconds"):
        mmasc.load_encoder(name)
    write(tmp_path, said={"scores": "logits", "classes": ["a"]})
    with pytest.raises(MmascError, match="gives 3 scores, its YAML file names 1 class"):
        centre_tagger(name, [write_sound(tmp_path)])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MmascError, match=r"onnxruntime is not installed; .*pip install 'mmasc\[onnx\]'"):
        mmasc.load_encoder(name)


def write_sound(folder):
    import soundfile

    soundfile.write(folder / "a.wav", windows(1)[0], RATE)
    return folder / "a.wav"
