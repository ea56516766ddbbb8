"""The layer before all endpoints: which requests are allowed (token, Host, Origin, size), headers of all answers.

Other pages in the same browser can send requests to this machine, and names can be made to point at it (DNS rebinding);
other users of the machine can reach the port. So Host, Origin and Sec-Fetch-Site must be ours, and every request under
/api carries a token that was printed on the terminal alone; media elements cannot send headers and have a cookie.
"""

import hmac
import json
import re
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmasc.web.keys import Keys

TOKEN_HEADER = "x-mmasc"  # noqa: S105  the name of a header
_UPLOADS = re.compile(r"/api/(in/[A-Za-z0-9_-]+/)?uploads")
_MOST_UPLOAD, _MOST_BODY = 21_000_000, 8_000_000  # bytes
_WRITING = ("POST", "PATCH", "DELETE")
_METHODS = ("GET", "HEAD", *_WRITING)
_RANGE = re.compile(rb"bytes=([0-9]{1,15}-[0-9]{0,15}|-[0-9]{1,15})")
_SITES = ("same-origin", "none")
# What media elements and the map fetch by GET
_BY_COOKIE = re.compile(
    r"/api/(in/[A-Za-z0-9_-]+/)?(recordings/[0-9]+/(audio|picture)|uploads/[0-9a-f]+/(audio|picture)|map)"
)
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=()",
}
_ENCODED = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]


class Guard:
    """Refuses what may not ask, and adds headers to all answers.

    Args:
        app: What answers the rest.
        keys: The secrets.
    """

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message.get("headers", [])}
                more = [] if b"cache-control" in given else [(b"cache-control", b"no-store")]
                message = {**message, "headers": [*message.get("headers", []), *_ENCODED, *more]}
            await send(message)

        scope = {**scope, "headers": [one for one in scope["headers"] if not _is_odd_range(*one)]}
        refusal = self._refusal(scope)
        if refusal is not None:
            await _answer(send_with_headers, *refusal)
            return
        await self._app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason, if the request is refused."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        method, path = scope["method"], scope["path"]
        if headers.get("host") not in [[host] for host in self._keys.hosts]:
            return 421, "this server answers under 127.0.0.1 and localhost only"
        if any(site not in _SITES for site in headers.get("sec-fetch-site", [])):
            return 403, "the request comes from another page"
        if method not in _METHODS:
            return 405, "this method is not used here"
        if any(one not in [f"http://{host}" for host in self._keys.hosts] for one in headers.get("origin", [])):
            return 403, "the request comes from another page"
        if path.startswith("/api") and not self._is_known(method, path, headers):
            return 403, "open the address that mmasc serve printed: its token is missing"
        return _wrong_body(path, headers) if method in _WRITING else None

    def _is_known(self, method: str, path: str, headers: dict[str, list[str]]) -> bool:
        given = headers.get(TOKEN_HEADER, [])
        if len(given) == 1 and _same(given[0], self._keys.token):
            return True
        if method not in ("GET", "HEAD") or not _BY_COOKIE.fullmatch(path):
            return False
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load("; ".join(headers.get("cookie", [])))
        except CookieError:
            return False
        found = cookies.get(self._keys.cookie_name)
        return found is not None and _same(found.value, self._keys.cookie)


def _is_odd_range(name: bytes, value: bytes) -> bool:
    """Whether a header asks for several stretches of a file, or one that cannot be read: no player does.

    Such a header may be ignored (RFC 9110, 14.2), and thousands of stretches in one cost as many copies of the file.
    """
    return name.lower() == b"range" and _RANGE.fullmatch(value) is None


def _same(given: str, wanted: str) -> bool:
    """Whether two texts are the same; takes as long for all that are not."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def _wrong_body(path: str, headers: dict[str, list[str]]) -> tuple[int, str] | None:
    lengths = headers.get("content-length", [])
    if "transfer-encoding" in headers:
        return 411, "the request must say how long it is"
    if not lengths:  # no body
        return None
    if len(lengths) != 1 or not re.fullmatch(r"[0-9]{1,15}", lengths[0]):
        return 400, "the request says its length in a way that cannot be read"
    length, upload = int(lengths[0]), _UPLOADS.fullmatch(path) is not None
    if length > (_MOST_UPLOAD if upload else _MOST_BODY):
        return 413, "files can have 20 MB" if upload else "the request is too large"
    kind = "".join(headers.get("content-type", [])).partition(";")[0].strip().lower()
    if length and kind != ("multipart/form-data" if upload else "application/json"):
        return 415, "send multipart/form-data" if upload else "send application/json"
    return None


async def _answer(send: Any, status: int, reason: str) -> None:
    content = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
