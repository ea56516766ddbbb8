"""A tagger's space of names: its formula by hand, what its identity hangs on, and what is refused."""

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from mmasc.encoders.export import export_encoder
from mmasc.encoders.mini_text import load_text_side
from mmasc.encoders.names import spoken
from mmasc.encoders.registry import load_encoder
from mmasc.encoders.usual import Usual, save_usual, usual_path
from mmasc.errors import MmascError
from mmasc.labelling.centring import centre_tagger
from mmasc.networks.load import load_network
from mmasc.networks.registry import NETWORKS
from mmasc.storage.tensors import save_tensors
from tests.helpers.small_network import FILTERS, lived_in

CLASSES = ("Dog", "Church_bell", "Male speech, man speaking")


@pytest.fixture
def tagger(tmp_path, monkeypatch) -> str:
    """A small network with names, and what is usual for it."""
    monkeypatch.setitem(NETWORKS, "filters", FILTERS)
    path = tmp_path / "filters.safetensors"
    write_network(path, CLASSES)
    save_usual(usual_path(path), Usual(CLASSES, torch.tensor([0.1, -0.2, 0.3]), torch.tensor([0.5, 0.25, 1.0])))
    return f"filters:{path}"


def write_network(path, classes) -> None:
    network = load_network("filters", classes=CLASSES, seed=1)
    about = {"network": "filters", "classes": list(classes), "features": network.features, "arguments": {}}
    save_tensors(path, lived_in(network.body).state_dict(), about)


def write_sounds(folder, number: int, seconds: float = 5.0):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for one in range(number):
        tone = np.sin(np.arange(int(16_000 * seconds)) * (0.02 + 0.01 * one))
        soundfile.write(folder / f"{one}.wav", 0.3 * tone + 0.02 * rng.standard_normal(len(tone)), 16_000)
    return folder


def test_a_vector_is_its_formula(tagger):
    encoder = load_encoder(f"names:{tagger}")
    waveform = 0.1 * torch.randn(2, 80_000, generator=torch.Generator().manual_seed(0))
    logits = np.stack([load_network(tagger).scores(one, 16_000) for one in waveform])
    excess = np.maximum((logits - [0.1, -0.2, 0.3]) / [0.5, 0.25, 1.0], 0) ** 3
    texts = load_text_side("mini")(["dog", "church bell", "male speech man speaking"])
    centred = texts - texts.mean(0)
    names = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.embed(waveform), excess @ names, rtol=1e-4, atol=1e-5)
    assert (excess > 0).any(1).all()
    query = load_text_side("mini")(["a barking dog"])[0] - texts.mean(0)
    np.testing.assert_allclose(encoder.embed_text("a barking dog")[0], query / np.linalg.norm(query), atol=1e-6)


