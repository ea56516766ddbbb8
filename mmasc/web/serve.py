"""The server on this machine: listens first, loads after, ends at Ctrl-C."""

import asyncio
import errno
import logging
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmasc.errors import MmascError, show_path
from mmasc.remote.addresses import is_address
from mmasc.web.keys import Keys

HOST = "127.0.0.1"
_NEEDED = ("fastapi", "uvicorn", "python_multipart")
_log = logging.getLogger(__name__)
_GRACE_SECONDS = 1  # for requests that are being answered when it ends


def serve(
    collections: str | Path | Sequence[str | Path],
    port: int = 8617,
    space: str | None = None,
    by: str | None = None,
    read_only: bool = False,
    open_browser: bool = False,
    tell: Callable[[str], None] = print,
) -> None:
    """Serve a page over one or several collections to browsers of this machine, until it is stopped.

    Args:
        collections: Folder of the collection, or several, each with its own labels; the first is shown at first.
        port: Port on 127.0.0.1; 0 for one that is free.
        space: Space that is asked; default: the oldest that understands the question.
        by: Name of the annotator; default: "unnamed".
        read_only: Whether nothing may be written.
        open_browser: Whether to open the page.
        tell: Gets the address, with the token in it that lets a browser in.
    Raises:
        MmascError: If there is no collection, the port is in use, or FastAPI and uvicorn are not installed.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise MmascError(f"the page needs {', '.join(missing)}: pip install 'mmasc[web]'")
    folders = [collections] if isinstance(collections, str | Path) else list(collections)
    if not folders:
        raise MmascError("say which collection is to be served")
    for folder in folders:
        _check_collection(folder)
    listening = _listen(port)
    keys = Keys(listening.getsockname()[1])
    address = f"http://{HOST}:{keys.port}/#t={keys.token}"
    tell(address)  # browsers that come now are answered as soon as the rest is imported
    if open_browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    import uvicorn

    from mmasc.web.app import make_app
    from mmasc.web.state import Session

    first = Session(folders[0], space, by, read_only)
    sessions = [first, *(Session(folder, space, by, read_only, first) for folder in folders[1:])]
    config = uvicorn.Config(
        make_app(sessions, keys),
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_told)
    for session in sessions:
        if session.read_only and not read_only:
            _log.warning("%s is open for reading only: %s", session.name, session.only_read_because)
        session.start()
    server = uvicorn.Server(config)
    _end_at_hang_up(server)
    try:
        server.run(sockets=[listening])
    finally:
        first.close()  # the others share what is closed


def _end_at_hang_up(server: Any) -> None:
    """Let a terminal that is closed end the server as Ctrl-C does.

    uvicorn takes Ctrl-C and SIGTERM alone. An exception raised by another signal would be lost where it meets an answer
    on its way, which takes all exceptions for its own, and the server would go on.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda _, frame: server.handle_exit(signal.SIGINT, frame))


def _is_told(record: logging.LogRecord) -> bool:
    """Whether the server's log says this: not that requests are dropped at its end, which is what ending it means."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, asyncio.CancelledError) and "graceful shutdown exceeded" not in record.getMessage()


def _check_collection(folder: str | Path) -> None:
    """Raises:
    MmascError: If there is none.
    """
    if is_address(folder) or (Path(folder) / "collection.json").is_file():
        return
    shown = show_path(folder)
    if not Path(folder).exists():
        raise MmascError(f"{shown} does not exist; make a collection with: mmasc embed PATH --into {shown}")
    raise MmascError(f"{shown} holds no collection; make one with: mmasc embed {shown} --into {shown}.mmasc")


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
