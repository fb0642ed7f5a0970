"""Trajectories over the number of steps."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

__all__ = ["plot_trajectory"]

LABELS = {"extent": "extent (largest eigenvalue of Sigma)", "mean_loss": "mean loss"}


def plot_trajectory(
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    quantity: str,
    ax: Any,
    options: dict[str, Any],
) -> Any:
    """A line; returns the artist."""
    axes = ax if ax is not None else plt.gca()
    (line,) = axes.plot(times, values, **options)
    axes.set(xlabel="step", ylabel=LABELS.get(quantity, quantity))
    return line
