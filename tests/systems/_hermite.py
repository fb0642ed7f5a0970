"""Stationary density of a valley by Hermite polynomials across and Chebyshev points along.

Independent of the package's grids and solvers, and of the expansion in small noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], Array]


@dataclass(frozen=True)
class Stationary:
    """Points along, mean values, and the marginal divided by ``F^kappa exp(-kappa L0/Delta)``."""

    x: Array
    derivative: Array  # spectral differentiation matrix
    weights: Array  # of the quadrature along
    reference: Array  # F^kappa exp(-kappa L0/Delta), largest value 1
    ratio: Array  # normalised so that its mean over the points is 1
    spread: Array  # <y^2> at fixed x
    tail: float  # largest last coefficient over the largest of all


def chebyshev(order: int, start: float, stop: float) -> tuple[Array, Array, Array]:
    """Points, differentiation matrix and Clenshaw–Curtis weights (Trefethen 2000, ch. 6 and 12)."""
    k = np.arange(order + 1)
    points = np.cos(np.pi * k / order)
    ends = np.where((k == 0) | (k == order), 2.0, 1.0) * (-1.0) ** k
    gaps = points[:, None] - points[None, :] + np.eye(order + 1)
    matrix = np.outer(ends, 1 / ends) / gaps
    matrix -= np.diag(matrix.sum(axis=1))
    # The weights integrate every T_m, m <= order, exactly.
    moments = np.array([2 / (1 - m * m) if m % 2 == 0 else 0.0 for m in k])
    weights = np.linalg.solve(np.cos(np.pi * np.outer(k, k) / order), moments)
    half = (stop - start) / 2
    return (start + stop) / 2 + half * points, matrix / half, weights * half


def stationary(
    curvature: Function,
    slope: Function,
    base_loss: Function,
    base_slope: Function,
    *,
    kappa: float,
    noise: float,
    walls: tuple[float, float],
    order: int = 96,
    modes: int = 32,
) -> Stationary:
    r"""Solve ``0 = -d_i J_i`` between reflecting walls.

    ``P = w(x) sum_n q_n(x) He_2n(z) exp(-z^2/2)/sqrt((2n)!)``, ``z = y sqrt(lam_0/Delta)``, with
    ``w = F^kappa exp(-kappa L0/Delta)``.  One width for every x: it must satisfy
    ``lam_0 < 2 min lambda`` for the series to converge.  The equation for mode n couples to n - 1
    and n + 1 only and is eliminated from the highest mode down.
    """
    x, d, weights = chebyshev(order, *walls)
    lam, lam_x, base_x = curvature(x), slope(x), base_slope(x)
    width = 1.6 * lam.min()
    # d/dx (w q) = w (d/dx + (ln w)') q
    d = d - np.diag(kappa * (lam_x / (2 * lam) + base_x / noise))
    force = lam_x * noise / (2 * width)  # of lambda' y^2/2, in units of z^2

    def raising(n: int) -> float:
        return float(np.sqrt(2 * n * (2 * n - 1)))

    def flux(n: int) -> tuple[Array, Array, Array]:
        """``J_n`` as matrices on the modes n - 1, n, n + 1."""
        below, above = -np.diag(force) * raising(n), -np.diag(force) * raising(n + 1)
        return below, -np.diag(base_x + force * (4 * n + 1)) - noise / kappa * d, above

    def equation(n: int) -> tuple[Array, Array, Array]:
        fluxes = flux(n)
        below, same, above = (-d @ part for part in fluxes)
        same -= np.diag(2 * n * lam)
        below -= np.diag(lam - width) * raising(n)
        for wall in (0, -1):
            for row, part in zip((below, same, above), fluxes, strict=True):
                row[wall] = part[wall]
        return below, same, above

    transfer = [np.zeros_like(d)]  # q_n = transfer q_{n-1}
    for n in range(modes, 0, -1):
        below, same, above = equation(n)
        transfer.append(-np.linalg.solve(same + above @ transfer[-1], below))
    _, same, above = equation(0)
    null = np.linalg.svd(same + above @ transfer[-1])[2][-1]
    q = [null / null.mean()]
    for matrix in reversed(transfer[1:]):
        q.append(matrix @ q[-1])
    logarithm = -kappa * (np.log(lam) / 2 + base_loss(x) / noise)
    return Stationary(
        x=x,
        derivative=d + np.diag(kappa * (lam_x / (2 * lam) + base_x / noise)),
        weights=weights,
        reference=np.exp(logarithm - logarithm.max()),
        ratio=q[0],
        # <z^2> = <He_2 + 1>, and He_2 has norm 2! times its coefficient q_1/sqrt(2!).
        spread=noise / width * (1 + np.sqrt(2) * q[1] / q[0]),
        tail=float(np.abs(q[-1]).max() / np.abs(q).max()),
    )
