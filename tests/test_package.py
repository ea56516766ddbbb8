"""What is shipped: every package, every data file, and nothing from elsewhere."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import mmasc

ROOT = Path(__file__).parent.parent


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_every_package_is_listed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "mmasc").rglob("__init__.py")}
    assert set(listed) == found | {"mmasc.prompt_files", "mmasc.encoders.weights"}


def test_versions_agree():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == mmasc.__version__
    assert f"## {mmasc.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_top_level_stays():
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}
    allowed = {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Makefile",
        "mmasc",
        "prompts",
        "tests",
        "examples",
        "docs",
    }
    assert {name for name in names if not name.startswith(".")} <= allowed


def test_public_names_load():
    assert {"Collection", "classify", "embed", "load_audio", "load_encoder"} <= set(mmasc.__all__)
    for name in mmasc.__all__:
        assert getattr(mmasc, name) is not None


# Not untrusted: messages of the process that started this one, through a pipe between the two; a file of Python that
# its user named as an encoder and said yes to
TRUSTED = {
    ROOT / "mmasc" / "collection" / "executors" / "process.py": "pickle.load",
    ROOT / "mmasc" / "collection" / "executors" / "processes.py": "pickle.load",
    ROOT / "mmasc" / "encoders" / "plugin_files.py": "exec",
    # With a loader of its own, which is a SafeLoader that refuses more
    ROOT / "mmasc" / "storage" / "yaml_texts.py": "yaml.load",
}


def test_untrusted_files_run_no_code():
    """No call that runs code from a file: pickle, unsafe YAML, torch.load without weights_only, numpy with pickle."""
    forbidden = {"eval", "exec", "pickle.load", "pickle.loads", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}
    loads = 0
    for path in (ROOT / "mmasc").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name, given = ast.unparse(node.func), {item.arg: ast.unparse(item.value) for item in node.keywords}
            assert name not in forbidden or TRUSTED.get(path) == name, f"{path}:{node.lineno}"
            assert given.get("allow_pickle") != "True", f"{path}:{node.lineno}"
            if name == "torch.load":
                assert given.get("weights_only") == "True", f"{path}:{node.lineno}"
            loads += name in ("torch.load", "yaml.compose", "yaml.safe_load", "np.load")
    assert loads > 0


def test_bundled_weights_are_small():
    weights = ROOT / "mmasc" / "encoders" / "weights"
    assert sum(path.stat().st_size for path in weights.iterdir()) <= 24_000_000


def test_no_test_imports_another_test():
    """What two test files need lies in tests/helpers, tests/parity, tests/data or a conftest.py; texts of code too."""
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        imported = re.findall(r"\b(?:from|import) +(tests(?:\.\w+)*)((?: +import.*)?)", text)
        for module, names in imported:
            first, *rest = [*module.split(".")[1:], *re.findall(r"\w+", names.partition("import")[2])]
            assert first in ("helpers", "parity", "data", "conftest"), f"{path}: {module}"
            assert not any(part.startswith("test_") for part in rest), f"{path}: {module}"
