"""What a server says about an object, in the form of the stamps that files have."""

import hashlib
import os
import stat
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Seen:
    """An object as a server described it.

    Attributes:
        size: In bytes; None where the server does not say.
        tag: Its ETag; None where there is none.
        modified_ns: When it was last written, in ns since 1970; None where the server does not say.
        looked_ns: When it was looked at.
    """

    size: int | None
    tag: str | None = None
    modified_ns: int | None = None
    looked_ns: int = field(default_factory=time.time_ns, compare=False)

    @property
    def is_stamped(self) -> bool:
        """Whether a change of the object can be told from what the server says."""
        return self.tag is not None or self.modified_ns is not None

    def stat(self) -> os.stat_result:
        """Size and times as those of a file.

        The ETag stands, as a number of 64 bits, where a file has the time of its last change of any kind: it is
        another one after every change, and only then; the time of writing is 0 then. Without it, the time of writing
        is what the server says. Where it says neither, it is the moment of looking, so that it is never the same.
        """
        written, changed = self.looked_ns, 0
        if self.tag is not None:
            digest = hashlib.blake2b(self.tag.encode("utf-8", "surrogateescape"), digest_size=8).digest()
            written, changed = 0, int.from_bytes(digest, "big") >> 1  # of signed numbers, as systems have them
        elif self.modified_ns is not None:
            written = self.modified_ns
        fields = [stat.S_IFREG | 0o444, 0, 0, 1, 0, 0, self.size or 0, 0, written // 10**9, changed // 10**9]
        return os.stat_result(fields, {"st_mtime_ns": written, "st_ctime_ns": changed})
