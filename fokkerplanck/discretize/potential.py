"""Numerical test for detailed balance, and the potential at the cell centres.

A symbolic potential is not needed: ``g = D^-1 F`` is integrated between neighbouring centres by
Gauss-Legendre quadrature on each half of the step (a jump on a cell face then lies between the
two halves), along a tree of grid lines, and edges off the tree test that it closes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import Coefficients
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.panels import panel_integrals
from fokkerplanck.errors import InvalidCoefficient, NotPositiveSemidefinite

__all__ = ["potential_at_centers"]

Array = NDArray[np.float64]
Slope = Callable[[Sequence[Array]], Array]

# Edges off the tree that must close, and how well relative to a typical edge: Gauss-Legendre with
# ORDERS nodes is exact to rounding on resolved cells, a real curl misses by h/L, some 1e-3.
PROBES = 256
CLOSES = 1e-9
ORDERS = (4, 8, 16)
SEED = 20230609
# A pivot that is this small a share of its diagonal entry is what rounding left of zero.
SINGULAR = 4 * np.finfo(float).eps


def potential_at_centers(coefficients: Coefficients, grid: Grid) -> Array | None:
    """``Phi`` at the cell centres, or None where ``D^-1 F`` has a curl or is not finite.

    One dimension needs no derivative of D, so a jump of D on a face is right in each convention.
    """
    slope, offset = _slope(coefficients, grid)
    try:
        order = _quadrature_order(slope, grid)
        if order is None:
            return None
        if grid.dimension > 1 and not _closes_locally(slope, grid, order):
            return None
        potential = _along_tree(slope, grid, order)
        if not np.isfinite(potential).all():
            return None
        if not _closes_globally(slope, grid, order, potential):
            return None
    except (InvalidCoefficient, NotPositiveSemidefinite):
        # Between the centres the coefficients may leave their domain; the centres alone count.
        return None
    if offset is not None:
        potential = potential + offset
    return potential - potential.min() if np.isfinite(potential).all() else None


def _slope(coefficients: Coefficients, grid: Grid) -> tuple[Slope, Array | None]:
    """``-grad Phi`` as a function of points, and what of Phi is known without integration."""
    spacing = [axis.spacing * axis.stretch.min() for axis in grid.axes]
    if grid.dimension == 1:
        return _slope_in_one_dimension(coefficients, grid)

    def slope(points: Sequence[Array]) -> Array:
        tensor = coefficients.tensor(points)
        force = coefficients.force(points, spacing)
        return solve_small(tensor, force)

    return slope, None


def _slope_in_one_dimension(coefficients: Coefficients, grid: Grid) -> tuple[Slope, Array | None]:
    """``a/D`` of the given convention and ``(1 - alpha) log D``, alpha = 0, 1/2, 1."""
    power = {"ito": 1.0, "stratonovich": 0.5, "isothermal": 0.0}
    share = power[coefficients.diffusion.convention]

    def slope(points: Sequence[Array]) -> Array:
        with np.errstate(all="ignore"):
            ratio: Array = coefficients.given(points) / coefficients.tensor(points)[0]
        return ratio

    with np.errstate(divide="ignore"):
        return slope, share * np.log(coefficients.tensor(grid.mesh)[0, 0])


def solve_small(tensor: Array, vector: Array) -> Array:
    """``D^-1 F`` for fields of small symmetric matrices; not finite where D is singular."""
    size = tensor.shape[0]
    with np.errstate(all="ignore"):
        if size == 1:
            ratio: Array = vector / tensor[0]
            return ratio
        if size == 2:
            determinant = tensor[0, 0] * tensor[1, 1] - tensor[0, 1] ** 2
            return np.stack(
                [
                    (tensor[1, 1] * vector[0] - tensor[0, 1] * vector[1]) / determinant,
                    (tensor[0, 0] * vector[1] - tensor[0, 1] * vector[0]) / determinant,
                ]
            )
        return _cholesky_solve(tensor, vector)


def _cholesky_solve(tensor: Array, vector: Array) -> Array:
    """``D = L diag(d) L^T`` entry by entry for whole fields; NaN where a pivot is rounding."""
    size = tensor.shape[0]
    lower: list[list[Array]] = [[] for _ in range(size)]
    pivots: list[Array] = []
    solved: list[Array] = []
    for i in range(size):
        for j in range(i):
            known = sum(lower[i][k] * lower[j][k] * pivots[k] for k in range(j))
            lower[i].append((tensor[i, j] - known) / pivots[j])
        pivot = tensor[i, i] - sum(lower[i][k] ** 2 * pivots[k] for k in range(i))
        pivots.append(np.where(pivot > SINGULAR * tensor[i, i], pivot, np.nan))
        solved.append(vector[i] - sum(lower[i][k] * solved[k] for k in range(i)))
    result: list[Array] = [s / p for s, p in zip(solved, pivots, strict=True)]
    for i in reversed(range(size)):
        for k in range(i + 1, size):
            result[i] = result[i] - lower[k][i] * result[k]
    return np.stack(result)


def _edge_integrals(
    slope: Slope, grid: Grid, axis: int, lower: Array, upper: Array, others: list[Array], order: int
) -> Array:
    """``-int g_axis`` from `lower` over the face between to `upper`, for broadcastable arrays."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    edges = grid.edges[axis]
    face = edges[np.clip(np.searchsorted(edges, lower, side="right"), 1, edges.size - 1)]
    total: Array = np.zeros(())
    for start, stop in ((lower, face), (face, upper)):
        half = (stop - start) / 2
        for node, weight in zip(nodes, weights, strict=True):
            points = list(others)
            points[axis] = start + half * (1 + node)
            with np.errstate(invalid="ignore"):
                total = total - weight * half * slope(points)[axis]
    return total


