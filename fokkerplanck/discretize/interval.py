r"""One dimension: the two-point flux that is exact at a jump of the noise in every convention.

With ``alpha = 0, 1/2, 1`` for the Itô, Stratonovich and isothermal convention and ``a`` the drift
as given in it, the flux is ``J = -D^alpha e^-U d/dx (e^U D^(1-alpha) p)``, ``U = -int a/D dx``: no
derivative of ``D`` occurs, and ``D^(1-alpha) p`` is what is continuous at a jump.  Between two
centres at distances ``d_i, d_j`` from the face between them the flux is constant, which gives ::

    rate i -> j = D~ D_i^(1-alpha) B(U_j - U_i) / ((d_i + d_j) width_i)
    D~ = (d_i + d_j) / (d_i D_i^-alpha + d_j D_j^-alpha)

Sources: D. L. Scharfetter and H. K. Gummel, IEEE Trans. Electron Devices 16, 64 (1969); P. Hänggi
and H. Thomas, Phys. Rep. 88, 207 (1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import Coefficients
from fokkerplanck.discretize.flux import bernoulli, fitted_rates
from fokkerplanck.discretize.grid import Axis, Grid
from fokkerplanck.discretize.quadrature import integrals
from fokkerplanck.discretize.surfaces import VANISHED
from fokkerplanck.errors import InvalidCoefficient, NotPositiveSemidefinite

__all__ = ["SHARE", "Interval", "interval_rates"]

Array = NDArray[np.float64]
Cells = NDArray[np.int32]

# alpha of each convention.
SHARE = {"ito": 0.0, "stratonovich": 0.5, "isothermal": 1.0}
# A ring is closed, and its potential periodic, when what is left of U after one turn is rounding.
CLOSED = 1e-12


@dataclass(frozen=True)
class Interval:
    """Rates of a one-dimensional problem.

    Attributes
    ----------
    targets, sources : (m,); rates : (m,); killing : (n,)
    potential : (n,) or None
        ``Phi`` at the centres; None with a current round a ring, and where the noise vanishes.
    closed : int
        Faces that no noise crosses; the drift is carried upwind there.
    """

    targets: Cells
    sources: Cells
    rates: Array
    killing: Array
    potential: Array | None
    closed: int


@njit(cache=True)
def _pairs(z: Array) -> tuple[Array, Array]:
    up, down = np.empty(z.size), np.empty(z.size)
    for k in range(z.size):
        up[k], down[k] = fitted_rates(z[k])
    return up, down


def interval_rates(coefficients: Coefficients, grid: Grid) -> Interval:
    """Rates between neighbouring cells of a one-dimensional grid, and out through its walls."""
    axis = grid.axes[0]
    alpha = SHARE[coefficients.diffusion.convention]
    noise = coefficients.tensor(grid.mesh)[0, 0]
    # U from the lower face of each cell to its centre, and on to its upper face.
    before, after = _half_steps(coefficients, axis)
    lower = np.arange(axis.cells, dtype=np.int32)
    if not axis.periodic:
        lower = lower[:-1]
    upper = (lower + 1) % axis.cells
    faces = axis.edges[1 : lower.size + 1]
    z = after[lower] + before[upper]
    beside = np.maximum(noise[lower], noise[upper])
    on_face = coefficients.tensor([faces])[0, 0]
    least = np.minimum(np.minimum(noise[lower], noise[upper]), on_face)
    closed = (least <= VANISHED * beside) | ~np.isfinite(z)
    up, down = _open_rates(axis, noise, alpha, lower, upper, np.where(closed, 0.0, z))
    steps = [axis.spacing * axis.stretch.min()]
    if closed.any():
        # Where the noise vanishes, on the face or at a centre beside it, drift alone decides.
        places = np.stack([faces, axis.centers[lower], axis.centers[upper]])[:, closed]
        pick = np.argmin(np.stack([on_face, noise[lower], noise[upper]])[:, closed], axis=0)
        drift = coefficients.force([places], steps)[0]
        at = np.take_along_axis(drift, pick[np.newaxis], 0)[0]
        at = np.where(np.abs(at) > VANISHED * np.abs(drift).max(axis=0), at, 0.0)
        up[closed] = np.maximum(at, 0.0) / axis.widths[lower[closed]]
        down[closed] = np.maximum(-at, 0.0) / axis.widths[upper[closed]]
    potential = None
    if not closed.any():
        potential = _potential(axis, noise, alpha, z)
    return Interval(
        np.concatenate([upper, lower]),
        np.concatenate([lower, upper]),
        np.concatenate([up, down]),
        _killing(coefficients, axis, noise, before, after),
        potential,
        int(np.count_nonzero(closed)),
    )


def _half_steps(coefficients: Coefficients, axis: Axis) -> tuple[Array, Array]:
    """``-int a/D`` over both halves of every cell; not finite where it does not converge."""

    def slope(x: Array) -> Array:
        try:
            noise, drift = coefficients.tensor([x])[0, 0], coefficients.given([x])[0]
        except (InvalidCoefficient, NotPositiveSemidefinite):
            # Between the centres the coefficients may leave their domain: lose that cell only.
            if len(x) == 1:
                return np.full(x.shape, np.nan)
            return np.concatenate([slope(row[np.newaxis]) for row in x])
        with np.errstate(all="ignore"):
            return np.where(drift == 0.0, 0.0, -drift / noise)

    starts = np.concatenate([axis.edges[:-1], axis.centers])
    ends = np.concatenate([axis.centers, axis.edges[1:]])
    halves = integrals(slope, starts, ends)
    return halves[: axis.cells], halves[axis.cells :]


def _open_rates(
    axis: Axis, noise: Array, alpha: float, lower: Cells, upper: Cells, z: Array
) -> tuple[Array, Array]:
    below = axis.edges[1:][lower] - axis.centers[lower]
    above = axis.centers[upper] - axis.edges[:-1][upper]
    with np.errstate(divide="ignore", invalid="ignore"):
        conductance = 1.0 / (below * noise[lower] ** -alpha + above * noise[upper] ** -alpha)
    up, down = _pairs(z)
    return (
        conductance * noise[lower] ** (1.0 - alpha) * up / axis.widths[lower],
        conductance * noise[upper] ** (1.0 - alpha) * down / axis.widths[upper],
    )


def _potential(axis: Axis, noise: Array, alpha: float, z: Array) -> Array | None:
    along = np.concatenate([[0.0], np.cumsum(z[: axis.cells - 1])])
    if axis.periodic:
        turn = float(z.sum())
        if abs(turn) > CLOSED * float(np.abs(z).sum()):
            return None
    potential = along + (1.0 - alpha) * np.log(noise)
    lowest = float(potential.min())
    shifted: Array = potential - lowest
    return shifted if np.isfinite(shifted).all() else None


def _killing(
    coefficients: Coefficients, axis: Axis, noise: Array, before: Array, after: Array
) -> Array:
    """Rate of loss through absorbing walls, which lie half a cell from the nearest centre."""
    killing = np.zeros(axis.cells)
    for side, cell, z in ((0, 0, -before[0]), (1, -1, after[-1])):
        if axis.boundary[side] != "absorbing":
            continue
        wall, outward = axis.edges[cell], 2 * side - 1
        if noise[cell] > 0.0 and np.isfinite(z):
            distance = abs(wall - axis.centers[cell])
            killing[cell] += noise[cell] * bernoulli(z) / (distance * axis.widths[cell])
        else:
            steps = [axis.spacing * axis.stretch.min()]
            drift = float(coefficients.force([axis.centers[[cell]]], steps)[0, 0])
            killing[cell] += max(outward * drift, 0.0) / axis.widths[cell]
    return killing
