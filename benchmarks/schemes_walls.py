"""Reflecting walls: slowest rate of flat diffusion in a box, three treatments of the edges there.

    python -m benchmarks.schemes_walls

Relative errors against a spectral solution, 16 to 128 cells an axis: offsets that leave the grid
left out; the inner edge doubled instead; tapered as in `fokkerplanck.discretize.tapers`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh

import fokkerplanck as fpk
from fokkerplanck.discretize import edges
from fokkerplanck.discretize.selling import decompose
from tests.discretize.schemes.galerkin import relaxation_rates

Array = NDArray[np.float64]
CELLS = (16, 32, 64, 128)
LENGTH = 2.0


def rotated(anisotropy: float, degrees: float) -> Array:
    turn = np.deg2rad(degrees)
    frame = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return frame @ np.diag([1.0, 1.0 / anisotropy]) @ frame.T


def left_out(table: Array) -> Array:
    return np.ones_like(table)


def doubled(table: Array) -> Array:
    """Half of each weight for the missing side: 3/2 where an edge starts within its own span."""
    result = np.ones_like(table)
    rows, spans = np.indices(table.shape[2:])
    result[:, :, (rows < spans) & (rows < table.shape[2] - 1)] = 1.5
    return result


def slowest(tensor: Array, cells: int, change) -> float:
    grid = fpk.Grid(x=(0, LENGTH, cells), y=(0, LENGTH, cells))
    scaled = tensor[np.newaxis] * (cells / LENGTH) ** 2
    offsets, weights, _ = decompose(scaled, 16)
    given = edges.wall_tapers
    edges.wall_tapers = lambda *arguments: change(given(*arguments))
    try:
        diagonal = np.ascontiguousarray(np.einsum("nii->ni", scaled))
        matrix, _ = edges.edge_matrix(grid, offsets, weights, diagonal, level=np.zeros(grid.size))
    finally:
        edges.wall_tapers = given
    symmetric = ((matrix + matrix.T) / 2).tocsc()
    found = eigsh(symmetric, k=2, sigma=1e-3, return_eigenvectors=False)
    return float(np.max(-found))


def main() -> None:
    limits = ((0.0, LENGTH), (0.0, LENGTH))
    print(f"{'anisotropy, degrees':22}{'left out':42}{'doubled':42}tapered")
    for anisotropy, degrees in ((3, 20), (10, 10), (10, 30), (10, 45), (100, 30)):
        tensor = rotated(anisotropy, degrees)

        def constant(a: Array, b: Array, tensor: Array = tensor) -> Array:
            return np.broadcast_to(tensor[:, :, np.newaxis, np.newaxis], (2, 2, *a.shape))

        exact = relaxation_rates(constant, lambda a, b: (0 * a, 0 * b), limits, degree=28, count=2)[
            1
        ]
        columns = []
        for change in (left_out, doubled, lambda table: table):
            errors = [slowest(tensor, cells, change) / exact - 1 for cells in CELLS]
            columns.append(" ".join(f"{e:+.2e}" for e in errors))
        label = f"{anisotropy}, {degrees}"
        print(f"{label:22}{columns[0]:42}{columns[1]:42}{columns[2]}", flush=True)


if __name__ == "__main__":
    main()