def _quadrature_order(slope: Slope, grid: Grid) -> int | None:
    """The lowest order that agrees with the next on random edges; the highest when none does."""
    probes = _random_cells(grid, PROBES)
    for low, high in pairwise(ORDERS):
        worst = 0.0
        for axis in range(grid.dimension):
            coarse = _probe(slope, grid, axis, probes, low)
            fine = _probe(slope, grid, axis, probes, high)
            if not (np.isfinite(coarse).all() and np.isfinite(fine).all()):
                return None
            # 1e-15 a cell keeps the sum over a thousand cells within 1e-12.
            worst = max(worst, float(np.max(np.abs(coarse - fine) - 4e-16 * np.abs(fine))))
        if worst <= 1e-15:
            return low
    return ORDERS[-1]


def _random_cells(grid: Grid, count: int) -> NDArray[np.int64]:
    """Random cells with an upper neighbour along every axis, shape (d, count)."""
    rng = np.random.default_rng(SEED)
    return np.stack([rng.integers(0, n - 1, count) for n in grid.shape])


def _probe(slope: Slope, grid: Grid, axis: int, cells: NDArray[np.int64], order: int) -> Array:
    points = [c[i] for c, i in zip(grid.centers, cells, strict=True)]
    upper = grid.centers[axis][cells[axis] + 1]
    return _edge_integrals(slope, grid, axis, points[axis], upper, points, order)


