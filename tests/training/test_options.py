"""Options of `mmasc train NETWORK`: each described once, by the field that it sets."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from mmasc.cli import cli
from mmasc.training.supervised.config import Hearing, SupervisedConfig
from mmasc.training.supervised.options import check_options, option, options_of

RECORDED = Path(__file__).parent.parent / "data" / "train_help.txt"


def test_help_is_as_recorded():
    """What people read does not change when the code behind it is drawn differently."""
    found = CliRunner().invoke(cli, ["train", "cnn6", "--help"], prog_name="mmasc", terminal_width=100)
    assert found.exit_code == 0
    assert found.output == RECORDED.read_text("utf-8")


def test_every_option_is_a_field_with_words():
    for one in options_of(SupervisedConfig):
        assert one.metadata["help"].endswith("."), one.name
        assert not one.metadata["choices"] or one.default in one.metadata["choices"], one.name


def test_how_a_clip_is_heard_is_part_of_the_configuration():
    """Fields of the same names, types and defaults; on disk they lie flat."""
    whole = {one.name: one for one in fields(SupervisedConfig)}
    for one in fields(Hearing):
        assert (one.type, one.default) == (whole[one.name].type, whole[one.name].default), one.name
    config = SupervisedConfig("tiny", "panns-16k", ("a", "b"), "csv", "", "", fragments=3, fusion="logits")
    assert config.hearing == Hearing("panns-16k", fragments=3, fusion="logits")
    assert "hearing" not in asdict(config)
    assert asdict(config) | asdict(config.hearing) == asdict(config)


@dataclass(frozen=True)
class Drawn:
    above: float = option(1.0, "A number.", above=0)
    least: int = option(0, "A number.", least=0)
    half: float = option(0.5, "A number.", least=0, below=1)
    share: float = option(0.5, "A number.", share=True)
    piece: float = option(1.0, "A number.", above=0, most=1)
    kind: str = option("a", "A word.", choices=("a", "b"))
    many: tuple[float, ...] = option((1.0,), "Numbers.", least=0.25, most=4)
    two: tuple[float, float] = option((1.0, 2.0), "Numbers.")

    def __post_init__(self) -> None:
        check_options(self)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (dict(above=0.0), "above must be positive, got 0.0"),
        (dict(above=float("nan")), "above must be positive, got nan"),
        (dict(least=-1), "least must not be negative, got -1"),
        (dict(half=1.0), "half must be in [0, 1), got 1.0"),
        (dict(share=1.5), "share must be in [0, 1], got 1.5"),
        (dict(piece=0.0), "piece must be in (0, 1], got 0.0"),
        (dict(kind="c"), "kind must be one of a, b, got 'c'"),
        (dict(many=()), "many must lie in [0.25, 4], got ()"),
        (dict(many=(1.0, 5.0)), "many must lie in [0.25, 4], got (1.0, 5.0)"),
        (dict(two=(1.0,)), "two must have 2 values, got (1.0,)"),
    ],
)
def test_what_does_not_fit_is_named(values, line):
    with pytest.raises(ValueError, match="must") as caught:
        Drawn(**values)
    assert str(caught.value) == line


def test_ends_of_ranges_fit():
    Drawn(above=1e-9, least=0, half=0.0, share=1.0, piece=1.0, kind="b", many=(0.25, 4.0), two=(0.0, -1.0))
