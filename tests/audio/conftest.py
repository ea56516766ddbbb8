"""With one decoder alone."""

import pytest

import mmasc.audio.decode
from mmasc.audio.native import DecodeError


@pytest.fixture
def no_pyav(monkeypatch):
    monkeypatch.setattr(mmasc.audio.decode, "has_pyav", lambda: False)


@pytest.fixture
def only_pyav(monkeypatch):
    pytest.importorskip("av")

    def refuse(self, path, header):
        raise DecodeError("soundfile is not asked")

    monkeypatch.setattr(mmasc.audio.decode.NativeDecoder, "__init__", refuse)
