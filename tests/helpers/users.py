"""Other users of the machine, for tests that root runs."""

import os

import pytest

root_only = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may become another user"
)
ALICE, BOB, LAB = 65_533, 65_534, 65_532


class As:
    """A block runs as another user, in the group LAB, with a umask."""

    def __init__(self, user: int, umask: int) -> None:
        self.user, self.umask = user, umask

    def __enter__(self):
        self.before = os.umask(self.umask)
        os.setegid(LAB)
        os.seteuid(self.user)

    def __exit__(self, *_):
        os.seteuid(0)
        os.setegid(0)
        os.umask(self.before)
