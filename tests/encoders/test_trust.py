"""Files run only with trust: asked once, remembered with their content, said in one line where nobody can be asked."""

import pytest

from mmasc.encoders.trust import VARIABLE, asking, trust, trusted_source
from mmasc.errors import MmascError


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("MMASC_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(VARIABLE, raising=False)
    path = tmp_path / "mine.py"
    path.write_bytes(b"x = 1\n")
    return path


def test_nobody_to_ask(file):
    with pytest.raises(MmascError, match=r"mine.py is a program .* run `mmasc models trust .*MMASC_TRUST=") as found:
        trusted_source(file)
    assert "\n" not in str(found.value)


def test_asked_once_for_each_content(file, tmp_path):
    questions = []

    def answer(question):
        questions.append(question)
        return "no" not in file.name

    with asking(answer):
        assert trusted_source(file) == b"x = 1\n"
        trusted_source(file)
        assert len(questions) == 1
        file.write_bytes(b"x = 2\n")
        trusted_source(file)
        assert len(questions) == 2
        other = tmp_path / "no.py"
        other.write_bytes(b"x = 2\n")  # the same content at another place
        file = other
        with pytest.raises(MmascError, match="no.py is a program"):
            trusted_source(other)
    assert len(questions) == 3
    assert all("sha256" in one for one in questions)


def test_trust_is_remembered_until_the_file_changes(file):
    digest, changed = trust(file)
    assert (len(digest), changed) == (64, False)
    assert trusted_source(file) == b"x = 1\n"
    file.write_bytes(b"x = 2\n")
    with pytest.raises(MmascError, match="nobody has trusted yet"):
        trusted_source(file)
    assert trust(file)[1]


def test_the_variable_names_files(file, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"{tmp_path / 'other.py'}:{file}")
    assert trusted_source(file) == b"x = 1\n"
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(MmascError, match="nobody has trusted"):
        trusted_source(file)


def test_damaged_memory_is_said(file, tmp_path):
    trust(file)
    (tmp_path / "home" / "trusted.json").write_text("[")
    with pytest.raises(MmascError, match=r"trusted.json is damaged"):
        trusted_source(file)
