"""Symmetric scheme for a known potential: gradients at the corners of the cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csc_matrix

from fokkerplanck.discretize.coefficients import Coefficients
from fokkerplanck.discretize.corners import Corners, corner_groups
from fokkerplanck.discretize.definite import extreme_eigenvalues
from fokkerplanck.discretize.faces import inner_faces, nonnegative_rates, wall_faces, with_diagonal
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.nodes import potential_at_nodes
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.errors import InvalidModel, UnsupportedTensor
from fokkerplanck.model.diffusion import Diffusion

__all__ = ["Corner"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# e^600 times e^-600 still has all its digits; a grid on which the potential changes by more
# between a centre and a corner of its cell resolves nothing.
LARGEST_STEP = 600.0


@dataclass(frozen=True)
class Corner:
    r"""Reversible scheme whose rates are right at any anisotropy; needs a potential.

    With ``q = p/\pi``, ``\pi = e^{-\Phi}`` the Fokker-Planck equation is the gradient flow of

    .. math:: E(q) = \tfrac12 \sum_{c} V_c \pi_c\, \nabla q_c \cdot (D_c - \lambda_c I) \nabla q_c
        + \tfrac12 \sum_{f} V_f \pi_f \lambda_f (\delta_f q / h)^2

    over the corners c and faces f of the cells, ``\lambda`` the tensor's smallest eigenvalue, and
    ``Q = -K (volume \pi)^{-1}`` with ``K`` the (symmetric, positive semidefinite) matrix of 2 E.
    The discrete Gibbs density is stationary to rounding in every cell; no rate depends on the
    anisotropy's direction against the axes, so relaxation rates converge with the square of
    the step over the length on which the tensor turns, uniformly in the anisotropy (measured up
    to 1e4).  The part on the faces keeps checkerboards from being free.

    Reflecting walls are natural.  The half cell between the outermost centres and a wall carries
    the gradient along the wall and the tensor ``((D^-1)_TT)^-1`` that is left when the flux across
    the wall vanishes.  At absorbing walls ``q = 0``.

    `FokkerPlanckOperator.monotone` says whether the rates happen to be nonnegative: with
    off-diagonal tensors they are usually not, and the operator is then no Markov generator.

    Notes
    -----
    One to three dimensions.  The tensor and the potential must be continuous: where they jump use
    `Selling`.  Source of the corner gradients: S. Günter, Q. Yu, J. Krüger and K. Lackner,
    J. Comput. Phys. 209, 354 (2005).

    Examples
    --------
    >>> import sympy as sp
    >>> import fokkerplanck as fpk
    >>> x, y = sp.symbols("x y", real=True)
    >>> tensor = sp.Matrix([[1, sp.Rational(9, 10)], [sp.Rational(9, 10), 1]])
    >>> model = fpk.Diffusion((x, y), -tensor * sp.Matrix([x, y]), tensor)
    >>> operator = Corner().assemble(model, fpk.Grid(x=(-5, 5, 20), y=(-5, 5, 20)), None)
    >>> masses = operator.grid.volumes.ravel() * sp.lambdify("u", "exp(-u)")(operator.potential)
    >>> bool(abs(operator.matrix @ masses).max() < 1e-13)
    True
    """

    def assemble(
        self, diffusion: Diffusion, grid: Grid, time: float | None
    ) -> FokkerPlanckOperator:
        """The operator on the grid.

        Raises
        ------
        InvalidModel
            Without detailed balance, or where the grid does not resolve the potential.
        UnsupportedTensor
            In four dimensions.
        """
        if grid.dimension > 3:
            raise UnsupportedTensor(
                f"Corner works in up to three dimensions, not {grid.dimension}: use Selling() "
                "with a diagonal tensor, or sample with simulate(...)"
            )
        coefficients = Coefficients.compile(diffusion, time)
        nodes = potential_at_nodes(coefficients, grid)
        if nodes is None:
            raise InvalidModel(
                "Corner needs detailed balance: D^-1 (A - div D) has a curl on this grid (or is "
                "not finite on its walls); use CrossDiffusion() or LogDensity()"
            )
        centers = tuple(slice(1, None, 2) for _ in grid.shape)
        potential = np.ascontiguousarray(nodes[centers]).ravel()
        assembly = _Assembly(grid, coefficients, nodes, potential)
        matrix, killing = assembly.generator()
        monotone = nonnegative_rates(matrix)
        info = Info(scheme="Corner", drift="potential differences")
        return FokkerPlanckOperator(
            matrix, grid, killing, potential - potential.min(), monotone, info
        )


@dataclass(frozen=True)
class _Assembly:
    """What the terms of the energy share."""

    grid: Grid
    coefficients: Coefficients
    nodes: Array
    potential: Array

    def generator(self) -> tuple[csc_matrix, Array]:
        """Matrix and killing."""
        parts = [self._face_rates(axis) for axis in range(self.grid.dimension)]
        if self.grid.dimension > 1:
            parts += [self._corner_rates(group) for group in corner_groups(self.grid)]
        rows, columns, values = (np.concatenate([p[k] for p in parts]) for k in range(3))
        size = self.grid.size
        rates = coo_matrix((values, (rows, columns)), shape=(size, size))
        killing = self._killing()
        return with_diagonal(rates, killing), killing

    def _weight(
        self, nodes: tuple[Integers, ...], shape: tuple[int, ...], cells: Integers
    ) -> Array:
        """``pi_node / (volume pi)_cell`` for nodes and the cells of one of their sides each."""
        there = np.broadcast_to(self.nodes[np.ix_(*nodes)], shape).ravel()
        step = self.potential[cells] - there
        if np.abs(step).max(initial=0.0) > LARGEST_STEP:
            raise InvalidModel(
                f"the potential changes by {np.abs(step).max():.3g} between the centre and the "
                "corner of a cell; refine the grid or shrink the domain"
            )
        return np.exp(step) / self.grid.volumes.ravel()[cells]

    def _face_rates(self, axis: int) -> tuple[Integers, Integers, Array]:
        faces = inner_faces(self.grid, axis)
        tensor = self._tensor(faces.points, faces.shape)
        steps = [
            np.broadcast_to(a.widths.reshape(_view(b, self.grid.dimension)), faces.shape).ravel()
            if b != axis
            else faces.distance
            for b, a in enumerate(self.grid.axes)
        ]
        scale = np.stack(steps)
        low, _ = extreme_eigenvalues(tensor / (scale[:, np.newaxis] * scale))
        conductance = np.maximum(low, 0.0) * faces.area * faces.distance
        nodes = self._node_indices(axis)
        rows = np.concatenate([faces.upper, faces.lower])
        columns = np.concatenate([faces.lower, faces.upper])
        values = [
            conductance * self._weight(nodes, faces.shape, c) for c in (faces.lower, faces.upper)
        ]
        return rows, columns, np.concatenate(values)

    def _node_indices(self, axis: int) -> tuple[Integers, ...]:
        """Places of the inner faces across an axis among the nodes."""
        indices = [2 * np.arange(n) + 1 for n in self.grid.shape]
        count = self.grid.shape[axis]
        last = count + 1 if self.grid.axes[axis].periodic else count
        indices[axis] = 2 * np.arange(1, last)
        return tuple(indices)

    def _corner_rates(self, corners: Corners) -> tuple[Integers, Integers, Array]:
        tensor = self._tensor(corners.points, corners.shape)
        scaled = tensor / (corners.steps[:, np.newaxis] * corners.steps)
        low, _ = extreme_eigenvalues(scaled)
        effective = _without_flux_across(scaled, corners.inner)
        inner = np.arange(len(corners.inner))
        effective[inner, inner] -= np.maximum(low, 0.0)
        form = corners.gradient_form(effective)
        rows, columns, values = [], [], []
        for b, source in enumerate(corners.cells):
            weight = self._weight(corners.nodes, corners.shape, source)
            for a, target in enumerate(corners.cells):
                if a != b:
                    rows.append(target)
                    columns.append(source)
                    values.append(-form[a, b] * weight)
        return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)

    def _killing(self) -> Array:
        killing = np.zeros(self.grid.size)
        for axis, along in enumerate(self.grid.axes):
            for side, word in enumerate(along.boundary):
                if word != "absorbing":
                    continue
                faces = wall_faces(self.grid, axis, side)
                normal = self._tensor(faces.points, faces.shape)[axis, axis]
                nodes = [2 * np.arange(n) + 1 for n in self.grid.shape]
                nodes[axis] = np.array([2 * along.cells * side])
                weight = self._weight(tuple(nodes), faces.shape, faces.lower)
                np.add.at(killing, faces.lower, normal * faces.area / faces.distance * weight)
        return killing

    def _tensor(self, points: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
        tensor = self.coefficients.tensor(points)
        return np.broadcast_to(tensor, (*tensor.shape[:2], *shape)).reshape(*tensor.shape[:2], -1)


def _without_flux_across(tensor: Array, inner: tuple[int, ...]) -> Array:
    """``D_TT - D_TW (D_WW)^-1 D_WT``: what conducts along T when no flux crosses W."""
    walls = [a for a in range(tensor.shape[0]) if a not in inner]
    along = tensor[np.ix_(inner, inner)].copy()
    if walls:
        across = np.moveaxis(tensor[np.ix_(walls, walls)], -1, 0)
        mixed = np.moveaxis(tensor[np.ix_(walls, inner)], -1, 0)
        lost = np.swapaxes(mixed, -1, -2) @ np.linalg.solve(across, mixed)
        along -= np.moveaxis(lost, 0, -1)
    return along


def _view(axis: int, dimension: int) -> list[int]:
    return [-1 if a == axis else 1 for a in range(dimension)]