def test_as_an_onnx_file_it_gives_the_same_vectors(tagger, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    encoder = load_encoder(f"names:{tagger}")
    found = export_encoder(f"names:{tagger}", tmp_path / "names.onnx")
    samples = round(encoder.spec.window_seconds * encoder.spec.sample_rate)
    assert (found.samples, found.outputs) == (samples, {"vector": encoder.spec.dim})
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (3, samples)).astype(np.float32)
    session = onnxruntime.InferenceSession(found.path, providers=["CPUExecutionProvider"])
    wanted = encoder.embed(noise)
    assert np.linalg.norm(wanted, axis=1).min() > 0.01
    for sounds, vectors in ((noise, wanted), (noise[1:2], wanted[1:2])):
        np.testing.assert_allclose(session.run(["vector"], {"waveform": sounds})[0], vectors, atol=1e-4, rtol=1e-4)
    again = load_encoder(f"onnx:{found.path}")
    np.testing.assert_allclose(again.embed(noise), wanted, atol=1e-4, rtol=1e-4)
    short = export_encoder(f"names:{tagger}", tmp_path / "short.onnx", seconds=2.0)
    assert short.samples == 2 * encoder.spec.sample_rate
    # a tagger that is an ONNX file stays one
    scores = export_encoder(tagger, tmp_path / "filters.onnx", seconds=5.12)
    save_usual(usual_path(tmp_path / "filters.onnx"), encoder.usual)
    with pytest.raises(MmascError, match=r"is an ONNX file already \(.*filters\.onnx\)"):
        export_encoder(f"names:onnx:{scores.path}", tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_the_text_of_a_class_lies_at_its_own_name(tagger):
    encoder = load_encoder(f"names:{tagger}")
    cosines = encoder.embed_text([spoken(name) for name in CLASSES]) @ encoder._name_vectors.numpy().T
    assert cosines.argmax(1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(np.diag(cosines), 1, atol=1e-5)


def test_identity_hangs_on_names_text_and_what_is_usual(tagger, tmp_path):
    path = tmp_path / "filters.safetensors"
    found = {load_encoder(f"names:{tagger}").identity, load_encoder(f"names:{tagger}").identity}
    assert len(found) == 1
    plain = Usual(CLASSES, torch.zeros(3), torch.ones(3))
    save_usual(usual_path(path), plain)
    found.add(load_encoder(f"names:{tagger}").identity)
    renamed = ("Cat", *CLASSES[1:])
    write_network(path, renamed)
    save_usual(usual_path(path), Usual(renamed, plain.mean, plain.deviation))
    found.add(load_encoder(f"names:{tagger}").identity)
    assert len(found) == 3
    found.add(load_encoder(f"filters:{path}").identity)
    assert len(found) == 4


def test_centring_measures_mean_and_deviation_over_windows(tagger, tmp_path):
    sounds = write_sounds(tmp_path / "sounds", 100)
    path, usual = centre_tagger(tagger, [sounds])
    assert path == tmp_path / "filters.safetensors.usual.safetensors"
    network = load_network(tagger)
    logits = np.stack([network.scores(soundfile.read(one)[0], 16_000) for one in sorted(sounds.glob("*.wav"))])
    np.testing.assert_allclose(usual.mean, logits.mean(0), atol=1e-4)
    np.testing.assert_allclose(usual.deviation, logits.std(0), atol=1e-4)
    assert usual.windows == 100
    stored = load_file(path)
    assert torch.equal(stored["usual.mean"], usual.mean)
    assert load_encoder(f"names:{tagger}").usual.source == "100 recordings of sounds"


def test_what_cannot_be_is_one_line(tagger, tmp_path):
    path = tmp_path / "filters.safetensors"
    with pytest.raises(MmascError, match="names needs a tagger"):
        load_encoder("names")
    with pytest.raises(MmascError, match="2 windows of 5.12 s with sound are too few"):
        centre_tagger(tagger, [write_sounds(tmp_path / "few", 2)])
    usual_path(path).unlink()
    with pytest.raises(MmascError, match=r"nobody has measured what is usual for filters:.*mmasc models centre"):
        load_encoder(f"names:{tagger}")
    save_usual(usual_path(path), Usual(CLASSES[:2], torch.zeros(2), torch.ones(2)))
    with pytest.raises(MmascError, match="is for other classes"):
        load_encoder(f"names:{tagger}")
    save_usual(usual_path(path), Usual(CLASSES, torch.zeros(3), torch.tensor([1.0, 0.0, 1.0])))
    with pytest.raises(MmascError, match="holds numbers that no tagger gives"):
        load_encoder(f"names:{tagger}")
    usual_path(path).write_bytes(b"damaged")
    with pytest.raises(MmascError, match="cannot be read"):
        load_encoder(f"names:{tagger}")
    write_network(path, ("Dog", "Dog", "Cat"))
    with pytest.raises(MmascError, match="several classes called 'Dog'"):
        load_encoder(f"names:{tagger}")
    write_network(path, ())
    with pytest.raises(MmascError, match="has no names for its classes"):
        load_encoder(f"names:{tagger}")


def test_real_weights_find_kinds_of_esc10_by_name(test_data):
    weights = test_data / "checkpoints" / "yamnet" / "yamnet_8bit_folded.safetensors"
    clips = sorted((test_data / "data" / "esc10").rglob("1-*.ogg"))[::2]
    if not weights.is_file() or not clips:
        pytest.skip("YAMNet or ESC-10 is not there")
    encoder = load_encoder(f"names:yamnet:{weights}")
    labels = sorted({clip.stem.split("-")[-1] for clip in clips})
    texts = encoder.embed_text([label.replace("_", " ") for label in labels])
    right = 0
    for clip in clips:
        waveform, rate = soundfile.read(clip, dtype="float32")
        right += labels[int((texts @ encoder.embed_audio(waveform, rate).vector).argmax())] == clip.stem.split("-")[-1]
    # Ten kinds by chance are .1
    assert right / len(clips) > 0.7
