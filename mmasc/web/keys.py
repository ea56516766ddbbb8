"""The secrets of one start of the server; imports nothing, so that the address is printed at once."""

import secrets


class Keys:
    """The secrets of one start of the server.

    Attributes:
        port: Port that it listens on.
        token: 128 random bits, for the header of the page's requests.
        cookie: Other 128 random bits, for media elements; `cookie_name` has the port in it, since cookies are shared
            by all ports of a machine.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.token, self.cookie = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self.cookie_name = f"mmasc_{port}"
        self.hosts = tuple(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))

    def set_cookie(self) -> str:
        """The header that gives the page its cookie."""
        return f"{self.cookie_name}={self.cookie}; Path=/api; HttpOnly; SameSite=Strict"
