"""Geometry of polygonal cells given by vertices, faces and cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.level import level_function
from fokkerplanck.errors import InvalidGrid

__all__ = [
    "absorbing_faces",
    "cell_points",
    "cell_volumes",
    "cells_of_faces",
    "face_means",
    "require_closed",
    "spans",
]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# Neighbours that lie across their faces to this angle keep the means of their face centres:
# rounding in the vertices of an exactly orthogonal mesh leaves less.
ORTHOGONAL = 1e-7


def require_closed(faces: Integers, cells: Integers) -> None:
    """Check that every vertex of a cell belongs to two of its faces.

    Raises
    ------
    InvalidGrid
    """
    ends = np.where(cells >= 0, faces[:, cells], -1).reshape(-1, cells.shape[1])
    ordered = np.sort(ends, axis=0)
    if np.any(ordered[::2] != ordered[1::2]):
        bad = int(np.argmax(np.any(ordered[::2] != ordered[1::2], axis=0)))
        raise InvalidGrid(
            f"the faces of cell {bad} form no closed polygon; for periodic domains use "
            'Grid(..., boundary="periodic")'
        )


def cells_of_faces(cells: Integers, count: int) -> Integers:
    """Cells on the two sides of each face, shape (2, f); the second is -1 on the outside.

    Raises
    ------
    InvalidGrid
        When a face has no cell, or more than two.
    """
    cell = np.broadcast_to(np.arange(cells.shape[1]), cells.shape)[cells >= 0]
    face = cells[cells >= 0]
    uses = np.bincount(face, minlength=count)
    if uses.size > count or uses.min() < 1 or uses.max() > 2:
        raise InvalidGrid("every face of a mesh has one or two cells")
    order = np.lexsort((cell, face))
    starts = np.concatenate([[0], np.cumsum(uses)[:-1]])
    first = cell[order][starts]
    second = np.where(uses == 2, cell[order][np.minimum(starts + 1, face.size - 1)], -1)
    return np.stack([first, second])


def face_means(centers: Array, cells: Integers) -> Array:
    """Mean of the face centres of each cell, shape (2, n)."""
    inside = cells >= 0
    total: Array = np.where(inside, centers[:, cells], 0.0).sum(axis=1)
    means: Array = total / inside.sum(axis=0)
    return means


def cell_volumes(sides: Integers, centers: Array, normals: Array, areas: Array, at: Array) -> Array:
    """Areas of the cells, ``sum_f |f| n . (x_f - x) / 2``."""
    size = at.shape[1]
    volumes = np.zeros(size)
    for side, sign in ((sides[0], 1.0), (sides[1], -1.0)):
        there = side >= 0
        height = np.sum((normals * (centers - at[:, side]))[:, there], axis=0)
        volumes += np.bincount(side[there], sign * areas[there] * height / 2, size)
    return volumes


def spans(points: Array, centers: Array, sides: Integers) -> Array:
    """From the first cell's point to the second's, or to the middle of an outer face; (2, f)."""
    stop = np.where(sides[1] >= 0, points[:, sides[1]], centers)
    result: Array = stop - points[:, sides[0]]
    return result


def cell_points(
    vertices: Array, faces: Integers, cells: Integers, sides: Integers, normals: Array, at: Array
) -> Array:
    """The means `at` where they make the mesh orthogonal, else circumcentres of triangles.

    Raises
    ------
    InvalidGrid
        When circumcentres are in the wrong order across a face: the mesh is no Delaunay mesh.
    """
    inner = sides[1] >= 0
    across = (at[:, sides[1]] - at[:, sides[0]])[:, inner]
    tangential = across[0] * normals[1, inner] - across[1] * normals[0, inner]
    if np.all(np.abs(tangential) <= ORTHOGONAL * np.hypot(*across)):
        return at
    if cells.shape[0] != 3 or np.any(cells < 0):
        return at
    points = _circumcentres(vertices, faces, cells)
    ahead = np.sum((points[:, sides[1]] - points[:, sides[0]])[:, inner] * normals[:, inner], 0)
    if np.any(ahead <= 0.0):
        raise InvalidGrid(
            f"{int((ahead <= 0).sum())} of {int(inner.sum())} faces have the circumcentres of "
            "their triangles at the same point or in the wrong order, so that no two-point flux "
            "is consistent: make the mesh a Delaunay mesh without right angles opposite each "
            "other (or join such triangles into rectangles)"
        )
    return points


def _circumcentres(vertices: Array, faces: Integers, cells: Integers) -> Array:
    first, second = vertices[:, faces[0, cells[0]]], vertices[:, faces[1, cells[0]]]
    others = np.sort(faces[:, cells].reshape(-1, cells.shape[1]), axis=0)[::2]
    known = np.sort(faces[:, cells[0]], axis=0)
    apex = vertices[:, others.sum(axis=0) - known.sum(axis=0)]
    b, c = second - first, apex - first
    twice = 2.0 * (b[0] * c[1] - b[1] * c[0])
    b2, c2 = np.sum(b * b, axis=0), np.sum(c * c, axis=0)
    offset = np.stack([c[1] * b2 - b[1] * c2, b[0] * c2 - c[0] * b2]) / twice
    result: Array = first + offset
    return result


def absorbing_faces(
    region: Any, names: tuple[str, ...], centers: Array, sides: Integers
) -> NDArray[np.bool_]:
    """Outer faces whose midpoint lies in a region."""
    outer = sides[1] < 0
    if region is None:
        return np.zeros(outer.size, dtype=bool)
    level = level_function(region, names)(tuple(centers))
    return np.asarray(outer & (np.broadcast_to(level, outer.shape) > 0))
