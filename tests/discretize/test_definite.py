"""Semidefinite tensor fields: eigenvalues to the last digits, and what rounding may do."""

from __future__ import annotations

import numpy as np
import pytest

from fokkerplanck.discretize.definite import (
    clip_negative,
    extreme_eigenvalues,
    require_semidefinite,
)
from fokkerplanck.errors import NotPositiveSemidefinite


def random_tensors(size: int, count: int, seed: int) -> np.ndarray:
    factors = np.random.default_rng(seed).normal(size=(size, size, count))
    return np.asarray(factors + np.swapaxes(factors, 0, 1))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_extremes(size: int) -> None:
    tensors = random_tensors(size, 200, size)
    low, high = extreme_eigenvalues(tensors)
    exact = np.linalg.eigvalsh(np.moveaxis(tensors, -1, 0))
    np.testing.assert_allclose(low, exact[:, 0], atol=1e-13)
    np.testing.assert_allclose(high, exact[:, -1], atol=1e-13)


def test_small_eigenvalue_of_a_nearly_singular_tensor() -> None:
    # diag(1, 1e-14) plus an off-diagonal of 1e-8: determinant 1e-14 - 1e-16.
    tensor = np.array([[1.0, 1e-8], [1e-8, 1e-14]])
    low, _ = extreme_eigenvalues(tensor)
    assert float(low) == pytest.approx(1e-14 - 1e-16, rel=1e-12, abs=0)


def test_zero_and_negative_tensors() -> None:
    low, high = extreme_eigenvalues(np.zeros((2, 2, 3)))
    assert np.all(low == 0)
    assert np.all(high == 0)
    low, high = extreme_eigenvalues(-np.diag([1.0, 2.0]))
    assert (float(low), float(high)) == (-2.0, -1.0)


def test_rounding_passes_and_more_does_not() -> None:
    direction = np.array([0.6, 0.8]) * 1e-150
    rank_one = np.outer(direction, direction)
    points = [np.array(0.0), np.array(0.0)]
    require_semidefinite(rank_one, points, ["x", "y"])
    require_semidefinite(np.diag([1.0, -1e-14]), points, ["x", "y"])
    with pytest.raises(NotPositiveSemidefinite, match="-1e-10"):
        require_semidefinite(np.diag([1.0, -1e-10]), points, ["x", "y"])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_clip_keeps_vectors_and_the_floor(size: int) -> None:
    tensors = random_tensors(size, 50, 10 + size)
    floor = np.linspace(0.0, 0.5, 50)
    clipped = np.moveaxis(clip_negative(tensors, floor=floor), -1, 0)
    for k, tensor in enumerate(np.moveaxis(tensors, -1, 0)):
        values, vectors = np.linalg.eigh(tensor)
        wanted = (vectors * np.maximum(values, floor[k])) @ vectors.T
        np.testing.assert_allclose(clipped[k], wanted, atol=1e-13)
