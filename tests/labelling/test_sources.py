"""Recordings that are embedded to be labelled: the same whoever embeds them, in the order in which they were given."""

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from mmasc.audio.memory import as_source
from mmasc.cli import cli
from mmasc.collection.executors import executing
from mmasc.encoders.executing import Wanted, wanted_now
from mmasc.encoders.registry import load_encoder
from mmasc.errors import MmascError
from mmasc.labelling.sources import heard_in_files


@pytest.fixture
def files(tmp_path):
    generator = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.wav" for number in range(5)]
    for number, path in enumerate(paths):
        soundfile.write(path, generator.uniform(-1, 1, 8_000 + 4_000 * number), 8_000)
    return [paths[3], paths[0], paths[3], *paths[1:], paths[0]]  # some of them twice


def test_whoever_embeds_the_answers_are_the_same_and_in_order(files, registered):
    encoder = load_encoder("standin")
    with executing("local"):
        here = list(heard_in_files(files, encoder, 0.5, "mix"))
    with executing("processes", workers=1):
        there = list(heard_in_files(files, encoder, 0.5, "mix"))
    assert wanted_now() == Wanted()
    assert [one.recordings[0].path for one in here] == [str(path) for path in files]
    for one, other in zip(here, there, strict=True):
        assert one.recordings == other.recordings
        assert one.vectors.tobytes() == other.vectors.tobytes()


def test_what_workers_cannot_do_is_said_and_not_done_here(files, registered, standin):
    with executing("processes"):
        with pytest.raises(MmascError, match="not loaded by name, are heard in this process"):
            next(heard_in_files(files, standin, None, "mix"))
        with pytest.raises(MmascError, match="sounds in memory are heard in this process"):
            next(heard_in_files([as_source(files[0].read_bytes())], load_encoder("standin"), None, "mix"))
    with pytest.raises(ValueError, match="executor local has no workers"), executing("local", workers=2):
        pass


@pytest.mark.parametrize("command", [["classify"], ["head", "apply", "none.head"]])
def test_options_that_do_not_fit_together_are_wrong_usage(files, command):
    for options, said in [
        (["--executor", "local", "--workers", "2"], "executor local has no workers"),
        (["--address", "auto"], "address is of executor ray"),
    ]:
        result = CliRunner().invoke(cli, [*command, str(files[0]), *options])
        assert result.exit_code == 2
        assert said in result.output
