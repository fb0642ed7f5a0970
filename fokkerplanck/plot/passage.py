"""Survival probabilities."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

__all__ = ["plot_survival"]


def plot_survival(
    steps: NDArray[np.int64], survival: NDArray[np.float64], ax: Any, options: dict[str, Any]
) -> Any:
    """A line on a logarithmic axis, on which exponential decay is straight; returns it."""
    axes = ax if ax is not None else plt.gca()
    # A probability of zero has no place on the axis.
    (line,) = axes.plot(steps, np.where(survival > 0.0, survival, np.nan), **options)
    axes.set(xlabel="step", ylabel="survival probability", yscale="log")
    return line
