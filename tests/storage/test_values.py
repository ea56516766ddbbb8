"""Types of values that people write."""

import numpy as np
import pytest

from mmasc.storage.values import convert, plain_value, type_of


@pytest.mark.parametrize(
    ("value", "kind", "converted"),
    [
        ("0.5", float, 0.5),
        ("10", int, 10),
        ("-3", int, -3),
        ("+5", int, 5),
        ("007", str, "007"),
        ("1e3", float, 1000.0),
        (".5", float, 0.5),
        ("1_000", str, "1_000"),
        ("inf", float, float("inf")),
        ("-Inf", float, float("-inf")),
        ("1e999", str, "1e999"),
        ("12345678901234567890", str, "12345678901234567890"),
        ("0x10", str, "0x10"),
        ("١٢", str, "١٢"),
        ("1,5", str, "1,5"),
        ("none", str, "none"),
        ("None", str, "None"),
        ("True", str, "True"),
    ],
)
def test_types_of_values(value, kind, converted):
    assert type_of([value]) is kind
    assert type_of(["", value, ""]) is kind
    assert convert(value, kind) == converted


def test_types_of_columns():
    assert type_of(["1", "2.5"]) is float
    assert type_of(["1", "x"]) is str
    assert type_of(["1", "007"]) is str
    assert type_of([""]) is str
    # What 64 bits hold are numbers, beyond them names
    assert type_of(["9223372036854775807", "-9223372036854775807"]) is int
    assert type_of(["9223372036854775808"]) is str
    assert type_of(["1" * 19]) is int
    assert type_of(["1,5", "2"], decimal_comma=True) is float
    assert type_of(["1,5", "2.5"], decimal_comma=True) is str
    assert convert("1,5", float) == 1.5
    assert convert("", int) is None


@pytest.mark.parametrize("number", [0, -1, -5, 2**63 - 1, -(2**63)])
def test_whole_numbers_stay_numbers(number):
    assert plain_value(number, "count") == number
    assert type(plain_value(np.int64(number), "count")) is int


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**40])
def test_numbers_beyond_64_bits_are_names(number):
    assert plain_value(number, "serial") == str(number)
