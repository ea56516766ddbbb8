"""What a table and a picture of a comparison both say of a row: its name, and a share in percent."""

from mmasc.evaluation.compare import Row


def percent(value: float) -> str:
    """A share in percent, one digit."""
    return f"{100 * value:.1f}"


def row_name(row: Row) -> str:
    return f"{row.system}, {row.features}" + (f", {row.recipe}" if row.recipe else "")
