"""Colours of pictures: tables of 256 colours, from dark to bright."""

from functools import cache

import numpy as np
from jaxtyping import UInt8

# 33 of the 256 colours of matplotlib's maps (CC0), evenly spread; those between are interpolated, to 2 of 255 steps
_KNOWN = {
    "magma": (
        "000004 030312 0a0822 130d34 1d1147 29115a 36106b 440f76 51127c 5d177f 6a1c81 762181 832681 902a81 "
        "9c2e7f aa337d b73779 c23b75 cf4070 db476a e55064 ee5b5e f4695c f9785d fb8761 fd9668 fea571 feb47b "
        "fec287 fed194 fde0a1 fceeb0 fcfdbf"
    ),
    "viridis": (
        "440154 470d60 48186a 482374 472d7b 453781 424086 3e4989 3b528b 375b8d 33638d 2f6b8e 2c728e 297a8e "
        "26828e 23898e 21918c 1f978b 1f9f88 21a685 27ad81 31b57b 3dbc74 4cc26c 5cc863 6ece58 81d34d 95d840 "
        "aadc32 c0df25 d5e21a eae51a fde725"
    ),
    "grey": "000000 ffffff",
}
COLOURS = tuple(_KNOWN)


@cache
def colour_table(name: str) -> UInt8[np.ndarray, "256 3"]:
    """Red, green and blue of 256 levels."""
    known = np.array([list(bytes.fromhex(colour)) for colour in _KNOWN[name].split()], np.float64)
    places = np.round(np.linspace(0, 255, len(known)))
    table = [np.interp(np.arange(256), places, known[:, channel]) for channel in range(3)]
    return np.stack(table, axis=1).round().astype(np.uint8)
