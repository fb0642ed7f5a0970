"""Exponential fitting on the axes, central differences for the cross terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, diags_array, eye_array, kron

from fokkerplanck.discretize.coefficients import Coefficients
from fokkerplanck.discretize.faces import (
    Faces,
    difference_steps,
    inner_faces,
    nonnegative_rates,
    scharfetter_gummel,
    wall_faces,
    with_diagonal,
)
from fokkerplanck.discretize.grid import Axis, Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.errors import UnsupportedTensor
from fokkerplanck.model.diffusion import Diffusion

__all__ = ["CrossDiffusion"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CrossDiffusion:
    r"""Finite volumes for strong anisotropy with a drift that has no potential; not monotone.

    The flux across a face with normal ``i`` is

    .. math:: J_i = F_i p - D_{ii} \partial_i p - \sum_{j \ne i} D_{ij} \partial_j p,
              \qquad F = A - \nabla\cdot D

    with its first two terms exponentially fitted (force and tensor at the face) and ``d_j p`` the
    mean of the two cells' central differences.  Second order, walls included: no flux crosses a
    reflecting wall, and differences beside it are one-sided, since the density's normal derivative
    does not vanish there (a mirror would make it); at an absorbing wall ``p = 0``.  Columns sum
    to minus the killing.

    The drift across the strong noise is not amplified, as it is in a monotone linear scheme: for
    anisotropy of 100 and more without detailed balance this is the accurate linear scheme.  The
    price is negative rates wherever the tensor has off-diagonal entries: the operator is no Markov
    generator, a stationary density may be negative where it is tiny (`Density.info` says how much
    mass), and `potential` is None, since the discrete Gibbs density is only second order.

    Notes
    -----
    One to three dimensions, diagonal tensors in four.  For a diagonal tensor it is the
    Scharfetter-Gummel scheme and monotone.

    Examples
    --------
    >>> import sympy as sp
    >>> import fokkerplanck as fpk
    >>> x, y = sp.symbols("x y", real=True)
    >>> tilted = fpk.Diffusion((x, y), [-x + y, -x - y], [[1, 0.9], [0.9, 1]])
    >>> operator = CrossDiffusion().assemble(tilted, fpk.Grid(x=(-6, 6, 24), y=(-6, 6, 24)), None)
    >>> operator.monotone, operator.conserving
    (False, True)
    """

    def assemble(
        self, diffusion: Diffusion, grid: Grid, time: float | None
    ) -> FokkerPlanckOperator:
        """The operator on the grid.

        Raises
        ------
        UnsupportedTensor
            For off-diagonal entries in four dimensions.
        """
        coefficients = Coefficients.compile(diffusion, time)
        steps = difference_steps(grid)
        fitted = csc_matrix((grid.size, grid.size))
        cross = csc_matrix((grid.size, grid.size))
        killing = np.zeros(grid.size)
        for axis in range(grid.dimension):
            faces = inner_faces(grid, axis)
            tensor = coefficients.tensor(faces.points)
            force = coefficients.force(faces.points, steps)
            fitted = fitted + _fitted_rates(grid, faces, tensor[axis, axis], force[axis])
            cross = cross + _cross_rates(grid, axis, faces, tensor)
            killing += _absorption(grid, axis, coefficients, steps)
        volumes = np.broadcast_to(grid.volumes, grid.shape).ravel()
        killing /= volumes
        matrix = with_diagonal((fitted + cross) @ diags_array(1.0 / volumes), killing)
        monotone = nonnegative_rates(matrix)
        info = Info(scheme="CrossDiffusion", drift="face force", cross_terms=bool(cross.nnz))
        return FokkerPlanckOperator(matrix, grid, killing, None, monotone, info)


def _fitted_rates(grid: Grid, faces: Faces, tensor: Array, force: Array) -> csc_matrix:
    """Flows of the fitted part of the flux from cell to cell, as a matrix that acts on p."""
    forward, backward = scharfetter_gummel(faces.flat(tensor), faces.flat(force), faces.distance)
    rows = np.concatenate([faces.upper, faces.lower])
    columns = np.concatenate([faces.lower, faces.upper])
    values = np.concatenate([faces.area * forward, faces.area * backward])
    return csc_matrix((values, (rows, columns)), shape=(grid.size, grid.size))


def _absorption(grid: Grid, axis: int, coefficients: Coefficients, steps: Sequence[float]) -> Array:
    """Flow through the absorbing walls of an axis out of unit density, at every cell."""
    flow = np.zeros(grid.size)
    for side, word in enumerate(grid.axes[axis].boundary):
        if word != "absorbing":
            continue
        faces = wall_faces(grid, axis, side)
        tensor = faces.flat(coefficients.tensor(faces.points)[axis, axis])
        outward = (1 if side else -1) * faces.flat(coefficients.force(faces.points, steps)[axis])
        # p = 0 at the wall, so that it has no gradient along it and no cross flux either.
        forward, _ = scharfetter_gummel(tensor, outward, faces.distance)
        np.add.at(flow, faces.lower, faces.area * forward)
    return flow


def _cross_rates(grid: Grid, axis: int, faces: Faces, tensor: Array) -> csc_matrix:
    """Divergence of ``-D_ij d_j p`` over the faces of axis i, as a matrix that acts on p."""
    count, cells = faces.lower.size, grid.size
    number = np.arange(count)
    one = np.ones(count)
    inflow = csc_matrix(
        (np.concatenate([-one, one]), (np.r_[faces.lower, faces.upper], np.r_[number, number])),
        shape=(cells, count),
    )
    total = csc_matrix((cells, cells))
    for other in range(grid.dimension):
        entries = faces.flat(tensor[axis, other])
        if other == axis or not entries.any():
            continue
        if grid.dimension > 3:
            raise UnsupportedTensor(
                f"D[{grid.names[axis]}, {grid.names[other]}] is not zero: full tensors in up to "
                "three dimensions, in four a diagonal one; or sample with simulate(...)"
            )
        mean = csc_matrix(
            (
                np.full(2 * count, 0.5),
                (np.r_[number, number], np.r_[faces.lower, faces.upper]),
            ),
            shape=(count, cells),
        )
        gradient = _along(grid, other, _derivative(grid.axes[other]))
        total = total - inflow @ (diags_array(faces.area * entries) @ (mean @ gradient))
    return csc_matrix(total)


def _along(grid: Grid, axis: int, matrix: csc_matrix) -> csc_matrix:
    """A matrix of one axis as a matrix of the grid."""
    before = int(np.prod(grid.shape[:axis]))
    after = int(np.prod(grid.shape[axis + 1 :]))
    return csc_matrix(kron(kron(eye_array(before), matrix), eye_array(after)))


def _derivative(axis: Axis) -> csc_matrix:
    """First derivative at the centres of one axis: parabolas through the cell and its neighbours.

    Beside an absorbing wall the third point is the wall, where the function is zero.  Beside a
    reflecting one two points remain: an error of first order in one row of cells, of second order
    in all; a parabola of three cells there measured no better, and worse at anisotropy 100.
    """
    count = axis.cells
    length = axis.edges[-1] - axis.edges[0]
    rows, columns, values = [], [], []
    for k in range(count):
        nodes: dict[int, float] = {}
        for j in (k - 1, k, k + 1):
            wraps, index = divmod(j, count)
            if axis.periodic:
                nodes[j] = axis.centers[index] + wraps * length
            elif 0 <= j < count:
                nodes[j] = axis.centers[j]
            elif axis.boundary[j >= count] == "absorbing":
                nodes[j] = axis.edges[-1 if j >= count else 0]
        slopes = _lagrange_slopes(list(nodes.values()), axis.centers[k])
        for j, weight in zip(nodes, slopes, strict=True):
            if axis.periodic or 0 <= j < count:
                rows.append(k)
                columns.append(j % count)
                values.append(weight)
    return csc_matrix((values, (rows, columns)), shape=(count, count))


def _lagrange_slopes(nodes: list[float], at: float) -> Array:
    """Derivatives at a point of the Lagrange polynomials of two or three nodes."""
    slopes = np.zeros(len(nodes))
    for k, node in enumerate(nodes):
        others = [n for m, n in enumerate(nodes) if m != k]
        denominator = np.prod([node - n for n in others])
        slopes[k] = 1.0 / denominator if len(others) == 1 else (2 * at - sum(others)) / denominator
    return slopes
