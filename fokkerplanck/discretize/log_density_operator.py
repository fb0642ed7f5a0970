"""Operator whose rates depend on its own stationary density.

The fixed point takes linear solves, which belong to a layer above this one: the layer that has
them hands over the function that finds it, `LogDensityOperator.find_fixed_point`, when it is
imported.  Everything here is the discretisation alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from fokkerplanck.discretize.columns import generator
from fokkerplanck.discretize.edges import edge_matrix
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.log_density_flux import FaceFlux
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.discretize.selling import decompose
from fokkerplanck.discretize.stencils import cell_slope
from fokkerplanck.errors import UnresolvedWarning

__all__ = ["FixedPoint", "LogDensityOperator"]

Array = NDArray[np.float64]

# Offsets of the linear generator, in cells, as of `Selling`.
REACH = 16


@dataclass(frozen=True)
class FixedPoint:
    """Solution of ``div J(psi) = 0`` and how it was found.

    Attributes
    ----------
    psi : (n,) minus the logarithm of the density, which sums to one over the cells.
    order : int
        Order of the differences in the velocity that it belongs to.
    info : Info
    """

    psi: Array
    order: int
    info: Info


class LogDensityOperator(FokkerPlanckOperator):
    """Discretisation whose linear generator exists at its fixed point only.

    `matrix`, `killing` and all that follows from them are computed when first asked for: the
    fixed point is found (with reflecting walls where walls absorb), and the generator is then

    - for the part in detailed balance with ``e^-psi``, exponentially fitted rates along Selling's
      decomposition of the tensor;
    - for the current, hops across the faces along the axes, raised where the current is larger
      than what diffusion carries: first order.

    Its stationary density is that of the nonlinear scheme.

    Attributes
    ----------
    flux : FaceFlux
    tensor : (n or 1, d, d) diffusion tensor at the centres in index units.
    order, tolerance, iterations : as of `LogDensity`.
    """

    flux: FaceFlux
    tensor: Array
    order: int
    tolerance: float
    iterations: int

    # Set once by fokkerplanck.solve.log_density, which is imported with the package.
    find_fixed_point: ClassVar[Callable[[LogDensityOperator], FixedPoint]]

    def __init__(
        self,
        flux: FaceFlux,
        tensor: Array,
        order: int,
        tolerance: float,
        iterations: int,
        info: Info,
    ) -> None:
        for name, value in {
            "grid": flux.grid,
            "potential": None,
            "monotone": True,
            "info": info,
            "flux": flux,
            "tensor": tensor,
            "order": order,
            "tolerance": tolerance,
            "iterations": iterations,
        }.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"LogDensityOperator({self.grid!r}, order={self.order})"

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @cached_property
    def fixed_point(self) -> FixedPoint:
        """The fixed point, found once."""
        return self.find_fixed_point()

    @property
    def matrix(self) -> csc_matrix:
        """Linear Markov generator at the fixed point."""
        return self._linear[0]

    @property
    def killing(self) -> Array:
        """Rate of loss through absorbing walls, at the fixed point."""
        return self._linear[1]

    @property
    def conserving(self) -> bool:
        """Whether no wall absorbs."""
        return not any("absorbing" in axis.boundary for axis in self.grid.axes)

    @property
    def entries(self) -> int:
        """Entries of the generators of the iteration."""
        return self.grid.size + 2 * self.flux.lower.size

    @cached_property
    def components(self) -> tuple[int, NDArray[np.int32]]:
        """Parts of the grid between which noise or drift leads both ways."""
        flux = self.flux
        up, down = (
            flux.conductance + np.maximum(flux.force, 0.0),
            flux.conductance - np.minimum(flux.force, 0.0),
        )
        graph = csr_matrix(
            (
                np.concatenate([up, down]),
                (
                    np.concatenate([flux.lower, flux.upper]),
                    np.concatenate([flux.upper, flux.lower]),
                ),
            ),
            shape=(self.grid.size,) * 2,
        )
        graph.eliminate_zeros()
        count, labels = connected_components(graph, directed=True, connection="strong")
        return int(count), labels

    def with_info(self, **entries: Any) -> LogDensityOperator:
        """The same operator with entries added to its info."""
        return LogDensityOperator(
            self.flux,
            self.tensor,
            self.order,
            self.tolerance,
            self.iterations,
            self.info.extended(**entries),
        )

    def generator_at(self, psi: Array) -> csc_matrix:
        """Markov generator of hops along the axes whose fluxes at ``e^-psi`` are those of `psi`.

        Parameters
        ----------
        psi : (n,) minus the logarithm of a density.
        """
        return self.flux.generator(psi.reshape(self.grid.shape), self.order)

    @cached_property
    def _linear(self) -> tuple[csc_matrix, Array]:
        return linear_generator(self.flux, self.tensor, self.fixed_point)


def linear_generator(flux: FaceFlux, tensor: Array, fixed: FixedPoint) -> tuple[csc_matrix, Array]:
    """Generator of `LogDensityOperator` at a fixed point, and its killing rates."""
    grid = flux.grid
    psi = fixed.psi.reshape(grid.shape)
    reach = max(1, min(REACH, (min(grid.shape) - 1) // 2))
    offsets, weights, shifts = decompose(tensor, reach)
    if shifts.any():
        share = float((shifts / np.trace(tensor, axis1=1, axis2=2)).max())
        warnings.warn(
            f"the linear generator of LogDensity() holds offsets of {reach} cells: isotropic "
            f"noise of up to {share:.2g} of the tensor's trace was added to it, which speeds up "
            "motion along the weak direction (not the stationary density, nor passage times by "
            "time reversal); refine the grid or align the axes",
            UnresolvedWarning,
            stacklevel=4,
        )
    slope = [cell_slope(psi, a, axis.periodic, 2).ravel() for a, axis in enumerate(grid.axes)]
    matrix, killing = edge_matrix(
        grid,
        offsets,
        weights,
        np.ascontiguousarray(np.einsum("nii->ni", tensor)),
        level=fixed.psi - np.log(grid.volumes).ravel(),
        wall_slope=-np.stack(slope, axis=1),
    )
    return _with_current(matrix, killing, flux, fixed), killing


def _with_current(
    matrix: csc_matrix, killing: Array, flux: FaceFlux, fixed: FixedPoint
) -> csc_matrix:
    """Replace the hops along the axes by ones that also carry the current."""
    n = flux.grid.size
    sources = np.repeat(np.arange(n), np.diff(matrix.indptr))
    targets = matrix.indices
    # A key of each entry, ascending because columns are in order and their rows sorted.
    keys = sources * n + targets
    upwards = flux.lower * n + flux.upper
    where = np.minimum(np.searchsorted(keys, upwards), keys.size - 1)
    hops = np.where(keys[where] == upwards, matrix.data[where], 0.0)
    psi = fixed.psi.reshape(flux.grid.shape)
    up, down = flux.rates(psi, flux.velocity(psi, fixed.order), hops)
    oblique = ~np.isin(keys, np.concatenate([upwards, flux.upper * n + flux.lower]))
    return generator(
        np.concatenate([targets[oblique], flux.upper, flux.lower]).astype(np.int32),
        np.concatenate([sources[oblique], flux.lower, flux.upper]).astype(np.int32),
        np.concatenate([matrix.data[oblique], up, down]),
        killing,
    )
