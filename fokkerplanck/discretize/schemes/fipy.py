"""Operators and densities made by FiPy; every call of FiPy stands here, and no FiPy type leaves."""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

from fokkerplanck.discretize.coefficients import Coefficients
from fokkerplanck.discretize.faces import with_diagonal
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.mesh import Mesh
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.discretize.schemes.fipy_faces import (
    ForeignFaces,
    faces_of_grid,
    faces_of_mesh,
    require_two_point,
)
from fokkerplanck.errors import InvalidGrid, NotConverged
from fokkerplanck.model.diffusion import Diffusion

__all__ = ["FiPyAssembly", "sweep"]

Array = NDArray[np.float64]

# FiPy adds the two parts of a small rate with opposite signs; what is left below rounding becomes
# a rate that changes nothing but keeps the two cells connected, as in exponential fitting.
TINY = 1e-280
# Below this cell Peclet number FiPy's ExponentialConvectionTerm takes central differences.
CENTRAL = 1e-3
# Default time step in units of the time to diffuse across the domain: longer than any relaxation
# without a barrier; measured, 1e4 times longer steps converge to FiPy's own tolerance only slowly.
LONG_STEP = 10.0
_GRIDS = {
    (False,): "Grid1D",
    (True,): "PeriodicGrid1D",
    (False, False): "Grid2D",
    (True, False): "PeriodicGrid2DLeftRight",
    (False, True): "PeriodicGrid2DTopBottom",
    (True, True): "PeriodicGrid2D",
    (False, False, False): "Grid3D",
    (True, False, False): "PeriodicGrid3DLeftRight",
    (False, True, False): "PeriodicGrid3DTopBottom",
    (False, False, True): "PeriodicGrid3DFrontBack",
    (True, True, False): "PeriodicGrid3DLeftRightTopBottom",
    (True, False, True): "PeriodicGrid3DLeftRightFrontBack",
    (False, True, True): "PeriodicGrid3DTopBottomFrontBack",
    (True, True, True): "PeriodicGrid3D",
}


@dataclass(frozen=True)
class FiPyAssembly:
    """Part of `fokkerplanck.FiPy` that assembles; see there."""

    def assemble(
        self, diffusion: Diffusion, grid: Grid | Mesh, time: float | None
    ) -> FokkerPlanckOperator:
        """The operator on the grid or mesh.

        Raises
        ------
        UnsupportedTensor
            Where FiPy's matrix is not the operator: the tensor has off-diagonal entries, or
            ``D n`` does not point along the way to the neighbour.
        InvalidGrid
            For grids of four dimensions.
        """
        fipy = _fipy()
        coefficients = Coefficients.compile(diffusion, time)
        mesh, faces = _mesh(fipy, grid)
        tensor, force = faces.tensor(coefficients), faces.force(coefficients)
        require_two_point(tensor, faces, grid.names)
        flows = _matrix(fipy, mesh, faces, faces.across(tensor), force)
        rates = csc_matrix(flows / np.broadcast_to(grid.volumes, grid.shape).ravel())
        killing = np.zeros(grid.size)
        where = faces.absorbing_cells
        killing[where] = -np.asarray(rates.sum(axis=0)).ravel()[where]
        rates, lost = _both_ways(rates)
        info = Info(scheme="FiPy", drift="face force", rates_below_rounding=lost)
        matrix = with_diagonal(rates, killing)
        # A Mesh offers what operators ask of a Grid.
        return FokkerPlanckOperator(matrix, cast(Grid, grid), killing, None, True, info)


def _both_ways(rates: csc_matrix) -> tuple[csc_matrix, int]:
    """Off-diagonal rates with at least TINY wherever the opposite rate is; how many were lower."""
    off = csc_matrix(rates)
    off.setdiag(0.0)
    off.data = np.maximum(off.data, 0.0)
    off.eliminate_zeros()
    present = csc_matrix((np.full(off.nnz, TINY), off.indices, off.indptr), shape=off.shape)
    whole = csc_matrix(off + present + present.T)
    return whole, int(whole.nnz - off.nnz)


def _fipy() -> Any:
    """FiPy, quietly, on SciPy's solvers unless the user has chosen: the choice falls at import."""
    chosen = "fipy" in sys.modules or "FIPY_SOLVERS" in os.environ
    if not chosen:
        os.environ["FIPY_SOLVERS"] = "scipy"
    try:
        with warnings.catch_warnings():
            # It imports numpy.core, which warns.
            warnings.simplefilter("ignore", DeprecationWarning)
            import fipy
    finally:
        if not chosen:
            del os.environ["FIPY_SOLVERS"]
    return fipy


