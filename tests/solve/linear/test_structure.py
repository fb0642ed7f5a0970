"""Orderings: every grid, stencil and graph gives the same answer, with little fill."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial import Delaunay

from fokkerplanck.solve.linear import Analysis, analyze, factorize

CROSS = {d: [tuple(int(i == k) for i in range(d)) for k in range(d)] for d in (1, 2, 3, 4)}


def dense_weights(chain: sparse.csc_array) -> np.ndarray:
    """Stationary distribution by plain dense elimination without subtractions."""
    rates = chain.toarray().T.copy()
    np.fill_diagonal(rates, 0.0)
    n = len(rates)
    out = np.zeros(n)
    for i in range(n - 1):
        out[i] = rates[i, i + 1 :].sum()
        rates[i + 1 :, i + 1 :] += np.outer(rates[i + 1 :, i] / out[i], rates[i, i + 1 :])
    weights = np.ones(n)
    for i in range(n - 2, -1, -1):
        weights[i] = weights[i + 1 :] @ rates[i + 1 :, i] / out[i]
    return weights / weights.sum()


@pytest.mark.parametrize(
    ("shape", "offsets", "periodic"),
    [
        ((300,), [(1,)], False),
        ((300,), [(1,), (7,)], True),
        ((26, 23), [(1, 0), (0, 1)], False),
        ((26, 23), [(1, 0), (0, 1), (1, -1)], True),
        ((26, 23), [(1, 0), (3, -2), (5, 1)], False),
        ((26, 23), [(1, 0), (3, -2), (5, 1)], True),
        ((9, 8, 7), [*CROSS[3], (1, 1, 0), (0, 1, -1)], False),
        ((9, 8, 7), [*CROSS[3], (2, 1, 0)], True),
        ((5, 4, 5, 6), [*CROSS[4], (1, 0, -1, 0)], False),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_grids_and_stencils(random_chain, shape, offsets, periodic: bool, known: bool) -> None:
    chain = random_chain(shape, offsets, 1.5, seed=6, periodic=periodic)
    factor = factorize(chain, shape=shape if known else None)
    np.testing.assert_allclose(factor.stationary(), dense_weights(chain), rtol=3e-14)


def test_part_of_a_grid(random_chain) -> None:
    full = random_chain((24, 24), CROSS[2], 1.0, seed=2)
    x, y = np.indices((24, 24)) - 12
    kept = np.flatnonzero((x**2 + y**2 > 9).ravel())
    part = full[kept][:, kept]
    analysis = analyze(part, shape=(24, 24), cells=kept)
    np.testing.assert_allclose(
        factorize(part, analysis=analysis).stationary(), dense_weights(part), rtol=3e-14
    )


def triangulation(points: int) -> sparse.csc_array:
    generator = np.random.default_rng(3)
    mesh = Delaunay(generator.random((points, 2)))
    start, neighbours = mesh.vertex_neighbor_vertices
    rows = np.repeat(np.arange(points), np.diff(start))
    rates = generator.exponential(size=len(rows))
    return sparse.csc_array((rates, (neighbours, rows)), shape=(points, points))


def test_unstructured_mesh() -> None:
    chain = triangulation(700)
    np.testing.assert_allclose(factorize(chain).stationary(), dense_weights(chain), rtol=3e-14)


def test_fill_of_an_unstructured_mesh_is_that_of_a_plane_graph() -> None:
    """Nested dissection of planar graphs: n log n entries, n^1.5 operations."""
    small, large = analyze(triangulation(4000)), analyze(triangulation(16000))
    # Four times the points: 4 log(16000) / log(4000) = 4.7 and 8, which rounding of the smallest
    # sets disturbs by a few per cent.
    assert large.nnz < 4.9 * small.nnz
    assert large.flops < 8.0 * small.flops
    # George (1973): at most 31 / 4 n log2 n for each of two factors, on a nine-point grid.
    assert large.nnz < 2 * 31 / 4 * 16000 * np.log2(16000)


def test_fill_grows_as_theory_says(random_chain) -> None:
    sizes = (64, 128, 256)
    found = [analyze(random_chain((n, n), CROSS[2], 0.0, 0), shape=(n, n)) for n in sizes]
    for small, large in pairwise(found):
        assert large.flops / small.flops < 8.0
        assert large.nnz / small.nnz < 4.6
    # The last separator is one line of the grid, its front nothing else.
    assert np.diff(found[-1].fronts.pivot)[-1] == 256
    assert np.diff(found[-1].fronts.update_start)[-1] == 0


def check_elimination_tree(analysis: Analysis) -> None:
    """Each cell is eliminated once, and updates reach ancestors only."""
    fronts = analysis.fronts
    assert np.array_equal(np.sort(analysis.order), np.arange(analysis.size))
    for f in range(len(fronts.pivot) - 1):
        rows = fronts.update[fronts.update_start[f] : fronts.update_start[f + 1]]
        assert (np.diff(rows) > 0).all()
        assert (rows >= fronts.pivot[f + 1]).all()


@pytest.mark.parametrize("shape", [(40, 3), (1, 50), (33, 31), (7, 7, 7)])
def test_elimination_tree(random_chain, shape: tuple[int, ...]) -> None:
    chain = random_chain(shape, CROSS[len(shape)], 1.0, seed=0)
    check_elimination_tree(analyze(chain, shape=shape))
    check_elimination_tree(analyze(chain))


def test_pieces_without_connection_are_each_solved() -> None:
    path = sparse.diags_array([np.ones(99), np.ones(99)], offsets=[-1, 1])
    pieces = sparse.csc_array(sparse.block_diag([path, path]))
    for shape in (None, (200,), (2, 100)):
        times = factorize(pieces, killing=0.5, shape=shape).solve_transpose(np.ones(200))
        np.testing.assert_allclose(times, 2.0, rtol=1e-13)


def test_many_cells_without_rates() -> None:
    """Cells that nothing touches are no reason for a dense front."""
    path = sparse.diags_array([np.ones(99), np.ones(99)], offsets=[-1, 1])
    alone = sparse.csc_array(sparse.block_diag([path, sparse.csc_array((5000, 5000))]))
    analysis = analyze(alone)
    assert analysis.largest_front <= 64
    times = factorize(alone, killing=0.5, analysis=analysis).solve_transpose(np.ones(5100))
    np.testing.assert_allclose(times, 2.0, rtol=1e-13)


@pytest.mark.slow
def test_speed(random_chain) -> None:
    """256 x 256 in a second, 512 x 512 in four, 1024 x 1024 in twenty, with the analysis."""
    taken = []
    factorize(random_chain((70, 70), [*CROSS[2], (1, 1)], 1.0, 0), shape=(70, 70)).stationary()
    for n, limit in ((256, 1.0), (512, 4.0), (1024, 20.0)):
        chain = random_chain((n, n), [*CROSS[2], (1, 1)], 1.0, 0)
        begin = time.perf_counter()
        factorize(chain, shape=(n, n)).stationary()
        taken.append(time.perf_counter() - begin)
        assert taken[-1] < limit
    assert np.log(taken[2] / taken[0]) / np.log(16) < 1.55
