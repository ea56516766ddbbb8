"""YAML of others: plain values as they are written; what could grow without bound or run code is refused in a line."""

import pytest
import yaml

from mmasc.storage.yaml_texts import parse_yaml

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))


@pytest.mark.parametrize(
    "text",
    ["rate: 48000\nlist: [a, 1, 2.5, null, true]\nmore:\n  - {x: 'é'}\n", "just a text", "", "- 1\n- [2, [3]]\n"],
)
def test_plain_values_are_those_of_the_library(text):
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "line 1 has an anchor"),
        ("a: 1\nb: *a", "line 2 has an anchor or alias"),
        ("[" * 100_000, "nested"),
        ("{a: " * 5_000, "nested"),
        (f"[{'1,' * 60_000}]", "holds too much"),
        ("x" * 4_000_001, "characters"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("when: 2026-02-30", "day is out of range"),
        ("a: [1", "expected"),
        ("a: \x00", "not allowed"),
        ("? [1]\n: 2", "unhashable"),
        ("a: 1\n---\nb: 2", "single document"),
    ],
)
def test_what_is_refused_in_one_line(text, said):
    with pytest.raises(ValueError, match=said) as found:
        parse_yaml(text)
    assert "\n" not in str(found.value)
    assert len(str(found.value)) <= 200
