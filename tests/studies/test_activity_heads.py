"""Activity of what a head hears in stored vectors: its events in the files, each once, at its clock."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

import mmasc
from mmasc.collection import Collection
from mmasc.labelling.apply import apply_head
from mmasc.labelling.fit import fit_head
from mmasc.studies.detections import of_head
from tests.helpers.collections import write
from tests.helpers.command import run

LEVELS = {"loud": 0.6, "soft": 0.1}


@pytest.fixture
def heard(tmp_path, registered):
    """A head fitted to loud and soft recordings, and two more with clocks that are soft, loud, soft."""
    lines = ["path,label"]
    for number in range(12):
        label = ("loud", "soft")[number % 2]
        write(tmp_path / "takes" / f"{number}.wav", LEVELS[label] + number / 200, seconds=2)
        lines.append(f"{number}.wav,{label}")
    (tmp_path / "m.csv").write_text("\n".join(lines))
    mmasc.embed(tmp_path / "takes", tmp_path / "t", registered, metadata=tmp_path / "m.csv")
    fit_head(tmp_path / "t", "label", head="neighbours", folds=2, out=tmp_path / "h.head")
    (tmp_path / "field").mkdir()
    for name in ("20240501_035958.wav", "20240502_213000.wav"):
        parts = [np.full(8_000 * seconds, level) for seconds, level in ((2, 0.1), (3, 0.6), (1, 0.1))]
        soundfile.write(tmp_path / "field" / name, np.concatenate(parts), 8_000)
    mmasc.embed(tmp_path / "field", tmp_path / "c", registered)
    return tmp_path


def test_events_of_a_head_are_detections(heard, standin):
    collection = Collection(heard / "c")
    names = dict(zip(collection.recordings["id"].to_pylist(), collection.recordings["path"].to_pylist(), strict=True))
    found = [(names[one.recording], one.start, one.end, one.label) for one in of_head(collection, heard / "h.head")]
    answers = apply_head(heard / "h.head", heard / "field", encoder=standin, timeline=True)
    expected = [(Path(one.path).name, event.start, event.end, event.label) for one in answers for event in one.events]
    assert sorted(found) == sorted(expected)
    assert len(found) == 6
    assert {one.label for one in of_head(collection, heard / "h.head", ["loud"])} == {"loud"}
    counted = mmasc.activity(collection, of_head(collection, heard / "h.head"))
    begin = datetime(2024, 5, 1, 3, 59, 58) + timedelta(seconds=2)
    assert counted.counts[counted.labels.index("loud"), 0, begin.hour] == 1
    assert counted.counts[counted.labels.index("soft"), 0].tolist()[3:5] == [1, 1]


def test_the_command(heard, capsys):
    command = ("collection", "activity", heard / "c", "--head", heard / "h.head")
    status, out, _ = run(*command, "--label", "loud", capsys=capsys)
    assert (status, out.splitlines()[-1][:12]) == (0, "2 detections")
    for more, said in [
        (("--events", heard / "m.csv"), "two sources"), (("--annotator", "ann"), "for annotations"),
        (("--verdict", "absent"), "for annotations"), (("--threshold", "2"), "a probability"),
    ]:  # fmt: skip
        status, _, err = run(*command, *more, capsys=capsys)
        assert status == 2
        assert said in err
