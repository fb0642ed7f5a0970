"""Factors and clips of many small covariances, lane by lane against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fokkerplanck.discretize.kernels import LANES
from fokkerplanck.sample.amplitude import clip_negative, factor

Array = NDArray[np.float64]
COUNT = 37


def pack(matrices: Array) -> Array:
    """Rows of lower triangles, one lane a matrix; NaN in lanes that must not be read."""
    rows, columns = np.tril_indices(matrices.shape[1])
    packed = np.full((rows.size, LANES), np.nan)
    packed[:, : matrices.shape[0]] = matrices[:, rows, columns].T
    return packed.reshape(-1)


def unpack(packed: Array, size: int, count: int) -> Array:
    lower = np.zeros((count, size, size))
    rows, columns = np.tril_indices(size)
    lower[:, rows, columns] = packed.reshape(-1, LANES)[: rows.size, :count].T
    return lower


def factored(matrices: Array, *, scale: float = 0.0, state: float = 0.0) -> tuple[Array, Array]:
    """Products ``B B^T`` and the marks."""
    count, size = matrices.shape[:2]
    result = np.empty((size * (size + 1) // 2 + 1) * LANES)
    marks = np.full(LANES, -1)
    failed = factor(pack(matrices), size, count, np.full(size * LANES, state), scale, result, marks)
    assert failed == marks[:count].sum()
    lower = unpack(result, size, count)
    return lower @ lower.swapaxes(1, 2), marks[:count]


def clipped(matrices: Array, floor: float) -> Array:
    count, size = matrices.shape[:2]
    covariance, work = pack(matrices), np.empty((size * (size + 1) // 2 + 1) * LANES)
    clip_negative(covariance, size, count, np.full(LANES, floor), work, np.zeros(LANES, np.int64))
    lower = unpack(covariance, size, count)
    return lower + np.tril(lower, -1).swapaxes(1, 2)


def random_symmetric(size: int, rank: int, *, signs: bool = False) -> Array:
    rng = np.random.default_rng(10 * size + rank)
    factors = rng.normal(size=(COUNT, size, rank))
    weights = rng.choice([-1.0, 1.0], size=(COUNT, 1, rank)) if signs else 1.0
    return (factors * weights) @ factors.swapaxes(1, 2)


@pytest.mark.parametrize(("size", "rank"), [(1, 1), (2, 2), (2, 1), (3, 3), (3, 1), (5, 2), (6, 6)])
def test_factor_of_semidefinite(size: int, rank: int) -> None:
    matrices = random_symmetric(size, rank)
    products, marks = factored(matrices)
    assert not marks.any()
    # Pivots that are rounding are set to zero: sqrt(rounding) of the entries below may go.
    np.testing.assert_allclose(products, matrices, atol=3e-7 if rank < size else 1e-12)


def test_factor_of_zero_blocks() -> None:
    matrices = np.zeros((2, 4, 4))
    matrices[0, 2:, 2:] = [[2.0, 1.0], [1.0, 0.5]]
    products, marks = factored(matrices)
    assert not marks.any()
    np.testing.assert_allclose(products, matrices, atol=1e-15)


def test_small_variances_survive_beside_large_ones() -> None:
    matrices = np.array([np.diag([1.0, 1e-30, 1e-200])])
    products, _ = factored(matrices, scale=1.0, state=1.0)
    np.testing.assert_allclose(products, matrices, rtol=1e-14)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_negative_eigenvalues_are_marked(size: int) -> None:
    matrices = random_symmetric(size, size) + 0.1 * np.eye(size)
    vector = np.ones(size) / np.sqrt(size)
    for lane in (0, 5, COUNT - 1):
        low = vector @ matrices[lane] @ vector
        matrices[lane] -= (low + 1e-3) * np.outer(vector, vector)
    _, marks = factored(matrices)
    assert np.flatnonzero(marks).tolist() == [0, 5, COUNT - 1]


def test_hidden_negative_eigenvalue_behind_a_zero_pivot() -> None:
    _, marks = factored(np.array([[[0.0, 1.0], [1.0, 0.0]], [[0.0, 1e-3], [1e-3, 5.0]]]))
    assert marks.tolist() == [1, 1]


@pytest.mark.parametrize(("scale", "state"), [(1.0, 0.0), (0.0, 1.0)])
def test_rounding_below_zero_counts_as_zero(scale: float, state: float) -> None:
    matrices = np.array([[[-1e-17]], [[-1e-13]], [[0.25]]])
    products, marks = factored(matrices, scale=scale, state=state)
    assert marks.tolist() == [0, 1, 0]
    assert products[0, 0, 0] == 0.0
    assert products[2, 0, 0] == 0.25


def test_entries_that_are_not_finite_are_left_to_the_step() -> None:
    products, marks = factored(np.array([np.full((2, 2), np.nan), np.eye(2)]))
    assert not marks.any()
    assert np.isnan(products[0]).any()
    np.testing.assert_array_equal(products[1], np.eye(2))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_clip(size: int, floor: float) -> None:
    matrices = random_symmetric(size, size, signs=True)
    values, vectors = np.linalg.eigh(matrices - floor * np.eye(size))
    assert (values.max(axis=1) < 0).any() or size > 2
    expected = (vectors * np.maximum(values, 0.0)[:, np.newaxis]) @ vectors.swapaxes(1, 2)
    result = clipped(matrices, floor)
    np.testing.assert_allclose(result, expected + floor * np.eye(size), atol=1e-12)
    _, marks = factored(result)
    assert not marks.any()


@pytest.mark.parametrize("size", [2, 3, 4])
def test_clipped_matrices_of_rank_one_have_factors(size: int) -> None:
    """Eliminating a small pivot first takes its rounding for a negative eigenvalue."""
    rng = np.random.default_rng(size)
    vectors = rng.normal(size=(COUNT, size))
    vectors[:, 0] *= 10.0 ** -rng.uniform(2, 9, COUNT)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    projector = vectors[:, :, np.newaxis] * vectors[:, np.newaxis, :]
    result = clipped(3.0 * projector - (np.eye(size) - projector), 0.0)
    products, marks = factored(result)
    assert not marks.any()
    np.testing.assert_allclose(products, 3.0 * projector, atol=1e-7)


def test_clip_leaves_semidefinite_matrices_alone() -> None:
    matrices = random_symmetric(2, 2) + 0.5 * np.eye(2)
    np.testing.assert_allclose(clipped(matrices, 0.25), matrices, rtol=1e-15)
