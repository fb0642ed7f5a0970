"""Errors against the learning rate."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

__all__ = ["plot_errors"]

Array = NDArray[np.float64]


def plot_errors(learning_rates: Array, errors: Array, ax: Any, options: dict[str, Any]) -> Any:
    """One line an order, with markers at the learning rates; returns the lines."""
    axes = ax if ax is not None else plt.gca()
    lines: list[Any] = []
    for order, row in enumerate(errors, start=1):
        drawing: dict[str, Any] = {"marker": "o", "label": f"order {order}"} | options
        lines += axes.loglog(learning_rates, np.abs(row), **drawing)
    axes.set(xlabel="learning rate", ylabel="relative error of the diffusion")
    axes.legend()
    return lines
