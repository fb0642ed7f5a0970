"""W2: mean time from one well of `V = (x^2 - 1)^2` to the other, and its exact value.

    A = -V',  D = T,  box [-1.6, 1.6], reflecting,  start x = -1,  target x > 0.9

The barrier is 1, so barrier over noise is 1/T.  The target lies in the far well, where its exact
place does not matter, and on a face of every grid used: no method pays for a cut cell.  The box
ends where V = 2.4, more than twice the barrier.
"""

from __future__ import annotations

import numpy as np
import sympy as sp
from numpy.typing import NDArray

__all__ = ["BARRIERS", "BOX", "START", "TARGET", "X", "at_start", "exact_time", "potential"]

Array = NDArray[np.float64]

X = sp.Symbol("x", real=True)
BOX = (-1.6, 1.6)
START, TARGET = -1.0, 0.9
BARRIERS = (4.0, 10.0, 25.0, 40.0, 100.0)
# Panels and points of the composite Gauss-Legendre rule: twice as many change nothing to 1e-13.
PANELS, POINTS = 200, 24


def potential(x: Array) -> Array:
    """``V``, barrier 1."""
    values: Array = (x**2 - 1) ** 2
    return values


def exact_time(barrier: float) -> float:
    """``(1/T) int dy exp(V(y)/T) int_-1.6^y dz exp(-V(z)/T)`` from start to target, T = 1/barrier.

    Every term is positive and the rule converges geometrically: good to about 1e-13.
    """
    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    nodes, weights = (1 + nodes) / 2, weights / 2

    def panels(low: float, high: float) -> tuple[Array, Array, Array]:
        edges = np.linspace(low, high, PANELS + 1)
        widths = np.diff(edges)[:, np.newaxis]
        return edges[:-1, np.newaxis], widths * nodes, widths * weights

    left, inside, measure = panels(BOX[0], START)
    before = float(np.sum(measure * np.exp(-barrier * potential(left + inside))))
    left, inside, measure = panels(START, TARGET)
    outer = left + inside
    whole = np.sum(measure * np.exp(-barrier * potential(outer)), axis=1)
    below = before + np.concatenate([[0.0], np.cumsum(whole)[:-1]])
    # From the panel's left end to each of its nodes.
    part = left[..., np.newaxis] + inside[..., np.newaxis] * nodes
    partial = np.sum(weights * np.exp(-barrier * potential(part)), axis=-1) * inside
    inner = below[:, np.newaxis] + partial
    scaled = np.sum(measure * np.exp(barrier * (potential(outer) - 1.0)) * inner)
    return float(barrier * scaled * np.exp(barrier))


def at_start(centers: Array, times: Array) -> float:
    """Times at the centres of cells, interpolated to the start."""
    return float(np.interp(START, centers, times))
