"""Addresses of recordings that lie on a server or in an object store, and stored paths that lead to them.

An address never carries a secret: a name and password in front of the host are cut out, addresses with a signature in
their query are refused. Credentials come from the environment alone.
"""

import os
import re
from urllib.parse import parse_qsl, urlsplit

from mmasc.errors import MmascError
from mmasc.printing import printable

OBJECT_STORES = ("s3", "gs")
WEB = ("http", "https")
SCHEMES = (*OBJECT_STORES, *WEB)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# What `Path` makes of one of ours
_COLLAPSED = re.compile(rf"({'|'.join(SCHEMES)}):/+(?=[^/])")
_ONE_SLASH = re.compile(rf"^({'|'.join(SCHEMES)}):/(?=[^/])")
_USER = re.compile(r"(?<=://)[^/@\s]*@")
_QUERY = re.compile(r"(https?://[^\s?'\"]*)\?[^\s'\")]*")
# Parameters that give access to everyone who has the address; compared without capitals
_SECRETS = re.compile(
    r"x-(amz|goog)-(signature|credential|security-token)|signature|sig|awsaccesskeyid|googleaccessid|policy|"
    r"(access|auth|api|id)?[-_]?(token|key)|key-pair-id|password|secret|hmac",
    re.IGNORECASE,
)


def is_address(path: object) -> bool:
    """Whether a text names something on a server (NAME://...); a `Path` of an address is one too."""
    if isinstance(path, str):
        return _ADDRESS.match(path) is not None
    return isinstance(path, os.PathLike) and _COLLAPSED.match(os.fsdecode(path)) is not None


def checked(address: str) -> str:
    """An address as it is kept: without user and password.

    Raises:
        MmascError: If no such scheme is known, it carries a signature, or it is not a whole address.
    """
    scheme, _, rest = _ONE_SLASH.sub(r"\1://", _USER.sub("", address)).partition("://")
    scheme = scheme.lower()
    shown = without_secrets(f"{scheme}://{rest}")
    if scheme not in SCHEMES:
        raise MmascError(
            f"{shown}: recordings are read from {', '.join(f'{one}://' for one in SCHEMES)}, and from disks"
        )
    if scheme in WEB:
        try:
            query = urlsplit(f"{scheme}://{rest}").query
        except ValueError as error:  # half an IPv6 address
            raise MmascError(f"{shown}: is not an address ({error}); check it") from error
        signed = [name for name, _ in parse_qsl(query, True) if _SECRETS.fullmatch(name)]
        if signed:
            raise MmascError(
                f"{shown}: carries {signed[0]} in its query, and what lets others in is not stored; give the address "
                "of the object itself (s3://bucket/key), with credentials in the environment"
            )
    host, _, key = rest.partition("/")
    if not host or "\0" in address:
        raise MmascError(
            f"{shown}: is not a whole address; give {scheme}://{'bucket' if scheme in OBJECT_STORES else 'host'}/path"
        )
    # A path has no empty parts, so two objects would get one name
    if "//" in key or any(part == "." for part in key.split("/")):
        raise MmascError(f"{shown}: has an empty part or a lone dot between its slashes; such names are not taken")
    return f"{scheme}://{rest}"


def without_secrets(text: str) -> str:
    """A message without user and password, and without the queries of addresses in it; on one line."""
    return printable(_QUERY.sub(r"\1", _USER.sub("", text)))


def absolute(path: str | os.PathLike[str]) -> str:
    """A path from the root of the disk; an address is whole already."""
    return checked(os.fsdecode(path)) if is_address(path) else os.path.abspath(path)


def normal(path: str | os.PathLike[str]) -> str:
    """A path as it is compared, without "." and ".."; an address as it is kept."""
    return checked(os.fsdecode(path)) if is_address(path) else os.path.normpath(path)


def place_of(root: str, stored: str) -> str:
    """Where a stored path lies: under its root, or where it says itself."""
    if is_address(stored):
        return stored
    if is_address(root) and not os.path.isabs(stored):
        return f"{root.rstrip('/')}/{stored}"
    return os.path.normpath(os.path.join(root, stored))


def under(root: str, path: str | os.PathLike[str]) -> str:
    """A path as it is stored: from the root on, with "/"; one that no way leads to from there, whole.

    Args:
        root: Absolute, or an address.
        path: Absolute, or an address.
    """
    remote, text = is_address(path), os.fsdecode(path)
    if remote or is_address(root):
        base = f"{root.rstrip('/')}/"
        return text[len(base) :] if remote and text.startswith(base) else text
    return os.path.relpath(text, root).replace(os.sep, "/")


def common_root(addresses: list[str]) -> str:
    """The deepest prefix of whole parts that holds all addresses of the first one's server."""
    parts = [one.split("/") for one in addresses if one.split("/")[:3] == addresses[0].split("/")[:3]]
    shared = parts[0][:-1]
    for one in parts:
        count = next(
            (place for place, (a, b) in enumerate(zip(shared, one[:-1], strict=False)) if a != b), len(one) - 1
        )
        shared = shared[: min(count, len(shared))]
    return "/".join(shared)


def refuse_to_write(folder: str | os.PathLike[str]) -> None:
    """Stop where a collection would be written to a server.

    Raises:
        MmascError: It names the command that brings a collection there.
    """
    if is_address(folder):
        shown = without_secrets(os.fsdecode(folder))
        raise MmascError(
            f"{shown}: collections are written on a local or shared disk; then: mmasc collection publish COLLECTION "
            f"{shown}"
        )
