"""Integrals from centre to centre along grid lines, from few evaluations of a smooth integrand.

Panels of several cells are interpolated at Gauss-Legendre nodes.  The last coefficients of the
expansion in Legendre polynomials show, panel by panel, whether that is exact to rounding: a bend, a
jump or a layer that the panel does not resolve keeps them large.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["panel_integrals"]

Array = NDArray[np.float64]

# Cells and nodes of a panel, longest first: 1.5 and 2.5 evaluations a cell.
PANELS = ((8, 12), (4, 10))
# Size of the last two coefficients times half the panel.  The integral of P_p is 1/(2p + 1) of it,
# and what is left out is smaller still: below 4e-16 in an integral from centre to centre.
RESOLVED = 1e-13


def panel_integrals(integrand: Callable[[Array], Array], centers: Array, axis: int) -> Array | None:
    """Integrals between neighbouring centres, or None where panels do not resolve the integrand.

    Parameters
    ----------
    integrand : of coordinates along `axis`, shape (m,)
        Values with m entries along that axis of the result.
    centers : (n,)

    Returns
    -------
    array with n - 1 entries along `axis`

    Examples
    --------
    >>> import numpy as np
    >>> bool(abs(panel_integrals(np.cos, np.linspace(0, 1, 17), 0).sum() - np.sin(1)) < 1e-15)
    True
    >>> panel_integrals(abs, np.linspace(-1, 1, 12), 0) is None
    True
    """
    for cells, nodes in PANELS:
        if centers.size > cells:
            result = _integrals(integrand, centers, axis, cells, nodes)
            if result is not None:
                return result
    return None


def _integrals(
    integrand: Callable[[Array], Array], centers: Array, axis: int, cells: int, nodes: int
) -> Array | None:
    steps = centers.size - 1
    # The last panel ends with the line and overlaps the one before it.
    starts = np.minimum(np.arange(0, steps, cells), steps - cells)
    lower, upper = centers[starts], centers[starts + cells]
    middle, half = 0.5 * (lower + upper), 0.5 * (upper - lower)
    positions, quadrature = np.polynomial.legendre.leggauss(nodes)
    ends = (centers[starts[:, np.newaxis] + np.arange(cells + 1)] - middle[:, np.newaxis]) / half[
        :, np.newaxis
    ]
    weights, last = _weights(ends, positions, quadrature)
    total: Array | None = None
    tail: Array | None = None
    size: Array | None = None
    for j in range(nodes):
        values = np.moveaxis(integrand(middle + half * positions[j]), axis, -1) * half
        if total is None or tail is None or size is None:
            total = values[..., np.newaxis] * weights[:, :, j]
            tail = values[..., np.newaxis] * last[:, j]
            size = np.abs(values)
        else:
            total += values[..., np.newaxis] * weights[:, :, j]
            tail += values[..., np.newaxis] * last[:, j]
            np.maximum(size, np.abs(values), out=size)
    assert total is not None
    assert tail is not None
    assert size is not None
    # Written so that what is not finite counts as not resolved.
    if not bool(np.all(np.abs(tail) <= RESOLVED * (1.0 + size[..., np.newaxis]))):
        return None
    line = total[..., :-1, :].reshape(*total.shape[:-2], -1)
    beyond = steps - line.shape[-1]
    full = np.concatenate([line, total[..., -1, cells - beyond :]], axis=-1)
    return np.moveaxis(full, -1, axis)


def _weights(ends: Array, positions: Array, quadrature: Array) -> tuple[Array, Array]:
    """Weights of the nodes in the integrals between `ends`, and in the last two coefficients.

    The interpolant is ``sum_p c_p P_p`` with ``c_p = (2p + 1)/2 sum_j w_j P_p(x_j) f_j``, and the
    integral of ``P_p`` is ``(P_(p+1) - P_(p-1))/(2p + 1)``.
    """
    count = positions.size
    degrees = np.arange(count)
    at_nodes = np.polynomial.legendre.legvander(positions, count - 1)
    coefficients = (2 * degrees[:, np.newaxis] + 1) / 2 * (at_nodes * quadrature[:, np.newaxis]).T
    at_ends = np.polynomial.legendre.legvander(ends, count)
    below = np.concatenate([np.ones_like(at_ends[..., :1]), at_ends[..., :-2]], axis=-1)
    # The integral of P_0 = 1 is t; the constant drops out of differences.
    below[..., 0] = 0.0
    antiderivative = (at_ends[..., 1:] - below) / (2 * degrees + 1)
    weights = np.diff(antiderivative, axis=1) @ coefficients
    return weights, coefficients[-2:]
