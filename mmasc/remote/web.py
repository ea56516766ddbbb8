"""Objects of web servers (http, https): looked at and read, with redirects that keep to one scheme."""

import email.utils
import re
import urllib.error
import urllib.request
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

from mmasc.remote.addresses import without_secrets
from mmasc.remote.limits import CONNECT_SECONDS, READ_SECONDS, AgainError
from mmasc.remote.seen import Seen

_CHUNK = 1 << 20
_COUNT = re.compile(r"[0-9]{1,18}")
# Answers that may be another one in a moment
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
# Answers of servers that do not know HEAD
_NO_HEAD = (403, 405, 501)


def look(address: str) -> Seen:
    """What the server says of an object.

    Raises:
        OSError: If it does not answer or has no such object; `AgainError` where another try may help.
    """
    try:
        with _ask(address, "HEAD") as answer:
            return _seen(answer.headers)
    except urllib.error.HTTPError as error:
        if error.code not in _NO_HEAD:
            raise _fault(address, error) from error
        error.close()
    try:
        with _ask(address, "GET") as answer:
            return _seen(answer.headers)
    except urllib.error.HTTPError as error:
        raise _fault(address, error) from error


def read(address: str, begin: int = 0, tag: str | None = None) -> tuple[Seen, int, "_Body"]:
    """An object from byte `begin` on.

    Args:
        address: Where it lies.
        begin: First byte wanted.
        tag: The ETag that it must have for `begin` to make sense; of another one all comes.
    Returns:
        What the server says of it, the byte at which the chunks begin, and these; close them.
    Raises:
        OSError: As `look`; also while chunks are taken.
    """
    headers = {}
    if begin and tag is not None:
        headers = {"Range": f"bytes={begin}-", "If-Range": tag}
    try:
        answer = _ask(address, "GET", headers)
    except urllib.error.HTTPError as error:
        raise _fault(address, error) from error
    seen = _seen(answer.headers)
    begin = begin if answer.status == 206 else 0
    if answer.status == 206:
        total = str(answer.headers["Content-Range"] or "").rpartition("/")[2]
        seen = Seen(_count(total), seen.tag, seen.modified_ns)
    return seen, begin, _Body(address, answer, None if seen.size is None else seen.size - begin)


def read_range(address: str, begin: int, count: int) -> bytes | None:
    """Some bytes of an object; None where the server gives no ranges.

    Raises:
        OSError: As `look`.
    """
    try:
        with _ask(address, "GET", {"Range": f"bytes={begin}-{begin + count - 1}"}) as answer:
            return answer.read(count) if answer.status == 206 else None
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return b""
        raise _fault(address, error) from error
    except (OSError, HTTPException) as error:
        raise _fault(address, error) from error


class _OtherSchemeError(OSError):
    """A redirect that is not followed."""


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follows redirects inside one scheme: others would lose the encryption, or lead to files of this machine."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme.lower() != urlsplit(req.full_url).scheme.lower():
            fp.close()
            raise _OtherSchemeError(
                f"redirects to {without_secrets(newurl)}, which is another scheme; give that address"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Connection(HTTPConnection):
    """Waits shorter for a connection than for bytes."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_SECONDS)


class _SecureConnection(HTTPSConnection):
    """The same, encrypted."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_SECONDS)


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_Connection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_SecureConnection, req)


def _ask(address: str, method: str, headers: dict[str, str] | None = None) -> Any:
    """The server's answer; `urllib.error.HTTPError` where it is none of success."""
    said = {"User-Agent": "mmasc", "Accept-Encoding": "identity", **(headers or {})}
    opener = urllib.request.build_opener(_SameScheme, _Http, _Https)
    try:
        written = quote(address, safe="/:?&=#%@!$'()*+,;~[]", errors="surrogateescape")  # spaces, umlauts, any bytes
        request = urllib.request.Request(written, method=method, headers=said)  # noqa: S310 (`checked` knows it)
        return opener.open(request, timeout=CONNECT_SECONDS)
    except urllib.error.HTTPError:
        raise
    except (OSError, HTTPException) as error:
        raise _fault(address, error) from error
    except ValueError as error:  # an invalid name of a host, in the address or in a redirect
        raise OSError(
            f"{without_secrets(address)}: is or redirects to an invalid address ({error}); check it"
        ) from error


class _Body:
    """The bytes of an answer, a chunk at a time.

    Args:
        address: Where they come from.
        answer: The server's answer.
        left: How many must come; None where the server does not say.
    """

    def __init__(self, address: str, answer: Any, left: int | None) -> None:
        self._address, self._answer, self._left = address, answer, left

    def __iter__(self) -> "_Body":
        return self

    def __next__(self) -> bytes:
        try:
            chunk = self._answer.read(_CHUNK)
        except (OSError, HTTPException) as error:
            raise _fault(self._address, error) from error
        if chunk:
            self._left = None if self._left is None else self._left - len(chunk)
            return chunk
        if self._left:
            raise AgainError(f"{without_secrets(self._address)}: the connection ended {self._left:,} bytes early")
        raise StopIteration

    def close(self) -> None:
        """Give the connection back."""
        self._answer.close()


def _seen(headers: HTTPMessage) -> Seen:
    length, written = headers["Content-Length"], headers["Last-Modified"]
    modified = None
    if written:
        try:
            modified = int(email.utils.parsedate_to_datetime(written).timestamp()) * 10**9
        except (ValueError, TypeError, OverflowError):
            modified = None  # not a time
    return Seen(_count(length), headers["ETag"] or None, modified)


def _count(text: str | None) -> int | None:
    """Bytes as a header says them; None where it says no number."""
    return int(text) if text and _COUNT.fullmatch(text) else None


def _fault(address: str, error: Exception) -> OSError:
    """What went wrong, for people, without what servers put into addresses."""
    shown = without_secrets(address)
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        if error.code in (404, 410):
            return FileNotFoundError(f"{shown}: the server has no such object; check the address")
        said = f"{shown}: the server answers {error.code} ({without_secrets(str(error.reason))})"
        return AgainError(said) if error.code in _AGAIN else OSError(f"{said}; check the address and your rights to it")
    if isinstance(error, AgainError) or str(error).startswith(shown):
        return error if isinstance(error, OSError) else OSError(str(error))
    reason = without_secrets(str(getattr(error, "reason", error)) or type(error).__name__)
    if isinstance(error, _OtherSchemeError):
        return OSError(f"{shown}: {reason}")
    if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
        reason = "no answer in time"
    return AgainError(f"{shown}: cannot be reached ({reason})")
