"""Short digests of the bytes of a file."""

import hashlib
import os

from mmasc.remote.copies import held

_DIGEST_BYTES = 16


def digest_of(path: str | os.PathLike[str]) -> bytes:
    """BLAKE2b (16 bytes) of the content of a file, here or on a server.

    Raises:
        OSError: If it cannot be read; MmascError if it cannot be fetched.
    """
    with held(path) as place, open(place, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES)).digest()
