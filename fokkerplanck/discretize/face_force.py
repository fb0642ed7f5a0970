r"""How much of a drift without potential exponential fitting can carry, cell by cell.

Along an offset ``e`` the fitted rates see ``z = -e . g``, ``g = D^-1 F``.  For the part of ``g``
that is a gradient, large ``z`` are right: they are the differences of a steep potential.  For the
part that drives a current they are not: they act as a diffusion of ``w z^2/12`` along ``e``, which
``D^-1`` makes large across strong noise, and at a wall they can trap all mass in a corner
(measured).  The two parts are told apart by the curl of ``g``:

    chi = |G - G^T| / (2 |G|),  G = grad g,  Frobenius norms, in cells

is 0 for a gradient and at most 1.  Where ``|z| > 2.5/chi`` for some offset (0.5/chi near walls),
``g`` is replaced by ``(D + delta I)^-1 F`` with the smallest ``delta`` that brings it within, and
the rest ``F - D g`` is carried upwind along the axes; what is fitted has a share ``chi^2`` of
central rates.

Measured: `benchmarks/schemes_drift.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.selling import coupled_axes, longest_offsets
from fokkerplanck.discretize.stencils import cell_slope

__all__ = ["FaceForce", "split_force"]

Array = NDArray[np.float64]
Offsets = NDArray[np.int16]
Flags = NDArray[np.bool_]

# Limits on chi |z|.  Measured at anisotropy 10: 2 and more are equally good, 1 is three times worse
# on 32 x 32 cells; at 100, 1 is twice as good as 3.  Near walls, where offsets are missing and an
# outward drift presses the mass into the last cells, 1.5 can trap it there and 0.5 does not.
INSIDE, AT_WALLS = 2.5, 0.5
# Smallest chi told from rounding: a limit of 1e6 on |z| limits nothing.
LEAST_CURL = 1e-6
# Tensors below this conditioning count as singular; their g is the limited one.
SINGULAR = 1e-12
# Bisections of log delta over its range of some 40 e-foldings: to 1e-3 of delta.
BISECTIONS = 16


@dataclass(frozen=True)
class FaceForce:
    """What `edge_matrix` takes of a drift; all in index units.

    Attributes
    ----------
    whole : (n, d)
        ``D^-1 F``; limited to 1e6 where the tensor is singular, 0 along axes without noise.
    slope : (n, d)
        The fitted part of ``D^-1 F``.
    bend : (n, d, d)
        Its gradient, by which the mean of two cells becomes an integral between them; 0 where
        there is a residual.
    residual : (n, d) or None
        ``F - D slope``, None where nothing is left over.
    share : (n,)
        Share of central rates.
    upwinded : int
        Cells with a residual.
    """

    whole: Array
    slope: Array
    bend: Array
    residual: Array | None
    share: Array
    upwinded: int


@njit(cache=True)
def _solve(tensor: Array, delta: float, force: Array, work: Array, result: Array) -> bool:
    """``(D + delta I) result = force`` by Cholesky; False where it is not positive definite."""
    size = force.size
    for i in range(size):
        result[i] = force[i]
        for j in range(i + 1):
            total = tensor[i, j] + (delta if i == j else 0.0)
            for k in range(j):
                total -= work[i, k] * work[j, k]
            if i > j:
                work[i, j] = total / work[j, j]
            elif total > SINGULAR * (tensor[i, i] + delta):
                work[i, i] = np.sqrt(total)
            else:
                return False
    for i in range(size):
        for k in range(i):
            result[i] -= work[i, k] * result[k]
        result[i] /= work[i, i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            result[i] -= work[k, i] * result[k]
        result[i] /= work[i, i]
    return True


@njit(cache=True)
def _largest(offsets: Offsets, weights: Array, slope: Array) -> float:
    """Largest ``|e . g|`` over the axes and the offsets in use."""
    worst = 0.0
    for a in range(slope.size):
        worst = max(worst, abs(slope[a]))
    for k in range(offsets.shape[0]):
        if weights[k] > 0.0:
            z = 0.0
            for a in range(slope.size):
                z += offsets[k, a] * slope[a]
            worst = max(worst, abs(z))
    return worst


@njit(cache=True, nogil=True)
def _limit(
    tensors: Array,
    force: Array,
    offsets: Offsets,
    weights: Array,
    limits: Array,
    slope: Array,
    residual: Array,
    singular: Flags,
) -> int:
    """Fill `slope`, `residual` and `singular`; returns the number of cells with a residual."""
    cells, size = force.shape
    work, trial = np.empty((size, size)), np.empty(size)
    count = 0
    for x in range(cells):
        here = min(x, offsets.shape[0] - 1)
        tensor = tensors[min(x, tensors.shape[0] - 1)]
        regular = _solve(tensor, 0.0, force[x], work, trial)
        # Where all noise of these axes is missing there is nothing to fit, and no sign of a curl.
        if not regular and tensor.any():
            singular[x] = True
        if regular and _largest(offsets[here], weights[here], trial) <= limits[x]:
            slope[x] = trial
            residual[x] = 0.0
            continue
        strength = 0.0
        for a in range(size):
            strength += abs(force[x, a])
        slope[x] = 0.0
        residual[x] = 0.0
        if strength == 0.0:
            continue
        if not tensor.any():
            residual[x] = force[x]
            count += 1
            continue
        # With delta = reach * strength / limit every |e . g| is within; some e-foldings below it
        # the shift no longer matters.
        longest = 1
        for k in range(offsets.shape[1]):
            total = 0
            for a in range(size):
                total += abs(offsets[here, k, a])
            longest = max(longest, total)
        high = np.log(longest * strength / limits[x])
        low = high - 40.0
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            solved = _solve(tensor, np.exp(middle), force[x], work, trial)
            if solved and _largest(offsets[here], weights[here], trial) <= limits[x]:
                high = middle
            else:
                low = middle
        _solve(tensor, np.exp(high), force[x], work, slope[x])
        for a in range(size):
            residual[x, a] = np.exp(high) * slope[x, a]
        count += 1
    return count


def split_force(
    grid: Grid, tensors: Array, force: Array, offsets: Offsets, weights: Array
) -> FaceForce:
    """Fitted and upwinded part of a drift.

    Parameters
    ----------
    tensors : (n or 1, d, d), force : (n, d)
        In index units.
    offsets, weights : of `decompose`
    """
    # Axes that the tensor does not couple are limited apart: noise that is missing along one says
    # nothing about another.
    groups = coupled_axes(tensors)

    def within(limits: Array) -> tuple[Array, Array, NDArray[np.bool_], int]:
        slope, residual = np.empty_like(force), np.empty_like(force)
        singular = np.zeros(len(force), np.bool_)
        count = 0
        for axes in groups:
            part, along = force[:, axes].copy(), offsets[:, :, axes].copy()
            block = tensors[:, axes][:, :, axes].copy()
            fitted, rest = np.empty_like(part), np.empty_like(part)
            limited = _limit(block, part, along, weights, limits, fitted, rest, singular)
            count = max(count, limited)
            slope[:, axes], residual[:, axes] = fitted, rest
        return slope, residual, singular, count

    fitted, _, singular, _ = within(np.full(len(force), 1.0 / LEAST_CURL))
    gradient = _gradient(grid, fitted)
    chi = np.where(singular, 1.0, _curl_share(gradient))
    limits = np.where(_near_walls(grid, offsets, weights), AT_WALLS, INSIDE)
    slope, residual, _, count = within(limits / np.maximum(chi, LEAST_CURL))
    gradient[residual.any(axis=1)] = 0.0
    return FaceForce(fitted, slope, gradient, residual if count else None, chi**2, count)


def _gradient(grid: Grid, slope: Array) -> Array:
    """Derivatives per cell of a vector field at the centres, (n, d, d)."""
    size = grid.dimension
    gradient = np.empty((grid.size, size, size))
    for a in range(size):
        field = slope[:, a].reshape(grid.shape)
        for b, axis in enumerate(grid.axes):
            gradient[:, a, b] = cell_slope(field, b, axis.periodic, 2).ravel()
    return gradient


def _curl_share(gradient: Array) -> Array:
    """``chi``; 0 where the field is constant."""
    curl = gradient - gradient.transpose(0, 2, 1)
    total = np.sqrt(np.sum(gradient**2, axis=(1, 2)))
    with np.errstate(divide="ignore", invalid="ignore"):
        chi = np.sqrt(np.sum(curl**2, axis=(1, 2))) / (2.0 * total)
    return np.where(total > 0.0, np.minimum(chi, 1.0), 0.0)


def _near_walls(grid: Grid, offsets: Offsets, weights: Array) -> Flags:
    """Cells from which the longest offset could leave the grid, shape (n,)."""
    near = np.zeros(grid.shape, np.bool_)
    used = np.maximum(longest_offsets(offsets, weights), 1)
    for a, axis in enumerate(grid.axes):
        if not axis.periodic:
            along = np.moveaxis(near, a, 0)
            along[: used[a]] = along[-used[a] :] = True
    return near.ravel()
