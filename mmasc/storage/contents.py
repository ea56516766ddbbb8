"""Which bytes a file holds, in short."""

import hashlib
import os

_DIGEST_BYTES = 16


def digest_of(path: str | os.PathLike[str]) -> bytes:
    """BLAKE2b (16 bytes) of a file's content.

    Raises:
        OSError: If it cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES)).digest()
