"""One of N parts of many files, the same on every machine: for job arrays and machines that do not see each other.

Which part a file is in depends on its stored path alone, so that parts are embedded anywhere, in any order, again and
again, and hold every file once together.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmasc.collection.known import stored_path

_FORM = "I/N, of N parts the I-th from 0 on: 0/8 to 7/8"


@dataclass(frozen=True)
class Shard:
    """A part of all files.

    Attributes:
        number: Which, from 0 on.
        of_parts: How many parts there are.
    """

    number: int
    of_parts: int

    def __post_init__(self) -> None:
        if self.of_parts < 1 or not 0 <= self.number < self.of_parts:
            raise ValueError(f"shard must be {_FORM}, got {self.number}/{self.of_parts}")

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """The shard that "I/N" names.

        Raises:
            ValueError: If it names none.
        """
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
        if found is None:
            raise ValueError(f"shard must be {_FORM}, got {text!r}")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, shard: "str | Shard | None", root: object) -> "Shard | None":
        """The shard of arguments.

        Raises:
            ValueError: If it is none, or the root is not given: that of a part is not that of all.
        """
        if shard is None:
            return None
        if root is None:
            raise ValueError(
                "shard needs root, the folder that all parts have in common: stored paths are relative to it"
            )
        return shard if isinstance(shard, Shard) else cls.parse(shard)

    def holds(self, stored: str) -> bool:
        """Whether a recording is in this part: BLAKE2b (64 bits) of its stored path, modulo the number of parts.

        Args:
            stored: Path under the root, with `/`.
        """
        digest = hashlib.blake2b(stored.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.of_parts == self.number

    def files(self, files: Sequence[Path], root: str) -> list[Path]:
        """The files of this part; those whose names are not UTF-8, which are not stored, are in the first one."""
        stored = ((path, stored_path(path, root)) for path in files)
        return [path for path, name in stored if (self.holds(name) if name is not None else self.number == 0)]
