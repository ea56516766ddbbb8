"""pyarrow's tables of files, loaded without pandas: this halves the time that small commands on collections take.

pyarrow asks for pandas when `pyarrow.dataset` is first loaded, whether or not anybody uses it. Where it is refused
then, pyarrow loads it later, when a table is turned into a frame. What it would no longer recognise is a pandas column
that is given to pyarrow; no command does that, a program may: so commands alone do this.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


class _NoPandas:
    """Finds no pandas."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not loaded here", name=name)
        return None


def load_arrow() -> None:
    """Load `pyarrow.dataset`, and no pandas with it, unless either is there already."""
    if "pandas" in sys.modules or "pyarrow.dataset" in sys.modules:
        return
    refusal = _NoPandas()
    sys.meta_path.insert(0, refusal)
    try:
        import pyarrow.dataset  # noqa: F401
    finally:
        sys.meta_path.remove(refusal)
