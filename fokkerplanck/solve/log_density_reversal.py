"""The process of a `LogDensity` operator backwards in time, stopped at a target.

See `fokkerplanck.solve.log_density_passage` for the equations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt

from fokkerplanck.discretize.faces import scharfetter_gummel
from fokkerplanck.discretize.log_density_flux import FaceFlux
from fokkerplanck.discretize.log_density_operator import LogDensityOperator
from fokkerplanck.errors import InvalidModel, InvalidRegion
from fokkerplanck.solve.linear import Analysis, analyze, factorize

__all__ = ["Reversed", "Target"]

Array = NDArray[np.float64]

# -log u at the centres beyond a boundary where u vanishes, above that of the last cell: mirrored
# values would be negative; with e^-2 the slope along the boundary is the last cell's own.
BEYOND = 2.0
# Cells whose differences of fourth order would reach beyond that boundary.
STENCIL = 8.0


@dataclass(frozen=True)
class Target:
    """Cells where the process stops.

    Attributes
    ----------
    cells : (n,) bool
    fractions : (m,) or number
        Where the boundary crosses the way between two neighbours of which one is in `cells`, as a
        share of the way from the one outside; order of `LogDensityOperator.flux`.
    values : (n,) or number, nonnegative
        What is paid on arrival: 0 for times, 1 where a committor is 1.
    """

    cells: NDArray[np.bool_]
    fractions: ArrayLike = 1.0
    values: ArrayLike = 0.0


@dataclass(frozen=True)
class Reversed:
    """The forward problem of ``u = p v``; ``psi = -log u`` is its unknown.

    Cells of the target stay in the chain, cut off and killed at rate 1, so that its pattern does
    not depend on them.
    """

    flux: FaceFlux
    order: int
    reference: Array
    killing: Array
    source: Array
    inside: NDArray[np.bool_]
    values: Array
    crossing: NDArray[np.intp]
    distance: Array
    nearest: NDArray[np.intp]
    near: NDArray[np.bool_]
    analysis: Analysis

    @classmethod
    def of(
        cls,
        operator: LogDensityOperator,
        killing: ArrayLike,
        cost: ArrayLike,
        target: Target | None,
    ) -> Reversed:
        """Check the arguments and reverse the process."""
        if not operator.conserving:
            raise InvalidModel(
                "time reversal needs the stationary density of a box without absorbing walls; make "
                "the walls reflecting and the outermost cells a target"
            )
        flux, size = operator.flux, operator.grid.size
        rates, price = _one_a_cell(killing, size, "killing"), _one_a_cell(cost, size, "cost")
        given = target or Target(np.zeros(size, bool))
        inside = np.asarray(given.cells, bool).ravel()
        if inside.all() or not (inside.any() or rates.any()):
            raise InvalidRegion(
                f"the target has {int(inside.sum())} of {size} cells and nothing is killed: no "
                "time until arrival"
            )
        values = _one_a_cell(given.values, size, "values")
        if not (price[~inside].any() or values[inside].any()):
            raise InvalidModel("neither cost nor values on the target: the answer is 0 everywhere")
        crossing = np.flatnonzero(inside[flux.lower] != inside[flux.upper])
        fractions = np.broadcast_to(np.asarray(given.fractions, float), flux.lower.shape)[crossing]
        if not ((fractions > 0) & (fractions <= 1)).all():
            raise InvalidRegion("fractions of the way to the target lie above 0 and up to 1")
        fixed = operator.fixed_point
        psi = fixed.psi.reshape(operator.grid.shape)
        shape = operator.grid.shape
        near = _near(inside.reshape(shape)).ravel()
        close = near[flux.lower] | near[flux.upper]
        velocity = flux.velocity(psi, fixed.order)
        velocity[close] = flux.velocity(psi, 2)[close]
        backwards = flux.reversed(velocity)
        reference = fixed.psi - fixed.psi.min()
        volumes = operator.grid.volumes.ravel()
        return cls(
            backwards,
            fixed.order,
            reference,
            np.where(inside, 1.0, rates),
            np.where(inside, 1.0, price) * volumes * np.exp(-reference),
            inside,
            values,
            crossing,
            fractions,
            _nearest_outside(inside.reshape(shape)),
            close,
            analyze(backwards.generator(psi, 2), shape=shape),
        )

    def step(self, psi: Array) -> Array:
        """Solve the chain that belongs to `psi`, extended beyond the boundary."""
        shape, volumes = self.flux.grid.shape, self.flux.grid.volumes.ravel()
        extended = self._extended(psi).reshape(shape)
        up, down = self.flux.rates(extended, self._velocity(extended))
        killing, source = self.killing, self.source
        if self.crossing.size:
            rate, arrival, cell = self._at_boundary(extended)
            killing = killing + np.bincount(cell, rate / volumes[cell], killing.size)
            source = source + np.bincount(cell, arrival, source.size)
            up[self.crossing] = down[self.crossing] = 0.0
        matrix = self.flux.chain(up, down)
        logarithm = factorize(matrix, killing=killing, analysis=self.analysis).log_solve(source)
        if not np.isfinite(logarithm).all():
            raise InvalidModel(
                f"from {int((~np.isfinite(logarithm)).sum())} cells the process never arrives, or "
                "nothing is ever paid"
            )
        return self._extended(np.log(volumes) - logarithm)

    def ratio(self, psi: Array) -> Array:
        """``v = u/p``, and the values on the target."""
        return np.where(self.inside, self.values, np.exp(self.reference - psi))

    def _velocity(self, psi: Array) -> Array:
        """Second order near the target: psi is a logarithm of the distance there."""
        velocity = self.flux.velocity(psi, self.order)
        if self.order != 2 and self.near.any():
            velocity[self.near] = self.flux.velocity(psi, 2)[self.near]
        return velocity

    def _extended(self, psi: Array) -> Array:
        """Values beyond the boundary that leave the slopes along it alone."""
        beyond = psi[self.nearest] + BEYOND
        with np.errstate(divide="ignore"):
            paid = self.reference - np.log(self.values)
        return np.where(self.inside, np.where(self.values > 0, paid, beyond), psi)

    def _at_boundary(self, psi: Array) -> tuple[Array, Array, NDArray[np.intp]]:
        """Outflow per unit density, inflow, and the cell outside, of every crossing face."""
        k, flux = self.crossing, self.flux
        drift = flux.velocity(psi, 2, without_normal=True)[k]
        forward, backward = scharfetter_gummel(flux.conductance[k], drift, self.distance)
        rising = self.inside[flux.upper[k]]
        cell = np.where(rising, flux.lower[k], flux.upper[k])
        other = np.where(rising, flux.upper[k], flux.lower[k])
        mixed = (1 - self.distance) * self.reference[cell] + self.distance * self.reference[other]
        paid = self.values[other] * np.exp(-mixed)
        out, back = np.where(rising, forward, backward), np.where(rising, backward, forward)
        return flux.volume[k] * out, flux.volume[k] * back * paid, cell


def _one_a_cell(values: ArrayLike, size: int, name: str) -> Array:
    array = np.broadcast_to(np.asarray(values, dtype=np.float64).ravel(), (size,))
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise InvalidModel(f"{name} must be finite and nonnegative; the least is {array.min():.3g}")
    return array


def _nearest_outside(inside: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The nearest cell outside, for every cell."""
    where = distance_transform_edt(inside, return_distances=False, return_indices=True)
    flat: NDArray[np.intp] = np.ravel_multi_index(tuple(where), inside.shape).ravel()
    return flat


def _near(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells outside within the stencil of the boundary."""
    if not inside.any():
        return inside
    close: NDArray[np.bool_] = distance_transform_edt(~inside) <= STENCIL
    return close & ~inside
