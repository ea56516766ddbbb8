"""Small commands load no pandas, and what turns tables into frames still finds it."""

import subprocess
import sys


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_arrow_comes_without_pandas_and_frames_come_with_it():
    code = (
        "import sys; from mmasc.cli.light_arrow import load_arrow; load_arrow(); import lance, pyarrow as pa; "
        "print('pandas' in sys.modules, any(type(one).__name__ == '_NoPandas' for one in sys.meta_path)); "
        "print(pa.table({'a': [1, 2]}).to_pandas().a.sum()); load_arrow()"
    )
    assert run(code).split() == ["False", "False", "3"]
