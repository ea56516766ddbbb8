"""NumPy files that somebody else may have written or damaged: read, or refused for one reason with one exception."""

import io
import math
import os
import struct
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError

import numpy as np

# What NumPy raises on damaged headers: they are Python literals, taken apart by Python's own tokenizer
_FAULTS = (ValueError, TokenError, SyntaxError, TypeError, KeyError, OverflowError, MemoryError, EOFError, struct.error)


def read_array(path: Path, mapped: bool = False) -> np.ndarray:
    """The array of a .npy file; objects are refused, and what declares more than the file holds.

    Args:
        path: Path of the file.
        mapped: Look at it on the disk, read-only, and read what is looked at.
    Raises:
        ValueError: If the file is not an array, or damaged.
        OSError: If it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            _check(file, os.fstat(file.fileno()).st_size)
        return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except _FAULTS as error:
        raise ValueError(f"{path} is not a whole array ({' '.join(str(error).split())[:100]})") from error


def read_arrays(path: Path, most_bytes: int) -> dict[str, np.ndarray]:
    """The arrays of a .npz file by name; one that unpacks to more than `most_bytes` is refused beforehand.

    Raises:
        ValueError: If the file is not such an archive, or is damaged.
        OSError: If it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(one.file_size for one in members) > most_bytes:
                raise ValueError(f"it unpacks to more than {most_bytes:,} bytes")
            arrays = {}
            for one in members:
                with archive.open(one) as packed:
                    content = packed.read(most_bytes)
                _check(io.BytesIO(content), len(content))
                arrays[one.filename.removesuffix(".npy")] = np.load(io.BytesIO(content), allow_pickle=False)
            return arrays
    except (*_FAULTS, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{path} is not a whole archive of arrays ({' '.join(str(error).split())[:100]})") from error


def _check(file: io.BufferedIOBase, size: int) -> None:
    """Look at the header of an array before NumPy takes memory for it."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(file)
    if kind.hasobject:
        raise ValueError("it holds objects")
    if any(side < 0 for side in shape) or math.prod(shape) * kind.itemsize > size - file.tell():
        raise ValueError(f"it declares {'x'.join(map(str, shape))[:60]} and is shorter")
