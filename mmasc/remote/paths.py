"""Addresses as paths among the paths of this machine's files."""

import os
from pathlib import Path

from mmasc.remote.addresses import checked, is_address
from mmasc.remote.sightings import gone, stat_of


class RemotePath(type(Path())):  # type: ignore[misc]  # the class of paths of this system
    """An address as a path: text, name, ending, parents and order are those of the address.

    `stat` gives the size, and as times what changes whenever the object does (see `mmasc.remote.sightings`); nothing
    else that asks the disk is of use. It is opened by `mmasc.remote.copies`.
    """

    def __str__(self) -> str:
        scheme, _, rest = super().__str__().replace(os.sep, "/").partition(":")
        return f"{scheme}://{rest.lstrip('/')}"

    def __fspath__(self) -> str:
        return str(self)

    @property
    def scheme(self) -> str:
        """ "s3", "gs", "http" or "https"."""
        return str(self).partition(":")[0]

    def is_absolute(self) -> bool:
        """An address is whole."""
        return True

    def absolute(self) -> "RemotePath":
        """Itself: an address is whole."""
        return self

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Whether the server has it now.

        Raises:
            MmascError: If the server does not answer.
        """
        return not gone([str(self)], sure=True)[0]

    def is_file(self) -> bool:
        """The same: folders of object stores are none."""
        return self.exists()

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Its size and stamps, as it was seen last; asks the server where it has not been seen yet.

        Raises:
            OSError: If the server does not answer or has no such object.
        """
        return stat_of(str(self))


def as_path(path: str | os.PathLike[str]) -> Path:
    """A path of this machine as a `Path`, an address as a `RemotePath`.

    Raises:
        MmascError: If it is an address that is not taken, see `checked`.
    """
    if isinstance(path, RemotePath):
        return path
    if not is_address(path):
        return Path(os.fsdecode(path))
    return RemotePath(checked(os.fsdecode(path)))
