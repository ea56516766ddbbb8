"""The text of a prompt file, checked node by node: bytes in, fields or errors with their lines out.

YAML is composed to nodes and never constructed to objects: nodes know their lines, show equal keys twice, and run no
code.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from reprlib import Repr
from typing import Any, Literal
from unicodedata import category

import yaml

PLACE = "{}"  # where a template takes the phrase
MAX_BYTES = 1_000_000  # a file for ten thousand labels is smaller
MAX_DEPTH = 6  # file > labels > phrases > phrase, and room for a mistake that deserves its own message
MAX_NODES = 50_000  # texts, lists and mappings: ten thousand labels of two phrases, read in two seconds

_KEYS = ("name", "description", "templates", "groups", "labels")
_READ_AS = {"bool": "true or false", "int": "a number", "float": "a number", "null": "nothing", "timestamp": "a date"}


@dataclass(frozen=True)
class Finding:
    """One remark on prompts.

    Attributes:
        line: Line that it is about, from 1; None where it is about the whole, or the prompts come from no file.
        level: An "error" makes the prompts useless, a "warning" makes them worse.
        message: What is wrong, and the fix.
    """

    line: int | None
    level: Literal["error", "warning"]
    message: str


def read_fields(content: bytes, default_name: str) -> tuple[dict[str, Any], list[Finding]]:
    """The fields of a prompt file.

    Args:
        content: The file's bytes, or its first `MAX_BYTES` + 1.
        default_name: The name, if the file has none.
    Returns:
        `name`, `description`, `templates`, `labels`, `groups` and `lines`, as `mmasc.prompts.prompts.Prompts` takes
        them, and the errors in order of lines; with any error the fields are not to be used.
    """
    reader = _Reader()
    try:
        fields = reader.fields(_compose(content), default_name)
    except _FaultError as fault:
        return {}, [fault.finding]
    return fields, sorted(reader.errors, key=lambda finding: finding.line or 0)


class _FaultError(Exception):
    """An error after which the rest of the file cannot be read."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.finding = Finding(line, "error", message)


