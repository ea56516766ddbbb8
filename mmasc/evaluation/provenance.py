"""What a table was made with: versions of packages, and the commit of the code."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmasc.version import __version__

_PACKAGES = ("torch", "numpy", "scikit-learn", "librosa", "soxr")


def versions() -> dict[str, str]:
    """Package → version, of mmasc, Python and what decides numbers."""
    found = {"mmasc": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit() -> str:
    """Short name of the commit that the code is of; empty where it is not a checkout, or git is not installed."""
    place = Path(__file__).resolve().parents[2]
    if not (place / ".git").exists():
        return ""
    try:
        name, changed = (
            subprocess.run(["git", "-C", str(place), *words], capture_output=True, text=True, check=True, timeout=30)
            for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--untracked-files=no", "mmasc"])
        )
    except (OSError, subprocess.SubprocessError):
        return ""  # an installed copy next to somebody else's repository, or no git: there is no commit to name
    return name.stdout.strip() + ("+" if changed.stdout.strip() else "")
