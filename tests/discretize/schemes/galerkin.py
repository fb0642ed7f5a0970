"""Relaxation rates of reversible diffusions in a box by a Legendre-Galerkin method.

An independent reference: no cells, spectral accuracy.  With ``psi = sqrt(pi) q`` the Dirichlet
form ``int pi grad q . D grad q`` is ``int v . D v``, ``v = grad psi + psi grad(Phi) / 2``, and the
mass form is the identity in the orthonormal Legendre basis.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigvalsh

Array = NDArray[np.float64]


def _basis(degree: int, nodes: Array, limits: tuple[float, float], walls: str) -> tuple[Array, ...]:
    """Values and slopes of the basis at the nodes, orthonormal where the walls reflect."""
    half = (limits[1] - limits[0]) / 2
    middle = (limits[1] + limits[0]) / 2
    functions = []
    for k in range(degree):
        function = np.polynomial.Legendre.basis(k) * np.sqrt((k + 0.5) / half)
        if walls == "absorbing":
            function = function - np.polynomial.Legendre.basis(k + 2) * np.sqrt((k + 0.5) / half)
        functions.append(function)
    s = (nodes - middle) / half
    values = np.stack([f(s) for f in functions], axis=1)
    slopes = np.stack([f.deriv()(s) / half for f in functions], axis=1)
    return values, slopes


def relaxation_rates(
    tensor: Callable[[Array, Array], Array],
    gradient: Callable[[Array, Array], tuple[Array, Array]],
    limits: tuple[tuple[float, float], tuple[float, float]],
    *,
    degree: int,
    count: int = 4,
    walls: str = "reflecting",
) -> Array:
    """Smallest eigenvalues of ``-L`` in a rectangle whose walls all reflect or all absorb."""
    extra = 12
    nodes, weights = np.polynomial.legendre.leggauss(degree + extra)
    parts = []
    for low, high in limits:
        x = (low + high) / 2 + (high - low) / 2 * nodes
        parts.append((x, weights * (high - low) / 2, *_basis(degree, x, (low, high), walls)))
    (x, wx, fx, gx), (y, wy, fy, gy) = parts
    grid_x, grid_y = np.meshgrid(x, y, indexing="ij")
    slope_x, slope_y = gradient(grid_x, grid_y)
    d = tensor(grid_x, grid_y)
    weight = np.sqrt(np.multiply.outer(wx, wy)).ravel()[:, np.newaxis]
    both = np.kron(fx, fy)
    v = [
        np.kron(gx, fy) + 0.5 * np.ravel(slope_x)[:, np.newaxis] * both,
        np.kron(fx, gy) + 0.5 * np.ravel(slope_y)[:, np.newaxis] * both,
    ]
    # D = L L^T turns the form into a sum of squares: exact symmetry, no negative eigenvalue.
    low = np.linalg.cholesky(np.moveaxis(d, (0, 1), (-2, -1))).reshape(-1, 2, 2)
    stiffness = np.zeros((both.shape[1],) * 2)
    for column in range(2):
        part = low[:, 0, column, np.newaxis] * v[0] + low[:, 1, column, np.newaxis] * v[1]
        part *= weight
        stiffness += part.T @ part
    mass = None
    if walls == "absorbing":
        both *= weight
        mass = both.T @ both
    return eigvalsh(stiffness, mass, subset_by_index=(0, count - 1))
