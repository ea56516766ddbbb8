"""What an encoder learned from the recordings at hand: by name, sound or run; nothing where nothing is known."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from mmasc.encoders.heard import Heard, heard
from mmasc.encoders.learned import BUNDLED, SAME_COSINE, _known, pack, same_recordings
from mmasc.encoders.registry import ENCODERS, load_encoder

LEARNED = {"mini-strict": 482, "base": 3019, "base-features": 3019, "base-strict": 2310}
ESC = ["1-100032-A-0.wav", "audio/4-181563-A.ogg", "x/5-9032-A-0.wav", "rain.wav"]


def test_the_bundled_encoder_names_the_very_recordings_that_it_learned_from():
    found = heard("mini", ESC)
    assert (found.state, found.data, found.learned, found.recordings) == ("recordings", "ESC-10", 2, 4)
    assert found.sentence.startswith("mini learned from 2 of these 4 recordings (ESC-10): ")
    assert heard("mini-features", ESC).learned == 2


def test_the_strict_encoder_never_heard_them():
    assert heard("mini-strict", ESC) == Heard("mini-strict", "unknown", "", 0, 4)
    assert heard("mini-strict", ESC, dataset="esc10").sentence == ""


def test_another_fold_of_a_set_is_of_the_set():
    found = heard("mini", ESC[2:3])
    assert (found.state, found.data, found.learned) == ("set", "ESC-10", 0)
    assert "to which these recordings belong" in found.sentence
    assert heard("mini", ["renamed.wav"], dataset="esc50").state == "set"


@pytest.mark.parametrize("encoder", ["audioclip", "clap", "clap-general", "cnn14"])
def test_encoders_of_audioset_know_its_clips_by_name(encoder):
    names = ["Y--4gqARaEJE.wav", "Y0fV8dlB1ZJU.wav"]
    assert heard(encoder, names).state == "set"
    assert heard(encoder, ESC).state == "unknown"  # none of them learned from ESC
    assert heard("mini", names).state == "unknown"


@pytest.mark.parametrize("encoder", ["classic", "ivf:run", "mini:somewhere/best.safetensors", "nobody"])
def test_of_other_weights_nothing_is_known(encoder):
    found = heard(encoder, ESC)
    assert (found.state, found.sentence) == ("unknown", "")
    assert "/" not in found.encoder


def test_a_run_says_what_it_learned_from(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"dataset": "esc10", "network": "cnn6", "fold": "1"}))
    found = heard(f"cnn6:{tmp_path / 'best.safetensors'}", ESC)
    assert (found.state, found.data, found.encoder) == ("set", "esc10", "cnn6:best.safetensors")
    assert heard(f"cnn6:{tmp_path}", ["rain.wav"]).state == "unknown"
    (tmp_path / "config.json").write_text("[1")
    assert heard(f"cnn6:{tmp_path}", ESC).state == "unknown"


def test_the_words_are_part_of_the_record():
    found = heard("mini", ESC)
    assert asdict(found)["sentence"] == found.sentence


@pytest.mark.parametrize("name", BUNDLED)
def test_recordings_are_known_again_by_their_vectors(name):
    directions, known = _known(name)
    assert len(known) == LEARNED.get(name, 802)
    assert len(directions) == ENCODERS[name].dim
    # A vector that lies along the directions as a recording does, at any length
    again = known[[0, 7]] @ np.linalg.pinv(directions) * np.array([[3.0], [0.1]])
    other = np.random.default_rng(0).normal(size=(50, len(directions)))
    assert same_recordings(name, np.concatenate([again, other, np.zeros((1, len(directions)))])).tolist() == [
        *[True] * 2,
        *[False] * 51,
    ]
    renamed = heard(name, ["a.wav", "b.wav"], again)
    assert (renamed.state, renamed.learned, renamed.data) == ("recordings", 2, "")


def test_other_encoders_know_no_recordings():
    assert not same_recordings("clap", np.ones((3, 512))).any()
    assert not same_recordings("mini", np.ones((3, 7))).any()


def test_what_is_kept_is_enough_and_no_more():
    vectors = np.random.default_rng(1).normal(size=(40, 96)) + 1
    kept = pack(vectors, 32)
    assert {name: (array.dtype.name, array.shape) for name, array in kept.items()} == {
        "directions": ("int8", (96, 32)),
        "recordings": ("int8", (40, 32)),
    }
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    inside = unit @ kept["directions"].astype(float)
    known = kept["recordings"].astype(float)
    cosines = (inside * known).sum(1) / np.linalg.norm(inside, axis=1) / np.linalg.norm(known, axis=1)
    assert cosines.min() > SAME_COSINE


def test_what_weights_learned_from_is_no_part_of_their_identity():
    spec = ENCODERS["classic"]
    encoder = load_encoder("classic")
    other = type(encoder)(replace(spec, trained_on=None))
    assert other.identity == encoder.identity


def test_every_published_encoder_says_what_it_was_trained_on():
    silent = {name for name, spec in ENCODERS.items() if spec.trained_on is None}
    assert silent == {"ivf", "names", "tagging-scores"}  # your own
    for spec in ENCODERS.values():
        for one in spec.trained_on or ():
            assert one.name in one.line
            assert one.licence
