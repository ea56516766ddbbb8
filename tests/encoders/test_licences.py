"""A licence that forbids commercial use is said where an encoder is loaded: once, by commands, to whoever listens."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

import mmasc
from mmasc.cli import cli
from mmasc.encoders.registry import ENCODERS
from mmasc.progress import QUIET, listening
from tests.conftest import STANDIN_SPEC
from tests.helpers.listener import Listener

LINE = "standin: its licence (CC BY-NC 4.0) forbids commercial use"


@pytest.fixture
def forbidding(monkeypatch) -> str:
    monkeypatch.setattr("mmasc.encoders.licences._SAID", set())
    monkeypatch.setitem(ENCODERS, "standin", replace(STANDIN_SPEC, licence="CC BY-NC 4.0"))
    return "standin"


@pytest.fixture
def asked(forbidding, sounds, monkeypatch):
    """A command and how often it said the line; what was said for the collection that it asks is forgotten."""
    mmasc.embed(sounds, sounds / "c.mmasc", forbidding)

    def ask(*words: str) -> int:
        monkeypatch.setattr("mmasc.encoders.licences._SAID", set())
        done = CliRunner().invoke(cli, list(words))
        assert done.exit_code == 0, done.stderr
        assert LINE not in done.stdout
        return done.stderr.count(LINE)

    return ask


@pytest.mark.parametrize("quiet", [False, True])
def test_every_command_says_it_once(asked, sounds, quiet):
    (sounds / "prompts.yaml").write_text("name: letters\nlabels: {a: [aab], b: [bcd]}\n")
    collection, more = str(sounds / "c.mmasc"), ["--quiet"] if quiet else []
    commands = [
        ["search", collection, "aab"],
        ["search", collection, str(sounds / "wood" / "d.wav")],
        ["classify", str(sounds / "wood"), "--encoder", "standin", "--prompts", str(sounds / "prompts.yaml")],
        ["classify", collection, "--prompts", str(sounds / "prompts.yaml")],
        ["embed", str(sounds / "wood"), "--into", str(sounds / "d.mmasc"), "--encoder", "standin"],
    ]
    for command in commands:
        assert asked(*command, *more) == (0 if quiet else 1), command


def test_whoever_listens_hears_it_once_per_process(forbidding, caplog):
    heard = Listener()
    with listening(heard):
        mmasc.load_encoder(forbidding)
        mmasc.load_encoder(forbidding)
    assert [one for one in heard.said if one[0] == "remark"] == [("remark", LINE)]
    assert caplog.messages == []


@pytest.mark.parametrize(("listens", "logged"), [(False, [LINE]), (True, [])])
def test_in_python_it_goes_into_the_log_unless_somebody_wants_quiet(forbidding, caplog, listens, logged):
    if listens:
        with listening(QUIET):
            mmasc.load_encoder(forbidding)
    else:
        mmasc.load_encoder(forbidding)
    assert caplog.messages == logged


def test_of_others_nothing_is_said(registered, caplog, monkeypatch):
    monkeypatch.setattr("mmasc.encoders.licences._SAID", set())
    mmasc.load_encoder(registered)
    assert caplog.messages == []
