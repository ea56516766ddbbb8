"""One object into one file: in pieces, with a limit, again where the connection broke."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from mmasc.errors import MmascError
from mmasc.remote.addresses import without_secrets
from mmasc.remote.limits import AgainError, limits, tried
from mmasc.remote.seen import Seen
from mmasc.remote.sightings import remember, server_of


def fetch(
    address: str, target: Path, max_bytes: int | None = None, given_up: Callable[[], bool] = lambda: False
) -> Seen:
    """Bring an object to a file of this machine; a try that broke goes on where it broke if the object has an ETag.

    Args:
        address: Where it lies.
        target: File to write; what was in it is replaced.
        max_bytes: Bytes at most; default: those of `limits`.
        given_up: Asked between the pieces: whether nobody wants it any more.
    Returns:
        What the server said of it.
    Raises:
        MmascError: If it is larger, the server has no such object or does not answer after three tries, or the disk is
            full.
    """
    most = limits().max_bytes if max_bytes is None else max_bytes
    seen: Seen | None = None
    try:
        with open(target, "wb") as file:

            def once() -> Seen:
                nonlocal seen
                before, begun = seen, file.tell()
                seen, begin, chunks = server_of(address).read(address, begun, None if before is None else before.tag)
                with contextlib.closing(chunks):
                    _refuse_size(address, seen.size or 0, most)
                    file.seek(begin)
                    file.truncate()
                    for chunk in chunks:
                        if given_up():
                            raise MmascError(f"{without_secrets(address)}: no longer needed")
                        file.write(chunk)
                        _refuse_size(address, file.tell(), most)
                if seen.size is not None and file.tell() != seen.size:
                    raise AgainError(f"{without_secrets(address)}: {file.tell():,} bytes came of {seen.size:,}")
                return seen

            found = tried(once)
        remember(address, found)
        return found
    except OSError as error:
        target.unlink(missing_ok=True)
        if error.filename is not None or error.errno is not None:
            folder = os.path.dirname(target)
            raise MmascError(
                f"{without_secrets(address)}: cannot be kept in {folder} while it is read ({error.strerror}); name a "
                "folder with more room with --temporary"
            ) from error
        raise MmascError(str(error)) from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _refuse_size(address: str, size: int, most: int) -> None:
    if size > most:
        raise MmascError(
            f"{without_secrets(address)}: has {size:,} bytes or more, and {most:,} are fetched at most; raise it with "
            "--max-bytes"
        )
