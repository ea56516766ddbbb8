"""Every network of the published tables on scenes and tags, by name: `tag_preset("table5/heads=4/layers=3")`.

Names, arguments and published accuracies only; nothing heavy is imported. Accuracies are of DCASE 2019 task 1a, fold
1, in percent.

Paper: Jung et al. 2020, "Acoustic Scene Classification using Audio Tagging", Tables 2 to 5. Where its names and its
text clash we read: Table 2 "transform after" is one linear layer behind the joined code; Table 4 has separate layers,
those of the attention first; Table 5 has shared ones.
"""

from dataclasses import dataclass, field
from typing import Any

from mmasc.errors import MmascError


@dataclass(frozen=True)
class TagPreset:
    """A cell of a table.

    Attributes:
        name: What `tag_preset` takes.
        published: Accuracy of the paper, in percent.
        arguments: Arguments for a network with tags (`load_network("rawwave-tags", arguments=...)`).
    """

    name: str
    published: float
    arguments: dict[str, Any] = field(default_factory=dict)


# Rows: heads; columns: 0, 1, 2, 3 layers
_ATTENTION = {
    2: (75.67, 76.58, 75.93, 75.50),
    4: (75.45, 75.22, 76.24, 76.17),
    8: (74.41, 74.36, 74.89, 75.17),
    16: (73.61, 74.47, 74.43, 75.96),
    32: (75.14, 75.57, 75.24, 75.31),
}
_SHARED = {
    2: (76.12, 75.62, 75.34, 75.69),
    4: (75.43, 76.00, 76.24, 76.75),
    8: (75.84, 74.71, 75.96, 75.69),
    16: (76.00, 75.81, 75.91, 75.72),
    32: (75.26, 75.45, 76.24, 76.27),
}
# Columns: layers of the attention and of the joining
_SEPARATE_COLUMNS = ((3, 3), (3, 4), (4, 3), (4, 4))
_SEPARATE = {2: (74.76, 75.74, 75.17, 75.14), 4: (75.31, 75.84, 76.24, 75.34)}


def _arguments(
    heads: int = 0, attention_layers: int = 0, join: str = "none", join_layers: int = 0, shared: bool = False
) -> dict[str, Any]:
    return {
        "heads": heads,
        "attention_layers": attention_layers,
        "join": join,
        "join_layers": join_layers,
        "shared": shared,
    }


def _presets() -> list[TagPreset]:
    presets = [
        TagPreset("baseline", 73.63, _arguments()),
        TagPreset("table2/codecat", 74.15, _arguments(join="code")),
        TagPreset("table2/codecat-transform", 74.36, _arguments(join="merge")),
    ]
    for layers, accuracy in enumerate((74.84, 74.22, 75.66, 75.22, 74.07), start=1):
        arguments = _arguments(join="merge", join_layers=layers)
        presets.append(TagPreset(f"table2/before-code/layers={layers}", accuracy, arguments))
    for heads, row in _ATTENTION.items():
        for layers, accuracy in enumerate(row):
            presets.append(TagPreset(f"table3/heads={heads}/layers={layers}", accuracy, _arguments(heads, layers)))
    for heads, row in _SEPARATE.items():
        for (attending, joining), accuracy in zip(_SEPARATE_COLUMNS, row, strict=True):
            arguments = _arguments(heads, attending, "merge", joining)
            presets.append(TagPreset(f"table4/heads={heads}/layers={attending}+{joining}", accuracy, arguments))
    for heads, row in _SHARED.items():
        for layers, accuracy in enumerate(row):
            arguments = _arguments(heads, layers, "merge", shared=True)
            presets.append(TagPreset(f"table5/heads={heads}/layers={layers}", accuracy, arguments))
    return presets


TAG_PRESETS: dict[str, TagPreset] = {preset.name: preset for preset in _presets()}


def tag_preset(name: str) -> TagPreset:
    """A cell of the tables by name.

    Raises:
        MmascError: If there is none (examples of each table are named).
    """
    if name not in TAG_PRESETS:
        examples = [next(one for one in TAG_PRESETS if one.startswith(table)) for table in _tables()]
        raise MmascError(f"there is no cell {name!r}; there are {len(TAG_PRESETS)}, such as {', '.join(examples)}")
    return TAG_PRESETS[name]


def _tables() -> list[str]:
    return list(dict.fromkeys(name.partition("/")[0] for name in TAG_PRESETS))
