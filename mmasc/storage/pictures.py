"""Pictures that somebody else made: opened with the care that untrusted files need."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmasc.errors import MmascError, show_path

# Larger pictures are refused: unpacked they are more than 400 MB
MOST_PIXELS = 100_000_000
# Pillow tells of some damage in a log besides its error; where nobody keeps logs, it would go to stderr
logging.getLogger("PIL").addHandler(logging.NullHandler())
# Encapsulated PostScript is a program, and Pillow has it run by Ghostscript
_REFUSED = ("EPS",)


@contextlib.contextmanager
def opened_picture(path: str | os.PathLike[str]) -> Iterator[Any]:
    """A picture as an image of Pillow, unpacked.

    Raises:
        MmascError: If it cannot be read, or is too large.
    """
    from PIL import Image

    name, image = show_path(Path(path)), None
    try:
        Image.init()
        with warnings.catch_warnings():
            # Pillow warns of fewer pixels than are refused here, and of every tag of a damaged TIFF
            warnings.simplefilter("ignore")
            image = Image.open(path, formats=[kind for kind in Image.ID if kind not in _REFUSED])
            if image.width * image.height > MOST_PIXELS:
                raise MmascError(f"{name}: {image.width} x {image.height} pixels are too many; make it smaller")
            image.load()
    except Exception as error:  # Pillow's readers have no base class of errors; damaged files raise errors of any kind
        if image is not None:
            image.close()
        if isinstance(error, MmascError):
            raise
        raise MmascError(f"{name}: cannot be read as a picture ({error}); copy or leave it out") from error
    with image:
        yield image


def as_shown(image: Any) -> Any:
    """An image of Pillow in RGB as programs show it: turned as its Exif data says, of any depth, in front of white.

    Pillow's own `convert` does not turn pictures of telephones, makes those of 16 bits white, and shows the colours of
    transparent places. Whole numbers of more than 8 bits count to 65,535, numbers with a point to 1 unless they are
    larger, then to the largest.
    """
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        values = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=0, neginf=0)
        full = max(float(values.max(initial=0)), 1.0) if image.mode == "F" else 65_535.0
        image = Image.fromarray(np.clip(np.rint(values / full * 255), 0, 255).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, (255, 255, 255, 255)), seen)
    return image.convert("RGB")
