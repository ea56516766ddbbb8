"""Types of values that people write."""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from mmasc.errors import MmascError
from mmasc.storage.values import convert, is_missing, plain_value, type_of


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


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1,5", "-2,25e3", "7"], float), (["1,5", "x"], str), (["1,5", "1.5"], str), (["7", "8"], int),
        (["7", "8.5"], float), (["01,5"], str), ([",5"], str),
    ],
)  # fmt: skip
def test_numbers_with_a_decimal_comma(values, kind):
    assert type_of(values, decimal_comma=True) is kind
    assert type_of([value for value in values if "," in value]) is str


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None), (float("nan"), None), (np.float32("nan"), None), (np.datetime64("NaT"), None),
        (np.float64(0.5), 0.5), (np.bool_(True), True), (Decimal("0.25"), 0.25), (Fraction(1, 4), 0.25), ("x", "x"),
        (datetime(2024, 5, 1), datetime(2024, 5, 1)), (True, True), (float("inf"), float("inf")),
    ],
)  # fmt: skip
def test_values_as_they_are_stored(value, plain):
    found = plain_value(value, "x")
    assert (found, type(found)) == (plain, type(plain))


@pytest.mark.parametrize("value", [b"x", [1], (1, 2), {"a": 1}, np.array([1, 2]), range(3)])
def test_several_values_are_no_value(value):
    with pytest.raises(MmascError, match="column 'x': a value must be one number, text, truth value or time, got"):
        plain_value(value, "x")


def test_texts_that_cannot_be_stored_are_shown_by_their_beginning():
    with pytest.raises(MmascError, match=r"column 'x': '\\udcff(y{39})' cannot be stored as UTF-8"):
        plain_value("\udcff" + "y" * 100, "x")


@pytest.mark.parametrize(("value", "missing"), [(None, True), ("", True), ("  ", True), (" NA ", True), (0, False)])
def test_what_says_nothing(value, missing):
    assert is_missing(value) == missing
    assert is_missing(float("nan"))
    assert not is_missing("x")
