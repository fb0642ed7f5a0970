"""Central differences at 768 x 768 cells for the curved valley of SGD-like noise.

    python benchmarks/log_density_reference.py

writes `benchmarks/data/curved_valley_128.npz`: the mean of the stationary density over every 6 x 6
cells. Second-order central differences share nothing with the schemes of the package: no
exponential fitting, no logarithms, no positivity (their negative values are below 1e-9 here).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

FILE = Path(__file__).parent / "data" / "curved_valley_128.npz"
BOX = ((-2.2, 2.2), (-2.0, 3.2))
SCALE, FLOOR = 0.02, 0.001
FINE, COARSE = 768, 128


def gradient(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient of ``U = 0.1 (x^2 - 1)^2 + 2 (y - x^2/2)^2``."""
    off = y - x**2 / 2
    return 0.4 * x * (x**2 - 1) - 4 * off * x, 4 * off


def tensor(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``D = 0.02 H^2 + 0.001`` with the Hessian ``H`` of U: its entries xx, xy, yy."""
    xx, xy, yy = 1.2 * x**2 - 0.4 - 4 * (y - x**2 / 2) + 4 * x**2, -4 * x, 4.0 + 0 * x
    return (
        SCALE * (xx**2 + xy**2) + FLOOR,
        SCALE * (xx * xy + xy * yy),
        SCALE * (xy**2 + yy**2) + FLOOR,
    )


def generator(n: int) -> sparse.csc_matrix:
    """``dp/dt = -div(A p - div(D p))`` on n x n cells, central, no flux through the walls."""
    edges = [np.linspace(*limits, n + 1) for limits in BOX]
    h_x, h_y = (e[1] - e[0] for e in edges)
    x, y = np.meshgrid(*((e[1:] + e[:-1]) / 2 for e in edges), indexing="ij")
    u_x, u_y, d_xx, d_xy, d_yy = (
        sparse.diags(np.broadcast_to(values, (n, n)).ravel())
        for values in (*gradient(x, y), *tensor(x, y))
    )
    one = sparse.identity(n)
    step = sparse.diags([-1.0, 1.0], [0, 1], shape=(n - 1, n))
    mean = abs(step) / 2
    slope = sparse.diags([-0.5, 0.5], [-1, 1], shape=(n, n)).tolil()
    slope[0, :2] = slope[-1, -2:] = [-1.0, 1.0]
    flux_x = (
        -sparse.kron(mean, one) @ u_x
        - sparse.kron(step, one) @ d_xx / h_x
        - sparse.kron(mean, slope) @ d_xy / h_y
    )
    flux_y = (
        -sparse.kron(one, mean) @ u_y
        - sparse.kron(one, step) @ d_yy / h_y
        - sparse.kron(slope, mean) @ d_xy / h_x
    )
    return (
        sparse.kron(step.T, one) @ flux_x / h_x + sparse.kron(one, step.T) @ flux_y / h_y
    ).tocsc()


def stationary(matrix: sparse.csc_matrix) -> np.ndarray:
    """Null vector with sum 1: the mass of the middle cell is given, its equation dropped."""
    pinned = matrix.shape[0] // 2 + int(np.sqrt(matrix.shape[0])) // 2
    kept = np.delete(np.arange(matrix.shape[0]), pinned)
    rows = matrix[kept]
    masses = np.ones(matrix.shape[0])
    masses[kept] = splu(rows[:, kept].tocsc()).solve(-rows[:, [pinned]].toarray().ravel())
    return masses / masses.sum()


def main() -> None:
    """Solve on two grids, report their distance, write the means of the finer."""
    share = FINE // COARSE
    means = {}
    for n in (FINE // 2, FINE):
        masses = stationary(generator(n)).reshape(n, n)
        block = n // COARSE
        means[n] = masses.reshape(COARSE, block, COARSE, block).sum(axis=(1, 3))
        print(f"{n} x {n}: negative mass {-np.minimum(masses, 0).sum():.1e}")
    distance = np.abs(means[FINE] - means[FINE // 2]).sum()
    print(f"L1 distance of the two {distance:.1e}: the finer is off by about a third of it")
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, masses=means[FINE], box=np.array(BOX), cells_averaged=share)


if __name__ == "__main__":
    main()