def _closes_locally(slope: Slope, grid: Grid, order: int) -> bool:
    """Whether the integral round random cells vanishes, before anything large is computed."""
    cells = _random_cells(grid, PROBES // 4)
    for a in range(grid.dimension):
        for b in range(a):
            loop = np.zeros(cells.shape[1])
            size = np.zeros(cells.shape[1])
            for axis, other, sign in ((a, b, 1.0), (b, a, -1.0)):
                shifted = cells.copy()
                shifted[other] += 1
                here = _probe(slope, grid, axis, cells, order)
                there = _probe(slope, grid, axis, shifted, order)
                loop += sign * (here - there)
                size += np.abs(here) + np.abs(there)
            # A pattern of isolated curl would need every probe to miss it; all must close.
            if np.any(np.abs(loop) > CLOSES * size + 1e-14 * size.max()):
                return False
    return True


def _along_tree(slope: Slope, grid: Grid, order: int) -> Array:
    """Sum the edge integrals along axis 0 through the middle, then along axis 1, and so on."""
    middle = [n // 2 for n in grid.shape]
    potential = np.zeros((1,) * grid.dimension)
    for axis in range(grid.dimension):
        points = [
            c.reshape([-1 if k == j else 1 for j in range(grid.dimension)])
            if k < axis
            else np.full((1,) * grid.dimension, c[middle[k]])
            for k, c in enumerate(grid.centers)
        ]
        steps = _line_integrals(slope, grid, axis, points, order)
        start = middle[axis]
        below, above = np.split(
            np.broadcast_to(steps, _full(steps, potential, axis)), [start], axis
        )
        rising = np.cumsum(above, axis=axis)
        falling = -np.flip(np.cumsum(np.flip(below, axis), axis=axis), axis)
        line = np.concatenate([falling, np.zeros_like(_first(steps, axis, above)), rising], axis)
        potential = potential + line
    return np.ascontiguousarray(np.broadcast_to(potential, grid.shape))


def _line_integrals(slope: Slope, grid: Grid, axis: int, points: list[Array], order: int) -> Array:
    """``-int g_axis`` between all neighbouring centres of the lines through `points`."""
    view = [1] * grid.dimension
    view[axis] = -1

    def integrand(along: Array) -> Array:
        moved = list(points)
        moved[axis] = along.reshape(view)
        downhill: Array = slope(moved)[axis]
        return -downhill

    centers = grid.centers[axis]
    steps = panel_integrals(integrand, centers, axis)
    if steps is not None:
        return steps
    lower, upper = centers[:-1].reshape(view), centers[1:].reshape(view)
    return _edge_integrals(slope, grid, axis, lower, upper, points, order)


def _full(steps: Array, potential: Array, axis: int) -> tuple[int, ...]:
    shape = list(np.broadcast_shapes(steps.shape, potential.shape))
    shape[axis] = steps.shape[axis]
    return tuple(shape)


def _first(steps: Array, axis: int, like: Array) -> Array:
    shape = list(like.shape)
    shape[axis] = 1
    return np.empty(shape)


def _closes_globally(slope: Slope, grid: Grid, order: int, potential: Array) -> bool:
    """Whether random edges off the tree, and the seams of periodic axes, agree with Phi."""
    span = float(np.ptp(potential))
    for axis in range(grid.dimension):
        cells = _random_cells(grid, PROBES)
        if grid.dimension > 1:
            above = cells.copy()
            above[axis] += 1
            difference = potential[tuple(above)] - potential[tuple(cells)]
            direct = _probe(slope, grid, axis, cells, order)
            typical = float(np.mean(np.abs(direct)))
            # The tree sums up to `span` with rounding; 1e-13 of it is a thousand cells' worth.
            if np.any(np.abs(difference - direct) > CLOSES * typical + 1e-13 * span):
                return False
        if grid.axes[axis].periodic and not _closes_seam(
            slope, grid, axis, order, cells, potential
        ):
            return False
    return True


def _closes_seam(
    slope: Slope,
    grid: Grid,
    axis: int,
    order: int,
    cells: NDArray[np.int64],
    potential: Array,
) -> bool:
    """Whether Phi is periodic: from the last centre over the end of the axis to the first."""
    low, high = grid.edges[axis][0], grid.edges[axis][-1]
    first, last = grid.centers[axis][0], grid.centers[axis][-1]
    points = [c[i] for c, i in zip(grid.centers, cells, strict=True)]
    nodes, weights = np.polynomial.legendre.leggauss(order)
    total = np.zeros(cells.shape[1])
    for start, stop in ((last, high), (low, first)):
        half = (stop - start) / 2
        for node, weight in zip(nodes, weights, strict=True):
            points[axis] = np.full(cells.shape[1], start + half * (1 + node))
            total -= weight * half * slope(points)[axis]
    ends = [cells.copy(), cells.copy()]
    ends[0][axis], ends[1][axis] = 0, grid.shape[axis] - 1
    difference = potential[tuple(ends[0])] - potential[tuple(ends[1])]
    span = float(np.ptp(potential))
    return bool(np.all(np.abs(difference - total) <= CLOSES * (np.abs(total) + span / 10)))
