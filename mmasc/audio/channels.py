"""From the channels of a file to the lanes that are listened to: one policy, always named."""

import numpy as np
from jaxtyping import Float

CHANNELS = ("mix", "left", "right", "each", "mid-side")


def apply_channels(block: Float[np.ndarray, "channel time"], policy: str = "mix") -> Float[np.ndarray, "lane time"]:
    """Channels of a block by policy; a lane never depends on where a block begins.

    Args:
        block: Samples as decoded; at least one channel.
        policy: "mix" is the mean of all channels; "left" and "right" are the first and the second (with one channel
            both are that channel); "each" makes every channel a lane; "mid-side" gives (L + R) / 2 and (L - R) / 2 of
            the first two channels, and of one channel itself and a lane of zeros, as both formulas say for L = R.
    Returns:
        One lane; as many as channels for "each"; two for "mid-side". May share memory with `block`.
    Raises:
        ValueError: If the policy is unknown.
    """
    check_channels(policy)
    first, second = block[:1], block[1:2] if len(block) > 1 else block[:1]
    if policy == "each":
        return block
    if policy == "left":
        return first
    if policy == "right":
        return second
    if policy == "mid-side":
        return np.concatenate([(first + second) * 0.5, (first - second) * 0.5])
    if len(block) == 1:
        return block
    # Channel by channel: numpy's mean over a short strided axis takes ten times as long.
    total = block[0] + block[1]
    for channel in block[2:]:
        total += channel
    return (total * np.float32(1 / len(block)))[None]


def count_lanes(channels: int, policy: str) -> int:
    """How many lanes `apply_channels` makes of so many channels."""
    return {"each": channels, "mid-side": 2}.get(policy, 1)


def check_channels(policy: str) -> None:
    """Refuse an unknown policy with ValueError."""
    if policy not in CHANNELS:
        raise ValueError(f"channels must be one of {', '.join(CHANNELS)}, got {policy!r}")
