"""Faces of a FiPy mesh in terms of our grids and meshes; knows FiPy's arrays, not FiPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import Coefficients
from fokkerplanck.discretize.faces import difference_steps
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.mesh import Mesh
from fokkerplanck.errors import UnsupportedTensor

__all__ = ["ForeignFaces", "faces_of_grid", "faces_of_mesh", "require_two_point"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Off-diagonal entries below this share of the largest entry are rounding in the coefficients.
ROUNDING = 1e-13
# Largest sine of the angle between ``D n`` and the way to the neighbour: meshes orthogonal by
# construction keep 1e-7, and the error of the flux is that sine.
SKEW = 1e-6


@dataclass(frozen=True)
class ForeignFaces:
    """Faces in the order of a foreign mesh, f in all.

    Attributes
    ----------
    order : (n,)
        Our number of each of its cells.
    points : one array an axis, (f,)
    normals, spans : (d, f)
        Unit normal, and the way from cell to cell (or to the wall) that we mean.
    inner, absorbing : (f,)
    absorbing_cells : (k,)
        Our numbers of the cells at absorbing faces.
    stretch : (f,)
        Its distance of two cells over ours; it divides by its own.
    steps : one a variable
        For differences of tensors without symbolic derivative.
    """

    order: Integers
    points: tuple[Array, ...]
    normals: Array
    spans: Array
    inner: Flags
    absorbing: Flags
    absorbing_cells: Integers
    stretch: Array
    steps: Sequence[float]

    def tensor(self, coefficients: Coefficients) -> Array:
        """``D`` at the faces, (d, d, f)."""
        return self._all(coefficients.tensor(self.points))

    def force(self, coefficients: Coefficients) -> Array:
        """``A - div D`` at the faces, (d, f)."""
        return self._all(coefficients.force(self.points, self.steps))

    def across(self, tensor: Array) -> Array:
        """``n . D n``, (f,)."""
        normal: Array = np.einsum("if,ijf,jf->f", self.normals, tensor, self.normals)
        return normal

    def _all(self, values: Array) -> Array:
        return np.array(np.broadcast_to(values, (*values.shape[:-1], self.inner.size)))


def faces_of_mesh(mesh: Mesh, distance: Array) -> ForeignFaces:
    """Faces of a mesh that was built from ours, with its own distances of cells."""
    inner = mesh.face_cells[1] >= 0
    length = float(mesh.face_areas.min())
    return ForeignFaces(
        order=np.arange(mesh.size),
        points=tuple(mesh.face_centers),
        normals=mesh.face_normals,
        spans=mesh.spans,
        inner=inner,
        absorbing=mesh.absorbing,
        absorbing_cells=mesh.face_cells[0][mesh.absorbing],
        stretch=np.where(inner | mesh.absorbing, distance / mesh.distances, 1.0),
        steps=(length, length),
    )


def faces_of_grid(
    grid: Grid, centers: Array, normals: Array, exterior: Flags, cells: Integers, distance: Array
) -> ForeignFaces:
    """Faces of a rectangular mesh whose cells run fastest along the first axis from the origin.

    `centers`, `normals` (d, f), `exterior`, first cell and distance of cells (f,) are its own.
    """
    across = np.argmax(np.abs(normals), axis=0)
    points, ours = np.empty_like(centers), np.empty(centers.shape[1])
    absorbing = np.zeros(centers.shape[1], dtype=bool)
    for a, axis in enumerate(grid.axes):
        # Its coordinates start at zero and differ from ours by rounding, which would matter where
        # a coefficient jumps on a face: ours are taken.
        nodes = np.sort(np.concatenate([axis.edges, axis.centers]))
        middles = (nodes[1:] + nodes[:-1]) / 2 - axis.edges[0]
        place = np.searchsorted(middles, centers[a])
        points[a] = nodes[place]
        mine = across == a
        edge = place[mine] // 2
        ours[mine] = _distances(grid, a)[edge]
        for side, word in enumerate(axis.boundary):
            if word == "absorbing":
                absorbing[mine] |= exterior[mine] & (edge == side * axis.cells)
    order = np.arange(grid.size).reshape(grid.shape).transpose().ravel()
    return ForeignFaces(
        order=order,
        points=tuple(points),
        normals=normals,
        spans=normals * ours,
        inner=~exterior,
        absorbing=absorbing,
        absorbing_cells=order[cells[absorbing]],
        stretch=distance / ours,
        steps=difference_steps(grid),
    )


def _distances(grid: Grid, axis: int) -> Array:
    """Distance of the centres on the two sides of every edge, or from a wall to the centre."""
    along = grid.axes[axis]
    lower, upper = along.centers[0] - along.edges[0], along.edges[-1] - along.centers[-1]
    if along.periodic:
        lower = upper = lower + upper
    return np.concatenate([[lower], np.diff(along.centers), [upper]])


def require_two_point(tensor: Array, faces: ForeignFaces, names: Sequence[str]) -> None:
    """Check that the flux across every inner face needs no more than the two cells beside it."""
    size = tensor.shape[0]
    off = np.abs(tensor) * (1.0 - np.eye(size))[:, :, np.newaxis]
    if off.max(initial=0.0) > ROUNDING * np.abs(tensor).max(initial=0.0):
        i, j, _ = (int(k) for k in np.unravel_index(int(np.argmax(off)), off.shape))
        raise UnsupportedTensor(
            f"D[{names[i]}, {names[j]}] reaches {off.max():.4g}: FiPy keeps cross terms "
            "outside its matrix; use CrossDiffusion() or Selling(), or FiPy().relax(...) for a "
            "density by sweeping"
        )
    if size != 2:
        return
    conormal = np.einsum("ijf,jf->if", tensor, faces.normals)[:, faces.inner]
    span = faces.spans[:, faces.inner]
    sine = np.abs(conormal[0] * span[1] - conormal[1] * span[0])
    length = np.hypot(*conormal) * np.hypot(*span)
    skew = np.where(length > 0, sine / np.where(length > 0, length, 1.0), 0.0)
    if skew.max(initial=0.0) > SKEW:
        raise UnsupportedTensor(
            f"the way between two cells and D n enclose an angle of up to {skew.max():.3g} rad: "
            "two-point fluxes are inconsistent there; use an isotropic tensor on an orthogonal "
            "mesh (Delaunay triangles, Voronoi cells, polar sectors), or stretch the mesh so that "
            "it is orthogonal in the metric D^-1"
        )
