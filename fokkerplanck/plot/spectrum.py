"""Relaxation rates on an axis or in the plane."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

__all__ = ["plot_rate_matrix", "plot_spectrum"]


def plot_spectrum(rates: NDArray[Any], ax: Any, options: dict[str, Any]) -> Any:
    """Rates against their number on a logarithmic scale; complex ones in the plane.

    A rate of zero has no place on a logarithmic scale and is left out.
    """
    axes = ax if ax is not None else plt.gca()
    drawing: dict[str, Any] = {"marker": "o", "linestyle": "none"} | options
    if np.iscomplexobj(rates):
        (line,) = axes.plot(rates.real, rates.imag, **drawing)
        axes.set(xlabel="damping rate", ylabel="angular frequency")
        return line
    (shown,) = np.nonzero(rates > 0.0)
    (line,) = axes.plot(shown, rates[shown], **drawing)
    axes.set(xlabel="mode", ylabel="relaxation rate", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return line


def plot_rate_matrix(
    rates: NDArray[Any], names: tuple[str, ...], ax: Any, options: dict[str, Any]
) -> Any:
    """A table of colours, sources down and targets across."""
    axes = ax if ax is not None else plt.gca()
    drawing: dict[str, Any] = {"cmap": "viridis", "norm": "log"} | options
    image = axes.imshow(np.ma.masked_less_equal(rates, 0.0), **drawing)
    axes.set(
        xlabel="to",
        ylabel="from",
        xticks=range(len(names)),
        yticks=range(len(names)),
        xticklabels=names,
        yticklabels=names,
    )
    axes.figure.colorbar(image, ax=axes, label="rate")
    return image
