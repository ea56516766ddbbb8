"""Objects of object stores (s3, gs) through fsspec: listed, looked at, read and written.

fsspec keeps listings and instances, so that an object that came later "does not exist": both are turned off here.
Credentials, region and endpoint come from the environment, as the tools of these stores read them (AWS_PROFILE,
AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS ...).
"""

import os
from collections.abc import Callable, Generator, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from mmasc.errors import MmascError
from mmasc.remote.addresses import without_secrets
from mmasc.remote.limits import CONNECT_SECONDS, READ_SECONDS, AgainError
from mmasc.remote.seen import Seen

Result = TypeVar("Result")
_BLOCK = 1 << 23  # bytes asked for at once
# Buckets that are open to all are read without credentials where this is set, by Lance as well
UNSIGNED = "AWS_SKIP_SIGNATURE"
_ENVIRONMENT = ("AWS_", "GOOGLE_", "GCS", "STORAGE_EMULATOR_HOST")
# Of the libraries' exceptions: what another try does not change
_FINAL = ("NoCredentials", "ParamValidation", "ProfileNotFound", "PartialCredentials", "RefreshError", "InvalidRegion")


def listed(address: str) -> dict[str, Seen]:
    """All objects under a prefix, or the one that has just this name; {} if there is none.

    Raises:
        OSError: If the store does not answer; `AgainError` where another try may help.
    """
    scheme, key = address.partition("://")[0], _key(address)
    found = _asked(address, lambda store: store.find(key, detail=True))
    # Programs leave empty objects whose names end in a slash, to be shown as folders
    return {
        f"{scheme}://{name}": _seen(info)
        for name, info in found.items()
        if info.get("type") == "file" and not name.endswith("/")
    }


def look(address: str) -> Seen:
    """What the store says of an object.

    Raises:
        OSError: If it does not answer or has no such object; `AgainError` where another try may help.
    """
    return _seen(_asked(address, lambda store: store.info(_key(address))))


def read(address: str, begin: int = 0, tag: str | None = None) -> tuple[Seen, int, Generator[bytes, None, None]]:
    """An object from byte `begin` on if it still has the ETag `tag`, else all of it; see `mmasc.remote.web.read`."""
    seen = look(address)
    begin = begin if tag is not None and tag == seen.tag else 0
    return seen, begin, _chunks(address, begin, seen)


def read_range(address: str, begin: int, count: int) -> bytes:
    """Some bytes of an object, fewer at its end.

    Raises:
        OSError: As `look`.
    """
    try:
        return _asked(address, lambda store: store.cat_file(_key(address), start=begin, end=begin + count))
    except OSError as error:
        if "InvalidRange" in str(error) or "416" in str(error):
            return b""
        raise


def write(address: str, content: bytes | Path) -> None:
    """Write an object, whole or not at all.

    Raises:
        OSError: If the store refuses it; `AgainError` where another try may help.
    """
    key = _key(address)
    if isinstance(content, bytes):
        _asked(address, lambda store: store.pipe_file(key, content))
    else:
        _asked(address, lambda store: store.put_file(str(content), key))


def _chunks(address: str, begin: int, seen: Seen) -> Generator[bytes, None, None]:
    assert seen.size is not None  # stores always say it
    while begin < seen.size:
        end = min(begin + _BLOCK, seen.size)
        chunk = read_range(address, begin, end - begin)
        if len(chunk) != end - begin:
            raise AgainError(f"{address}: gave {len(chunk):,} bytes of {end - begin:,}")
        yield chunk
        begin = end
    if seen.size > _BLOCK and look(address).tag != seen.tag:
        raise AgainError(f"{address}: was changed while it was read")


def _key(address: str) -> str:
    return address.partition("://")[2]


def _seen(info: Mapping[str, Any]) -> Seen:
    tag = info.get("ETag") or info.get("etag")
    written = info.get("LastModified") or info.get("updated") or info.get("mtime")
    if isinstance(written, str):
        written = datetime.fromisoformat(written)
    modified = int(written.timestamp() * 10**9) if isinstance(written, datetime) else None
    return Seen(int(info["size"]), None if tag is None else str(tag).strip('"'), modified)


def _asked(address: str, work: Callable[[Any], Result]) -> Result:
    """What `work` gets from the store; every error of the libraries becomes an `OSError` of one line."""
    scheme, shown = address.partition("://")[0], without_secrets(address)
    try:
        return work(_store(scheme, os.getpid(), _environment()))
    except MmascError:
        raise
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{shown}: the store has no such object or bucket; check the address") from error
    except PermissionError as error:
        raise OSError(
            f"{shown}: the store refuses it ({_reason(error)}); credentials come from the environment, "
            "see the credentials of your store's own tools"
        ) from error
    except Exception as error:  # each store's library has its own kinds
        kind = type(error).__name__
        if any(name in kind for name in _FINAL):
            raise OSError(
                f"{shown}: no credentials that can be used ({_reason(error)}); set them in the environment, or "
                f"{UNSIGNED}=true for what is open to all"
            ) from error
        raise AgainError(f"{shown}: the store does not answer ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    lines = without_secrets(str(error)).strip() or type(error).__name__
    return lines if len(lines) <= 200 else f"{lines[:199]}…"


def _environment() -> tuple[tuple[str, str], ...]:
    """What decides on credentials, endpoint and region."""
    return tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(_ENVIRONMENT)))


@lru_cache(maxsize=4)
def _store(scheme: str, process: int, environment: tuple[tuple[str, str], ...]) -> Any:
    """The file system of a scheme, of this process and this environment."""
    nothing_kept = {"use_listings_cache": False, "skip_instance_cache": True}
    unsigned = dict(environment).get(UNSIGNED, "").lower() in ("1", "true", "yes")
    if scheme == "s3":
        try:
            from s3fs import S3FileSystem
        except ImportError as error:
            raise MmascError("s3:// needs s3fs: pip install 'mmasc[remote]'") from error
        waits = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS, "retries": {"max_attempts": 1}}
        store = S3FileSystem(anon=unsigned, config_kwargs=waits, **nothing_kept)
        store.retries = 1  # `tried` counts
        return store
    try:
        from gcsfs import GCSFileSystem
    except ImportError as error:
        raise MmascError("gs:// needs gcsfs: pip install 'mmasc[remote]' gcsfs") from error
    return GCSFileSystem(token="anon" if unsigned else None, timeout=READ_SECONDS, **nothing_kept)
