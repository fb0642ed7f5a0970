"""Polygonal meshes of domains that are no rectangle, in two dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike, NDArray

from fokkerplanck.discretize import polygons
from fokkerplanck.errors import GridMismatch, InvalidGrid

__all__ = ["Mesh"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, init=False)
class Mesh:
    """Polygonal cells, each with the point at which the density is meant.

    Two-point fluxes are consistent where the segment between the points of two neighbours is
    orthogonal to their face (more generally, along ``D n``).  The points are the means of the
    face centres where that makes the mesh orthogonal (rectangles, polar sectors), else the
    circumcentres of triangles (a Delaunay mesh), else what `points` says (the generators of a
    Voronoi mesh).

    Parameters
    ----------
    names : (first, second)
        The variables, in their order.
    vertices : (2, v)
    face_vertices : (2, f) integers
    cell_faces : (m, n) integers
        Padded with -1 where cells have different numbers of faces.
    points : (2, n), optional
    absorbing : region, optional
        Outer faces whose midpoint lies in it absorb; the others reflect.

    Attributes
    ----------
    volumes : (n,)
    face_cells : (2, f)
        Cells on the two sides; the second is -1 on the outside.
    face_centers, face_normals : (2, f)
        Normals have length 1 and point from the first cell to the second.
    spans : (2, f)
        From the first cell's point to the second's, or to the middle of an outer face.
    face_areas, distances : (f,)
        Length of the face; `spans` along the normal.

    Raises
    ------
    InvalidGrid
        When a cell is no closed polygon, or a face has more than two cells.

    Notes
    -----
    Offers what solvers and `Density` ask of a `Grid`: ``names, dimension, size, shape, volumes,
    mesh, centers, require``.

    Examples
    --------
    >>> import numpy as np
    >>> triangle = Mesh.from_triangles("xy", [[0, 0], [1, 0], [0.5, 0.8]], [[0, 1, 2]])
    >>> triangle.volumes, triangle.mesh[0]
    (array([0.4]), array([0.5]))
    """

    names: tuple[str, ...]
    vertices: Array
    face_vertices: Integers
    cell_faces: Integers
    points: Array
    volumes: Array
    face_cells: Integers
    face_centers: Array
    face_normals: Array
    face_areas: Array
    spans: Array
    distances: Array
    absorbing: NDArray[np.bool_]

    def __init__(
        self,
        names: Any,
        vertices: ArrayLike,
        face_vertices: ArrayLike,
        cell_faces: ArrayLike,
        *,
        points: ArrayLike | None = None,
        absorbing: Any = None,
    ) -> None:
        vertex = np.array(vertices, dtype=float)
        faces = np.array(face_vertices, dtype=np.int64)
        cells = np.array(cell_faces, dtype=np.int64)
        labels = tuple(str(name) for name in names)
        if len(labels) != 2 or vertex.ndim != 2 or len(vertex) != 2 or faces.shape[0] != 2:
            raise InvalidGrid(
                f"a mesh has two names and vertices of shape (2, v), not {len(labels)} and "
                f"{vertex.shape}: FiPy's meshes of other dimensions are Grid's business"
            )
        polygons.require_closed(faces, cells)
        sides = polygons.cells_of_faces(cells, faces.shape[1])
        ends = vertex[:, faces]
        centers, along = ends.mean(axis=1), ends[:, 1] - ends[:, 0]
        areas = np.hypot(*along)
        normals = np.stack([along[1], -along[0]]) / areas
        means = polygons.face_means(centers, cells)
        outward = np.sum(normals * (centers - means[:, sides[0]]), axis=0)
        normals = normals * np.where(outward < 0, -1.0, 1.0)
        if points is None:
            located = polygons.cell_points(vertex, faces, cells, sides, normals, means)
        else:
            located = np.array(points, dtype=float).reshape(2, cells.shape[1])
        across = polygons.spans(located, centers, sides)
        fields: dict[str, Any] = {
            "names": labels,
            "vertices": vertex,
            "face_vertices": faces,
            "cell_faces": cells,
            "points": located,
            "volumes": polygons.cell_volumes(sides, centers, normals, areas, means),
            "face_cells": sides,
            "face_centers": centers,
            "face_normals": normals,
            "face_areas": areas,
            "spans": across,
            "distances": np.sum(normals * across, axis=0),
            "absorbing": polygons.absorbing_faces(absorbing, labels, centers, sides),
        }
        for name, value in fields.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)

    @classmethod
    def from_fipy(cls, names: Any, mesh: Any, *, points: Any = None, absorbing: Any = None) -> Mesh:
        """Read the geometry of a two-dimensional FiPy mesh, one that FiPy read from Gmsh included.

        Periodic meshes are refused (their cells are not closed): use ``Grid(boundary="periodic")``.
        """
        return cls(
            names,
            np.asarray(mesh.vertexCoords),
            np.ma.filled(mesh.faceVertexIDs, -1),
            np.ma.filled(mesh.cellFaceIDs, -1),
            points=points,
            absorbing=absorbing,
        )

    @classmethod
    def from_triangles(
        cls, names: Any, vertices: ArrayLike, triangles: ArrayLike, *, absorbing: Any = None
    ) -> Mesh:
        """Mesh of triangles, from vertices (v, 2) and their numbers (n, 3), as SciPy gives them."""
        corners = np.asarray(triangles, dtype=np.int64)
        pairs = np.sort(np.concatenate([corners[:, [k, (k + 1) % 3]] for k in range(3)]), axis=1)
        faces, number = np.unique(pairs, axis=0, return_inverse=True)
        cell_faces = number.reshape(3, len(corners))
        return cls(names, np.transpose(vertices), faces.T, cell_faces, absorbing=absorbing)

    @property
    def dimension(self) -> int:
        """Number of variables."""
        return len(self.names)

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(self.volumes.size)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an array with one entry a cell."""
        return (self.size,)

    @property
    def mesh(self) -> tuple[Array, ...]:
        """Coordinates of the cells' points, one array a variable."""
        return tuple(self.points)

    @property
    def centers(self) -> tuple[Array, ...]:
        """The same as `mesh`."""
        return self.mesh

    @cached_property
    def polygons(self) -> list[Array]:
        """Vertices of each cell in order, shape (k, 2), for drawing."""
        loops = []
        for faces in self.cell_faces.T:
            ids = np.unique(self.face_vertices[:, faces[faces >= 0]])
            ends = self.vertices[:, ids]
            turn = np.arctan2(*(ends - ends.mean(axis=1, keepdims=True))[::-1])
            loops.append(ends[:, np.argsort(turn)].T)
        return loops

    def require(self, variables: tuple[sp.Symbol, ...]) -> None:
        """Check that the names are these variables, in this order.

        Raises
        ------
        GridMismatch
        """
        wanted = tuple(v.name for v in variables)
        if self.names != wanted:
            raise GridMismatch(
                f"the mesh's names are {self.names}, the variables {wanted}; "
                "name the coordinates as the variables, in their order"
            )

    def axis(self, name: str) -> Any:
        """A mesh has no axes: marginals have no cells of their own.

        Raises
        ------
        GridMismatch
        """
        raise GridMismatch(
            f"a mesh has no axis {name!s} along which to take a marginal; use a histogram of "
            "mesh.points weighted with the masses"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mesh) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        arrays = (self.vertices, self.face_vertices, self.cell_faces, self.points, self.absorbing)
        return (self.names, *(array.tobytes() for array in arrays))

    def __repr__(self) -> str:
        return f"Mesh({', '.join(self.names)}; {self.size} cells)"
