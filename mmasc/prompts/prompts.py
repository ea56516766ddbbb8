"""Prompt files: which labels there are, and the phrases that describe each; read, validated, linted, expanded.

A file in, `Prompts` out. Every fault is told with its line and its fix (`reader.py`), and `lint` adds what is
legal but unwise. Bundled files lie in the package `mmasc.prompt_files`, the folder `prompts/` of the repository.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from mmasc.errors import MmascError
from mmasc.inputs import as_texts
from mmasc.prompts.reader import MAX_BYTES, PLACE, Finding, read_fields


@dataclass(frozen=True)
class Prompts:
    """Labels with the phrases that describe them.

    Attributes:
        name: Name of the set; a bundled file is called by it.
        description: One line.
        templates: Sentences with one `{}` each; every phrase goes through every one.
        labels: Label to phrases, in the order of the file.
        groups: Group to its labels, where the labels are grouped; no label stands in two groups.
        path: The file, where there is one.
        lines: Where things stand in the file: `(label, phrase)`, `(label, "")`, `("", template)` to line.
    Raises:
        ValueError: If there is no label, a label has no phrase, a template has not exactly one `{}`, or a group holds
            what is not a label or is in another group.
    """

    name: str
    description: str
    templates: tuple[str, ...]
    labels: dict[str, tuple[str, ...]]
    path: Path | None = None
    lines: dict[tuple[str, str], int] = field(default_factory=dict, repr=False, compare=False)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.labels:
            raise ValueError("prompts need at least one label, got none")
        for label, phrases in self.labels.items():
            if not label.strip() or not phrases or not all(phrase.strip() for phrase in phrases):
                raise ValueError(f"every label needs a name and phrases that are not empty, got {label!r}: {phrases}")
        if not self.templates or any(template.count(PLACE) != 1 for template in self.templates):
            raise ValueError(f"every template must hold {PLACE} exactly once, got {list(self.templates)}")
        grouped = [label for labels in self.groups.values() for label in labels]
        if len(set(grouped)) < len(grouped) or not set(grouped) <= set(self.labels):
            raise ValueError(f"groups must hold labels, each in one group, got {self.groups}")

    @property
    def group_of(self) -> dict[str, str]:
        """Label to its group; labels without one are left out."""
        return {label: group for group, labels in self.groups.items() for label in labels}

    def expand(self) -> dict[str, list[str]]:
        """Every phrase of every label through every template, in order, without repetitions."""
        return {
            label: list(
                dict.fromkeys(template.replace(PLACE, phrase) for phrase in phrases for template in self.templates)
            )
            for label, phrases in self.labels.items()
        }


def bundled_prompts() -> list[str]:
    """Names of the prompt files that come with mmasc, sorted."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _folder().iterdir() if entry.name.endswith(".yaml"))


def load_prompts(name_or_path: str | Path) -> Prompts:
    """Read and validate a prompt file.

    Args:
        name_or_path: A bundled name ("esc10"), or the path of a YAML file in UTF-8. A text that is a bundled name
            means that one; write "./esc10" for a file of this name.
    Raises:
        MmascError: If there is no such file or it breaks a rule; the message has file, line and fix.
    """
    path, prompts, errors = read_prompts(name_or_path)
    if prompts is None:
        more = f" (and {len(errors) - 1} more: see `mmasc prompts lint`)" if len(errors) > 1 else ""
        raise MmascError(f"{path}, line {errors[0].line}: {errors[0].message}{more}")
    return prompts


def as_prompts(prompts: Any) -> Prompts:
    """`Prompts` from what callers have: `Prompts`, a mapping of labels to a phrase or phrases, a name or a path.

    Raises:
        MmascError: If a file is missing or broken.
        ValueError: If a mapping is empty, a label has no phrase, or it is none of these.
    """
    if isinstance(prompts, Prompts):
        return prompts
    if isinstance(prompts, Mapping):
        labels = {str(label): as_texts(phrases, f"a phrase of {label!r}") for label, phrases in prompts.items()}
        return Prompts("labels", "", (PLACE,), labels)
    if not isinstance(prompts, str | Path):
        raise ValueError(
            "prompts must be Prompts, a mapping of labels to phrases, a name or the path of a file, got "
            f"{type(prompts).__name__}"
        )
    return load_prompts(prompts)


def _folder() -> Any:
    return files("mmasc.prompt_files")


def read_prompts(name_or_path: str | Path) -> tuple[Path, Prompts | None, list[Finding]]:
    """The file's path, and either prompts or errors."""
    source: Any
    if isinstance(name_or_path, str) and name_or_path in bundled_prompts():
        source = _folder() / f"{name_or_path}.yaml"
    else:
        source = Path(name_or_path)
        if source.is_dir():
            raise MmascError(f"{source} is a folder; name a prompt file in it")
        if not source.exists():
            bundled = ", ".join(bundled_prompts())
            raise MmascError(f"no prompt file {str(name_or_path)!r}; give the path of a YAML file or one of: {bundled}")
    path = Path(str(source))
    with source.open("rb") as file:
        fields, errors = read_fields(file.read(MAX_BYTES + 1), path.stem)
    return path, None if errors else Prompts(**fields, path=path), errors
