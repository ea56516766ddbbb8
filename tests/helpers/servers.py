"""Servers in threads of the test's process: an object store (moto's S3), and a web server that does what it is told."""

import contextlib
import io
import logging
import os
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import soundfile

SECRET = "very-secret-key-7f3a"
KEY = "AKIATESTKEY4711"


@contextlib.contextmanager
def object_store() -> Iterator[str]:
    """An empty object store with a bucket "sounds"; gives the environment that leads there."""
    pytest.importorskip("s3fs")
    server_of = pytest.importorskip("moto.server").ThreadedMotoServer
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_of(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # What an earlier server of this process held is still there
    urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", b"").close()
    names = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield names["AWS_ENDPOINT_URL"]
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        server.stop()


class Web:
    """What a web server holds and does.

    Attributes:
        files: Bytes by path.
        headers: Further headers by path; ETag by default.
        faults: Answers by path that come first: a status, or "hang", "break" (half of the body), or an address to
            which it redirects.
        asked: Method, path and range of every request.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.faults: dict[str, list[int | str]] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.address = ""


@contextlib.contextmanager
def web_server() -> Iterator[Web]:
    """A web server on this machine."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self._answer(False)

        def do_GET(self):
            self._answer(True)

        def _answer(self, with_body):
            path, span = self.path.partition("?")[0], self.headers["Range"]
            web.asked.append((self.command, path, span))
            fault = web.faults[path].pop(0) if web.faults.get(path) else None
            if fault == "hang":
                time.sleep(0.6)
                self.close_connection = True
                return
            if isinstance(fault, int) or (fault is None and path not in web.files):
                self._head(fault or 404, 0, {})
                return
            if isinstance(fault, str) and fault != "break":
                self._head(302, 0, {"Location": fault})
                return
            body = web.files[path]
            more = web.headers.get(path, {"ETag": f'"{hash(body):x}"', "Accept-Ranges": "bytes"})
            status = 200
            if span and "Accept-Ranges" in more and self.headers.get("If-Range", more.get("ETag")) == more.get("ETag"):
                first, _, last = span.removeprefix("bytes=").partition("-")
                status, whole = 206, len(body)
                body = body[int(first) : int(last) + 1 if last else None]
                more = {**more, "Content-Range": f"bytes {first}-{int(first) + len(body) - 1}/{whole}"}
            self._head(status, len(body), more)
            if with_body:
                with contextlib.suppress(ConnectionError):  # who asked has had enough
                    self.wfile.write(body[: len(body) // 2] if fault == "break" else body)
            if fault == "break":
                self.close_connection = True

        def _head(self, status, length, more):
            self.send_response(status)
            for name, value in {"Content-Length": str(length), **more}.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    web.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An object store for the tests of a file; gives its bucket."""
    with object_store():
        from mmasc.remote import stores

        stores._asked("s3://sounds", lambda store: store.mkdir("sounds"))
        yield "s3://sounds"
        stores._store.cache_clear()


def sound_bytes(level: float, seconds: float = 1.0, rate: int = 8_000) -> bytes:
    """A WAV file of one level; its first number in the stand-in's vectors is this level."""
    file = io.BytesIO()
    soundfile.write(file, np.full(round(seconds * rate), level), rate, format="WAV")
    return file.getvalue()
