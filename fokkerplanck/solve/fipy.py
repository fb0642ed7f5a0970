"""FiPy as a scheme, and as an independent check of stationary densities."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass
from typing import cast

import numpy as np

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.mesh import Mesh
from fokkerplanck.discretize.schemes.fipy import FiPyAssembly, sweep
from fokkerplanck.errors import GridMismatch, NotConserving
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.results.density import Density

__all__ = ["FiPy"]


@dataclass(frozen=True)
class FiPy(FiPyAssembly):
    """The Scharfetter-Gummel operator as FiPy assembles it; also on meshes of other domains.

    FiPy's equation is ``DiffusionTerm(D) - ExponentialConvectionTerm(A - div D)``, with tensor and
    force given at the faces and absorbing walls as values held at zero.  For a diagonal tensor its
    matrix is the Fokker-Planck operator and equals that of `CrossDiffusion` to rounding, except
    that rates 1e16 times smaller than their opposites are lost (``rates_below_rounding`` in
    `info` counts them).
    Off-diagonal entries of the tensor are not in FiPy's matrix and are refused; `relax` takes them.

    On a `Mesh` the flux between two cells is that of their two points, which is consistent where
    ``D n`` points from one to the other: isotropic tensors on orthogonal meshes.

    Source: J. E. Guyer, D. Wheeler and J. A. Warren, Comput. Sci. Eng. 11, 6 (2009).

    Examples
    --------
    >>> import sympy as sp
    >>> import fokkerplanck as fpk
    >>> x = sp.Symbol("x", real=True)
    >>> model = fpk.Diffusion((x,), [-x], [[1]])
    >>> operator = FiPy().assemble(model, fpk.Grid(x=(-6, 6, 120)), None)
    >>> float(fpk.stationary_density(operator).covariance()[0, 0])
    1.00
    """

    def relax(
        self,
        diffusion: Diffusion,
        grid: Grid | Mesh,
        initial: Density | None = None,
        *,
        time: float | None = None,
        step: float | None = None,
        tolerance: float = 1e-9,
        sweeps: int = 200,
    ) -> Density:
        """Stationary density of any tensor, by sweeps of FiPy's own full-tensor equation.

        FiPy keeps the cross terms on the right-hand side, so that each implicit step, however
        long, lags them once; the steps are repeated until they change nothing.

        Parameters
        ----------
        diffusion : Diffusion
        grid : Grid or Mesh
            Reflecting or periodic.
        initial : Density, optional
            Uniform by default.
        step : float, optional
            Length of the time steps; by default ten times what it takes to diffuse across the
            domain.  Behind a barrier it must exceed the escape time, or the sweeps stop early.
        tolerance : float
            On the change of a sweep, in L1.
        sweeps : int
            Most sweeps.

        Returns
        -------
        Density
            `info` holds ``sweeps``, ``change`` and ``negative_mass``.

        Raises
        ------
        NotConserving
            When walls absorb.
        NotConverged
            When the sweeps end above the tolerance: strong anisotropy lags for ever.
        GridMismatch
            When `initial` lives on another grid.
        """
        grid.require(diffusion.variables)
        if _absorbs(grid):
            raise NotConserving("FiPy().relax finds stationary densities: no wall may absorb")
        if initial is not None and initial.grid != grid:
            raise GridMismatch(f"the initial density lives on {initial.grid}, not on {grid}")
        began = clock.perf_counter()
        total = float(np.sum(grid.volumes))
        start = np.full(grid.shape, 1.0 / total) if initial is None else initial.values
        values, count, change = sweep(
            diffusion, grid, start, time=time, step=step, tolerance=tolerance, sweeps=sweeps
        )
        masses = values * grid.volumes
        info = Info(
            scheme="FiPy",
            solver="sweeps",
            sweeps=count,
            change=change,
            negative_mass=float(np.abs(np.minimum(masses, 0.0)).sum()),
            solve_seconds=clock.perf_counter() - began,
        )
        # A Mesh offers what densities ask of a Grid.
        return Density(values, cast(Grid, grid), info)


def _absorbs(grid: Grid | Mesh) -> bool:
    if isinstance(grid, Mesh):
        return bool(grid.absorbing.any())
    return any("absorbing" in axis.boundary for axis in grid.axes)
