"""Schedules of the learning rate over a training."""

import math


def one_cycle(step: int, steps: int, top: float, rising: float = 0.3) -> float:
    """Learning rate of a step: a cosine from top / 25 up over a share of the steps, then a cosine down to nothing.

    Source: Smith and Topin 2018, "Super-convergence".
    """
    rise = rising * steps
    if step < rise:
        return top / 25 + (top - top / 25) * (1 - math.cos(math.pi * step / rise)) / 2
    return top * (1 + math.cos(math.pi * (step - rise) / (steps - rise))) / 2


def falling_rate(step: int, steps: int, top: float) -> float:
    """Learning rate of a step: constant through the first half, then a cosine down to nothing."""
    half = steps / 2
    if step < half:
        return top
    return top * (1 + math.cos(math.pi * (step - half) / half)) / 2


def held_rate(step: int, steps: int, top: float, rising: int = 200) -> float:
    """Learning rate of a step: a line up over the first steps, then constant; `falling_cosine` ends it.

    Source: Hu et al. 2024, "MiniCPM", section 4 (warm-up, stable, decay).
    """
    return top * min(1.0, (step + 1) / rising)


def falling_cosine(step: int, steps: int, top: float) -> float:
    """Learning rate of a step: a cosine down to nothing."""
    return top * (1 + math.cos(math.pi * step / steps)) / 2
