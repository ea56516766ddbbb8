"""Options of a configuration, each described once: default, words for `--help`, choices and range."""

from collections.abc import Sequence
from dataclasses import Field, field, fields
from typing import Any, get_args


def option(
    default: Any,
    help: str,
    choices: Sequence[str] = (),
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    share: bool = False,
) -> Any:
    """A field of a frozen dataclass that is an option of a command, too.

    Args:
        default: Value where nothing is given.
        help: Line of `--help`.
        choices: Values that are allowed; empty for all.
        least, most: Ends of the range that are part of it; of a tuple, for every item.
        above, below: Ends that are not part of it.
        share: Short for a range from 0 to 1.
    """
    if share:
        least, most = 0, 1
    limits = {"least": least, "most": most, "above": above, "below": below}
    return field(default=default, metadata={"help": help, "choices": tuple(choices)} | limits)


def options_of(kind: type) -> list[Field[Any]]:
    """Fields of a dataclass that are options, in their order."""
    return [entry for entry in fields(kind) if "help" in entry.metadata]


def check_options(config: Any) -> None:
    """Compare every option of a configuration with its choices and its range.

    Raises:
        ValueError: If one does not fit; the line names it.
    """
    for entry in options_of(type(config)):
        value, rule = getattr(config, entry.name), entry.metadata
        if rule["choices"] and value not in rule["choices"]:
            raise ValueError(f"{entry.name} must be one of {', '.join(rule['choices'])}, got {value!r}")
        if isinstance(value, tuple) and ... not in get_args(entry.type) and len(value) != len(get_args(entry.type)):
            raise ValueError(f"{entry.name} must have {len(get_args(entry.type))} values, got {value}")
        if (range_of := _range(entry)) and not (value != () and all(_fits(item, entry) for item in _items(value))):
            raise ValueError(f"{entry.name} must {range_of}, got {value}")


def _items(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _fits(value: float, entry: Field[Any]) -> bool:
    """Whether a number is in the range; NaN never is."""
    least, most, above, below = (entry.metadata[name] for name in ("least", "most", "above", "below"))
    return (
        (least is None or value >= least)
        and (most is None or value <= most)
        and (above is None or value > above)
        and (below is None or value < below)
    )


def _range(entry: Field[Any]) -> str:
    """What a number must do; empty where it may do anything."""
    least, most, above, below = (entry.metadata[name] for name in ("least", "most", "above", "below"))
    if most is None and below is None:
        return "be positive" if above == 0 else "not be negative" if least == 0 else ""
    opening = f"[{least:g}" if above is None else f"({above:g}"
    closing = f"{most:g}]" if below is None else f"{below:g})"
    return f"{'lie' if isinstance(entry.default, tuple) else 'be'} in {opening}, {closing}"
