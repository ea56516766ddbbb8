"""YAML that somebody else may have written or damaged: plain values, without aliases, which can grow without bound."""

from typing import Any

import yaml

_MAX_DEPTH = 20
_MAX_NODES = 50_000
_MAX_CHARACTERS = 4_000_000


def parse_yaml(text: str) -> Any:
    """What YAML says.

    Raises:
        ValueError: If it is not YAML, or holds anchors, aliases, too much, or brackets in brackets; one line.
    """
    if len(text) > _MAX_CHARACTERS:
        raise ValueError(f"it has more than {_MAX_CHARACTERS:,} characters")
    try:
        # `_Loader` is a SafeLoader: it makes plain values alone
        return yaml.load(text, _Loader)  # noqa: S506
    except (yaml.YAMLError, ValueError, OverflowError, TypeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())[:200] or "it is no YAML") from error


class _Loader(yaml.SafeLoader):
    """Refuses anchors and aliases, depth and masses before it builds anything of them."""

    depth = 0
    nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ValueError(
                f"line {event.start_mark.line + 1} has an anchor or alias (& or *): write it out, or quote it"
            )
        self.depth += 1
        self.nodes += 1
        if self.depth > _MAX_DEPTH or self.nodes > _MAX_NODES:
            raise ValueError("it is nested too deeply, or holds too much")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node
