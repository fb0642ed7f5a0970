"""Tensors and vectors with lengths measured in cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid

__all__ = ["index_lengths", "tensor_in_cells", "vector_in_cells"]

Array = NDArray[np.float64]


def index_lengths(grid: Grid) -> list[Array]:
    """What one index step measures along each axis at the centres; broadcast to the grid."""
    steps = [axis.spacing * axis.stretch for axis in grid.axes]
    return list(np.meshgrid(*steps, indexing="ij", sparse=True))


def tensor_in_cells(tensor: Array, grid: Grid) -> Array:
    """``D_ab / (h_a h_b)``, from shape (d, d, ...) to (n, d, d).

    Examples
    --------
    >>> import numpy as np
    >>> tensor_in_cells(np.eye(1)[..., np.newaxis], Grid(x=(0, 1, 2)))
    array([[[4.]],
           [[4.]]])
    """
    size = grid.dimension
    lengths = index_lengths(grid)
    result = np.empty((*grid.shape, size, size))
    for a in range(size):
        for b in range(a + 1):
            np.divide(tensor[a, b], lengths[a] * lengths[b], out=result[..., a, b])
            result[..., b, a] = result[..., a, b]
    return result.reshape(grid.size, size, size)


def vector_in_cells(vector: Array, grid: Grid) -> Array:
    """``F_a / h_a``, from shape (d, ...) to (n, d)."""
    lengths = index_lengths(grid)
    result = np.empty((*grid.shape, grid.dimension))
    for a in range(grid.dimension):
        np.divide(vector[a], lengths[a], out=result[..., a])
    return result.reshape(grid.size, grid.dimension)