class _Loader(yaml.SafeLoader):
    """Builds nodes only, never objects; refuses aliases (which can grow without bound), tags, depth and masses."""

    depth = 0
    nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _FaultError(line, "anchors and aliases (& and *) are not allowed; write the text out, or quote it")
        if getattr(event, "tag", None):
            raise _FaultError(line, "tags (!) are not allowed; remove it, or quote the text")
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _FaultError(line, f"more than {MAX_NODES:,} texts; is this a prompt file?")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _FaultError(line, "nested too deeply; a label holds a list of phrases and nothing below")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Reader:
    """Checks the nodes of one file and takes their texts; errors are collected, so that one run shows them all."""

    def __init__(self) -> None:
        self.errors: list[Finding] = []
        self.lines: dict[tuple[str, str], int] = {}

    def fields(self, root: yaml.MappingNode, default_name: str) -> dict[str, Any]:
        values = dict(self.pairs(root, "key"))
        for key in values:
            if key not in _KEYS:
                close = get_close_matches(key, _KEYS, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(_KEYS)}"
                self.error(self.lines[key, ""], f"unknown key {_quoted(key)}; {hint}")
        self.lines.clear()
        fields: dict[str, Any] = {"name": default_name, "description": "", "templates": (PLACE,)}
        for key in ("name", "description"):
            if key in values:
                fields[key] = self.text(values[key], f"the {key}")
        if "templates" in values:
            fields["templates"] = self.templates(values["templates"])
        if "labels" in values:
            fields["labels"] = self.labels(values["labels"])
        else:
            self.error(1, "no labels; add labels: with a line `name: [phrase, phrase]` for each")
        if "groups" in values:
            fields["groups"] = self.groups(values["groups"], fields.get("labels", {}))
        return fields | {"lines": self.lines}

    def error(self, line: int, message: str) -> None:
        self.errors.append(Finding(line, "error", message))

    def pairs(self, node: yaml.MappingNode, what: str) -> Iterator[tuple[str, yaml.Node]]:
        """Keys and values of a mapping; YAML itself would silently keep the last of two equal keys."""
        for key_node, value in node.value:
            key = self.text(key_node, f"a {what}")
            if key is None:
                continue
            if (key, "") in self.lines:
                self.error(
                    _line(key_node), f"{what} {_quoted(key)} stands already in line {self.lines[key, '']}; keep one"
                )
                continue
            self.lines[key, ""] = _line(key_node)
            yield key, value

    def templates(self, node: yaml.Node) -> tuple[str, ...]:
        found = []
        for item in self.items(node, "templates", '["a recording of {}"]'):
            if isinstance(item, yaml.MappingNode) and not item.value:
                self.error(_line(item), 'a bare {} is an empty mapping to YAML; quote it: "{}"')
            elif (template := self.text(item, "a template")) is not None:
                if template.count(PLACE) != 1:
                    held = "two or more" if PLACE in template else "no"
                    self.error(_line(item), f"template {_quoted(template)} has {held} {PLACE}; it needs exactly one")
                if template in found:
                    self.error(_line(item), f"template {_quoted(template)} stands twice; remove one")
                self.lines["", template] = _line(item)
                found.append(template)
        return tuple(found)

    def labels(self, node: yaml.Node) -> dict[str, tuple[str, ...]]:
        if not isinstance(node, yaml.MappingNode) or not node.value:
            message = "labels must be a mapping that is not empty; write a line `name: [phrase]` for each"
            self.error(_line(node), message)
            return {}
        return {label: self.phrases(label, value) for label, value in self.pairs(node, "label")}

    def groups(self, node: yaml.Node, labels: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """Groups of labels; their lines are not kept, for a group may be called like a label."""
        if not isinstance(node, yaml.MappingNode) or not node.value:
            self.error(_line(node), "groups must be a mapping that is not empty; write a line `group: [label, label]`")
            return {}
        found: dict[str, list[str]] = {}
        seen: set[str] = set()
        for key_node, value in node.value:
            group = self.text(key_node, "a group")
            if group is None:
                continue
            if group in found:
                self.error(_line(key_node), f"group {_quoted(group)} stands twice; keep one")
            members = found.setdefault(group, [])
            for item in self.items(value, f"group {_quoted(group)}", "[dog, cat]"):
                label = self.text(item, f"a label of group {_quoted(group)}")
                if label is None:
                    continue
                if label not in labels:
                    close = get_close_matches(label, labels, 1)
                    hint = f"did you mean {close[0]!r}?" if close else "add it there, or remove it here"
                    self.error(
                        _line(item), f"{_quoted(label)} in group {_quoted(group)} is not among the labels; {hint}"
                    )
                elif label in seen:
                    self.error(_line(item), f"label {_quoted(label)} stands twice in groups; keep one")
                else:
                    members.append(label)
                seen.add(label)
        return {group: tuple(members) for group, members in found.items()}

    def phrases(self, label: str, node: yaml.Node) -> tuple[str, ...]:
        found: dict[str, str] = {}
        for item in self.items(node, f"label {_quoted(label)}", "[dog barking, dog]"):
            phrase = self.text(item, f"a phrase of {_quoted(label)}")
            if phrase is None:
                continue
            if phrase.casefold() in found:
                self.error(_line(item), f"phrase {_quoted(phrase)} stands twice under {_quoted(label)}; remove one")
            self.lines[label, phrase] = _line(item)
            found[phrase.casefold()] = phrase
        return tuple(found.values())

    def items(self, node: yaml.Node, what: str, example: str) -> list[yaml.Node]:
        """A list's members; one text alone is a list of one."""
        if isinstance(node, yaml.SequenceNode) and node.value:
            return node.value
        if isinstance(node, yaml.ScalarNode) and node.value:
            return [node]
        self.error(_line(node), f"{what} must be a list of texts that is not empty, for example {example}")
        return []

    def text(self, node: yaml.Node, what: str) -> str | None:
        """A text with its runs of white space made single, or an error and None."""
        if not isinstance(node, yaml.ScalarNode):
            self.error(_line(node), f"{what} must be a text; quote it if it holds : {{ }} [ ] or #")
            return None
        kind = node.tag.rpartition(":")[2]
        value = " ".join(node.value.split())
        if not value:
            self.error(_line(node), f"{what} is empty; write a text")
        elif kind != "str":
            read_as = _READ_AS.get(kind, f"a {kind}")
            self.error(
                _line(node), f'{what}, {_quoted(value)}, is {read_as} to YAML, not a text; quote it: "{value[:60]}"'
            )
        elif any(category(character) in ("Cc", "Cs") for character in value):
            self.error(_line(node), f"{what}, {_quoted(value)}, holds a control character; remove it")
        else:
            return value
        return None


def _compose(content: bytes) -> yaml.MappingNode:
    if len(content) > MAX_BYTES:
        raise _FaultError(1, f"larger than {MAX_BYTES:,} bytes; is this a prompt file?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _FaultError(content.count(b"\n", 0, error.start) + 1, "not UTF-8; save the file as UTF-8") from error
    try:
        root = _Loader(text).get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"character #x{error.character:02x} is not allowed in YAML; save the file as plain UTF-8 text"
        raise _FaultError(line, message) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, problem = (mark.line + 1 if mark else 1), " ".join(str(error.problem).split())
        if "'\\t'" in problem:
            raise _FaultError(line, "a tab where YAML wants spaces; indent with spaces") from error
        if "but found another document" in problem:
            raise _FaultError(line, "a second document begins; keep one, without --- between") from error
        mend = "fix the indentation, and quote texts that hold : # { } [ ]"
        raise _FaultError(line, f"not YAML ({problem}); {mend}") from error
    if root is None:
        raise _FaultError(1, "the file is empty; it needs labels: with a line `name: [phrase]` for each")
    if not isinstance(root, yaml.MappingNode):
        raise _FaultError(_line(root), "not a mapping; the file needs labels: with a line `name: [phrase]` for each")
    return root


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _quoted(text: str) -> str:
    """The text in quotes, short enough for a message."""
    short = Repr()
    short.maxstring = 60
    return short.repr(text)
