"""A model of MTEB: one of its tasks from end to end, on sounds made here."""

import importlib
import io
import sys

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.errors import MmascError


class Decoder:
    """A row of a column `Audio`, as torchcodec hands it out."""

    def __init__(self, samples: np.ndarray, sample_rate: int) -> None:
        self.data, self.sample_rate = samples[None], sample_rate

    def get_all_samples(self) -> "Decoder":
        return self


NAMES = ("rain", "rooster", "church_bells")
TEXTS = ["rain", "a rooster crowing", "church bells ringing"]


def test_without_the_package_the_extra_is_named(monkeypatch):
    for name in [one for one in sys.modules if one.partition(".")[0] == "mteb"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mteb", None)
    monkeypatch.delitem(sys.modules, "mmasc.integrations.mteb", raising=False)
    with pytest.raises(MmascError, match=r"mteb.* is missing; models of MTEB need it: pip install 'mmasc\[mteb\]'"):
        importlib.import_module("mmasc.integrations.mteb")


@pytest.fixture(scope="module")
def mteb():
    return pytest.importorskip("mteb", reason="the extra mteb is not installed")


def takes() -> list[dict]:
    sounds = [mmasc.synthesise(name, 16_000, 2.0, seed) for seed in range(2) for name in NAMES]
    return [{"array": one, "sampling_rate": 16_000} for one in sounds]


def metadata(kind: str, name: str, **more):
    from mteb.abstasks.task_metadata import TaskMetadata

    said = dict(
        name=name,
        description="Sounds by rule.",
        type=kind,
        dataset={"path": "none", "revision": "none"},
        category="a2t",
        eval_splits=["test"],
        eval_langs=["zxx-Zxxx"],
        main_score="accuracy",
        modalities=["audio", "text"],
    )
    return TaskMetadata(**said | more)


def as_rows():
    from datasets import Dataset

    return Dataset.from_dict({"audio": takes(), "label": [0, 1, 2] * 2})


def as_decoders():
    """A column of the type `Audio`, whose rows are decoders: as newer data sets are published."""
    from datasets import Audio, Dataset

    files = []
    for one in takes():
        content = io.BytesIO()
        soundfile.write(content, one["array"], one["sampling_rate"], "FLOAT", format="WAV")
        files.append({"bytes": content.getvalue(), "path": None})
    rows = Dataset.from_dict({"audio": files, "label": [0, 1, 2] * 2}).cast_column("audio", Audio())
    try:
        assert callable(rows[0]["audio"].get_all_samples)
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchcodec, or FFmpeg that it needs, is not installed ({type(error).__name__})")
    return rows


def zero_shot(rows):
    """A zero-shot task whose sounds are made here."""
    from datasets import DatasetDict
    from mteb.abstasks import AbsTaskZeroShotClassification

    class MadeHere(AbsTaskZeroShotClassification):
        metadata = metadata("AudioZeroshotClassification", "MadeHere")
        input_column_name = "audio"
        label_column_name = "label"

        def load_data(self, **asked):
            self.dataset = DatasetDict({"test": rows})
            self.data_loaded = True

        def get_candidate_labels(self):
            return TEXTS

    return MadeHere()


@pytest.mark.parametrize("rows", [as_rows, as_decoders])
@pytest.mark.filterwarnings("ignore")
def test_a_task_of_zero_shot_classification_from_end_to_end(mteb, rows):
    from mmasc.integrations.mteb import MtebEncoder

    model = MtebEncoder("base")
    result = mteb.evaluate(model, [zero_shot(rows())], cache=None, show_progress_bar=False)
    (scores,) = result.task_results[0].scores["test"]
    # the same worked out by mmasc alone
    sounds = np.stack([model.encoder.embed_audio(one["array"], 16_000).vector for one in takes()])
    answers = (sounds @ model.encoder.embed_text(TEXTS).T).argmax(1)
    assert scores["accuracy"] == np.mean(answers == [0, 1, 2] * 2)
    assert scores["accuracy"] > 0.8
    assert result.model_revision == model.encoder.identity


@pytest.mark.filterwarnings("ignore")
def test_what_is_asked_is_what_is_answered(mteb, standin):
    from mmasc.integrations.mteb import MtebEncoder

    model = MtebEncoder(standin)
    sound = {"array": np.full(8_000, 0.5, np.float32), "sampling_rate": 8_000}
    of_texts = model.encode([{"text": ["ab"]}, {"text": ["cd", "a"]}], task_metadata=None)
    np.testing.assert_array_equal(of_texts, standin.embed_text(["ab", "cd", "a"]))
    heard = model.encode([{"audio": [sound, Decoder(sound["array"], 8_000)]}])
    np.testing.assert_array_equal(heard, [standin.embed_audio(sound["array"], 8_000).vector] * 2)
    both = model.encode([{"text": ["ab"], "audio": [sound]}])
    parts = [standin.embed_text("ab")[0], standin.embed_audio(sound["array"], 8_000).vector]
    np.testing.assert_allclose(both[0], sum(one / np.linalg.norm(one) for one in parts), rtol=1e-6)
    with pytest.raises(MmascError, match="standin reads text, audio and image, got video"):
        model.encode([{"video": [None]}])
    with pytest.raises(MmascError, match="holds audio and text, no image"):
        model.encode([{"image": [None]}])
    about = model.mteb_model_meta
    assert (about.name, about.revision, about.embed_dim) == ("mmasc/standin", standin.identity, 4)
    assert isinstance(model, importlib.import_module("mteb.models.models_protocols").EncoderProtocol)
    assert MtebEncoder(standin, revision=standin.identity).encoder is standin
    with pytest.raises(MmascError, match="encoder standin has changed since revision 123; leave the revision out"):
        MtebEncoder(standin, revision="123")
