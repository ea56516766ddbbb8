"""One vector of a recording: files, heads, prompts and collections agree to the last digit."""

import numpy as np
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.collection.vectors import recording_vectors
from mmasc.encoders.embedding import embed_files
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.labelling.apply import apply_head
from mmasc.labelling.classify import classify
from mmasc.labelling.fit import fit_head

PROMPTS = {"up": ["abcdd"], "down": ["b", "bb"], "loud": ["bbbcccd"]}
CUT = {"hop_seconds": 0.5, "channels": "each"}


def test_classify_head_apply_and_a_collection_agree_to_the_last_digit(sounds, standin, tmp_path):
    half_silent = np.random.default_rng(0).uniform(-1, 0.7, (30_001, 2))
    half_silent[:17_000] = 0
    half_silent[:, 1] *= np.arange(30_001) < 22_000
    soundfile.write(sounds / "wood" / "f.wav", half_silent, 8_000)
    table = tmp_path / "meta.csv"
    names = sorted(str(path.relative_to(sounds)) for path in sounds.rglob("*.*"))
    table.write_text("path,kind\n" + "".join(f"{name},{'ab'[place % 2]}\n" for place, name in enumerate(names)))
    mmasc.embed(sounds, tmp_path / "c", standin, metadata=table, **CUT)
    opened = Collection(tmp_path / "c")
    ids, stored = recording_vectors(opened.space())
    paths = opened.recordings.column("path").to_pylist()
    of_path = {str(opened.path_of(paths[opened.row_of[int(one)]])): row for one, row in zip(ids, stored, strict=True)}

    files = list(embed_files(sorted(sounds.rglob("*.*")), standin, **CUT))
    assert len(files) == len(of_path) == 6
    assert any(0 < file.heard.sum() < len(file.heard) for file in files)
    for file in files:
        assert file.vector.dtype == np.float64
        assert file.vector.tobytes() == of_path[str(file.path)].tobytes()

    prompts = ZeroShotClassifier(standin).fit(PROMPTS)
    for answer in classify(sounds, PROMPTS, standin, **CUT):
        assert list(answer.scores.values()) == prompts.predict_proba(of_path[answer.path][None])[0].tolist()
    head = fit_head(opened, "kind", head="logistic", folds=2).fitted
    for answer in apply_head(head, sounds, encoder=standin):
        assert list(answer.scores.values()) == head.predict_proba(of_path[answer.path][None])[0].tolist()
