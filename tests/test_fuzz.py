"""The script that damages files is alive: a few of its inputs, of formats that people write by hand."""

import json
import subprocess
import sys
from pathlib import Path

PROVE = Path(__file__).parent.parent / "examples" / "prove"
FORMATS = ("prompts", "dataset", "align-table", "pairs-table", "list", "labels-csv")


def test_damaged_texts_are_read_or_refused_in_one_line(tmp_path):
    words = [word for name in FORMATS for word in ("--only", name)]
    command = [sys.executable, str(PROVE / "fuzz.py"), "-n", "42", "--seed", "1", "--format", "json", *words]
    done = tmp_path / "inputs.jsonl"
    done.write_text('["list", 1, 3, "refused"]\n["list", 7, 3, "hang"]\n')  # one is of another seed
    found = subprocess.run(
        [*command, "--keep", str(tmp_path / "bad"), "--resume", str(done)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    counts = json.loads(found.stdout)
    assert set(counts) == set(FORMATS)
    for name, one in counts.items():
        assert sum(one.values()) == 7
        bad = sorted(path.read_text() for path in (tmp_path / "bad").glob("*.json"))
        assert set(one) <= {"ok", "refused"}, (name, bad)
        # Damage that nothing ever refuses would be none
        assert one.get("refused")
    assert found.returncode == 0
    lines = [tuple(json.loads(line)) for line in done.read_text().splitlines()]
    assert lines[0] == ("list", 1, 3, "refused")
    assert len(lines) == len({line[:3] for line in lines}) == 43
