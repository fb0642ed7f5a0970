"""Exponential fitting on the edges of Selling's decomposition: nonnegative for full tensors."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import Coefficients
from fokkerplanck.discretize.columns import generator
from fokkerplanck.discretize.definite import extreme_eigenvalues
from fokkerplanck.discretize.edges import edge_matrix
from fokkerplanck.discretize.face_force import split_force
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.index_units import tensor_in_cells, vector_in_cells
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.interval import interval_rates
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.discretize.potential import potential_at_centers
from fokkerplanck.discretize.resolution import warn_of_layers, warn_of_rotation, warn_of_steps
from fokkerplanck.discretize.selling import decompose, longest_offsets
from fokkerplanck.discretize.stencils import cell_slope
from fokkerplanck.discretize.surfaces import closed_faces, warn_of_jumps_inside_cells
from fokkerplanck.errors import InvalidModel, UnresolvedWarning
from fokkerplanck.model.diffusion import Diffusion

__all__ = ["Selling", "diffusion_jumps_in_ito_form", "known_potential"]

Array = NDArray[np.float64]

# Levels between `assemble_compiled` and the caller of `fokkerplanck.assemble`.
STACK = 4


@dataclass(frozen=True)
class Selling:
    r"""Markov generator with exponentially fitted rates along ``D = sum_k w_k e_k e_k^T``.

    Every offset ``e_k`` is an integer vector and every weight ``w_k`` nonnegative, so that the
    rates are nonnegative by construction for full tensors.  What the rates see of the drift:

    - *potential differences* where detailed balance holds (tested numerically): ``c B(Phi_y -
      Phi_x)``, with ``B(z) = z/(e^z - 1)``.  The discrete Gibbs density ``e^-Phi`` is then
      stationary to rounding in every cell, for any full, varying tensor.
    - *face force* otherwise: ``c B(-int g . ds)`` on an edge, ``g = D^-1 F``, ``F = A - div D``,
      as far as exponential fitting can carry it; see `fokkerplanck.discretize.face_force`.  The
      integral is ``e . (g_x + g_y)/2 + e . (grad g_x - grad g_y) e/12``, of fourth order where
      the tensor has no jumps (the first term alone errs two to five times as much).
    - *source cell* for an Itô tensor that jumps, in more than one dimension: ``w_k B(-e . D^-1 A)``
      with everything taken where the jump starts, so that no derivative of ``D`` occurs.

    In one dimension the flux of `fokkerplanck.discretize.interval` is exact at jumps on a face in
    every convention, and at a current round a ring.  Second order, walls included (first at a jump
    inside a cell, for an isothermal full tensor that jumps, and where the drift is upwinded).

    Parameters
    ----------
    reach : int
        Longest offset, in cells.  Tensors more anisotropic than about ``reach^2`` and rotated
        against the axes get the isotropic noise that brings them within, and a warning says how
        much.

    Notes
    -----
    Up to four dimensions, in which the tensor may couple up to three axes each.  Sources: D. L.
    Scharfetter and H. K. Gummel, IEEE Trans. Electron Devices 16, 64 (1969); J. Fehrenbach and
    J.-M. Mirebeau, J. Math. Imaging Vis. 49, 123 (2014); H. J. Kushner and P. Dupuis, Numerical
    Methods for Stochastic Control Problems in Continuous Time (2001), ch. 5.

    Examples
    --------
    >>> import sympy as sp
    >>> import fokkerplanck as fpk
    >>> x, y = sp.symbols("x y", real=True)
    >>> model = fpk.Diffusion((x, y), [-x, -y], [[1, 0.5], [0.5, 1]])
    >>> operator = fpk.assemble(model, fpk.Grid(x=(-4, 4, 16), y=(-4, 4, 16)), fpk.Selling())
    >>> operator.monotone, operator.info["drift"]
    (True, 'potential differences')
    """

    reach: int = 16

    def __post_init__(self) -> None:
        if self.reach < 1:
            raise InvalidModel(f"reach is the longest offset, at least 1 cell, not {self.reach!r}")

    def assemble(
        self, diffusion: Diffusion, grid: Grid, time: float | None
    ) -> FokkerPlanckOperator:
        """The operator on the grid.

        Raises
        ------
        UnsupportedTensor
            When the tensor couples more than three axes.
        """
        coefficients = Coefficients.compile(diffusion, time)
        return self.assemble_compiled(coefficients, grid, known_potential(coefficients, grid))

    def assemble_compiled(
        self, coefficients: Coefficients, grid: Grid, potential: Array | None
    ) -> FokkerPlanckOperator:
        """The operator of compiled coefficients, whose potential is `known_potential`."""
        if coefficients.diffusion.jumps:
            warn_of_jumps_inside_cells(coefficients, grid, STACK)
        if grid.dimension == 1:
            return _interval(coefficients, grid)
        tensor = coefficients.tensor(grid.mesh)
        scaled = tensor_in_cells(tensor, grid)
        offsets, weights, added = self._decompose(scaled, grid)
        # Masses carry the volume: their potential is Phi - log volume.
        level = -np.log(np.broadcast_to(grid.volumes, grid.shape)).ravel()
        fields: dict[str, Any] = {"barriers": closed_faces(coefficients, grid, tensor)}
        entries: dict[str, Any] = {"scheme": "Selling"}
        if potential is not None:
            level = level + potential.ravel()
            fields["wall_slope"] = _downhill(potential, grid)
            entries["drift"] = "potential differences"
            entries["potential_step"] = warn_of_steps(potential, grid, STACK)
            turn, anisotropy = warn_of_rotation(tensor, potential, grid, STACK)
            entries |= {"anisotropy": anisotropy, "stencil_turn": turn}
        else:
            force = vector_in_cells(coefficients.force(grid.mesh, _steps(grid)), grid)
            split = split_force(grid, scaled, force, offsets, weights)
            fields |= {"slope": split.slope, "share": split.share, "wall_slope": split.slope}
            fields["residual"] = split.residual
            if not coefficients.diffusion.jumps:
                fields["bend"] = split.bend
            entries |= {"drift": "face force", "upwinded_cells": split.upwinded}
            entries["cell_peclet"] = warn_of_layers(split.whole, tensor, grid, STACK)
        if diffusion_jumps_in_ito_form(coefficients.diffusion):
            drift = vector_in_cells(coefficients.drift(grid.mesh, _steps(grid)), grid)
            split = split_force(grid, scaled, drift, offsets, weights)
            fields |= {"source_slope": split.slope, "residual": split.residual}
            entries |= {"drift": "source cell", "upwinded_cells": split.upwinded}
        axis_weights = np.ascontiguousarray(np.einsum("nii->ni", scaled))
        matrix, killing = edge_matrix(grid, offsets, weights, axis_weights, level=level, **fields)
        entries["largest_offset"] = int(longest_offsets(offsets, weights).max())
        entries["added_noise"] = added
        flat = None if potential is None else potential.ravel()
        return FokkerPlanckOperator(matrix, grid, killing, flat, True, Info(**entries))

    def _decompose(self, scaled: Array, grid: Grid) -> tuple[NDArray[np.int16], Array, float]:
        """Offsets, weights, and the largest share of the trace that had to be added as noise."""
        if (scaled == scaled[:1]).all():
            scaled = scaled[:1]
        # Longer offsets would wrap round a periodic axis, and leave a narrow grid both ways.
        reach = max(1, min(self.reach, (min(grid.shape) - 1) // 2))
        offsets, weights, shifts = decompose(scaled, reach)
        if not shifts.any():
            return offsets, weights, 0.0
        share = float(np.max(shifts / np.maximum(np.trace(scaled, axis1=1, axis2=2), shifts)))
        low, _ = extreme_eigenvalues(np.moveaxis(scaled, 0, -1))
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = float(np.nanmax(1.0 + shifts / np.maximum(low, 0.0)))
        cells = np.count_nonzero(np.broadcast_to(shifts, (grid.size,)))
        warnings.warn(
            f"the tensor is too anisotropic for offsets of {reach} cells in {cells} of {grid.size} "
            f"cells: isotropic noise of up to {share:.2g} of its trace (in cells) was added, which "
            f"multiplies the noise along the weak direction by up to {factor:.3g}; refine the "
            "grid, raise reach, align the axes, or use Corner() or LogDensity()",
            UnresolvedWarning,
            stacklevel=STACK + 2,
        )
        return offsets, weights, share


def diffusion_jumps_in_ito_form(diffusion: Diffusion) -> bool:
    """Whether the Itô tensor jumps: then no force ``A - div D`` exists at the jump."""
    return diffusion.jumps and diffusion.convention == "ito"


def known_potential(coefficients: Coefficients, grid: Grid) -> Array | None:
    """Potential at the centres where Selling's rates use one; None in one dimension, which has its
    own.
    """
    if grid.dimension == 1 or diffusion_jumps_in_ito_form(coefficients.diffusion):
        return None
    return potential_at_centers(coefficients, grid)


def _interval(coefficients: Coefficients, grid: Grid) -> FokkerPlanckOperator:
    rates = interval_rates(coefficients, grid)
    matrix = generator(rates.targets, rates.sources, rates.rates, rates.killing)
    if rates.potential is None:
        info = Info(scheme="Selling", drift="integrals between centres", closed_faces=rates.closed)
    else:
        step = warn_of_steps(rates.potential, grid, STACK + 1)
        info = Info(scheme="Selling", drift="potential differences", potential_step=step)
    return FokkerPlanckOperator(matrix, grid, rates.killing, rates.potential, True, info)


def _steps(grid: Grid) -> list[float]:
    """Steps of the central differences of a tensor that has no symbolic derivative."""
    return [float(axis.spacing * axis.stretch.min()) for axis in grid.axes]


def _downhill(potential: Array, grid: Grid) -> Array:
    """``-grad Phi`` in index units, shape (n, d)."""
    slopes = [cell_slope(potential, a, axis.periodic, 2) for a, axis in enumerate(grid.axes)]
    return -np.stack([s.ravel() for s in slopes], axis=1)
