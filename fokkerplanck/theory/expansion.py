r"""Laplace's method to the next order, at minima and at saddles, in any dimension.

Proved in derivations/08_eyring_kramers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.theory.critical import Coefficients, CriticalPoint

__all__ = ["Exponent", "capacity_correction", "expand", "mass_correction"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Exponent:
    """Derivatives at a critical point: of Phi from the second on, of D from the first on."""

    second: Array
    third: Array
    fourth: Array
    tensor: Array
    tensor_first: Array
    tensor_second: Array


def expand(coefficients: Coefficients, point: CriticalPoint) -> Exponent:
    """Differentiate ``D grad Phi = -F`` up to three times, with ``grad Phi = 0``."""
    (_, _, f2, f3), (d0, d1, d2) = coefficients.at(point.position, (3, 2))
    g1 = point.hessian
    mixed = np.einsum("imj,mk->ijk", d1, g1)
    g2 = _solve(d0, -f2 - mixed - mixed.transpose(0, 2, 1))
    # Each of the three derivatives in turn falls on D, then each pair.
    single = np.einsum("imj,mkl->ijkl", d1, g2)
    double = np.einsum("imjk,ml->ijkl", d2, g1)
    single = single + single.transpose(0, 2, 1, 3) + single.transpose(0, 2, 3, 1)
    double = double + double.transpose(0, 1, 3, 2) + double.transpose(0, 3, 1, 2)
    return Exponent(g1, g2, _solve(d0, -f3 - single - double), d0, d1, d2)


def _solve(matrix: Array, right: Array) -> Array:
    flat = np.linalg.solve(matrix, right.reshape(len(matrix), -1))
    return np.asarray(flat, dtype=np.float64).reshape(right.shape)


def mass_correction(exponent: Exponent) -> float:
    r"""``kappa`` in ``int exp(-Phi) = sqrt((2 pi)^d/det H) exp(-Phi_a) (1 + kappa + ...)``.

    ``kappa = <phi_3^2/2 - phi_4>``, the terms of third and fourth order averaged over the Gaussian
    of covariance ``H^-1``.
    """
    values, vectors = np.linalg.eigh(exponent.second)
    return _quartic(exponent, vectors / np.sqrt(values))


def capacity_correction(exponent: Exponent) -> float:
    r"""``kappa`` in ``flux over the saddle = (its leading order) (1 + kappa + ...)``.

    In coordinates z with ``D = 1 + P(z) + R(z) + ...``, P linear and R quadratic, and ``H =
    diag(-mu, h_2, ...)`` at the saddle, averages over the Gaussian of variances ``1/mu, 1/h_i``:

        ``kappa = <R_11 - phi_3 P_11 + phi_3^2/2 - phi_4> - sum_n <s He_n>^2 / (lambda_n + mu)``

    ``s = d_1 phi_3 + sum_(i>1) h_i z_i P_1i - sum_i d_i P_1i`` is what bends the committor; the sum
    is over normalised Hermite polynomials of degrees 0 and 2, ``lambda = 0`` and ``|H_i| + |H_j|``.
    """
    root = np.linalg.cholesky(exponent.tensor)
    values, turn = np.linalg.eigh(root.T @ exponent.second @ root)
    size = np.abs(values)
    metric = root @ turn  # x = metric z, unstable direction first
    unit = metric / np.sqrt(size)  # x = unit y, with y a standard normal vector
    back = np.linalg.inv(metric)
    row = np.einsum("ai,ijm,bj,mn->abn", back, exponent.tensor_first, back, unit)[0]
    bend = np.einsum("i,ijmn,j,mp,nq->pq", back[0], exponent.tensor_second, back[0], unit, unit)
    third = _turned(exponent.third, unit)
    kappa = np.trace(bend) / 2 - np.einsum("iim,m", third, row[0]) / 2 + _quartic(exponent, unit)

    mu = size[0]
    across = np.where(np.arange(len(size)) > 0, np.sqrt(size), 0.0)
    source = np.sqrt(mu) / 2 * third[0] + across[:, np.newaxis] * row
    source = (source + source.T) / 2
    constant = np.trace(source) - np.sum(np.sqrt(size) * np.diag(row))
    decay = size[:, np.newaxis] + size + mu
    return float(kappa - constant**2 / mu - 2 * np.sum(source**2 / decay))


def _quartic(exponent: Exponent, unit: Array) -> float:
    """``<phi_3^2/2 - phi_4>`` over a standard normal vector y, ``x = unit y``."""
    third = _turned(exponent.third, unit)
    trace = np.einsum("iik->k", third)
    squared = (6 * np.sum(third**2) + 9 * trace @ trace) / 72
    fourth = np.einsum("ijkl,im,jm,kn,ln", exponent.fourth, unit, unit, unit, unit, optimize=True)
    return float(squared - fourth / 8)


def _turned(third: Array, unit: Array) -> Array:
    turned: Array = np.einsum("ijk,ia,jb,kc->abc", third, unit, unit, unit, optimize=True)
    return turned
