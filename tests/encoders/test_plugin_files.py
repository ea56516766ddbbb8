"""Plug-ins in files and packages: found by name, run only with trust, and what is wrong with them is said."""

import sys

import pytest

import mmasc
from mmasc.encoders.plugin_files import full_name, installed_plugins, is_plugin
from mmasc.encoders.registry import spec_of
from mmasc.errors import MmascError

CODE = """
import numpy as np
import mmasc


class {name}(mmasc.EncoderPlugin):
    spec = mmasc.PluginSpec("{name}", version="1", sample_rate=8000, window_seconds=0.5, dim=2)

    def embed_audio(self, windows):
        return np.stack([windows.max(1), windows.min(1)], 1)
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("MMASC_HOME", str(tmp_path / "home"))
    path = tmp_path / "mine.py"
    path.write_text(CODE.format(name="Mine"))
    monkeypatch.setenv("MMASC_TRUST", str(path))
    return path


def test_names_of_files(file):
    assert mmasc.load_encoder(f"{file}").spec.name == "Mine"
    assert mmasc.load_encoder(f"{file}:Mine").plugin.path is None
    assert mmasc.load_encoder(f"{file}:Mine:some/weights").plugin.path == "some/weights"
    assert mmasc.load_encoder(f"{file}:Mine+speed=0.5").spec.sample_rate == 16_000
    assert is_plugin("a b.py:Mine")
    assert not is_plugin("mini:runs/x")
    assert full_name("mini:runs/x") == "mini:runs/x"


def test_a_file_is_loaded_once_and_again_when_it_changes(file):
    one = mmasc.load_encoder(f"{file}:Mine")
    assert type(mmasc.load_encoder(f"{file}:Mine").plugin) is type(one.plugin)
    file.write_text(CODE.format(name="Mine").replace('version="1"', 'version="2"'))
    other = mmasc.load_encoder(f"{file}:Mine")
    assert other.identity != one.identity


@pytest.mark.parametrize(
    ("code", "asked", "message"),
    [
        (CODE.format(name="Mine"), ":Other", "holds no encoder Other; it has: Mine"),
        (CODE.format(name="Mine") + CODE.format(name="More"), "", "not one encoder alone; it has: Mine, More"),
        ("x = 1", "", "it has: none: write a subclass of mmasc.EncoderPlugin"),
        ("1 / 0", ":Mine", "cannot be loaded: ZeroDivisionError .division by zero."),
        ("def", ":Mine", "cannot be loaded: SyntaxError .*line 1"),
        ("import no_such_package_here", ":Mine", "ModuleNotFoundError .No module named 'no_such_package_here'"),
    ],
)
def test_files_that_hold_no_such_encoder(file, code, asked, message):
    file.write_text(code)
    with pytest.raises(MmascError, match=message) as found:
        mmasc.load_encoder(f"{file}{asked}")
    assert "mine.py" in str(found.value)
    assert spec_of(f"{file}{asked}") is None


def test_a_file_that_is_not_there(file):
    with pytest.raises(MmascError, match="gone.py cannot be read"):
        mmasc.load_encoder(f"{file.parent / 'gone.py'}:Mine")


def test_packages_name_theirs_by_entry_points(tmp_path, monkeypatch):
    site = tmp_path / "site"
    about = site / "theirs-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    lines = ("theirs = theirs_module:Theirs", "broken = theirs_module:Nothing", "odd = theirs_module:np", "mini = a:B")
    (about / "entry_points.txt").write_text("[mmasc.encoders]\n" + "\n".join(lines) + "\n")
    (site / "theirs_module.py").write_text(CODE.format(name="Theirs"))
    monkeypatch.syspath_prepend(str(site))
    try:
        assert {"theirs", "broken", "odd"} <= set(installed_plugins())
        loaded = mmasc.load_encoder("theirs:w")
        assert (loaded.spec.name, loaded.plugin.path, loaded.loaded_as) == ("Theirs", "w", "theirs:w")
        assert mmasc.load_encoder("mini").spec.dim == 128  # mmasc's own names come first
        with pytest.raises(MmascError, match="the encoder broken .theirs_module:Nothing. cannot be loaded"):
            mmasc.load_encoder("broken")
        with pytest.raises(MmascError, match="odd .* is not a subclass of mmasc.EncoderPlugin"):
            mmasc.load_encoder("odd")
        with pytest.raises(MmascError, match="unknown encoder 'nobody'; there are: .*theirs"):
            mmasc.load_encoder("nobody")
    finally:
        sys.modules.pop("theirs_module", None)