def _mesh(fipy: Any, grid: Grid | Mesh) -> tuple[Any, ForeignFaces]:
    """FiPy's mesh of a grid, and its faces in our terms."""
    if isinstance(grid, Mesh):
        from fipy.meshes.mesh2D import Mesh2D

        built = Mesh2D(grid.vertices.copy(), grid.face_vertices.copy(), grid.cell_faces.copy())
        return built, faces_of_mesh(grid, np.asarray(built._cellDistances))
    if grid.dimension > 3:
        raise InvalidGrid("FiPy has grids of one to three dimensions; use CrossDiffusion()")
    widths = {f"d{x}": axis.widths for x, axis in zip("xyz", grid.axes, strict=False)}
    mesh = getattr(fipy, _GRIDS[tuple(axis.periodic for axis in grid.axes)])(**widths)
    faces = faces_of_grid(
        grid,
        np.asarray(mesh.faceCenters),
        np.asarray(mesh.faceNormals),
        np.asarray(mesh.exteriorFaces),
        np.asarray(mesh.faceCellIDs)[0],
        # What its terms divide by; the public vectors are wrong at the seam of a periodic mesh.
        np.asarray(mesh._cellDistances),
    )
    return mesh, faces


def _matrix(
    fipy: Any, mesh: Any, faces: ForeignFaces, normal_tensor: Array, force: Array
) -> csc_matrix:
    """FiPy's matrix in our order; it acts on densities and gives the growth of masses."""
    variable = fipy.CellVariable(mesh=mesh, value=1.0)
    if faces.absorbing.any():
        variable.constrain(0.0, where=faces.absorbing)
    # Numbers at the faces, so that FiPy interpolates nothing; it divides by its own distances.
    fitted = normal_tensor + _fitted_part(faces, normal_tensor, force)
    tensor = fipy.FaceVariable(mesh=mesh, value=fitted * faces.stretch)
    velocity = fipy.FaceVariable(mesh=mesh, rank=1, value=force)
    equation = fipy.DiffusionTerm(coeff=tensor) - fipy.ExponentialConvectionTerm(coeff=velocity)
    equation.cacheMatrix()
    equation.justResidualVector(var=variable)
    starts, columns, values = equation.matrix.CSR
    size = faces.order.size
    rows = np.repeat(np.arange(size), np.diff(starts))
    place = (faces.order[rows], faces.order[columns])
    return csc_matrix((values, place), shape=(size, size))


def _fitted_part(faces: ForeignFaces, normal_tensor: Array, force: Array) -> Array:
    """What exponential fitting adds to the tensor where FiPy takes central differences.

    With ``P = F h / D`` the first cell's weight is ``1/2 + P/12 - P^3/720``, FiPy's 1/2.
    """
    drop = np.sum(faces.normals * force, axis=0) * np.linalg.norm(faces.spans, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        peclet = drop / normal_tensor
    return np.where(np.abs(peclet) < CENTRAL, drop * peclet / 12.0, 0.0)


def sweep(
    diffusion: Diffusion,
    grid: Grid | Mesh,
    initial: Array,
    *,
    time: float | None,
    step: float | None,
    tolerance: float,
    sweeps: int,
) -> tuple[Array, int, float]:
    """Stationary density of a full tensor by FiPy's implicit steps, which lag the cross terms.

    Parameters
    ----------
    initial : array of the grid's shape
        Density to start from.
    step : float, optional
        Length of the time steps; ten times what it takes to diffuse across the domain by default.
    tolerance : float
        On the change of a sweep, in L1.

    Returns
    -------
    density of the grid's shape, number of sweeps, change of the last

    Raises
    ------
    NotConverged
    """
    fipy = _fipy()
    coefficients = Coefficients.compile(diffusion, time)
    mesh, faces = _mesh(fipy, grid)
    tensor, force = faces.tensor(coefficients), faces.force(coefficients)
    across = faces.across(tensor)
    # Only the two-point part of the flux is divided by a distance of FiPy's.
    tensor += (faces.stretch - 1.0) * across * faces.normals[:, np.newaxis] * faces.normals
    volumes = np.broadcast_to(grid.volumes, grid.shape).ravel()[faces.order]
    variable = fipy.CellVariable(mesh=mesh, value=np.ravel(initial)[faces.order])
    flux = fipy.DiffusionTerm(
        coeff=fipy.FaceVariable(mesh=mesh, rank=2, value=tensor)
    ) - fipy.ExponentialConvectionTerm(coeff=fipy.FaceVariable(mesh=mesh, rank=1, value=force))
    equation = fipy.TransientTerm() == flux
    if step is None:
        extent = max(float(np.ptp(coordinate)) for coordinate in faces.points)
        step = LONG_STEP * extent**2 / float(across.max())
    solver = fipy.LinearLUSolver()
    change = np.inf
    for count in range(1, sweeps + 1):
        before = np.array(variable.value)
        equation.solve(var=variable, dt=step, solver=solver)
        after = np.array(variable.value)
        after /= np.sum(after * volumes)
        variable.setValue(after)
        change = float(np.sum(np.abs(after - before) * volumes))
        if change <= tolerance:
            density = np.empty(after.size)
            density[faces.order] = after
            return density.reshape(grid.shape), count, change
    raise NotConverged(
        f"FiPy's sweeps still change the density by {change:.3g} (L1) after {sweeps}; allow more "
        "sweeps, change the step, or start closer: initial=stationary_density(...)"
    )
