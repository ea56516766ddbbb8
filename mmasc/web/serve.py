"""The server on this machine: listens first, loads after, ends at Ctrl-C."""

import errno
import socket
import threading
import webbrowser
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from mmasc.errors import MmascError, show_path
from mmasc.remote.addresses import is_address
from mmasc.web.keys import Keys

HOST = "127.0.0.1"
_NEEDED = ("fastapi", "uvicorn", "python_multipart")
_GRACE_SECONDS = 1  # for requests that are being answered when it ends


def serve(
    collection: str | Path,
    port: int = 8617,
    space: str | None = None,
    by: str | None = None,
    read_only: bool = False,
    open_browser: bool = False,
    tell: Callable[[str], None] = print,
) -> None:
    """Serve a page over a collection to browsers of this machine, until it is stopped.

    Args:
        collection: Folder of the collection.
        port: Port on 127.0.0.1; 0 for one that is free.
        space: Space that is asked; default: the oldest that understands the question.
        by: Name of whoever labels; default: "unnamed".
        read_only: Whether nothing may be written.
        open_browser: Whether to open the page.
        tell: Gets the address, with the token in it that lets a browser in.
    Raises:
        MmascError: If there is no collection, the port is in use, or FastAPI and uvicorn are not installed.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise MmascError(f"the page needs {', '.join(missing)}: pip install 'mmasc[web]'")
    if not (is_address(collection) or (Path(collection) / "collection.json").is_file()):
        raise MmascError(f"{show_path(collection)} holds no collection; make one with: mmasc embed PATH --into ...")
    listening = _listen(port)
    keys = Keys(listening.getsockname()[1])
    address = f"http://{HOST}:{keys.port}/#t={keys.token}"
    tell(address)  # browsers that come now are answered as soon as the rest is imported
    if open_browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    import uvicorn

    from mmasc.web.app import make_app
    from mmasc.web.state import Session

    session = Session(collection, space, by, read_only)
    config = uvicorn.Config(
        make_app(session, keys),
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    session.start()
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        session.close()


def _listen(port: int) -> socket.socket:
    # With its protocol named, asyncio turns off Nagle's algorithm, which would cost 40 ms an answer
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise MmascError(f"port {port} is in use; give another one with --port") from error
        raise
    return listening
